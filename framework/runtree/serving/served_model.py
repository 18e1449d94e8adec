"""A model that answers: loaded, checked, warmed up, and never changed after."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from runtree.contract.errors import RequestError
from runtree.contract.types import RunRecord
from runtree.evaluation.importance import expected_output, output_name, predict_rows
from runtree.evaluation.shapley import RowExplanation, explain_row
from runtree.lifecycle.predict import Predictor
from runtree.serving.fast_path import Rows, Score, few_rows, fold, to_table
from runtree.serving.prediction_log import sensitive_columns
from runtree.serving.row_schema import CheckedRow, RowSchema, make_schema
from runtree.serving.settings import PolicyOptions
from runtree.training.decision import DECISION_KEY
from runtree.training.thresholds import DEFAULT_THRESHOLD

Output = dict[str, Any]
SEED = 0


@dataclass(frozen=True)
class ServedModel:
    """A model that answers requests.

    Attributes
    ----------
    name, version
        Of a registered model its name and number; of a run its id and "run".
    reference
        The word by which it was asked for, such as ``models:/churn@champion``.
    threshold
        The probability from which a row is of the positive class; None unless there are two classes with probabilities.
    facts
        Further facts, for clients.
    sensitive
        Columns that its prediction log leaves out.
    encrypt
        The key that its run's config names for the log, as `key_of` reads it.
    """

    name: str
    version: str
    reference: str
    run: str
    predictor: Predictor
    schema: RowSchema
    score: Score
    target: str
    threshold: float | None = None
    has_probabilities: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    sensitive: Collection[str] = ()
    encrypt: Mapping[str, Any] = field(default_factory=dict)

    @property
    def classes(self) -> tuple[Any, ...]:
        """The class labels; empty for a regression."""
        return self.predictor.classes

    @cached_property
    def class_names(self) -> list[str]:
        """The class labels as texts, the keys of the probabilities."""
        return [str(label) for label in self.classes]

    def protect(self, record: Any) -> Any:
        """Return a record without the values of sensitive columns, before anything checks, logs or quotes it."""
        protection = self.predictor.protection
        return protection.record(record, self.schema.missing_words) if protection else record

    def predict(self, rows: Rows) -> list[Output]:
        """Return the prediction for each checked row.

        Raises
        ------
        Exception
            Of the model's code; a row that it cannot predict fails the call.
        """
        labels, proba = self.score(rows)
        numbers = labels if proba is None and not self.classes else proba
        if numbers is not None and not np.isfinite(numbers).all():
            raise RequestError("the model gives numbers that are not finite")
        if proba is None:
            return [{"prediction": label} for label in labels]
        names = self.class_names
        return [
            {"prediction": label, "probabilities": dict(zip(names, row, strict=True))}
            for label, row in zip(labels, proba.tolist(), strict=True)
        ]

    def explain(self, row: CheckedRow, label: str | None) -> tuple[str, RowExplanation]:
        """Return what each field adds to the prediction for a row, beginning at that for a typical row.

        Parameters
        ----------
        label
            The class whose probability is explained; None for the predicted one.

        Raises
        ------
        RequestError
            There is no such class.
        """
        if label is not None and label not in self.class_names:
            known = ", ".join(self.class_names[:12]) or "none: it is a regression"
            raise RequestError(f"'{label}' is no class of the model", f"possible: {known}")
        typical = self.schema.check(self.schema.example())
        table = self.predictor.select_columns(to_table(self.schema, [row.values, typical.values]))
        code = 0
        if self.classes:
            chosen = label if label is not None else str(self.score([row.values])[0][0])
            code = self.class_names.index(chosen)

        def outputs(rows: Any) -> Any:
            truth = np.zeros(len(rows), dtype=int)  # unknown, and not used
            return expected_output(predict_rows(self.predictor.model, rows, truth, self.classes, True))[:, code]

        background = table.iloc[[1]].reset_index(drop=True)
        explained = explain_row(outputs, table.iloc[[0]], 0, background, SEED)
        return output_name(self.class_names[code] if self.classes else None, self.has_probabilities), explained


def make_served(
    record: RunRecord,
    predictor: Predictor,
    reference: str,
    policy: PolicyOptions,
    registered: tuple[str, int] | None = None,
    tags: Mapping[str, str] | None = None,
) -> ServedModel:
    """Return a loaded model ready to answer: its schema made, its pipeline folded, its example predicted.

    Raises
    ------
    RuntreeError
        Its tags name no policy, or it reads files, which a service must not open for any client.
    Exception
        It cannot predict its own example.
    """
    if names := _file_columns(predictor):
        raise RequestError(
            f"{reference}: column '{names[0]}' holds names of files, which a service must not open",
            "predict them in batch: runtree predict",
        )
    schema = make_schema(predictor, tags or {}, policy)
    card = predictor.card
    if predictor.protection and set(predictor.protection.hashed) & set(predictor.columns):
        predictor.protection.key  # noqa: B018  a key that is missing or wrong is reported now, and not at the first request
    score = fold(predictor, schema)
    with few_rows():
        _, proba = score([schema.check(schema.example()).values])
    threshold = None
    if len(predictor.classes) == 2 and proba is not None:
        threshold = (card.get(DECISION_KEY) or {}).get("threshold") or DEFAULT_THRESHOLD
    name, version = (registered[0], str(registered[1])) if registered else (record.id, "run")
    return ServedModel(
        name,
        version,
        reference,
        record.id,
        predictor,
        schema,
        score,
        str(card.get("target")),
        threshold,
        proba is not None,
        {"task": str(card.get("task")), "algorithm": str(record.config.get("algorithm.name"))},
        sensitive_columns(record.config),
        {name: record.config.get(f"encrypt.{name}") for name in ("key", "file")},
    )


def _file_columns(predictor: Predictor) -> Sequence[str]:
    """Return the columns of names of files, as a network for pictures reads them."""
    steps = getattr(predictor.model, "steps", ())
    encoder = getattr(steps[-1][1], "encoder_", None) if steps else None
    return list(predictor.columns) if type(encoder).__name__ == "FileEncoder" else ()
