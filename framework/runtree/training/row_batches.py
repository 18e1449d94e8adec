"""Train rows that are read from files in each epoch: all rows of a table but those that are held out."""

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from runtree.contract.errors import ConfigError
from runtree.contract.types import SPLITS
from runtree.tables import stream as files
from runtree.training.active_run import ActiveRun
from runtree.training.imbalance import imbalance_options

log = logging.getLogger(__name__)

LEARNERS = ("sgd", "mlp", "naive_bayes", "bernoulli_naive_bayes", "torch_mlp", "torch_resnet", "torch_module")
BATCHES_KEY = "batches"  # in `run.metadata`
MAX_TEXT = 12  # characters of a label; NumPy's array of texts has room for the longest in each row


@dataclass
class RowBatches:
    """The preprocessed train rows of a streamed table; each call of `batches` reads the files once more.

    Attributes
    ----------
    run
        A run whose table is streamed.
    train
        Positions of the train rows among those in memory; they say which parts of the split train.
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

    @property
    def classes(self) -> Any:
        """The sorted labels of a classification."""
        import numpy as np

        return np.unique(self.run.data.target.to_numpy())

    @property
    def part_rows(self) -> int:
        """The most rows of a part."""
        return files.BATCH_ROWS

    @property
    def max_parts(self) -> int:
        """The most parts of one reading; each file ends with a smaller one."""
        stream = self.run.data.streamed.stream
        return int(stream.rows // files.BATCH_ROWS + len(stream.paths))

    @property
    def parts(self) -> list[str]:
        """The parts of the split that train: of a refit the validation rows, too."""
        import numpy as np

        split = self.run.split
        return [part for part in SPLITS if len(split.rows(part)) and np.isin(split.rows(part), self.train).all()]

    def batches(self) -> Iterator[tuple[Any, Any, Any]]:
        """Yield preprocessed rows, their labels, and their weights or None."""
        data, count = self.run.data, 0
        target_name, names = str(data.target.name), list(data.features.columns)
        own, texts = data.streamed.outline.weights, _short_texts(self.classes)
        for numbers, frame in data.streamed.rows_of(self.run.split, self.parts):
            count += len(frame)
            labels = frame[target_name]
            target = labels.to_numpy(data.target.dtype if data.target.dtype.kind in "iufb" else object)
            if texts is not None:
                target = texts[1].take(texts[0].get_indexer(target))
            rows = self.preprocess.transform(frame[names])
            weights = self.weigh(target)
            if own is not None:
                weights = own.to_numpy()[numbers] * (1.0 if weights is None else weights)
            yield rows, self.transform(target), weights
        self.rows = count


def _short_texts(classes: Any) -> "tuple[Any, Any] | None":
    """Return labels as an index, and as an array of short texts; None for numbers and for long ones.

    scikit-learn sorts the labels of each batch, which takes ten times as long for Python's texts: as long as the fit.
    """
    import pandas as pd

    if classes.dtype != object or not all(isinstance(label, str) for label in classes):
        return None
    return (pd.Index(classes), classes.astype("U")) if max(map(len, classes)) <= MAX_TEXT else None


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
    if node.get("reweight"):
        raise ConfigError(
            "data.batches: data.reweight needs all train rows at once", "state weights of rows: data.weight=COLUMN"
        )
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
