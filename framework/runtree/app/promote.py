"""The rows on which two versions of a registered model are scored before an alias moves from one to the other."""

from typing import TYPE_CHECKING, Any

from runtree.app.application import App
from runtree.app.evaluate import EvaluationRequest, labelled_context, with_overrides
from runtree.app.explain import read_run_config
from runtree.app.retrain_score import make_side, score_held_out
from runtree.config.provenance import TypedWords
from runtree.contract.errors import DataError
from runtree.contract.model_version import ModelVersion
from runtree.contract.predictions import Predictions
from runtree.evaluation.new_rows import add_fairness
from runtree.lifecycle.labelled_rows import predict_labelled, read_labelled
from runtree.records.layout import RunFolder
from runtree.records.record import read_record
from runtree.registry.figures import GateRows, ScoredRows

if TYPE_CHECKING:
    import numpy as np

QUICK = ("evaluator.intervals.resamples=0",)  # the gate bounds the gap itself


def rows_to_promote(app: App, file: str | None, trusted: tuple[str, ...]) -> GateRows:
    """Return the rows for the gate: those of a labelled file, and those that the present version had held out."""

    def newest(version: ModelVersion, other: ModelVersion | None) -> ScoredRows | None:
        return score_versions(app, version, other, file, trusted) if file is not None else None

    def held_out(version: ModelVersion, other: ModelVersion) -> ScoredRows | str:
        trust = app.allow_list(TypedWords((), trusted))
        return score_held_out(*(make_side(app, one, trust, trusted) for one in (version, other)))

    return GateRows(newest, held_out)


def score_versions(
    app: App, version: ModelVersion, other: ModelVersion | None, file: str, trusted: tuple[str, ...]
) -> ScoredRows:
    """Return the predictions of one or two versions for the rows of a labelled file, read as in their training.

    Raises
    ------
    RuntreeError
        The rows do not fit one of them, or they are not about the same target.
    """
    own, groups, found = _predict(app, version, file, trusted, True)
    about = f"the {len(own.y_true):,} rows of {file}"
    if other is None:
        return ScoredRows(version.number, None, own, None, about, groups, **found)
    others, _, _ = _predict(app, other, file, trusted, False)
    if own.classes != others.classes or own.y_true.tolist() != others.y_true.tolist():
        raise DataError(
            f"--data {file}: {version.reference} and {other.reference} do not read the same target there",
            "their targets, or their classes, differ",
        )
    return ScoredRows(version.number, other.number, own, others, about, groups, **found)


def _predict(
    app: App, version: ModelVersion, file: str, trusted: tuple[str, ...], is_new: bool
) -> "tuple[Predictions, np.ndarray[Any, Any] | None, dict[str, Any]]":
    """Return predictions, the group of each row, and of the new version the fairness on these rows."""
    record = read_record(RunFolder(version.folder))
    request = EvaluationRequest(record, file, QUICK, trusted)
    predictor = app.load_predictor(record, trusted)
    config, trust = with_overrides(app, request, read_run_config(record)), app.allow_list(TypedWords((), trusted))
    rows = read_labelled(config, predictor, trust, str(predictor.card.get("target")))
    found: dict[str, Any] = {}
    if is_new:
        context = labelled_context(app, request, config, predictor, trust, rows)
        notes = add_fairness(context)
        found = {"fairness": context.results.get("fairness") or (), "notes": notes}
    groups = None if rows.table.groups is None else rows.table.groups.to_numpy()
    return predict_labelled(predictor, rows.table.features, rows.y_true), groups, found
