"""Fault F7 for whoever reads: any file of a sweep's folder may be damaged, and every verb answers all the same.

A verb that needs the damaged file says so in a few lines and with an exit code of its own; nobody else notices.
"""

import json
import random
import shutil
from pathlib import Path

import pytest
from real_sweeps import EXHAUSTIVE

DAMAGES = {
    "emptied": lambda content: b"",
    "halved": lambda content: content[: len(content) // 2],
    "zero_tail": lambda content: content[: len(content) // 2] + bytes(len(content) - len(content) // 2),
    "no_text": lambda content: b"\xff\xfe\x00" + content[3:],
    "another_kind": lambda content: b"[1, 2]\n",
    "null": lambda content: b"null\n",
    "deep": lambda content: b"[" * 200_000,
}
ALWAYS = ("halved", "deep")  # test_fuzz.py damages files in the other ways, a share in each run
HOW = [pytest.param(how, marks=() if how in ALWAYS else pytest.mark.exhaustive) for how in DAMAGES]
SWEEP = ["data=iris", "compute.engine=in_process", "tuner=random", "tuner.plots=false", "tuner.stop.max_runs=4"]
VERBS = {
    "status": ("status",),
    "status --json": ("status", "--json"),
    "runs": ("runs",),
    "runs --json": ("runs", "--json"),
    "compare": ("compare",),
    "best": ("best",),
    "show": ("show", "RUN"),
    "diff": ("diff", "RUN", "OTHER"),
    "report": ("report", "RUN"),
    "resume": ("resume", "latest"),
    "export": ("export", "-o", "all.csv"),
    "clean": ("clean",),
}
SLOW = ("report", "resume", "export", "compare")
CODES = (0, 1, 2, 3, 4, 5)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return a folder with a sweep of four runs, the best of them kept whole, to be copied."""
    from runtree.cli.main import main

    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("NO_COLOR", "1")
        assert main(["train", "-m", *SWEEP, "algorithm=logistic"]) == 0
    return folder


def sweep_in(folder: Path) -> Path:
    [found] = (folder / "outputs").glob("*/*-sweep")
    return found


def best_in(sweep: Path) -> Path:
    [found] = (path.parent for path in sweep.glob("runs/*/model"))
    return found


def kinds(sweep: Path) -> list[Path]:
    """Return every file of the sweep and of its best run, below the sweep's folder; one picture stands for all."""
    best = best_in(sweep)
    own = [path for path in sweep.iterdir() if path.is_file()]
    found = sorted(path for path in [*own, *best.rglob("*")] if path.is_file() and path.name != ".lock")
    pictures = {path.suffix: path for path in found if path.parent.name == "plots"}.values()
    kept = [path for path in found if EXHAUSTIVE or path.parent.name != "plots" or path in pictures]
    return [path.relative_to(sweep) for path in kept]


def typed(verb: str, sweep: Path) -> list[str]:
    names = {"RUN": best_in(sweep).name}
    names["OTHER"] = next(path.name for path in sorted((sweep / "runs").iterdir()) if path.name != names["RUN"])
    return [f"{sweep.name}/{names[word]}" if word in names else word for word in VERBS[verb]]


def assert_it_answers(runtree, verb: str, sweep: Path, what: object) -> object:
    said = runtree(*typed(verb, sweep))
    assert said.code in CODES, (verb, what, said.err)
    assert "Traceback" not in said.err and "for the traceback: runtree --traceback" not in said.err, (
        verb,
        what,
        said.err,
    )
    if "error: " in said.err:
        complaint = said.err[said.err.index("error: ") :].strip()
        assert len(complaint.splitlines()) <= 5 and len(complaint) < 2000, (verb, what, complaint)
    return said


@pytest.mark.slow
@pytest.mark.parametrize("how", HOW)
def test_every_verb_answers_whatever_file_is_damaged(finished, folder, runtree, how):
    shutil.copytree(finished, folder, dirs_exist_ok=True)
    sweep = sweep_in(folder)
    others = sorted(path.name for path in (sweep / "runs").iterdir())
    others.remove(best_in(sweep).name)
    for file in kinds(sweep):
        before = (sweep / file).read_bytes()
        (sweep / file).write_bytes(DAMAGES[how](before))
        for verb in VERBS:
            if verb in SLOW and how not in ("halved", "another_kind"):
                continue
            said = assert_it_answers(runtree, verb, sweep, (file, how))
            if verb == "runs --json":
                listed = {
                    run["id"].rpartition("/")[2] for run in json.loads(said.out)["runs"] if run["state"] == "completed"
                }
                assert set(others) <= listed, (file, how)
        shutil.rmtree(folder / "outputs")
        shutil.copytree(finished / "outputs", folder / "outputs")


@pytest.mark.parametrize("name", ["run.json", "ledger.jsonl", "sweep.yaml", "stop.json", "metrics.json", "data.json"])
def test_every_verb_answers_whatever_byte_is_flipped(finished, folder, runtree, name):
    """A flipped byte may leave a file that reads well and says something else: a key by another name, another type."""
    shutil.copytree(finished, folder, dirs_exist_ok=True)
    sweep, chance = sweep_in(folder), random.Random(name)
    file = next(path for path in (sweep / name, best_in(sweep) / name) if path.exists())
    before = file.read_bytes()
    for _ in range(30 if EXHAUSTIVE else 8):
        at, bit = chance.randrange(len(before)), 1 << chance.randrange(8)
        file.write_bytes(before[:at] + bytes([before[at] ^ bit]) + before[at + 1 :])
        for verb in ("status --json", "runs", "compare", "show"):
            assert_it_answers(runtree, verb, sweep, (name, at, bit))
