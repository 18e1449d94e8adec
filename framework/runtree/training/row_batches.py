"""Train rows that are read from files in each epoch: all rows of a table but those that are held out."""

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from runtree.contract.errors import ConfigError, DataError
from runtree.tables import stream as files
from runtree.training.active_run import ActiveRun
from runtree.training.imbalance import imbalance_options

log = logging.getLogger(__name__)

LEARNERS = ("sgd", "mlp", "naive_bayes", "bernoulli_naive_bayes", "torch_mlp", "torch_resnet", "torch_module")
BATCHES_KEY = "batches"  # in `run.metadata`


@dataclass
class RowBatches:
    """The preprocessed train rows of a streamed table; each call of `batches` reads the files once more.

    Attributes
    ----------
    run
        A run whose table is streamed.
    train
        Positions of the train rows among those in memory; the other rows in memory are held out.
    preprocess
        Fitted on them.
    transform, weigh
        From the labels of a batch to what the algorithm learns, and to weights of rows or None.
    rows
        The number of train rows; known after the first reading.
    """

    run: ActiveRun
    train: Any
    preprocess: Any
    transform: Callable[[Any], Any] = lambda target: target
    weigh: Callable[[Any], Any] = lambda target: None
    rows: int = 0
    _equal: dict[int, Any] = field(default_factory=dict)

    @property
    def classes(self) -> Any:
        """The sorted labels of a classification."""
        import numpy as np

        return np.unique(self.run.data.target.iloc[self.train].to_numpy())

    @property
    def part_rows(self) -> int:
        """The most rows of a part."""
        return files.BATCH_ROWS

    @property
    def max_parts(self) -> int:
        """The most parts of one reading; each file ends with a smaller one."""
        stream = self.run.data.streamed.stream
        return int(stream.rows // files.BATCH_ROWS + len(stream.paths))

    def batches(self) -> Iterator[tuple[Any, Any, Any]]:
        """Yield preprocessed rows, their labels, and their weights or None."""
        data, count = self.run.data, 0
        target_name, names = str(data.target.name), list(data.features.columns)
        for start, frame in data.streamed.frames():
            kept = self._is_train(start, frame)
            frame = frame if kept.all() else frame[kept]
            if not len(frame):
                continue
            count += len(frame)
            target = frame[target_name].to_numpy(data.target.dtype if data.target.dtype.kind in "iufb" else object)
            rows = self.preprocess.transform(frame[names])
            yield rows, self.transform(target), self.weigh(target)
        if not count:
            raise DataError("data.batches: no row of the files is a train row", "check data.time and data.group")
        self.rows = count

    def _is_train(self, start: int, frame: Any) -> Any:
        import numpy as np

        data, kept = self.run.data, np.ones(len(frame), dtype=bool)
        held_out = np.setdiff1d(np.arange(len(data.target)), self.train)
        numbers = data.streamed.sampled[held_out]
        first, last = np.searchsorted(numbers, [start, start + len(frame)])
        kept[numbers[first:last] - start] = False
        split, options = self.run.metadata.get("split"), data.streamed.options
        if split == "time" and data.times is not None:
            from runtree.tables.roles import read_times

            # rows between the last train row in memory and the border are left out, those of a gap among them
            kept &= (read_times(frame[options.time])[0] <= data.times.iloc[self.train].max()).to_numpy()
        if data.groups is not None:
            from runtree.tables.roles import read_groups

            kept &= ~read_groups(frame[options.group]).isin(data.groups.iloc[held_out]).to_numpy()
        if data.given is not None:
            from runtree.tables.strata import read_given

            labels = read_given(frame[options.split_column], "data.split_column")
            kept &= labels.isin(data.given.iloc[self.train].unique()).to_numpy()
        if split in ("random", "stratified") and options.duplicates != "split":
            kept[self._equal_rows(start, frame, held_out)] = False
        return kept

    def _equal_rows(self, start: int, frame: Any, held_out: Any) -> Any:
        """Return the positions of rows with the features of a held-out row; they are sought in the first epoch only."""
        import numpy as np

        from runtree.tables.fingerprint import hash_rows

        if start not in self._equal:
            features = self.run.data.features
            if not hasattr(self, "_hashes"):
                self._hashes = np.unique(hash_rows(features.iloc[held_out]))
            found = np.isin(hash_rows(frame[list(features.columns)]), self._hashes)
            self._equal[start] = np.flatnonzero(found)
        return self._equal[start]


def check_batches(run: ActiveRun) -> None:
    """Refuse what cannot be done in batches, before anything is fitted.

    Raises
    ------
    ConfigError
        An evaluator with folds, an algorithm that needs all rows at once, resampling.
    """
    if run.data.streamed is None:
        return
    name = str(run.config.algorithm.get("name"))
    if not learns_in_parts(run):
        raise ConfigError(
            f"data.batches: algorithm={name} needs all rows at once: {size_of_table(run)}",
            f"it learns from a sample:        data.batches=false data.sample={len(run.data.target)}",
            f"these learn in batches:         {', '.join(LEARNERS)}",
            "with enough memory:             data.batches=false",
        )
    if not getattr(run.evaluator, "holds_out", True):
        raise ConfigError(
            f"data.batches: evaluator={run.config.evaluator.get('name')} fits folds of a table in memory",
            "type: evaluator=holdout, or data.batches=false data.sample=100000",
        )
    node = run.config.to_dict()["data"]
    for key in ("weight", "reweight"):
        if node.get(key):
            raise ConfigError(f"data.batches: data.{key} needs all train rows at once", f"type: data.{key}=null")
    if getattr(run.estimator, "devices", 1) > 1:
        raise ConfigError("data.batches: a network reads them in one process", "type: compute.devices=1")
    if imbalance_options(run).resample is not None:
        raise ConfigError(
            "data.batches: imbalance.resample needs all train rows at once", "type: imbalance.class_weight=balanced"
        )
    if run.config.to_dict().get("fit", {}).get("validation_fraction") is not None:
        raise ConfigError(
            "data.batches: the validation split is monitored, not a share of the train rows",
            "type: fit.validation_fraction=null",
        )


def learns_in_parts(run: ActiveRun) -> bool:
    """Return whether a run's algorithm learns batch by batch: by `partial_fit`, or as a network of runtree."""
    from runtree.training.fit_plan import fit_parameters

    if "batches" in fit_parameters(run.estimator):
        return True
    if not hasattr(run.estimator, "partial_fit"):
        return False
    # one that iterates in its own loop would make a single pass
    return run.plan.stepper is not None or run.plan.bound is None


def size_of_table(run: ActiveRun) -> str:
    """Return ``10,000,000 rows x 20 columns, about 1.6 GB; 3.1 GB of memory are free``."""
    import psutil

    stream = run.data.streamed.stream
    free = psutil.virtual_memory().available
    columns = run.data.features.shape[1]
    needed = f"about {stream.bytes_in_memory / 1e9:.1f} GB, of {free / 1e9:.1f} GB that are free"
    return f"{stream.rows:,} rows x {columns} columns, {needed}"


def fit_in_batches(algorithm: Any, batches: RowBatches) -> None:
    """Fit by one pass of `partial_fit`: an algorithm that only counts, such as naive Bayes."""
    from sklearn.base import is_classifier

    classes = {"classes": batches.classes} if is_classifier(algorithm) else {}
    for rows, target, weights in batches.batches():
        algorithm.partial_fit(rows, target, **classes, **({} if weights is None else {"sample_weight": weights}))


def record_batches(run: ActiveRun, batches: RowBatches) -> None:
    """Record how many rows have trained."""
    facts = {"rows": run.data.streamed.rows, "train": batches.rows, "in_memory": len(run.data.target)}
    run.metadata[BATCHES_KEY] = facts
    log.info("trained in batches: %s, process %d", facts, os.getpid())
