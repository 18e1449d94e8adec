"""The files of an explanation: Parquet, CSV and JSON."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from runtree_shap.explanation import ExplainedRows

KEYS = ("row", "output", "base_value")


def write_files(folder: Path, explained: ExplainedRows) -> None:
    """Write the values, and the importance of each feature as JSON and CSV."""
    folder.mkdir(exist_ok=True)
    values_table(explained).to_parquet(folder / "shap_values.parquet", index=False)
    importance = importance_table(explained)
    importance.to_csv(folder / "importance.csv", index=False)
    content = {**summary(explained), "importance": importance.to_dict(orient="records")}
    (folder / "importance.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def values_table(explained: ExplainedRows) -> pd.DataFrame:
    """Return one line for each row and output: row, output, base_value, and a column for each feature."""
    columns = [f"{name}_feature" if name in KEYS else name for name in explained.features]
    frames = []
    for place, output in enumerate(explained.outputs):
        frame = pd.DataFrame(explained.explanation.values[:, :, place], columns=columns)
        keys = {"row": explained.rows, "output": output, "base_value": explained.explanation.base[place]}
        for position, (name, value) in enumerate(keys.items()):
            frame.insert(position, name, value)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def importance_table(explained: ExplainedRows) -> pd.DataFrame:
    """Return mean |SHAP value| by feature, largest first; with several classes their mean and that of each."""
    by_output = np.abs(explained.explanation.values).mean(axis=0)
    table = pd.DataFrame({"feature": explained.features, "importance": by_output.mean(axis=1)})
    if len(explained.outputs) > 1:
        each = pd.DataFrame(by_output, columns=[f"importance_{output}" for output in explained.outputs])
        table = pd.concat([table, each], axis=1)
    return table.sort_values("importance", ascending=False, kind="stable", ignore_index=True)


def summary(explained: ExplainedRows) -> dict[str, Any]:
    """Return the facts about the explanation, for JSON."""
    explanation = explained.explanation
    return {
        "explainer": explanation.explainer,
        "explains": explanation.explains,
        "rows": len(explained.rows),
        "base_values": dict(zip(explained.outputs, explanation.base.tolist(), strict=True)),
        "additivity": explanation.additivity,
    }
