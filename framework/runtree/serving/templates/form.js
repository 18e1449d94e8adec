"use strict";
const facts = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const inputs = [...document.querySelectorAll("[data-name]")];
const SHOWN = 12;
const SVG = "http://www.w3.org/2000/svg";

function record() {
  const row = Object.create(null);
  for (const input of inputs) {
    const text = input.value.trim(), kind = input.dataset.type;
    if (text === "") { row[input.dataset.name] = null; continue; }
    // what is no number is sent as it is, so that the service says what is wrong with it; so is 20,000: is it 20 or 20000?
    const number = /^[+-]?\d{1,3}(,\d{3})+$/.test(text) ? NaN : Number(text.replace(",", "."));
    row[input.dataset.name] = kind === "number" && Number.isFinite(number) ? number : kind === "boolean" ? text === "true" : text;
  }
  return row;
}

async function ask(path, body, id) {
  // the browser adds the key that it was asked for, if the service has any
  const response = await fetch(path, { method: "POST", headers: { "content-type": "application/json", "x-request-id": id }, body: JSON.stringify(body) });
  try { return await response.json(); } catch (error) { return { error: "the service answered with status " + response.status }; }
}

const shown = (value) => typeof value !== "number" ? String(value) : Math.abs(value) >= 1e6 || (value && Math.abs(value) < 1e-4) ? value.toExponential(3) : String(Number(value.toPrecision(6)));

function bar(name, from, to, text, kind) {
  const row = document.createElement("div"), label = document.createElement("span"), number = document.createElement("span");
  row.className = "row " + kind;
  label.textContent = name;
  number.textContent = text;
  number.className = "number";
  const picture = document.createElementNS(SVG, "svg"), rect = document.createElementNS(SVG, "rect");
  picture.setAttribute("viewBox", "0 0 100 10");
  picture.setAttribute("preserveAspectRatio", "none");
  picture.setAttribute("aria-hidden", "true");
  for (const [key, value] of Object.entries({ x: Math.min(from, to), y: 1, width: Math.max(Math.abs(to - from), 0.4), height: 8 })) rect.setAttribute(key, value);
  picture.append(rect);
  row.append(label, picture, number);
  return row;
}

function note(texts) {
  at("notes").replaceChildren(...texts.filter(Boolean).map((text) => Object.assign(document.createElement("li"), { textContent: text })));
}

function fail(said) {
  at("result").className = "failed";
  at("headline").textContent = "No prediction";
  at("bars").replaceChildren();
  const texts = [said.error || said.detail || "the service cannot be reached", ...(said.more || []), ...(said.hints || [])].map(String);
  note(texts);
  const wrong = inputs.filter((input) => texts.some((text) => text.startsWith("field '" + input.dataset.name + "'")));
  wrong.forEach((input) => input.setAttribute("aria-invalid", "true"));
}

function show(found) {
  at("result").className = "";
  at("headline").textContent = facts.target + ": " + shown(found.prediction);
  note(found.warnings || []);
  const ranked = Object.entries(found.probabilities || {}).sort((one, other) => other[1] - one[1]).slice(0, 12);
  at("bars").replaceChildren(...ranked.map(([name, p]) => bar(name, 0, 100 * p, (100 * p).toFixed(1) + " %", "")));
}

function tell(found) {
  if (found.error) { note([found.error]); return; }
  const largest = Math.max(...found.contributions.map((one) => Math.abs(one.amount)), 1e-12);
  at("output").textContent = "What the " + found.output + " is made of";
  at("base").textContent = "A typical row: " + shown(found.base) + ". With these values: " + shown(found.prediction) + ".";
  const rest = found.contributions.slice(SHOWN);
  if (rest.length) found.contributions[SHOWN] = { field: rest.length + " more", amount: rest.reduce((sum, one) => sum + one.amount, 0) };
  at("amounts").replaceChildren(...found.contributions.slice(0, SHOWN + 1).map((one) =>
    bar(one.field + ("value" in one ? " = " + shown(one.value) : ""), 50, 50 + (50 * one.amount) / largest, (one.amount > 0 ? "+" : "") + shown(Number(one.amount.toPrecision(3))), one.amount < 0 ? "less" : "more")));
  at("explanation").hidden = false;
}

async function send(withReasons) {
  const buttons = [...document.querySelectorAll("button")];
  buttons.forEach((button) => { button.disabled = true; });
  at("explanation").hidden = true;
  inputs.forEach((input) => input.removeAttribute("aria-invalid"));
  try {
    // the same id: a canary that predicts explains, too
    const id = "form-" + Date.now().toString(36) + Math.random().toString(36).slice(2);
    const row = record(), said = await ask("predict", { rows: [row] }, id), found = (said.predictions || [said])[0];
    at("result").hidden = false;
    if (found.error || !("prediction" in found)) fail(found); else {
      show(found);
      if (withReasons) tell(await ask("explain", { row }, id));
    }
  } catch (error) {
    at("result").hidden = false;
    fail({});
  }
  buttons.forEach((button) => { button.disabled = false; });
  at("result").scrollIntoView({ block: "nearest" });
}

at("form").addEventListener("submit", (event) => { event.preventDefault(); send(false); });
at("explain").addEventListener("click", () => send(true));

// a link may fill the form and send it: /?age=41&city=Ulm#explain
const given = new URLSearchParams(location.search);
for (const input of inputs) {
  const before = input.value;
  if (given.has(input.dataset.name)) input.value = given.get(input.dataset.name);
  if (input.tagName === "SELECT" && input.selectedIndex < 0) input.value = before;
}
if (location.hash === "#predict" || location.hash === "#explain") send(location.hash === "#explain");
