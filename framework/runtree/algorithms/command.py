"""Algorithms that are a command: a script, by the contract of SageMaker's training containers.

The command finds the folders of that contract (https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo.html)
below one of its own, which the variables of sagemaker-training name: `SM_CHANNEL_TRAIN`, `SM_MODEL_DIR`, `SM_HPS` …

    input/config/{hyperparameters,inputdataconfig,resourceconfig}.json
    input/data/train/train.csv, input/data/validation/validation.csv      features and target, with a header
    model/                                                                what is kept
    output/failure                                                        why it failed
    output/data/                                                          anything else

Exit code 0 is success. What it reports, in its output or in a file of JSON lines, are the iterations of the fit.
"""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if

from runtree.algorithms.command_run import Ended, run_command
from runtree.contract.errors import ConfigError, RunFailedError
from runtree.contract.iteration import UNWATCHED, Report

FILES = "command"  # the folder of what the command has kept, beside the saved model
PREDICTIONS = "predictions.csv"
KINDS = (str, int, float, bool)


class Reports:
    """Makes iterations of what a command reports: values in lines of its output, and lines of JSON.

    An iteration of patterns is complete once each has matched, or one of them matches again. It has the number that the
    command gives it (`step` in the JSON), or else the next.
    """

    def __init__(self, patterns: Mapping[str, str], report: Report) -> None:
        self.patterns = {metric_name(name): re.compile(pattern) for name, pattern in patterns.items()}
        self.report = report
        self.last: dict[str, float] = {}
        self.step = 0
        self._values: dict[str, float] = {}

    def read_line(self, line: str) -> None:
        """Take a line of the output."""
        for name, pattern in self.patterns.items():
            found = pattern.search(line)
            if found is None:
                continue
            try:
                value = float(found[1])
            except ValueError:
                text = f"'{found[1][:40]}' of the output is no number"
                raise RunFailedError(f"algorithm.metrics.{name}: {text}", "the first group of the pattern is") from None
            if name in self._values:
                self.end_iteration()
            self._values[name] = value
        if self.patterns and len(self._values) == len(self.patterns):
            self.end_iteration()

    def read_json(self, line: str) -> None:
        """Take a line of the file of metrics."""
        try:
            content = json.loads(line)
            step = int(content.pop("step", self.step + 1))
            values = {metric_name(name): float(value) for name, value in content.items()}
        except (ValueError, TypeError, AttributeError):
            message = f"algorithm.metrics_file: {line[:80]!r} is no line of JSON with numbers"
            raise RunFailedError(message, 'such as {"step": 1, "validation_rmse": 0.5}') from None
        self._take(step, values)

    def end_iteration(self) -> None:
        """Report what the patterns have found."""
        if self._values:
            values, self._values = self._values, {}
            self._take(self.step + 1, values)

    def _take(self, step: int, values: Mapping[str, float]) -> None:
        self.step = step
        self.last.update(values)
        if self.report(step, **dict[str, Any](values)):
            raise Ended


def metric_name(name: str) -> str:
    """Return the name in the history: SageMaker's ``validation:rmse`` is ``validation_rmse``."""
    return str(name).replace(":", "_")


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
        Numbers and texts by name.
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
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {}  # it has some, which `_validate_params` checks

    def __init__(
        self,
        command: list[str] | None = None,
        *,
        predict_command: list[str] | None = None,
        hyperparameters: dict[str, Any] | None = None,
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
        channels = {"train": (X, y)} if validation is None else {"train": (X, y), "validation": validation}
        reports = Reports(self.metrics or {}, report)
        with tempfile.TemporaryDirectory(prefix="runtree-command-") as place:
            folder = Path(place)
            self._lay_out(folder, channels)
            words = [*(self.command or self._words), *_arguments(self.hyperparameters or {})]
            self._run("command", words, folder, list(channels), reports)
            self.files_ = _read_files(folder / "model")
        self.reported_ = dict(reports.last)
        if isinstance(self, ClassifierMixin):
            self.classes_ = np.unique(y)
        self.n_features_in_ = np.shape(X)[1]
        return self

    def _lay_out(self, folder: Path, channels: Mapping[str, Any]) -> None:
        """Write what the contract says that a command finds."""
        for name in ("input/config", "input/data", "model", "output/data"):
            (folder / name).mkdir(parents=True)
        for name, (rows, target) in channels.items():
            _write_rows(folder / "input" / "data" / name / f"{name}.csv", rows, target, self.target)
        values = {name: _text(value) for name, value in (self.hyperparameters or {}).items() if value is not None}
        inputs = {name: {"ContentType": "text/csv", "TrainingInputMode": "File"} for name in channels}
        hosts = {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "lo"}
        for name, content in (("hyperparameters", values), ("inputdataconfig", inputs), ("resourceconfig", hosts)):
            (folder / "input" / "config" / f"{name}.json").write_text(json.dumps(content))

    def _run(self, key: str, words: Sequence[str], folder: Path, channels: list[str], reports: Reports) -> None:
        data = folder / "output" / "data"
        run_command(
            f"algorithm.{key}",
            words,
            {**os.environ, **self._environment(folder, channels)},
            reports.read_line,
            (data / self.metrics_file, reports.read_json) if self.metrics_file else None,
            reports.end_iteration,
            folder / "output" / "failure",
            self.grace,
            getattr(self, "image", ""),
        )

    def _environment(self, folder: Path, channels: list[str]) -> dict[str, str]:
        """Return the variables that sagemaker-training sets."""
        values = {name: value for name, value in (self.hyperparameters or {}).items() if value is not None}
        data = folder / "input" / "data"
        return {
            "TRAINING_JOB_NAME": folder.name,
            "RUNTREE_SEED": "" if self.random_state is None else str(self.random_state),
            "SM_MODEL_DIR": str(folder / "model"),
            "SM_INPUT_DIR": str(folder / "input"),
            "SM_INPUT_CONFIG_DIR": str(folder / "input" / "config"),
            "SM_OUTPUT_DIR": str(folder / "output"),
            "SM_OUTPUT_DATA_DIR": str(folder / "output" / "data"),
            "SM_CHANNELS": json.dumps(channels),
            **{f"SM_CHANNEL_{name.upper()}": str(data / name) for name in channels},
            "SM_HPS": json.dumps(values),
            **{f"SM_HP_{name.upper()}": _text(value) for name, value in values.items()},
            "SM_USER_ARGS": json.dumps(_arguments(values)),
            "SM_CURRENT_HOST": "algo-1",
            "SM_HOSTS": '["algo-1"]',
            "SM_NETWORK_INTERFACE_NAME": "lo",
            "SM_NUM_GPUS": str(int(self.uses_gpu)),
            "SM_NUM_CPUS": str(self.threads if (self.threads or 0) > 0 else os.cpu_count() or 1),
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
        with tempfile.TemporaryDirectory(prefix="runtree-command-") as place:
            folder = Path(place)
            self._lay_out(folder, {"predict": (X, None)})
            _write_files(self.files_, folder / "model")
            self._run("predict_command", self.predict_command, folder, ["predict"], Reports({}, UNWATCHED))
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
        _write_files(self.files_, folder / FILES)

    def load_weights(self, folder: Path) -> None:
        """Read what the command has kept."""
        self.files_ = _read_files(folder / FILES)

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


def _arguments(values: Mapping[str, Any]) -> list[str]:
    return [word for name, value in values.items() if value is not None for word in (f"--{name}", _text(value))]


def _text(value: Any) -> str:
    """Return a hyperparameter as SageMaker passes it: a text is itself, anything else is JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _write_rows(file: Path, rows: Any, target: Any, name: str) -> None:
    table = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(np.asarray(rows)).rename(columns=lambda n: f"f{n}")
    if target is not None:
        table = table.reset_index(drop=True).assign(**{name: np.asarray(target)})
    file.parent.mkdir(parents=True)
    table.to_csv(file, index=False)


def _read_files(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _write_files(files: Mapping[str, bytes], folder: Path) -> None:
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    folder.mkdir(parents=True, exist_ok=True)
