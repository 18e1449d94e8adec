"""The pages for people: a form with a field for each column of the model, and answers to decide on."""

import base64
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from runtree.contract.output import escape_controls
from runtree.serving.row_schema import EXAMPLE_DATE, RowField, example_value, write_date
from runtree.serving.served_model import ServedModel

TEMPLATES = Path(__file__).parent / "templates"
MAX_LISTED = 30  # categories of a list to choose from; more are suggested while one types


def form_page(model: ServedModel) -> tuple[str, str]:
    """Return the page, which loads nothing from elsewhere, and its content security policy."""
    fields = [_describe(one) for one in model.schema.fields if one.type != "any"]
    return _render(model, "form", {"classes": model.class_names, "target": model.target}, fields=fields)


def review_page(model: ServedModel, sample: dict[str, Any]) -> tuple[str, str]:
    """Return the page on which people decide on answers, and its content security policy."""
    return _render(model, "review", {**sample, "target": model.target})


def _render(model: ServedModel, name: str, facts: dict[str, Any], **more: Any) -> tuple[str, str]:
    """Return a page made of NAME.html and NAME.js, which loads nothing from elsewhere, and its policy."""
    style, script = _read("form.css"), _read(f"{name}.js")
    # in a script element the text is not escaped, and must not end it
    data = json.dumps(facts).replace("<", "\\u003c")
    more |= {"is_served_version": model.version != "run", "data": data}
    page = _environment().get_template(f"{name}.html").render(model=model, style=style, script=script, **more)
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return escape_controls(page), policy


def _describe(one: RowField) -> dict[str, Any]:
    """Return what the template needs of a field."""
    choices = [] if one.protects else sorted(one.levels)  # nobody types a hash
    if one.type == "boolean":
        kind, choices = "choice", ["true", "false"]
    elif choices and len(choices) <= MAX_LISTED:
        kind = "choice"
    else:
        kind = {"number": "number", "date": "date"}.get(one.type, "text")
    value, hint = example_value(one), ""
    if one.type == "number" and one.low is not None:
        hint = f"{one.low:g} to {one.high:g}"
    if one.type == "date":
        ends = (
            [write_date(end, one) for end in (one.low, one.high)]
            if one.low
            else [f"as {write_date(EXAMPLE_DATE, one)}"]
        )
        hint = " to ".join(ends)
    text = str(value).lower() if one.type == "boolean" else f"{value:g}" if one.type == "number" else str(value)
    # the typical value has too many digits for :g to be exact
    text = repr(value).removesuffix(".0") if one.type == "number" else text
    return {
        "name": one.name,
        "type": one.type,
        "kind": kind,
        "value": text,
        "choices": choices,
        "hint": hint,
        "is_optional": one.is_optional,
    }


@cache
def _read(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("runtree.serving", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
