"""Folds in processes: the same values, in their order, whatever becomes of a process."""

import os
import warnings

import numpy as np
import pytest

from runtree.contract.errors import DataError, RunFailedError
from runtree.contract.folds import Fold
from runtree.testing.fixtures import UNEXAMINED, train, write_table
from runtree.training import fold_runner
from runtree.training.fold_context import make_fold_context, set_values
from runtree.training.fold_pool import dump_context, load_context
from runtree.training.fold_runner import PipelineFoldRunner

ALGORITHM = """
import os, signal, time, warnings
import numpy as np
from pathlib import Path
from sklearn.base import BaseEstimator, ClassifierMixin
from runtree.contract.errors import DataError

class Troubled(ClassifierMixin, BaseEstimator):
    def __init__(self, trouble="", main=0, marks="", n_jobs=None):
        self.trouble, self.main, self.marks, self.n_jobs = trouble, main, marks, n_jobs

    def fit(self, X, y):
        self.classes_, self.draw_ = np.unique(y), float(np.random.random())
        if os.getpid() != self.main:
            getattr(self, self.trouble or "no_trouble")(len(y))
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])

    def predict_proba(self, X):
        return np.full((len(X), 2), [self.draw_, 1 - self.draw_])

    def no_trouble(self, rows):
        pass

    def dies(self, rows):
        os.kill(os.getpid(), signal.SIGKILL)

    def dies_once(self, rows):
        mark = Path(self.marks) / "died"
        if not mark.exists():
            mark.touch()
            self.dies(rows)

    def waits(self, rows):
        mark = Path(self.marks) / "second"
        if rows != 20:
            mark.touch()
        while not mark.exists():
            time.sleep(0.05)

    def complains(self, rows):
        warnings.warn("this was said there", UserWarning)
        raise DataError(f"{rows} rows are too few", "take more")
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train once, in this process, an algorithm that is troubled in any other."""
    folder = tmp_path_factory.mktemp("troubled")
    (folder / "troubled_algorithm.py").write_text(ALGORITHM)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        main = [f"+algorithm.params.main={os.getpid()}", f"+algorithm.params.marks='{folder}'"]
        asked = ["algorithm=import", "algorithm.path=troubled_algorithm:Troubled", *main]
        run = train(*write_table(folder), *asked, *UNEXAMINED, "compute.slots=2", folder=folder)
        run.slots = 2
        yield run


@pytest.fixture
def folding(trained, monkeypatch):
    """Fit copies with a trouble, in two processes however little that pays."""
    monkeypatch.setattr(fold_runner, "START", -1.0)
    made = []

    def make(trouble=""):
        trained.estimator.set_params(trouble=trouble)
        made.append(PipelineFoldRunner(trained))
        return made[-1]

    yield make
    for one in made:
        one.close()


def folds(*sizes):
    return [Fold(np.arange(size), np.arange(60, 66), number) for number, size in enumerate(sizes)]


@pytest.mark.slow
def test_a_fold_that_ends_late_keeps_its_place(folding):
    found = list(folding("waits")(folds(20, 30, 40)))
    assert [one.fold.number for one in found] == [0, 1, 2]
    assert all(one.seconds > 0 for one in found)


@pytest.mark.slow
def test_each_fold_begins_with_the_seed_of_the_run_here_and_there(folding, monkeypatch):
    there = [one.answers.score[0, 0] for one in folding()(folds(20, 30, 40))]
    monkeypatch.setattr(fold_runner, "START", np.inf)
    here = [one.answers.score[0, 0] for one in folding()(folds(20, 30, 40))]
    assert there == here
    assert len(set(here)) == 1


@pytest.mark.slow
def test_a_fold_whose_process_died_is_fitted_once_more(folding, caplog):
    assert len(list(folding("dies_once")(folds(20, 30, 40)))) == 3
    assert "a process died while fold 0, 1 was fitted" in caplog.text


@pytest.mark.slow
def test_a_fold_whose_process_dies_again_is_named(folding):
    with pytest.raises(RunFailedError, match=r"fold 0, 1: its process died.*SIGKILL"):
        list(folding("dies")(folds(20, 30, 40)))


@pytest.mark.slow
def test_errors_and_warnings_of_a_fold_are_heard_here(folding):
    with (
        warnings.catch_warnings(record=True) as heard,
        pytest.raises(DataError, match="20 rows are too few\n  take more"),
    ):
        warnings.simplefilter("always")
        list(folding("complains")(folds(20, 30)))
    assert "this was said there" in [str(one.message) for one in heard]


def test_processes_are_started_only_where_they_pay(trained):
    folding = PipelineFoldRunner(trained)
    folding.expected = 0.001
    assert len(list(folding(folds(20, 30, 40)))) == 3
    assert folding._crew is None
    folding.expected = 10 * fold_runner.START
    assert folding._pays(2)
    assert not folding._pays(1)


def test_a_kit_comes_back_with_its_arrays_mapped(trained, tmp_path):
    bench = make_fold_context(trained)
    dump_context(bench, tmp_path)
    back = load_context(str(tmp_path))
    assert back.run.data.features.equals(trained.data.features)
    assert back.run.seed == trained.seed
    column = back.run.data.features["weight"].to_numpy()
    assert not column.flags.writeable
    assert (tmp_path / "objects").stat().st_size < 100_000


def test_threads_are_shared_out_among_the_slots(trained):
    trained.estimator.set_params(n_jobs=-1)
    bench = make_fold_context(trained)
    trained.estimator.set_params(n_jobs=None)
    assert bench.compute.threads == max(1, bench.compute.describe()["cores"] // 2)
    assert bench.run.estimator.n_jobs == bench.compute.threads


def test_values_are_set_on_a_copy():
    config = {"algorithm": {"alpha": 1.0, "params": {"a": 1}}, "seed": 0}
    changed = set_values(config, {"algorithm.params.a": 2, "algorithm.beta": [1]})
    assert changed == {"algorithm": {"alpha": 1.0, "params": {"a": 2}, "beta": [1]}, "seed": 0}
    assert config["algorithm"] == {"alpha": 1.0, "params": {"a": 1}}
