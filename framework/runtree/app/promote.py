"""Two versions of a registered model, scored on the same labelled rows before an alias moves from one to the other."""

from runtree.app.application import App
from runtree.app.evaluate import EvaluationRequest, with_overrides
from runtree.app.explain import read_run_config
from runtree.config.provenance import TypedWords
from runtree.contract.errors import DataError
from runtree.contract.model_version import ModelVersion
from runtree.contract.predictions import Predictions
from runtree.lifecycle.labelled_rows import predict_labelled, read_labelled
from runtree.records.layout import RunFolder
from runtree.records.record import read_record
from runtree.registry.gate import ScoredRows


def score_versions(
    app: App, version: ModelVersion, other: ModelVersion, file: str, trusted: tuple[str, ...]
) -> ScoredRows:
    """Return the predictions of two versions for the rows of a labelled file, which each reads as in its training.

    Raises
    ------
    RuntreeError
        The rows do not fit one of them, or they are not about the same target.
    """
    own, others = (_predict(app, one, file, trusted) for one in (version, other))
    if own.classes != others.classes or own.y_true.tolist() != others.y_true.tolist():
        raise DataError(
            f"--data {file}: {version.reference} and {other.reference} do not read the same target there",
            "their targets, or their classes, differ",
        )
    return ScoredRows(version.number, other.number, own, others, f"the {len(own.y_true):,} rows of {file}")


def _predict(app: App, version: ModelVersion, file: str, trusted: tuple[str, ...]) -> Predictions:
    record = read_record(RunFolder(version.folder))
    request = EvaluationRequest(record, file, trusted=trusted)
    predictor = app.load_predictor(record, trusted)
    config = with_overrides(app, request, read_run_config(record))
    rows = read_labelled(config, predictor, app.allow_list(TypedWords((), trusted)), str(predictor.card.get("target")))
    return predict_labelled(predictor, rows.table.features, rows.y_true)
