import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtree.contract.predictions import Predictions
from runtree.records.validation_predictions import (
    predictions_size,
    read_validation_predictions,
    write_validation_predictions,
)

OVERHEAD = 1700  # bytes of the headers of five arrays


@given(classes=st.sampled_from([0, 2, 3, 300]), rows=st.integers(1, 9), scored=st.booleans(), seed=st.integers(0, 99))
def test_what_is_read_is_what_was_written_to_the_last_digit(tmp_path_factory, classes, rows, scored, seed):
    chance = np.random.default_rng(seed)
    draw = (lambda: chance.integers(0, classes, rows)) if classes else (lambda: chance.normal(size=rows))
    score = chance.dirichlet(np.ones(classes), rows) if classes and scored else None
    written = Predictions(draw(), draw(), score, tuple(f"label {n}" for n in range(classes)))
    places = chance.permutation(1000)[:rows]
    file = tmp_path_factory.mktemp("predictions") / "validation.npz"
    write_validation_predictions(file, written, places)
    read, at = read_validation_predictions(file)
    order = np.argsort(places)
    assert at.tolist() == places[order].tolist() and len(read.classes) == classes
    for name in ("y_true", "y_pred", "score"):
        one, other = getattr(read, name), getattr(written, name)
        assert (one is None and other is None) or np.array_equal(one, other[order])
    assert file.stat().st_size <= predictions_size(rows, classes) + OVERHEAD


def test_what_is_no_such_file_is_refused(tmp_path):
    file = tmp_path / "validation.npz"
    write_validation_predictions(file, Predictions(np.arange(3.0), np.arange(3.0), None, ()), np.arange(3))
    whole = file.read_bytes()
    packed, pickled, uneven = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.savez_compressed(packed, **{name: np.zeros(3) for name in ("row", "y_true", "y_pred")}, classes=0)
    np.savez(pickled, row=np.array([{}], dtype=object), y_true=np.zeros(1), y_pred=np.zeros(1), classes=0)
    np.savez(uneven, row=np.zeros(2), y_true=np.zeros(3), y_pred=np.zeros(3), classes=0)
    broken = [whole[:-30], b"", b"\0" * len(whole), packed.getvalue(), pickled.getvalue(), uneven.getvalue()]
    for content in broken:
        file.write_bytes(content)
        with pytest.raises((OSError, ValueError, zipfile.BadZipFile)):
            read_validation_predictions(file)
