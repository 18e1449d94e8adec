"""Scikit-learn's own algorithms, step by step: the same model, the best put back, and gone on with exactly."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier, SGDRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor

from runtree.algorithms.steppers import CallbackStepper, MonitorStepper, PartialFitStepper, WarmStartStepper
from runtree.training.model_files import SkopsStore

CLASSES = make_classification(120, 6, n_informative=4, n_classes=3, random_state=0)
NUMBERS = make_regression(120, 6, noise=5.0, random_state=0)
SEEDED = {"random_state": 3}
CASES = {
    "sgd": (PartialFitStepper(), lambda: SGDClassifier(loss="log_loss", max_iter=12, **SEEDED), CLASSES),
    "sgd average": (PartialFitStepper(), lambda: SGDRegressor(average=True, max_iter=12, **SEEDED), NUMBERS),
    "mlp": (PartialFitStepper(), lambda: MLPClassifier([8], max_iter=12, **SEEDED), CLASSES),
    "mlp sgd": (PartialFitStepper(), lambda: MLPRegressor(hidden_layer_sizes=[8], solver="sgd", learning_rate_init=1e-4, max_iter=12, **SEEDED), NUMBERS),
    "boosting": (MonitorStepper(), lambda: GradientBoostingClassifier(n_estimators=12, subsample=0.6, max_features=3, **SEEDED), CLASSES),
    "boosting numbers": (MonitorStepper(), lambda: GradientBoostingRegressor(n_estimators=12, subsample=0.7, **SEEDED), NUMBERS),
    "histogram": (WarmStartStepper(), lambda: HistGradientBoostingClassifier(max_iter=12, max_features=0.5, early_stopping=False, **SEEDED), CLASSES),
    "logistic": (CallbackStepper(), lambda: LogisticRegression(max_iter=12), CLASSES),
}  # fmt: skip
SAME_AS_IN_ONE_GO = ("boosting", "boosting numbers", "histogram")
WITH_CHECKPOINTS = [name for name in CASES if name != "logistic"]
TINY = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class Listener:
    """A `Report` that writes down what it hears and does what it is told to."""

    def __init__(self, every=1, stop=None, best=None, save_at=None, folder=None, start=None):
        self.every, self.stop, self.best_step = every, stop, best
        self.save_at, self.folder, self.start = save_at, folder, start
        self.steps, self.answers, self.best = [], {}, None

    def due(self, step):
        return step % self.every == 0

    def __call__(self, step, *, model=None, snapshot=None, save=None, **metrics):
        self.steps.append(step)
        self.answers[step] = predictions(model)
        if step == self.best_step:
            self.best = snapshot()
        if step == self.save_at:
            self.folder.mkdir()
            save(self.folder)
        return step == self.stop


def predictions(model):
    rows = np.linspace(-2, 2, 60).reshape(10, 6)
    return model.predict_proba(rows) if hasattr(model, "predict_proba") else model.predict(rows)


def fitted(name, listener):
    stepper, make, rows = CASES[name]
    model = make()
    stepper.fit(model, *rows, listener, SkopsStore(""))
    return model


@TINY
@pytest.mark.parametrize("name", CASES)
def test_every_iteration_is_told_with_the_model_as_it_stands(name):
    heard = Listener()
    model = fitted(name, heard)
    assert heard.steps == list(range(1, 13))
    assert (heard.answers[12] == predictions(model)).all()
    assert not (heard.answers[3] == heard.answers[9]).all()


@TINY
@pytest.mark.parametrize("name", CASES)
def test_a_fit_ends_when_it_is_told_to(name):
    heard = Listener(stop=5)
    assert (predictions(fitted(name, heard)) == heard.answers[5]).all()
    assert heard.steps[-1] == 5


@TINY
@pytest.mark.parametrize("name", CASES)
def test_the_best_iteration_is_put_back(name):
    heard = Listener(stop=9, best=4)
    model = fitted(name, heard)
    assert (predictions(model) == heard.answers[4]).all()


@TINY
@pytest.mark.parametrize("name", CASES)
def test_parameters_are_afterwards_what_they_were(name):
    made = CASES[name][1]().get_params()
    assert repr(fitted(name, Listener(stop=5, best=3)).get_params()) == repr(made)


@TINY
@pytest.mark.parametrize("name", SAME_AS_IN_ONE_GO)
def test_the_model_is_the_one_that_a_fit_in_one_go_gives(name):
    _, make, rows = CASES[name]
    assert (predictions(fitted(name, Listener(every=5))) == predictions(make().fit(*rows))).all()


def test_early_stopping_of_scikit_learn_itself_goes_on_from_check_to_check():
    def make():
        return HistGradientBoostingClassifier(max_iter=200, early_stopping=True, n_iter_no_change=3, **SEEDED)

    alone, watched, heard = make().fit(*CLASSES), make(), Listener(every=2)
    WarmStartStepper().fit(watched, *CLASSES, heard, SkopsStore(""))
    assert heard.steps[-1] == watched.n_iter_ == alone.n_iter_ < 200
    assert (predictions(watched) == predictions(alone)).all()


@TINY
def test_the_solver_is_not_disturbed_by_being_watched():
    _, make, rows = CASES["logistic"]
    watched, alone = fitted("logistic", Listener()), make().fit(*rows)
    assert (watched.coef_ == alone.coef_).all()


@TINY
@pytest.mark.parametrize("name", WITH_CHECKPOINTS)
def test_going_on_from_a_checkpoint_is_exact(name, tmp_path: Path):
    whole = predictions(fitted(name, Listener()))
    fitted(name, Listener(stop=6, save_at=5, folder=tmp_path / "c"))
    heard = Listener(start=tmp_path / "c")
    model = fitted(name, heard)
    assert heard.steps[0] == 6
    assert (predictions(model) == whole).all()


@TINY
@pytest.mark.parametrize("name", WITH_CHECKPOINTS)
def test_the_best_may_lie_in_a_checkpoint(name, tmp_path: Path):
    first = Listener(stop=6, save_at=5, folder=tmp_path / "c")
    fitted(name, first)
    heard = Listener(start=tmp_path / "c", stop=8)
    heard.best = tmp_path / "c"
    assert (predictions(fitted(name, heard)) == first.answers[5]).all()


@TINY
def test_epochs_shuffle_the_rows_anew_each_time():
    def epoch_by_epoch(model):
        for _ in range(12):
            model.partial_fit(*CLASSES, classes=[0, 1, 2])
        return model

    alike = epoch_by_epoch(CASES["sgd"][1]())  # partial_fit begins from the seed each time
    assert not (predictions(fitted("sgd", Listener())) == predictions(alike)).all()


@pytest.mark.parametrize(
    ("stepper", "model", "said"),
    [
        (PartialFitStepper(), MLPClassifier(solver="lbfgs"), "solver=lbfgs"),
        (PartialFitStepper(), SGDClassifier(early_stopping=True), "early_stopping=true"),
        (PartialFitStepper(), MLPClassifier(solver="sgd", learning_rate="adaptive"), "learning_rate=adaptive"),
        (MonitorStepper(), GradientBoostingClassifier(n_iter_no_change=3), "n_iter_no_change"),
        (CallbackStepper(), LogisticRegression(solver="saga"), "solver=saga"),
    ],
)
def test_what_scikit_learn_does_alone_is_said(stepper, model, said):
    assert said in stepper.refuses(model)


def test_a_schedule_that_the_solver_does_not_use_is_no_hindrance():
    assert PartialFitStepper().refuses(MLPClassifier(solver="adam", learning_rate="adaptive")) is None
