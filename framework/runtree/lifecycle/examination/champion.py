"""The run that is to be beaten: found, known to compare, and its answers about the same test rows."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.contract.answers import Answers, read_answers
from runtree.contract.errors import ConfigError, NotFoundError
from runtree.contract.run import Run
from runtree.contract.types import Metric, RunRecord
from runtree.records.folder import RunFolder
from runtree.records.index import find, records

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Rows = np.ndarray[Any, Any]

WHERE = "evaluator.benchmark.run"
COMPARABLE = ("data", "split")


def champion(run: Run, name: str | int) -> RunRecord:
    """Return the run to beat; `latest` is the last completed one that kept its predictions, this run's sweep aside."""
    outputs, name = Path(str(run.config["outputs"])), str(name)
    found: RunRecord = run.recall(
        "champion", (name, str(outputs)), lambda: _latest(run, outputs) if name == "latest" else _named(outputs, name)
    )
    return found


def _named(outputs: Path, name: str) -> RunRecord:
    try:
        return find(outputs, name)
    except NotFoundError as error:
        raise NotFoundError(f"{WHERE}: {error.message}", "see: runtree runs") from None


def _latest(run: Run, outputs: Path) -> RunRecord:
    for record in sorted(records(outputs), key=lambda record: (record.started, record.id), reverse=True):
        of_this = _whole(record.folder) == _whole(run.folder)
        if record.state == "completed" and not of_this and RunFolder(record.folder).predictions.is_file():
            return record
    raise ConfigError(
        f"{WHERE}: there is no completed run in {outputs} to beat", "train one first, or name another run"
    )


def _whole(folder: Path) -> Path:
    """Return the folder of the sweep that a run is of, else its own."""
    own = folder.resolve()
    return own.parent if own.parent.name == "runs" else own


def check_champion(run: Run, name: str | int, metric: Metric) -> None:
    """Refuse a run that cannot be compared with this one: other rows, another split, no answers kept.

    Raises
    ------
    RuntreeError
        There is no such run, or why the two do not compare.
    """
    record = champion(run, name)
    here = {"data": run.data.fingerprint, "split": run.split.id}
    for key in COMPARABLE:
        if record.fingerprints.get(key) != here[key]:
            raise ConfigError(
                f"{WHERE}: {record.id} was scored on other {'data' if key == 'data' else 'rows: its split differs'}",
                "a run is beaten on the same test rows: the same data, data.test_size and seed",
                f"its own: runtree show {record.id} --config",
            )
    if not RunFolder(record.folder).predictions.is_file():
        hint = (
            "in a sweep only the best runs keep theirs"
            if "/" in record.id
            else f"make it anew: runtree rerun {record.id}"
        )
        raise ConfigError(f"{WHERE}: {record.id} kept no predictions to compare with", hint)
    if metric.needs == "probability" and champion_answers(run, name, run.split.test).score is None:
        raise ConfigError(f"{WHERE}: {record.id} gave no chances, and {metric.name} needs them")


def champion_answers(run: Run, name: str | int, rows: "Rows") -> Answers:
    """Return what the champion answered about test rows, in their order."""
    import pandas as pd

    table = pd.read_parquet(RunFolder(champion(run, name).folder).predictions)
    return read_answers(aligned(table[table["part"] == "test"], rows), run.data.classes)


def aligned(table: "pd.DataFrame", rows: "Rows") -> "pd.DataFrame":
    """Return predictions in the order of `rows`."""
    return table.set_index("row", drop=False).loc[rows]
