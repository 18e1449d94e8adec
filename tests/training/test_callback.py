"""The loop, on an algorithm whose losses are given."""

from contextlib import suppress
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from runtree.contract.errors import ConfigError, DivergedError, Pruned
from runtree.training.callback import FitCallback
from runtree.training.checkpoints import Checkpoints
from runtree.training.fit_plan import CheckpointOptions
from runtree.training.pipeline import fit_algorithm
from runtree.training.stopping import NoImprovement, StopRules

LOSSES = [0.9, 0.7, 0.8, 0.6, 0.65, 0.64, 0.66, 0.5]


@dataclass
class Scripted:
    """An algorithm whose state is the number of its last iteration."""

    losses: list[float]
    state: int = 0
    dies_after: int | None = None
    seen: list[int] = field(default_factory=list)

    def fit(self, report):
        if report.start is not None:
            self.state = int((report.start / "state").read_text())
        for step in range(self.state + 1, len(self.losses) + 1):
            self.state = step
            self.seen.append(step)
            if report.due(step) and report(
                step, snapshot=lambda: self.state, save=self.save, validation_loss=self.losses[step - 1]
            ):
                break
            if step == self.dies_after:
                raise KeyboardInterrupt
        best = report.best
        if best is not None:
            self.state = int((best / "state").read_text()) if hasattr(best, "read_text") else best
        return self

    def save(self, folder):
        (folder / "state").write_text(str(self.state))


def patience(checks, **more):
    return FitCallback(
        StopRules(patience=NoImprovement("validation_loss", "minimize", 0.0, checks, strict=True)),
        bound=len(LOSSES),
        restores=True,
        **more,
    )


def test_patience_puts_the_best_iteration_back():
    loop = patience(2)
    assert Scripted(LOSSES).fit(loop).state == 4
    assert (loop.reason, loop.step, loop.best_step) == ("patience", 6, 4)


def test_the_last_iteration_is_kept_where_it_is_the_best():
    loop = patience(9)
    assert Scripted(LOSSES).fit(loop).state == 8
    assert (loop.reason, loop.best, loop.best_step) == ("max_iterations", None, 8)


def test_only_what_is_due_is_checked_and_the_last_always_is():
    told = []
    loop = FitCallback(StopRules(), every=3, bound=8, on_check=lambda step, found: told.append(step))
    Scripted(LOSSES).fit(loop)
    assert told == [3, 6, 8]
    assert loop.reason == "max_iterations"


def test_seconds_end_a_fit():
    now = iter(range(100))
    loop = FitCallback(StopRules(max_seconds=5), clock=lambda: next(now))
    Scripted(LOSSES).fit(loop)
    assert loop.reason == "max_seconds"
    assert loop.step < 8


def kept(folder):
    return [path.name for path in sorted(folder.glob("[0-9]*"))]


def test_the_best_and_the_last_checkpoints_are_kept(tmp_path):
    options = CheckpointOptions(every=1, keep=2)
    loop = FitCallback(StopRules(), bound=8, checkpoint_options=options, checkpoints=Checkpoints(tmp_path / "c", "a"))
    Scripted(LOSSES[:7]).fit(loop)
    assert kept(tmp_path / "c") == ["00000004", "00000006", "00000007"]


@pytest.mark.parametrize("every", [1, 2, 3])
@pytest.mark.parametrize("dies_after", range(1, 6))
def test_a_fit_that_goes_on_ends_like_one_that_was_never_interrupted(tmp_path, every, dies_after):
    def loop(folder):
        return patience(2, checkpoint_options=CheckpointOptions(every=every), checkpoints=Checkpoints(folder, "a"))

    whole, again = loop(tmp_path / "whole"), None
    expected = Scripted(LOSSES).fit(whole).state
    with pytest.raises(KeyboardInterrupt):
        Scripted(LOSSES, dies_after=dies_after).fit(loop(tmp_path / "cut"))
    again = loop(tmp_path / "cut")
    algorithm = Scripted(LOSSES)
    assert algorithm.fit(again).state == expected == 4
    assert (again.reason, again.step, again.best_step) == (whole.reason, whole.step, whole.best_step)
    assert algorithm.seen[0] == again_from(dies_after, every) + 1


def again_from(step, every):
    """Return the last iteration up to `step` that left a checkpoint: a due one, or one that was the best."""
    best = [number for number in range(1, len(LOSSES) + 1) if LOSSES[number - 1] == min(LOSSES[:number])]
    return max([number for number in range(1, step + 1) if number % every == 0 or number in best], default=0)


def cut_at(step, error):
    def check(reported, metrics):
        if reported == step:
            raise error

    return FitCallback(StopRules(), on_check=check)


def swallowing(report):
    for step in range(1, 9):
        with suppress(BaseException):
            if report(step, train_loss=1.0):
                return step
    return 0


def wrapping(report):
    try:
        report(1, train_loss=1.0)
        report(2, train_loss=1.0)
    except BaseException as error:
        raise RuntimeError("helpers.cpp:58: Traceback (most recent call last):") from error


@pytest.mark.parametrize("error", [Pruned(2), DivergedError("nan"), ConfigError("no such metric"), KeyboardInterrupt()])
def test_what_is_raised_in_a_report_is_raised_after_the_fit(error):
    loop = cut_at(2, error)
    assert swallowing(loop) == 3  # told to stop at the next report
    with pytest.raises(type(error)):
        loop.end_fit(None)
    loop = cut_at(2, error)
    with pytest.raises(RuntimeError) as wrapped:
        wrapping(loop)
    with pytest.raises(type(error)):
        loop.end_fit(wrapped.value)
    loop.end_fit(error)  # it has arrived as it is
    cut_at(9, error).end_fit(ValueError("of the algorithm itself"))


class Wrapping:
    def fit(self, X, y, report=None):
        wrapping(report)


class Swallowing:
    def fit(self, X, y, report=None):
        swallowing(report)


class Honest:
    def fit(self, X, y, report=None):
        report(2, train_loss=1.0)


@pytest.mark.parametrize("algorithm", [Wrapping(), Swallowing(), Honest()])
@pytest.mark.parametrize("error", [Pruned(2), DivergedError("nan")])
def test_a_fit_ends_as_its_last_report_did(algorithm, error):
    config = SimpleNamespace(algorithm={}, to_dict=lambda: {"algorithm": {}, "data": {}})
    data = SimpleNamespace(task="classification", classes=(0, 1), weights=None)
    run = SimpleNamespace(plan=SimpleNamespace(stepper=None, steps=True), config=config, data=data)
    with pytest.raises(type(error)) as raised:
        fit_algorithm(run, algorithm, None, ([[0.0]], [0]), None, cut_at(2, error))
    assert raised.value is error
