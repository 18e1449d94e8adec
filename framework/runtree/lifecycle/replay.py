"""A saved model is loaded again and must predict as the fitted one; before a long fit, one like it is tried."""

import random
import sys
import tempfile
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import ConfigError, RunFailedError, UntrustedError, first_line
from runtree.contract.predictions import apply_preprocessing
from runtree.contract.protocols import Hooks
from runtree.contract.types import SPLITS
from runtree.lifecycle.predict import read_predictor
from runtree.records.user_code import SourceFile
from runtree.training.active_run import ActiveRun
from runtree.training.masking import without_secrets
from runtree.training.model_files import is_torch_type, last_step, written_types

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

ROWS = 100  # of each split, evenly spaced
# The same computation on the same rows gives the same bits, on accelerators nearly. Labels must be equal.
RELATIVE_TOLERANCE = 1e-5
ABSOLUTE_TOLERANCE = 1e-6  # of probabilities; of a regression as a share of the largest prediction
MIN_ROWS_TO_TRY = 250  # below, the fit itself is as short as the trial
OTHER_SEED = 20_231_115  # of no meaning, but no run's default
REMEDIES = (
    "state that is neither a parameter nor a buffer is lost: self.register_buffer('name', tensor)",
    "attributes must be numbers, texts, arrays, estimators, or of classes and functions of a module",
)
RANDOM_REMEDY = "draw random numbers in training only, or from a generator with a fixed seed"


def predicts(model: Any) -> bool:
    """Return whether a model predicts: a command may only train, and report its own scores."""
    return bool(getattr(last_step(model), "predicts", True))


def check_saved_model(run: ActiveRun, folder: Path) -> None:
    """Load a run's model as `predict` does, and compare its predictions for some rows of each split.

    Raises
    ------
    RunFailedError
        It cannot be loaded, or predicts something else than the fitted model.
    """
    chosen = _rows_of_each_split(run)
    with fresh_state(run.sources):
        try:
            loaded = _load_written(run.hooks, folder, lambda trust: read_predictor(folder, run.hooks, trust).model)
        except Exception as error:
            raise RunFailedError(f"the saved model cannot be loaded: {_describe(error)}", REMEDIES[1]) from error
        rows = run.data.features.iloc[chosen]
        difference = find_difference(run.model, loaded, rows, bool(run.data.classes)) if predicts(run.model) else None
    if difference:
        raise RunFailedError(f"the saved model is not the fitted one: {difference[0]}", *difference[1:])


def _rows_of_each_split(run: ActiveRun) -> "Array":
    import numpy as np

    # together, as each call of a model has a cost of its own
    return np.concatenate([sample_rows(run.split.rows(split)) for split in SPLITS])


def try_saving(run: ActiveRun, preprocess: Any) -> None:
    """Save and load a model like the one that will be fitted, if it consists of types that runtree does not know.

    The types of the shipped options and of plugins are known: the conformance suites save and load them. A network is
    tried untrained; any other algorithm after a fit on few rows, if there are many.

    Raises
    ------
    ConfigError
        Such a model cannot be written or read, or predicts something else afterwards.
    """
    from sklearn.base import clone

    # a command keeps files of its own, and one more run of it would be no trial
    if not run.options.saves or hasattr(run.estimator, "predicts"):
        return
    known = frozenset(name for _, name in run.hooks.contributions("trusted_types"))
    of_algorithm = unknown_types(run.estimator, known)
    of_preprocess = run.cached("types", run.preprocess_key, lambda: unknown_types(clone(preprocess), known))
    if not of_algorithm and not of_preprocess:
        return
    group, names = ("algorithm", of_algorithm) if of_algorithm else ("preprocess", of_preprocess)

    def attempt() -> bool:
        with random_numbers_restored():
            model, features = _likeness(run, preprocess, bool(of_algorithm))
            if model is not None:
                _save_and_load(run, model, features, f"{group}: a model with {', '.join(names)}")
        return True

    # once for all runs of a sweep on one worker: what cannot be saved depends on types, not on values
    run.cached("tried", (run.preprocess_key, *of_algorithm, *of_preprocess), attempt)


def _likeness(run: ActiveRun, preprocess: Any, of_algorithm: bool) -> "tuple[Any, pd.DataFrame]":
    """Return a pipeline of the same parts, fitted in little time, and some rows; None if there is no such pipeline."""
    from sklearn.base import clone
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.pipeline import Pipeline

    train_features, train_target = run.select("train")
    chosen = _with_every_class(train_target.to_numpy(), bool(run.data.classes))
    features, target = train_features.iloc[chosen], train_target.iloc[chosen].to_numpy()
    rows = preprocess.transform(features)
    if not of_algorithm:  # the preprocessing is fitted already, and the step after it does not matter
        last = (DummyClassifier() if run.data.classes else DummyRegressor()).fit(features.index.to_frame(), target)
        return Pipeline([("preprocess", preprocess), ("algorithm", last)]), features
    try:
        if hasattr(run.estimator, "untrained"):
            last = run.estimator.untrained(rows, target)
        elif len(train_features) >= MIN_ROWS_TO_TRY:
            last = clone(run.estimator)
            if run.plan.bound in last.get_params(deep=False):
                last.set_params(**{str(run.plan.bound): 1})
            last.fit(rows, target)
        else:
            return None, features
    except ConfigError:
        raise
    except Exception:  # what is wrong shows in the fit itself, with its own message
        return None, features
    return Pipeline([("preprocess", preprocess), ("algorithm", last)]), features


def _save_and_load(run: ActiveRun, model: Any, features: "pd.DataFrame", subject: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        try:
            with without_secrets(model):
                format_name = run.hooks.first("save_model", model=model, folder=folder)
            if format_name is None:
                raise RunFailedError(f"no plugin can save a {type(last_step(model)).__name__}")
            with fresh_state(run.sources):
                loaded = _load_written(run.hooks, folder, partial(_load, run.hooks, folder, format_name))
                difference = find_difference(model, loaded, features, bool(run.data.classes))
        except Exception as error:
            raise ConfigError(f"{subject} cannot be saved and loaded: {_describe(error)}", REMEDIES[1]) from error
    if difference:
        raise ConfigError(f"{subject} changes when it is saved and loaded: {difference[0]}", *difference[1:])


def _describe(error: Exception) -> str:
    cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
    return f"{type(cause).__name__}: {first_line(cause)}"


def _load(hooks: Hooks, folder: Path, format_name: str, trust: tuple[str, ...]) -> Any:
    return hooks.first("load_model", folder=folder, format=format_name, trust=trust)


def _load_written(hooks: Hooks, folder: Path, load: Callable[[tuple[str, ...]], Any]) -> Any:
    """Load a model that this process has just written; every type in it is trusted: the objects themselves are here."""
    trusted = tuple(name for _, name in hooks.contributions("trusted_types"))
    try:
        return load(trusted)
    except UntrustedError:  # only then, as it takes as long as the load to find the types in a file
        return load((*trusted, *written_types(folder)))


def sample_rows(rows: "Array", limit: int = ROWS) -> "Array":
    """Return at most `limit` evenly spaced entries."""
    return rows[:: -(-len(rows) // limit)] if len(rows) > limit else rows


def _with_every_class(target: "Array", is_classification: bool) -> "Array":
    import numpy as np

    positions = sample_rows(np.arange(len(target)))
    if not is_classification:
        return positions
    return np.union1d(positions, np.unique(target.astype(str), return_index=True)[1][:ROWS])


def find_difference(fitted: Any, loaded: Any, features: "pd.DataFrame", is_classification: bool) -> tuple[str, ...]:
    """Return how the predictions of two models differ, and what to do about it; nothing if they agree."""
    if not len(features):
        return ()
    expected = _predict(fitted, features, is_classification)
    with other_random_numbers():
        try:
            found = _predict(loaded, features, is_classification)
        except Exception as error:
            return f"it cannot predict: {_describe(error)}", REMEDIES[1]
        text = _compare(expected, found)
        # the fitted model may differ from itself
        if text and _compare(expected, _predict(fitted, features, is_classification)):
            return f"{text}: its predictions are random", RANDOM_REMEDY
    has_weights = hasattr(last_step(fitted), "save_weights")
    return (text, REMEDIES[0 if has_weights else 1]) if text else ()


@dataclass(frozen=True)
class _Replayed:
    """Labels of a classification, and its probabilities or the numbers of a regression."""

    labels: "Array | None"
    numbers: "Array | None"

    @property
    def shapes(self) -> list[Any]:
        return [None if part is None else part.shape for part in (self.labels, self.numbers)]


def _predict(model: Any, features: "pd.DataFrame", is_classification: bool) -> _Replayed:
    import numpy as np
    from joblib import parallel_config

    with warnings.catch_warnings(), parallel_config("sequential"):
        warnings.simplefilter("ignore")  # the stage score has shown them
        model, rows = apply_preprocessing(model, features)
        predicted = np.asarray(model.predict(rows)).ravel()
        if not is_classification:
            return _Replayed(None, predicted.astype(float))
        proba = model.predict_proba(rows) if hasattr(model, "predict_proba") else None
        return _Replayed(predicted.astype(object), None if proba is None else np.asarray(proba, dtype=float))


def _compare(expected: _Replayed, found: _Replayed) -> str:
    """Return how many predictions differ, and by how much; an empty text if none does."""
    import numpy as np

    if expected.shapes != found.shapes:
        return f"it predicts values of shape {found.shapes} instead of {expected.shapes}"
    unequal, largest = [], ""
    if expected.labels is not None:
        unequal.append(expected.labels != found.labels)
    if expected.numbers is not None and found.numbers is not None:
        # of a regression, relative to an ordinary prediction: one near 0 has no digits of its own
        scale = 1.0 if expected.labels is not None else _median_size(expected.numbers)
        tolerance = ABSOLUTE_TOLERANCE * scale
        close = np.isclose(found.numbers, expected.numbers, RELATIVE_TOLERANCE, tolerance, equal_nan=True)
        unequal.append(~close.reshape(len(close), -1).all(axis=1))
        with np.errstate(invalid="ignore"):  # of infinities
            largest = f", by up to {np.nanmax(np.abs(found.numbers - expected.numbers), initial=0.0):.3g}"
    differing = np.logical_or.reduce(unequal)
    return f"{differing.sum()} of {len(differing)} predictions differ{largest}" if differing.any() else ""


def _median_size(numbers: "Array") -> float:
    import numpy as np

    sizes = np.abs(numbers[np.isfinite(numbers)])
    return float(np.median(sizes)) if len(sizes) else 0.0


def unknown_types(part: Any, known: Collection[str]) -> list[str]:
    """Return the classes and functions of an unfitted estimator that are not `known`, by dotted name."""
    return list(dict.fromkeys(name for name in _names(part) if name not in known))


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, (dict, list, tuple)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _names(item)
    elif isinstance(value, partial):
        yield from _names(value.func)
        yield from _names([value.args, value.keywords])
    elif hasattr(value, "__qualname__"):  # a class or a function; layers and optimizers as torch has them are safe
        name = f"{value.__module__}.{value.__qualname__}"
        if not name.startswith(("builtins.", "numpy.")) and not is_torch_type(name):
            yield name
    elif hasattr(value, "__dict__"):
        yield f"{type(value).__module__}.{type(value).__qualname__}"
        if hasattr(value, "get_params"):
            # an unfitted estimator has its parameters as attributes; `get_params` inspects signatures, which is slow
            yield from _names(vars(value))


@contextmanager
def fresh_state(sources: Iterable[SourceFile]) -> Iterator[None]:
    """Import the user's modules anew for a time, as another process would; then all generators are as they were."""
    with random_numbers_restored(), _imported_anew(sources):
        yield


@contextmanager
def other_random_numbers() -> Iterator[None]:
    """Let the global generators draw other numbers than before."""
    with random_numbers_restored():
        import numpy as np

        random.seed(OTHER_SEED)
        np.random.seed(OTHER_SEED)
        if "torch" in sys.modules:
            sys.modules["torch"].manual_seed(OTHER_SEED)
        yield


@contextmanager
def random_numbers_restored() -> Iterator[None]:
    """Leave the global generators of Python, NumPy and torch as they were."""
    import numpy as np

    before, before_numpy, restore_torch = random.getstate(), np.random.get_state(), _keep_torch()
    try:
        yield
    finally:
        random.setstate(before)
        np.random.set_state(before_numpy)
        restore_torch()


def _keep_torch() -> Callable[[], None]:
    torch = sys.modules.get("torch")
    if torch is None:
        return lambda: None
    state = torch.get_rng_state()
    on_gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []

    def restore() -> None:
        torch.set_rng_state(state)
        if on_gpus:
            torch.cuda.set_rng_state_all(on_gpus)

    return restore


@contextmanager
def _imported_anew(sources: Iterable[SourceFile]) -> Iterator[None]:
    # a module may hold random numbers, or what the run has put into it. One that was edited during the fit is left: the
    # fitted model is of the code before
    modules = {source.module: sys.modules[source.module] for source in sources if source.module in sys.modules}
    if not modules or not all(source.is_current for source in sources):
        yield
        return
    with other_random_numbers():
        for name in modules:
            del sys.modules[name]
        try:
            for name in modules:
                import_module(name)
        except Exception:  # it cannot be imported twice in one process, which says nothing about another process
            sys.modules.update(modules)
    try:
        yield
    finally:
        for name, module in modules.items():
            sys.modules[name] = module
            parent, _, child = name.rpartition(".")
            if parent in sys.modules:  # the import has set the attribute of the package, too
                setattr(sys.modules[parent], child, module)
