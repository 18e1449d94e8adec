"""Algorithms that are a command: a script, by the contract of SageMaker's training containers (`command_folder.py`).

    input/config/{hyperparameters,inputdataconfig,resourceconfig}.json
    input/data/train/train.csv, input/data/validation/validation.csv      features and target
    checkpoints/                                                          what a resumed run finds again
    model/                                                                what is kept
    output/failure                                                        why it failed
    output/data/                                                          anything else

Exit code 0 is success. What it reports, in its output or in a file of JSON lines, are the iterations of the fit.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if

from runtree.algorithms.command_folder import (
    MOUNTED,
    arguments,
    channel_files,
    channel_names,
    lay_out,
    owned_folder,
    read_files,
    variables,
    write_files,
)
from runtree.algorithms.command_reports import Reports
from runtree.algorithms.command_run import run_command
from runtree.contract.errors import ConfigError, RunFailedError
from runtree.contract.iteration import UNWATCHED, Report

FILES = "command"  # the folder of what the command has kept, beside the saved model
PREDICTIONS = "predictions.csv"
KINDS = (str, int, float, bool)


class CommandEstimator(BaseEstimator):  # type: ignore[misc]
    """Fits, and predicts, by running a command.

    Parameters
    ----------
    command
        The words of the command that trains; each hyperparameter follows as ``--name value``.
    predict_command
        The words of the command that predicts. It finds `model/` and ``input/data/predict/predict.csv``, features
        alone, and writes ``output/data/predictions.csv``: one column of predictions, or one of probabilities for each
        class, named by it; a line a row. None: the model does not predict, and is judged by what it has reported.
    hyperparameters
        Numbers and texts by name; of a path below ``/opt/ml`` the command gets the one of its own folder.
    channels
        The channel of each table (`train`, `validation`, `predict`), or a file of one: ``{"validation":
        "test/boston_test.csv"}``. By default each has a channel of its name.
    header
        Whether the files have one. False: as SageMaker's own algorithms read CSV, without, and with the target first.
    metrics
        A regular expression for each metric, whose first group is its value: ``{"validation:rmse": "rmse=([0-9.]+)"}``.
    metrics_file
        A file of JSON lines below ``output/data`` that the command appends to.
    probabilities
        Whether the command predicts probabilities.
    target
        The name of the target's column in the files of rows.
    grace
        Seconds between SIGTERM and SIGKILL where a fit ends early.
    device, threads, random_state
        What the variables `SM_NUM_GPUS`, `SM_NUM_CPUS` and `RUNTREE_SEED` say.

    Attributes
    ----------
    reported_
        The last value of each metric.
    files_
        The content of `model/` by path.
    script_sha256_
        The hash of the files that the command names, ``train.py``; None if it names none.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {}  # it has some, which `_validate_params` checks

    def __init__(
        self,
        command: list[str] | None = None,
        *,
        predict_command: list[str] | None = None,
        hyperparameters: dict[str, Any] | None = None,
        channels: dict[str, str] | None = None,
        header: bool = True,
        metrics: dict[str, str] | None = None,
        metrics_file: str | None = None,
        probabilities: bool = False,
        target: str = "target",
        grace: float = 30.0,
        device: str = "cpu",
        threads: int | None = None,
        random_state: int | None = None,
    ) -> None:
        self.command = command
        self.predict_command = predict_command
        self.hyperparameters = hyperparameters
        self.channels = channels
        self.header = header
        self.metrics = metrics
        self.metrics_file = metrics_file
        self.probabilities = probabilities
        self.target = target
        self.grace = grace
        self.device = device
        self.threads = threads
        self.random_state = random_state

    @property
    def predicts(self) -> bool:
        """Whether the fitted model can predict."""
        return self.predict_command is not None

    @property
    def uses_gpu(self) -> bool:
        """Whether the command is to use a GPU: one is asked for, or there is one."""
        return self.device.startswith("cuda") or (self.device == "auto" and shutil.which("nvidia-smi") is not None)

    def _validate_params(self) -> None:
        self._check_words("command", self.command or self._words)
        if self.predict_command is not None:
            self._check_words("predict_command", self.predict_command)
        for name, value in (self.hyperparameters or {}).items():
            if value is not None and not isinstance(value, KINDS):
                raise ConfigError(f"algorithm.hyperparameters.{name}: {value!r:.60} is no number and no text")
        channel_files(self.channels)
        for name, pattern in (self.metrics or {}).items():
            where = f"algorithm.metrics.{name}"
            try:
                groups = re.compile(pattern).groups
            except (re.error, TypeError) as error:
                raise ConfigError(f"{where}: {pattern!r:.60} is no regular expression: {error}") from None
            if not groups:
                raise ConfigError(f"{where}: {pattern!r:.60} has no group", "put the value in one: rmse=([0-9.]+)")
        if self.metrics_file and not _stays_below(self.metrics_file):
            raise ConfigError(f"algorithm.metrics_file: {self.metrics_file!r} lies outside output/data")

    def _check_words(self, key: str, words: Any) -> None:
        if isinstance(words, str) or not words or not all(isinstance(word, str) for word in words):
            raise ConfigError(
                f"algorithm.{key}: {words!r:.60} is no list of words", f"type: 'algorithm.{key}=[python, train.py]'"
            )

    def fit(self, X: Any, y: Any, report: Report = UNWATCHED, validation: Any = None) -> "CommandEstimator":
        """Run the command on the rows; X of shape (rows, features), y of shape (rows,).

        Raises
        ------
        ConfigError
            There is no such command.
        RunFailedError
            It ended with another exit code than 0; the message has the text of ``output/failure``, or its last line.
        """
        self._validate_params()
        tables = {"train": (X, y)} if validation is None else {"train": (X, y), "validation": validation}
        with owned_folder() as folder:
            self._lay_out(folder, tables)
            reports = Reports(self.metrics or {}, report, folder / "checkpoints")
            words = [*(self.command or self._words), *self._arguments(folder)]
            self._run("command", words, folder, tables, reports)
            self.files_ = read_files(folder / "model")
        self.reported_ = dict(reports.last)
        self.script_sha256_ = self._hash_scripts()
        if isinstance(self, ClassifierMixin):
            self.classes_ = np.unique(y)
        self.n_features_in_ = np.shape(X)[1]
        return self

    def _lay_out(self, folder: Path, tables: Mapping[str, Any]) -> None:
        target = self.target if self.header else None
        lay_out(folder, tables, channel_files(self.channels), self._values(folder), target)

    def _values(self, folder: Path) -> dict[str, Any]:
        """Return the hyperparameters; a path of the contract becomes that of the folder, as the command sees it."""
        here = self._seen(folder)
        return {
            name: str(here / value[len(f"{MOUNTED}/") :]) if str(value).startswith(f"{MOUNTED}/") else value
            for name, value in (self.hyperparameters or {}).items()
            if value is not None
        }

    def _seen(self, folder: Path) -> Path:
        """Return where the command sees its folder."""
        return folder

    def _arguments(self, folder: Path) -> list[str]:
        return arguments(self._values(folder))

    def _hash_scripts(self) -> str | None:
        """Return a hash of the files that the command names; of a module, and of what is imported, nothing is known."""
        words = self.command or []
        files = [file for word in words[1:] if (file := Path(word)) and _is_file(file)]
        files += [Path(words[0])] if words and "/" in words[0] and _is_script(Path(words[0])) else []
        hashes = [hashlib.sha256(file.read_bytes()).digest() for file in files]
        return hashlib.sha256(b"".join(hashes)).hexdigest() if files else None

    def _run(self, key: str, words: Sequence[str], folder: Path, tables: Mapping[str, Any], reports: Reports) -> None:
        data = folder / "output" / "data"
        run_command(
            f"algorithm.{key}",
            words,
            {**os.environ, **self._environment(folder, tables)},
            reports.read_line,
            (data / self.metrics_file, reports.read_json) if self.metrics_file else None,
            reports.end_iteration,
            folder,
            self.grace,
            getattr(self, "image", ""),
        )

    def _environment(self, folder: Path, tables: Mapping[str, Any]) -> dict[str, str]:
        cpus = self.threads if (self.threads or 0) > 0 else os.cpu_count() or 1
        channels = channel_names(tables, channel_files(self.channels))
        return {
            "TRAINING_JOB_NAME": folder.name,
            "RUNTREE_SEED": "" if self.random_state is None else str(self.random_state),
            **variables(self._seen(folder), channels, self._values(folder), int(self.uses_gpu), int(cpus or 1)),
        }

    # --- Predictions.

    def predict(self, X: Any) -> Any:
        """Return the predictions for X of shape (rows, features)."""
        answer = self._ask(X)
        if not self.probabilities:
            return self._single(answer)
        return self.classes_[self._by_class(answer).argmax(axis=1)]

    @available_if(lambda self: self.probabilities and isinstance(self, ClassifierMixin))  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Any:
        """Return probabilities of shape (rows, classes), in the order of `classes_`."""
        return self._by_class(self._ask(X))

    def _ask(self, X: Any) -> pd.DataFrame:
        if self.predict_command is None:
            raise RunFailedError(
                f"algorithm={self._name}: this model has no command that predicts",
                "train it with one: 'algorithm.predict_command=[python, predict.py]'",
            )
        with owned_folder() as folder:
            self._lay_out(folder, {"predict": (X, None)})
            write_files(self.files_, folder / "model")
            self._run("predict_command", self.predict_command, folder, {"predict": X}, Reports({}, UNWATCHED))
            file = folder / "output" / "data" / PREDICTIONS
            try:
                # as texts: numbers keep each digit, and classes their zeros in front
                answer = pd.read_csv(file, dtype=str, keep_default_na=False)
            except (OSError, ValueError) as error:
                raise RunFailedError(f"algorithm.predict_command: output/data/{PREDICTIONS}: {error}") from None
        if len(answer) != np.shape(X)[0]:
            counts = f"{len(answer):,} predictions for {np.shape(X)[0]:,} rows"
            raise RunFailedError(f"algorithm.predict_command: output/data/{PREDICTIONS} has {counts}")
        return answer

    def _single(self, answer: pd.DataFrame) -> Any:
        if answer.shape[1] != 1:
            found = f"output/data/{PREDICTIONS} has {answer.shape[1]} columns, not one"
            raise RunFailedError(
                f"algorithm.predict_command: {found}", "if they are probabilities: algorithm.probabilities=true"
            )
        values = answer.iloc[:, 0]
        if not isinstance(self, ClassifierMixin):
            return _numbers(values.to_frame())[:, 0]
        by_text = {str(label): label for label in self.classes_}
        unknown = [text for text in values.unique() if text not in by_text]
        if unknown:
            raise RunFailedError(
                f"algorithm.predict_command: '{unknown[0]}' is none of the classes {list(by_text)[:10]}"
            )
        return np.array([by_text[text] for text in values], dtype=self.classes_.dtype)

    def _by_class(self, answer: pd.DataFrame) -> Any:
        names = [str(label) for label in self.classes_]
        absent = [name for name in names if name not in answer.columns]
        if absent:
            raise RunFailedError(f"algorithm.predict_command: output/data/{PREDICTIONS} has no column '{absent[0]}'")
        return _numbers(answer[names])

    # --- Saving; see `contract.iteration.HoldsWeights`.

    def bare(self) -> "CommandEstimator":
        """Return the fitted algorithm without the files that it has kept."""
        other = type(self)(**self.get_params(deep=False))
        other.__dict__.update({name: value for name, value in vars(self).items() if name != "files_"})
        return other

    def save_weights(self, folder: Path) -> None:
        """Write what the command has kept."""
        write_files(self.files_, folder / FILES)

    def load_weights(self, folder: Path) -> None:
        """Read what the command has kept."""
        self.files_ = read_files(folder / FILES)

    _name: ClassVar[str] = "command"
    _words: ClassVar[tuple[str, ...]] = ()  # of the command, if none are given


class CommandClassifier(ClassifierMixin, CommandEstimator):  # type: ignore[misc]
    """A command that predicts classes."""


class CommandRegressor(RegressorMixin, CommandEstimator):  # type: ignore[misc]
    """A command that predicts numbers."""


def _numbers(answer: pd.DataFrame) -> Any:
    try:
        return answer.to_numpy(dtype=object).astype(float)
    except ValueError as error:
        raise RunFailedError(f"algorithm.predict_command: output/data/{PREDICTIONS}: {error}") from None


def _stays_below(name: str) -> bool:
    path = Path(name)
    return not path.is_absolute() and ".." not in path.parts


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a program in a word, ``python -c …``, is too long for a name
        return False


def _is_script(file: Path) -> bool:
    with file.open("rb") as content:
        return content.read(2) == b"#!"
