"""Writes docs/api.md, the reference of the functions for Python, from their docstrings: `python docs/reference.py`."""

import inspect
import re
from pathlib import Path

import runtree as rt

PAGE = Path(__file__).with_name("api.md")
HEAD = """# Reference of the Python functions

Made from the docstrings; [From Python and notebooks](python.md) is the page to begin with.
All names are those of `import runtree as rt`.
"""
# those for authors of plugins stand in plugins.md
NAMES = [
    *("train", "tune", "resume", "evaluate", "monitor", "retrain", "compare"),
    *("load_run", "load_runs", "load_sweep", "load_model"),
    *("RecordedRun", "RecordedSweep", "LoadedModel", "SpaceTrial", "RuntreeClassifier", "RuntreeRegressor"),
]


def render():
    """Return the page."""
    parts = [HEAD]
    for name in NAMES:
        item = getattr(rt, name)
        parts.append(f"## {name}\n\n{signature(name, item)}\n\n{markdown(inspect.getdoc(item))}\n")
        members = vars(item) if inspect.isclass(item) else {}
        for member, value in members.items():
            function = getattr(value, "func", getattr(value, "fget", value))
            if not member.startswith("_") and inspect.isfunction(function) and function.__doc__:
                head = signature(f"{name}.{member}", value) if inspect.isfunction(value) else f"`{name}.{member}`"
                parts.append(f"### {name}.{member}\n\n{head}\n\n{markdown(inspect.getdoc(function))}\n")
    return "\n".join(parts)


def signature(name, item):
    """Return a signature as a block, an argument a line where they are many."""
    made = inspect.signature(item)
    arguments = [str(parameter) for key, parameter in made.parameters.items() if key != "self"]
    text = ", ".join(arguments)
    text = text if len(text) < 90 else "\n    " + ",\n    ".join(arguments) + ",\n"
    kinds = [parameter.kind for parameter in made.parameters.values()]
    if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        first = next(str(each) for each in made.parameters.values() if each.kind is inspect.Parameter.KEYWORD_ONLY)
        text = text.replace(first, f"*, {first}", 1)
    back = (
        ""
        if inspect.isclass(item) or made.return_annotation is made.empty
        else f" -> {inspect.formatannotation(made.return_annotation)}"
    )
    plain = re.sub(r"\b(collections\.abc|typing|pathlib)\.", "", f"{name}({text}){back}")
    return f"```text\n{plain}\n```"


def markdown(docstring):
    """Return a docstring with its sections as bold words, and their entries as list items."""
    text, *sections = re.split(r"^(\w+)\n-{3,}\n", f"{docstring}\n", flags=re.MULTILINE)
    parts = [text.strip()]
    for title, body in zip(sections[::2], sections[1::2], strict=True):
        entries = re.split(r"\n(?=\S)", body.strip("\n"))
        items = [entry.partition("\n") for entry in entries]
        lines = [f"- `{head}`: {' '.join(rest.split())}" if rest else f"- {head}" for head, _, rest in items]
        parts.append(f"**{title}**\n\n" + "\n".join(lines))
    return "\n\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(render())
