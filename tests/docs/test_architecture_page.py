"""docs/architecture.md describes the package as it is."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
PACKAGE = ROOT / "framework" / "runtree"


def test_the_table_names_every_folder_of_the_package_and_no_other():
    rows = re.findall(r"^\| `(\w+)/` \|.*\| (?:`([\w./]+)`)? ?\|$", PAGE, re.MULTILINE)
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert sorted(name for name, _ in rows) == sorted(folders)
    assert [f"{name}/{start}" for name, start in rows if not (PACKAGE / name / start).exists()] == []


def test_every_file_that_the_page_names_exists():
    named = re.findall(r"`((?:\w+/)+\w+\.(?:py|yaml))`", PAGE)
    assert named
    assert [name for name in named if not any((base / name).exists() for base in (ROOT, PACKAGE))] == []


def test_the_layers_are_those_that_import_linter_checks():
    layers = re.search(r"layers = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(), re.DOTALL)
    assert layers
    checked = [re.findall(r"runtree\.(\w+)", line) for line in layers[1].splitlines() if "runtree." in line]
    drawn = [re.findall(r"\w+", line[:33]) for line in PAGE.split("```")[1].splitlines() if line.strip()]
    flat = [name for line in drawn[: len(drawn) - 2] for name in line]
    assert flat == [name for line in checked for name in line]
