"""`validation.npz`: the predictions of a sweep's run on the validation split, by which `compare` tests its runs.

Arrays, uncompressed: writing takes 0.2 ms, where zlib would take longer than many a fit to save a third of the bytes.
Floats keep all their digits, so that two runs that predict the same are found to be equal.
"""

import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.contract.predictions import Predictions
from runtree.records.writer import write_bytes

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

ROW, FLOAT = "<i4", "<f8"


def predictions_size(rows: int, classes: int) -> int:
    """Return the bytes of the predictions of some rows, at most; `classes` is 0 for regression."""
    label = 8 if not classes else 1 if classes <= 2**8 else 2 if classes <= 2**16 else 4
    return rows * (4 + 2 * label + 8 * classes)


def write_validation_predictions(file: Path, predictions: Predictions, rows: "Array") -> None:
    """Write the predictions of some rows; `rows` are their positions in the table, shape (rows,)."""
    import numpy as np
    from numpy.lib.format import write_array

    classes = len(predictions.classes)
    label = np.min_scalar_type(classes - 1) if classes else FLOAT
    arrays = {
        "row": np.asarray(rows, ROW),
        "y_true": np.asarray(predictions.y_true, label),
        "y_pred": np.asarray(predictions.y_pred, label),
        "classes": np.asarray(classes),
    }
    if predictions.score is not None:
        arrays["score"] = np.asarray(predictions.score, FLOAT)
    content = io.BytesIO()
    # as np.savez does it, in a fifth of the time
    with zipfile.ZipFile(content, "w") as archive:
        for name, array in arrays.items():
            entry = io.BytesIO()
            write_array(entry, array, allow_pickle=False)
            archive.writestr(f"{name}.npy", entry.getvalue())
    # not durable: after a loss of power the ledger restores the run's scores, and only the test is missing
    write_bytes(file, content.getvalue(), durable=False)


def read_validation_predictions(file: Path) -> tuple[Predictions, "Array"]:
    """Return the predictions, with 0 … as classes, and their rows in ascending order.

    Raises
    ------
    OSError, ValueError
        It cannot be read, or is not such a file.
    """
    import numpy as np

    with zipfile.ZipFile(file) as archive:
        # stored as they are: no file can unpack to more than its own size
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise ValueError("its arrays are compressed")
    with np.load(file, allow_pickle=False) as arrays:
        row, classes = arrays["row"], int(arrays["classes"])
        score = arrays.get("score")
        y_true, y_pred = (arrays[name].astype(np.int64 if classes else float) for name in ("y_true", "y_pred"))
    shapes = {row.shape, y_true.shape, y_pred.shape, *([] if score is None else [score.shape[:1]])}
    if len(shapes) > 1 or (score is not None and score.shape[1:] != (classes,)):
        raise ValueError("its arrays do not fit each other")
    order = np.argsort(row, kind="stable")
    return Predictions(y_true, y_pred, score, tuple(range(classes))).take(order), row[order]
