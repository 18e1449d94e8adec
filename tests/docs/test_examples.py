"""Every command line in the README and the guides runs, and prints what its page shows.

A fenced block holds commands, a line each, that begin with `runtree `. A block marked `console` is a session: its commands
begin with `$ `, what stands below each is compared with what it prints; `…` stands for whatever differs from run to run.
"""

import doctest
import re
import shlex
import shutil
from pathlib import Path

import pytest
import sklearn.datasets

from runtree.cli.main import main
from runtree.testing.fixtures import UNEXAMINED

ROOT = Path(__file__).parents[2]
# docs/plugins.md is a package by itself, which test_plugins_page.py installs.
PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md") if path.stem != "plugins")]
# The evaluation of a finished model takes longer than all else in an example: only pages about it leave it on.
ABOUT_EVALUATION = {"docs/evaluation.md", "docs/diagnosis.md", "docs/trust.md", "docs/report.md", "docs/statistics.md"}
LOOKS_BACK = {
    **dict.fromkeys(
        (
            "show",
            "predict",
            "evaluate",
            "explain",
            "runs",
            "export",
            "diff",
            "rerun",
            "clean",
            "compare",
            "best",
            "report",
            "monitor",
        ),
        "run",
    ),
    **dict.fromkeys(("status", "resume"), "sweep"),
}
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(page: str) -> list[str]:
    """Return the command lines of a page that stand alone."""
    blocks = [text for kind, text in BLOCK.findall((ROOT / page).read_text()) if kind != "console"]
    lines = [line.partition("   #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("runtree ") and "…" not in line]


def sessions(page: str) -> list[list[tuple[str, str]]]:
    """Return the sessions of a page: pairs of a command line and what it prints."""
    blocks = [text for kind, text in BLOCK.findall((ROOT / page).read_text()) if kind == "console"]
    parts = [re.split(r"^\$ (.*)\n", block, flags=re.MULTILINE) for block in blocks]
    return [list(zip(found[1::2], found[2::2], strict=True)) for found in parts]


# CI types it as it stands, in an environment and a folder of its own: .ci/run
BY_CI = "runtree tune"
TYPED = {line: page for page in reversed(PAGES) for line in commands(page) if line != BY_CI}
SESSIONS = [pytest.param(session, id=f"{page}-{n}") for page in PAGES for n, session in enumerate(sessions(page))]
TABLE = ["data=csv", "data.path=house_prices.csv", "data.target=price"]
TUNED = ["algorithm=logistic", "tuner=tpe", "tuner.stop.max_runs=12", "compute.engine=in_process"]
BEFORE = {
    "run": ["algorithm=dummy", *TABLE, *UNEXAMINED],
    "diagnosed run": ["algorithm=dummy", *TABLE, "evaluator.baselines=none", "evaluator.report=false"],
    "sweep": ["-m", *TUNED, *UNEXAMINED],
}


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    """Return a function that returns a folder in which a run, or a sweep, was made before: once for all that look back."""
    made = {}

    def tree(what):
        if what not in made:
            made[what] = lay_out(tmp_path_factory.mktemp(what))
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(made[what])
                assert main(["train", *BEFORE[what]]) == 0
        return made[what]

    return tree


@pytest.fixture
def house(folder, monkeypatch):
    """Lay out what the examples speak of; of the digits there are as many as tell whether an example works."""
    found = sklearn.datasets.load_digits(as_frame=True)
    found.frame = found.frame.head(500)
    monkeypatch.setattr(sklearn.datasets, "load_digits", lambda as_frame: found)
    monkeypatch.setenv("CUSTOMER_KEY", "for-the-examples-alone")
    return lay_out(folder)


def lay_out(folder):
    """Write a table of prices, an estimator and a network of one's own."""
    rows = [f"{40 + n % 90},{['north', 'south', 'east'][n % 3]},{1000 * (40 + n % 90) + n}" for n in range(150)]
    (folder / "house_prices.csv").write_text("\n".join(["area,side,price", *rows]))
    (folder / "my").mkdir()
    (folder / "my" / "module.py").write_text(
        "from sklearn.linear_model import RidgeClassifier\nclass MyEstimator(RidgeClassifier):\n    pass\n"
    )
    [net] = re.findall(r"^```python\n(# net.py.*?)^```", (ROOT / "docs" / "networks.md").read_text(), re.M | re.DOTALL)
    (folder / "net.py").write_text(net)
    [script] = re.findall(
        r"^```python\n(# train.py.*?)^```", (ROOT / "docs" / "commands.md").read_text(), re.M | re.DOTALL
    )
    (folder / "train.py").write_text(script)
    return folder


def test_the_pages_have_examples():
    assert len(TYPED) > 12


@pytest.mark.slow
@pytest.mark.parametrize("line", TYPED, ids=TYPED)
def test_an_example_runs(runtree, house, earlier, line):
    words = shlex.split(line)[1:]
    if "torch" in line:
        pytest.importorskip("torch", reason="networks need the extra torch")
    if "tensorboard" in line:
        pytest.importorskip("tensorboard", reason="event files need the extra tensorboard")
    if "fairness" in line:
        pytest.importorskip("fairlearn", reason="fairness needs the extra fairness")
    if words[0] in LOOKS_BACK:
        what = "diagnosed run" if "--findings" in words else LOOKS_BACK[words[0]]
        shutil.copytree(earlier(what) / "outputs", house / "outputs")
    elif "benchmark.run" in line:
        assert runtree("train", "algorithm=dummy", *UNEXAMINED).code == 0
    said = runtree(*words, *unexamined(words, TYPED[line]))
    assert said.code == 0, said.err
    assert said.out


def unexamined(words: list[str], page: str) -> list[str]:
    """Return what makes an example quick: no evaluation and no processes, where it is not about them."""
    typed = " ".join(words)
    trains = words[0] in ("train", "tune") and not {"--cfg", "--info", "--continue", "-h", "--help"} & set(words)
    if not trains:
        return []
    examined = page in ABOUT_EVALUATION or "evaluator" in typed
    sweeps = words[0] == "tune" or "-m" in words
    alone = ["compute.engine=in_process"] if sweeps and "compute" not in typed and page != "README.md" else []
    return [*([] if examined else UNEXAMINED), *alone]


@pytest.mark.slow
@pytest.mark.parametrize("session", SESSIONS)
def test_a_session_prints_what_its_page_shows(runtree, house, session):
    checker = doctest.OutputChecker()
    if any("--onnx" in line for line, _ in session):
        pytest.importorskip("onnxruntime", reason="a model in ONNX needs the extra onnx")
    for line, shown in session:
        said = runtree(*shlex.split(line)[1:])
        wanted, printed = shown.rstrip().replace("…", "...") + "\n", said.out.rstrip() + "\n"
        options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        assert checker.check_output(wanted, printed, options), (
            f"{line}\n--- the page\n{wanted}--- printed\n{printed}{said.err}"
        )


def test_the_python_example_runs(folder, capsys):
    text = (ROOT / "docs" / "configuration.md").read_text()
    [example] = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    exec(example, {})
    assert float(capsys.readouterr().out.split()[0]) > 0


def test_the_example_of_all_runs_as_a_table_runs(runtree, capsys):
    for words in (["algorithm=dummy"], ["algorithm=naive_bayes"]):
        assert runtree("train", "data=iris", *words).code == 0
    [example] = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "runs.md").read_text(), re.MULTILINE | re.DOTALL)
    exec(example, {})
    said = capsys.readouterr().out.splitlines()
    assert "naive_bayes" in said[1]
    assert "dummy" in said[2]


def test_the_relative_links_of_every_page_lead_somewhere():
    pages = [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "plugins").glob("*/*.md"),
    ]
    for page in pages:
        for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page}: {link}"
