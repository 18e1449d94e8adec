"""The files of an explanation, for pandas and for people."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from runtree_shap.found import Found

KEYS = ("row", "output", "base_value")


def write_files(folder: Path, found: Found) -> None:
    """Write the values, and the importance of each feature as JSON and CSV."""
    folder.mkdir(exist_ok=True)
    values_table(found).to_parquet(folder / "shap_values.parquet", index=False)
    importance = importance_table(found)
    importance.to_csv(folder / "importance.csv", index=False)
    content = {**summary(found), "importance": importance.to_dict(orient="records")}
    (folder / "importance.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def values_table(found: Found) -> pd.DataFrame:
    """Return one line for each row and output: row, output, base_value, and a column for each feature."""
    columns = [f"{name}_feature" if name in KEYS else name for name in found.features]
    frames = []
    for place, output in enumerate(found.outputs):
        frame = pd.DataFrame(found.explanation.values[:, :, place], columns=columns)
        keys = {"row": found.rows, "output": output, "base_value": found.explanation.base[place]}
        for position, (name, value) in enumerate(keys.items()):
            frame.insert(position, name, value)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def importance_table(found: Found) -> pd.DataFrame:
    """Return mean |SHAP value| by feature, the largest first; for several classes their mean and each of them."""
    by_output = np.abs(found.explanation.values).mean(axis=0)
    table = pd.DataFrame({"feature": found.features, "importance": by_output.mean(axis=1)})
    if len(found.outputs) > 1:
        each = pd.DataFrame(by_output, columns=[f"importance_{output}" for output in found.outputs])
        table = pd.concat([table, each], axis=1)
    return table.sort_values("importance", ascending=False, kind="stable", ignore_index=True)


def summary(found: Found) -> dict[str, Any]:
    """Say how the explanation came about."""
    explanation = found.explanation
    return {
        "explainer": explanation.explainer,
        "explains": explanation.explains,
        "rows": len(found.rows),
        "base_values": dict(zip(found.outputs, explanation.base.tolist(), strict=True)),
        "additivity": explanation.additivity,
    }
