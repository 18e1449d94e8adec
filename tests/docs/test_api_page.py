"""The reference that docs/reference.py makes holds every function for Python users, and each of its arguments."""

import inspect
import re
import runpy
from pathlib import Path

import runtree as rt

MADE = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "reference.py"))


def test_each_name_for_python_users_is_on_the_page_and_each_argument_is_told():
    page = MADE["render"]()
    functions = [name for name in rt.__all__ if inspect.isfunction(getattr(rt, name)) and name != "hookimpl"]
    assert set(functions) <= set(MADE["NAMES"])
    for name in functions:
        text = inspect.getdoc(getattr(rt, name))
        for argument in inspect.signature(getattr(rt, name)).parameters:
            assert re.search(rf"\b{argument}\b", text), (name, argument)
    names = [line for line in page.splitlines() if line.startswith("#")]
    assert len(names) == len(set(names))
    assert names[:2] == ["# Reference of the Python functions", "## train"]
    assert "### RecordedRun.explain" in names
    assert "- `target`: The column to predict." in page
