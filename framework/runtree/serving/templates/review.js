"use strict";
const facts = JSON.parse(document.getElementById("data").textContent);
const MANY = 6; // classes, above which one is chosen from a list
let done = 0;

function make(tag, content, more) {
  const made = Object.assign(document.createElement(tag), more || {});
  made.append(...[].concat(content === undefined ? [] : content));
  return made;
}

const shown = (value) => value === null || value === undefined ? "(missing)" : typeof value === "number" ? String(Number(value.toPrecision(6))) : String(value);

function count() {
  const left = facts.rows.length - done, rest = facts.answers - done;
  document.getElementById("progress").textContent = !facts.rows.length
    ? "There is nothing to look at: no answer is without a label."
    : left ? done + " of " + facts.rows.length + " decided; without a label: " + rest
      : "All " + done + " are decided. " + (rest ? "Load the page again for more." : "No answer is left.");
}

async function send(row, value, reason) {
  try {
    // the browser adds the key that it was asked for
    const response = await fetch("review", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ request: row.request, value, reason }) });
    return await response.json();
  } catch (error) { return { error: "the service cannot be reached" }; }
}

function card(row) {
  const probable = row.probabilities[row.prediction];
  const title = make("h2", shown(row.prediction) + (probable === undefined ? "" : " (" + (100 * probable).toFixed(1) + " %)"));
  const why = row.chosen === "uncertain" ? "an uncertain one" : "chosen at random, stands for " + shown(row.weight) + " answers";
  const about = make("p", row.request + ", " + row.time.slice(0, 19).replace("T", " ") + " UTC; " + why, { className: "hint" });
  const names = Object.keys(row.inputs);
  const inputs = names.length
    ? make("dl", names.map((name) => make("div", [make("dt", name), make("dd", shown(row.inputs[name]))])))
    : make("p", "The log keeps no inputs.", { className: "hint" });
  const reason = make("input", undefined, { type: "text", maxLength: 1000, id: "r" + row.request });
  const why_label = make("label", "Reason", { htmlFor: reason.id });
  const buttons = make("p", undefined, { className: "buttons" }), said = make("p", undefined, { className: "hint" });
  said.setAttribute("role", "status");
  const box = make("section", [title, about, inputs, why_label, reason, buttons, said], { className: "card" });

  async function decide(value) {
    const all = [...buttons.children];
    all.forEach((one) => { one.disabled = true; });
    const answer = await send(row, value, reason.value);
    if (answer.error) {
      said.textContent = [answer.error, ...(answer.hints || [])].join("; ");
      box.classList.add("failed");
      all.forEach((one) => { one.disabled = false; });
      return;
    }
    if (!box.classList.contains("decided")) done += 1;
    box.classList.remove("failed");
    box.classList.add("decided");
    const same = String(answer.value) === String(row.prediction);
    said.textContent = same ? "Confirmed: " + shown(answer.value) + "." : "Decided: " + shown(answer.value) + " instead of " + shown(row.prediction) + ".";
    all.forEach((one) => { one.disabled = false; }); // the last decision counts
    count();
    const next = document.querySelector(".card:not(.decided) button");
    if (next) next.focus();
  }

  const button = (text, value, second) => make("button", text, { type: "button", className: second ? "second" : "", onclick: () => decide(value()) });
  const own = String(row.prediction);
  buttons.append(button(shown(row.prediction) + " is right", () => row.prediction));
  const others = facts.classes.filter((name) => name !== own);
  if (others.length && others.length <= MANY) {
    buttons.append(...others.map((name) => button(name, () => name, true)));
  } else {
    const field = others.length ? make("select", others.map((name) => make("option", name))) : make("input", undefined, { type: "text", inputMode: "decimal" });
    field.setAttribute("aria-label", "the right value");
    buttons.append(field, button("This instead", () => field.value.trim(), true));
  }
  return box;
}

document.getElementById("rows").append(...facts.rows.map(card));
count();
