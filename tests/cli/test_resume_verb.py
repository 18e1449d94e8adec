import json

import pytest
import yaml

from runtree.sweeps.options import read_stop_rules


def test_a_sweep_goes_on_to_another_total(runtree, copied, real_sweep):
    said = runtree("resume", "tuner.stop.max_runs=6")
    assert said.code == 0, said.err
    assert said.err.startswith(f"{real_sweep.name}: continuing after 4 of 4 runs (4 completed)\n")
    assert "6 runs in " in said.out
    assert f"runtree resume {real_sweep.name} tuner.stop.max_runs=12" in said.out
    assert len(list(copied.runs.iterdir())) == 6


def test_a_sweep_that_has_ended_says_why_and_how_to_go_on(runtree, copied, real_sweep):
    before = copied.ledger.read_bytes()
    said = runtree("resume")
    assert said.code == 0
    assert f"{real_sweep.name} has ended: stopped: 4 runs were started (max_runs=4)" in said.out.replace(
        "\n       ", " "
    )
    assert f"next     runtree resume {real_sweep.name} tuner.stop.max_runs=8" in said.out
    assert copied.ledger.read_bytes() == before


def test_folders_that_changed_places_are_written_again_from_the_ledger(runtree, copied):
    first, second = (json.loads(copied.run(number).record.read_text()) for number in (0, 1))
    for source, target in (("0000", "aside"), ("0001", "0000"), ("aside", "0001")):
        (copied.runs / source).rename(copied.runs / target)
    assert runtree("resume", "tuner.stop.max_runs=5").code == 0
    for number, before in enumerate((first, second)):
        after = json.loads(copied.run(number).record.read_text())
        keys = ("id", "number", "config", "metrics", "objective", "fingerprints")
        assert {key: after[key] for key in keys} == {key: before[key] for key in keys}


def test_what_would_make_it_another_sweep_is_refused(runtree, copied):
    said = runtree("resume", "latest", "tuner.stop.max_runs=9", "algorithm=ridge")
    assert said.code == 2
    assert said.err.startswith("error: 'algorithm=ridge' would make it another sweep")


def test_a_sweep_that_somebody_works_on_is_refused_at_once(runtree, copied):
    with copied.held():
        said = runtree("resume")
    assert said.code == 2
    assert "is in use by another process" in said.err
    assert "runtree stop" in said.err


def test_no_such_sweep_is_exit_code_5(runtree, copied):
    assert runtree("resume", "nix").code == 5


@pytest.mark.parametrize("verb", ["resume", "status", "stop"])
def test_names_are_completed(copied, verb):
    from click.shell_completion import ShellComplete

    from runtree.cli.main import runtree as front

    def completed(typed, incomplete):
        found = ShellComplete(front, {}, "runtree", "_RUNTREE_COMPLETE").get_completions([verb, *typed], incomplete)
        return [item.value for item in found]

    assert completed([], "") == ["latest", copied.path.name]
    assert completed([], "20") == [copied.path.name]
    if verb == "resume":
        assert "compute.slots=" in completed(["latest"], "comp")
        assert completed(["latest"], "algo") == []


@pytest.mark.parametrize(
    ("criterion", "bound"),
    [
        ("max_runs", "max_runs=4"),
        ("max_seconds", "max_seconds=4"),
        ("patience", "patience.runs=4"),
        ("target", "target=4"),
        ("convergence", "convergence.window=4"),
        ("failures", "failures.consecutive=4"),
    ],
)
def test_what_is_suggested_loosens_the_criterion_that_ended_the_sweep(runtree, write_sweep, told, criterion, bound):
    path, _, value = bound.partition("=")
    node = {criterion: {path.partition(".")[2]: int(value)} if "." in path else int(value)}
    write_sweep(told.opened(), told.ended(0, 0.5), told.stopped(criterion), stop=node)
    [words] = [line.split()[-1] for line in runtree("resume").out.splitlines() if " tuner.stop." in line]
    shown = runtree("train", "--cfg", "job", "data=iris", "tuner=tpe", f"tuner.stop.{bound}", words)
    rules = read_stop_rules(yaml.safe_load(shown.out)["tuner"]["stop"])
    for name in path.split("."):
        rules = getattr(rules, name)
    assert rules != int(value), shown.out
