"""The stage save: the model, in the first format that a plugin or runtree itself knows for it, with its card."""

from collections.abc import Mapping
from typing import Any

from runtree.contract.errors import RunFailedError
from runtree.contract.run import Run
from runtree.lifecycle.decision.decide import FACT
from runtree.lifecycle.fitting.curve import draw_curve
from runtree.records.layout import RunFolder
from runtree.records.writer import write_json


def save(run: Run) -> None:
    """Write the model in the first format that a plugin or runtree itself knows for it."""
    folder = RunFolder(run.folder)
    folder.model.mkdir()
    draw_curve(folder, run.ending)
    format_name = run.hooks.first("save_model", model=run.model, folder=folder.model)
    if format_name is None:
        raise RunFailedError(f"no plugin knows how to save a {type(run.model).__name__}")
    write_json(folder.model / "model.json", {"format": format_name, "task": run.data.task, **_card(run)})


def _card(run: Run) -> Mapping[str, Any]:
    return {
        **({FACT: run.facts[FACT]} if FACT in run.facts else {}),
        "classes": list(run.data.classes),
        "columns": [{"name": str(name), "dtype": str(dtype)} for name, dtype in run.data.features.dtypes.items()],
        "target": str(run.data.target.name),
    }
