"""The page on plugins: every hook is told with its signature, and the example is built, installed and used."""

import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from runtree.contract import hookspecs

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "plugins.md").read_text()
HOOKS = [name for name, item in vars(hookspecs).items() if hasattr(item, "runtree_spec")]
FILE = re.compile(r"^```\w+\n# file: (\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_has_a_heading_that_is_its_signature(name):
    function = getattr(hookspecs, name)
    lines = inspect.getsource(function)
    signature = re.search(r"def (.+?):(?:\s+#.*)?\n\s+\"\"\"", lines, re.DOTALL)
    assert signature is not None
    assert f"### {signature[1]}\n" in PAGE


def test_there_is_no_heading_for_a_hook_that_does_not_exist():
    headings = re.findall(r"^### (\w+)\(", PAGE, re.MULTILINE)
    assert sorted(headings) == sorted(HOOKS)


@pytest.mark.parametrize("name", HOOKS)
def test_the_docstring_of_a_hook_or_its_chapter_shows_a_whole_plugin(name):
    chapter = PAGE.partition(f"### {name}(")[2].partition("\n### ")[0]
    example = re.search(r"```python\n(.*?)```", chapter, re.DOTALL)
    assert example is not None
    assert "@hookimpl" in example[1]
    assert len(example[1].splitlines()) < 10


def test_the_tracker_in_ten_lines_is_told_of_a_run_that_names_it(folder, monkeypatch):
    from runtree.app import App, train
    from runtree.config.hydra_engine import parse_flags
    from runtree.plugins import make_plugins
    from runtree.testing import write_table

    [text] = re.findall(r"^```python\n# tracker: runtree_journal\.py\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (folder / "runtree_journal.py").write_text(text)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "runtree_journal", raising=False)
    app = App(make_plugins(found=[], extra=[("journal", importlib.import_module("runtree_journal"))]))
    words = [*write_table(folder), "algorithm=dummy", "evaluator.baselines=none", "evaluator.intervals.resamples=0"]
    for more in ([], ["trackers=[journal]", "+tracking.journal.path=told.txt"]):
        [found] = train(app, parse_flags([*words, *more])).runs
    assert (folder / "told.txt").read_text().startswith(f"{found.folder.name} {{'")
    assert len((folder / "told.txt").read_text().splitlines()) == 1
    assert not (folder / "journal.txt").exists()


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Build the example's wheel and install it into a folder of its own."""
    place = tmp_path_factory.mktemp("gold")
    for name, text in FILE.findall(PAGE):
        file = place / "runtree-gold" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    wheel = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(place), str(place / "runtree-gold")]
    subprocess.run(wheel, check=True)
    [built] = place.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(place / "site"), str(built)], check=True)
    return place


def type_all(place, folder, lines, *before):
    """Type command lines one after the other in one process that has the example installed; return what each prints."""
    code = (
        "import json, sys\nfrom runtree.cli.main import main\n"
        "for words in json.loads(sys.argv[1]): print('\\x1e', main(words), flush=True)"
    )
    environment = {**os.environ, "PYTHONPATH": str(place / "site")}
    command = [sys.executable, "-c", code, json.dumps([[*before, *words] for words in lines])]
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True
    )
    return re.findall(r"(.*?)\x1e (\d)\n", done.stdout, re.DOTALL)


LINES = [
    (["plugins"], ["gold", "nearest_mean"]),
    (
        [
            "train",
            "algorithm=nearest_mean",
            "data=ingots",
            "algorithm.features=2",
            "evaluator.metrics=[misses,accuracy]",
        ],
        ["misses"],
    ),
    (["describe", "algorithm=nearest_mean"], ["features", "range(1, 6)"]),
    (["list", "data"], ["ingots"]),
    (["gold"], ["all that glitters"]),
    (["--help"], ["Say a proverb."]),
]


@pytest.mark.slow
def test_the_example_works_when_it_is_installed(installed, folder):
    answers = type_all(installed, folder, [words for words, _ in LINES])
    for (words, says), (said, code) in zip(LINES, answers, strict=True):
        assert code == "0", said
        assert [text for text in says if text not in said] == [], (words, said)
    [balance] = folder.glob("outputs/default/*/balance.txt")
    assert "gold" in balance.read_text()


@pytest.mark.slow
def test_a_blocked_plugins_verb_and_option_are_gone(installed, folder):
    lines = [["gold"], ["train", "algorithm=nearest_mean"]]
    answers = type_all(installed, folder, lines, "--block", "gold")
    assert [(code, "unknown" in said) for said, code in answers] == [("2", True)] * 2, answers


@pytest.mark.slow
def test_the_examples_own_tests_pass(installed):
    environment = {**os.environ, "PYTHONPATH": str(installed / "site"), "PYTEST_ADDOPTS": ""}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "tests"]
    done = subprocess.run(
        command, cwd=installed / "runtree-gold", env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
