"""The network for pictures: pixels, files, random changes, and scikit-learn's contract."""

# ruff: noqa: E402

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.utils.estimator_checks import parametrize_with_checks

torch = pytest.importorskip("torch")
Image = pytest.importorskip("PIL.Image")

from skops import io

from algorithms.torch_checks import carry_out
from runtree.algorithms.torch.cnn import TorchCNNClassifier, TorchCNNRegressor
from runtree.algorithms.torch.image_encoders import Augmentation, read_image
from runtree.contract.errors import ConfigError, DataError

SMALL = {"channels": 4, "stages": 2, "device": "cpu", "threads": 1}
QUICK = {**SMALL, "max_epochs": 2, "random_state": 0}
RNG = np.random.default_rng(0)
STILL = {"shift": 0.0, "rotation": 0.0, "zoom": 0.0, "contrast": 0.0, "flip": False}
LINE = {**SMALL, **STILL, "stages": 1, "image_shape": [1, 1, -1], "learning_rate": 0.05, "max_epochs": 10}
LINE["batch_size"] = 32
EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": "batches are drawn by row: a row that weighs two is in one, a row that is there twice may be in two",
}


@parametrize_with_checks(
    [
        TorchCNNClassifier(**LINE),
        TorchCNNRegressor(**{**LINE, "stages": 2, "batch_size": 16, "learning_rate": 0.02, "max_epochs": 15}),
    ],
    expected_failed_checks=lambda estimator: EXPECTED,
)
def test_scikit_learn_contract(estimator, check):
    carry_out(check, estimator)


@pytest.fixture
def files(tmp_path):
    """Bright pictures and dark ones."""
    for number in range(24):
        shade = RNG.integers(0, 120, (9, 7, 3)) + 130 * (number % 2)
        Image.fromarray(shade.astype(np.uint8)).save(tmp_path / f"{number}.png")
    return pd.DataFrame({"image": [str(tmp_path / f"{number}.png") for number in range(24)]})


LABELS = np.array(["dark", "bright"] * 12)


@pytest.mark.slow
def test_defaults_read_digits():
    X, y = load_digits(return_X_y=True)
    model = TorchCNNClassifier(random_state=0, device="cpu").fit(X[::2], y[::2])
    assert model.score(X[1::2], y[1::2]) > 0.975
    assert sum(weight.numel() for weight in model.module_.parameters()) < 100_000


def test_it_learns_where_places_do_not_matter():
    X = np.zeros((200, 64), dtype=np.uint8)
    y = np.arange(200) % 2
    for row, (across, place) in enumerate(zip(y, RNG.integers(0, 8, 200), strict=True)):
        X[row].reshape(8, 8)[(place, slice(None)) if across else (slice(None), place)] = 200
    model = TorchCNNClassifier(**{**QUICK, "max_epochs": 12, "batch_size": 16, "learning_rate": 0.02})
    assert model.fit(X[:120], y[:120]).score(X[120:], y[120:]) == 1.0


def test_units_and_types_of_pixels_do_not_matter():
    X, y = load_digits(return_X_y=True)
    X, y = X[:100], y[:100]
    said = TorchCNNClassifier(**QUICK).fit(X, y).predict_proba(X)
    for other in (X.astype(np.uint8), pd.DataFrame(X.astype(np.uint8)), X * 1000 - 7):
        assert TorchCNNClassifier(**QUICK).fit(other, y).predict_proba(other) == pytest.approx(said, abs=1e-3)


def test_missing_pixels_are_the_mean():
    X, y = load_digits(return_X_y=True)
    model = TorchCNNClassifier(**QUICK).fit(X[:100], y[:100])
    holed, filled = X[:5].copy(), X[:5].copy()
    holed[:, 20], filled[:, 20] = np.nan, X[:100].mean()
    assert model.predict_proba(holed) == pytest.approx(model.predict_proba(filled), abs=1e-6)


@pytest.mark.parametrize(
    ("names", "asked", "shape"),
    [
        (None, None, [1, 6, 6]),
        (None, [1, 4, 9], [1, 4, 9]),
        (None, (3, -1, 6), [3, 2, 6]),
        (["pixel", 4, 9], None, [1, 4, 9]),
        (["pixel", 3, 2, 6], None, [3, 2, 6]),
        (["pixel", 3, 2, 6], [1, 6, 6], [1, 6, 6]),
    ],
)
def test_the_shape_is_asked_for_or_told_by_names(names, asked, shape):
    X = pd.DataFrame(RNG.normal(size=(20, 36)))
    if names:
        X.columns = ["_".join(map(str, (names[0], *place))) for place in np.ndindex(*names[1:])]
    model = TorchCNNRegressor(**{**QUICK, "max_epochs": 1}, image_shape=asked).fit(X, RNG.normal(size=20))
    assert model.encoder_.shape == shape
    assert model.predict(X).shape == (20,)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({}, r"algorithm\.image_shape: null stands for a grey square, but the rows have 35 columns"),
        ({"image_shape": [3, 4, 4]}, r"algorithm\.image_shape: \[3, 4, 4\] is 48 pixels, but the rows have 35 columns"),
        ({"image_shape": [3, 4, -1]}, r"algorithm\.image_shape: \[3, 4, -1\]"),
        ({"image_shape": [5, 7]}, r"expected: \[CHANNELS,HEIGHT,WIDTH\]"),
        ({"image_shape": [1, -1, -1]}, r"expected: \[CHANNELS,HEIGHT,WIDTH\]"),
    ],
)
def test_a_shape_that_does_not_fit_is_refused(parameters, said):
    with pytest.raises(ConfigError, match=said):
        TorchCNNRegressor(**QUICK, **parameters).fit(np.zeros((20, 35)), np.zeros(20))


def test_files_are_learned_from_and_predicted(files):
    model = TorchCNNClassifier(**{**QUICK, "max_epochs": 8}, batch_size=8, image_size=[8, 6]).fit(files, LABELS)
    assert model.encoder_.shape == [3, 8, 6]
    assert model.score(files, LABELS) == 1.0
    assert model.predict(files.iloc[[3]]).tolist() == ["bright"]
    grey = TorchCNNClassifier(**QUICK, image_size=5, color="grey").fit(files, LABELS)
    assert grey.encoder_.shape == [1, 5, 5]


def test_workers_read_the_same(files):
    alone, helped = (
        TorchCNNClassifier(**QUICK, image_size=8, workers=workers).fit(files, LABELS).predict_proba(files)
        for workers in (0, 2)
    )
    assert alone.tobytes() == helped.tobytes()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_torn_file_is_named_in_one_line(files, workers):
    torn = Path(files["image"][7])
    torn.write_bytes(torn.read_bytes()[:150])
    model = TorchCNNClassifier(**QUICK, image_size=8, workers=workers).fit(files.drop(index=7), np.delete(LABELS, 7))
    with pytest.raises(DataError) as told:
        model.predict(files)
    assert str(told.value).startswith(f"cannot decode image {torn} (")
    assert len(str(told.value).splitlines()) == 1


def test_what_is_no_picture_is_refused(files):
    model = TorchCNNClassifier(**QUICK, image_size=8).fit(files, LABELS)
    with pytest.raises(DataError, match=r"column 'image': 1 of 2 files do not exist: gone\.png"):
        model.predict(pd.DataFrame({"image": [files["image"][0], "gone.png"]}))
    with pytest.raises(DataError, match="column 'image': 1 rows have no file name"):
        model.predict(pd.DataFrame({"image": [files["image"][0], None]}))
    with pytest.raises(DataError, match="the table holds numbers, but the model was trained on file names"):
        model.predict(pd.DataFrame({"image": [1.0]}))
    with pytest.raises(DataError, match="column 'image' holds text, but is not the only column"):
        TorchCNNClassifier(**QUICK).fit(files.assign(size=1), LABELS)
    with pytest.raises(ConfigError, match=r"algorithm\.image_size: \[8\]"):
        TorchCNNClassifier(**QUICK, image_size=[8]).fit(files, LABELS)


def test_any_kind_of_picture_is_read(tmp_path):
    wide = np.arange(0, 60000, 1000, dtype=np.uint16).reshape(6, 10)
    Image.fromarray(wide).save(tmp_path / "deep.png")
    assert read_image(str(tmp_path / "deep.png"), [1, 6, 10])[0].tolist() == (wide >> 8).tolist()
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 10, 200, 30])
    palette.save(tmp_path / "palette.png", transparency=bytes([0, 255]))
    assert read_image(str(tmp_path / "palette.png"), [3, 2, 2])[:, 0, 0].tolist() == [10, 200, 30]
    turned = Image.fromarray(np.array([[0, 255]], dtype=np.uint8))
    exif = turned.getexif()
    exif[0x0112] = 6  # taken with the camera on its side
    turned.save(tmp_path / "turned.png", exif=exif)
    assert read_image(str(tmp_path / "turned.png"), [1, 2, 1]).ravel().tolist() == [0, 255]


def test_nothing_changes_where_nothing_may():
    images = torch.arange(2 * 3 * 4 * 5, dtype=torch.uint8).reshape(2, 3, 4, 5)
    assert Augmentation(**STILL)(images) is images


def test_each_change_does_what_it_says():
    images = torch.rand(64, 1, 9, 9)
    flipped = Augmentation(**{**STILL, "flip": True})(images)
    mirrored = [torch.allclose(new, old.flip(-1), atol=1e-5) for new, old in zip(flipped, images, strict=True)]
    kept = [torch.allclose(new, old, atol=1e-5) for new, old in zip(flipped, images, strict=True)]
    assert all(a != b for a, b in zip(mirrored, kept, strict=True))
    assert 10 < sum(mirrored) < 54
    dot = torch.zeros(500, 1, 21, 11)
    dot[:, :, 10, 5] = 1.0
    shifted = Augmentation(**{**STILL, "shift": 0.2})(dot)
    rows, columns = shifted.sum(dim=(1, 3)).argmax(1) - 10, shifted.sum(dim=(1, 2)).argmax(1) - 5
    assert (rows.abs().max(), columns.abs().max()) == (4, 2)
    slope, angle = slopes(Augmentation(**{**STILL, "rotation": 30.0}))
    assert slope == pytest.approx(1.0, abs=1e-3)
    assert 25 < angle.max() <= 30.1
    assert -30.1 <= angle.min() < -25
    slope, angle = slopes(Augmentation(**{**STILL, "zoom": 0.2}))
    assert (slope.min(), slope.max()) == pytest.approx((0.8, 1.2), abs=0.03)
    assert angle == pytest.approx(0.0, abs=1e-3)
    faded = Augmentation(**{**STILL, "contrast": 0.5})(images)
    ratio = faded.std(dim=(1, 2, 3)) / images.std(dim=(1, 2, 3))
    assert 0.5 <= ratio.min() < 0.6
    assert 1.4 < ratio.max() <= 1.5
    assert torch.allclose(faded.mean(dim=(1, 2, 3)), images.mean(dim=(1, 2, 3)))


def slopes(change):
    """Return by how much a pixel brightens pictures that brighten from left to right, and in which direction."""
    ramp = torch.arange(41.0).expand(100, 1, 25, 41)
    middle = change(ramp)[:, 0, 9:16, 15:26]
    across, down = middle.diff(dim=2)[:, 3, 5].numpy(), middle.diff(dim=1)[:, 3, 5].numpy()
    return np.hypot(across, down), np.rad2deg(np.arctan2(down, across))


def test_train_rows_alone_are_changed(monkeypatch):
    X, y = load_digits(return_X_y=True)
    X, y = X[:60], y[:60]
    changed, call = [], Augmentation.__call__
    monkeypatch.setattr(Augmentation, "__call__", lambda self, rows: changed.append(len(rows)) or call(self, rows))
    watch = Watch(lambda step, told, save: False)
    model = TorchCNNClassifier(**QUICK, flip=True).fit(X, y, report=watch, validation=(X[:7], y[:7]))
    model.predict(X)
    assert sum(changed) == 2 * 60


class Watch:
    """Does something after each epoch; its answer may end the fit."""

    best = None

    def __init__(self, do, start=None):
        self.do, self.start = do, start

    def due(self, step):
        return True

    def __call__(self, step, *, save, model, snapshot, **told):
        return self.do(step, told, save)


def test_same_seed_same_bytes_and_going_on_too(tmp_path):
    X, y = load_digits(return_X_y=True)
    X, y = X[:150], y[:150]
    parameters = {**QUICK, "max_epochs": 4, "flip": True}

    def keep(step, told, save):
        if step == 2:
            save(tmp_path)
        return step == 2

    whole = TorchCNNClassifier(**parameters).fit(X, y).predict_proba(X)
    assert TorchCNNClassifier(**parameters).fit(X, y).predict_proba(X).tobytes() == whole.tobytes()
    TorchCNNClassifier(**parameters).fit(X, y, report=Watch(keep))
    torch.rand(7)
    ended = TorchCNNClassifier(**parameters).fit(X, y, report=Watch(lambda *_: False, tmp_path))
    assert ended.predict_proba(X).tobytes() == whole.tobytes()
    other = TorchCNNClassifier(**{**parameters, "random_state": 1}).fit(X, y).predict_proba(X)
    assert other.tobytes() != whole.tobytes()


def test_a_saved_network_predicts_the_same(files, tmp_path):
    X, y = load_digits(return_X_y=True)
    cases = [
        (TorchCNNClassifier(**QUICK), X[:100], y[:100], "image_encoders.PixelEncoder"),
        (TorchCNNClassifier(**QUICK, image_size=8), files, LABELS, "image_encoders.FileEncoder"),
    ]
    for model, rows, target, encoder in cases:
        model.fit(rows, target)
        io.dump(model.bare(), tmp_path / "bare.skops")
        model.save_weights(tmp_path)
        found = io.get_untrusted_types(file=tmp_path / "bare.skops")
        here = "runtree.algorithms.torch."
        assert set(found) - {"numpy.dtype"} == {f"{here}cnn.TorchCNNClassifier", f"{here}{encoder}"}
        again = io.load(tmp_path / "bare.skops", trusted=found)
        again.load_weights(tmp_path)
        assert again.predict_proba(rows).tobytes() == model.predict_proba(rows).tobytes()


def test_many_rows_are_answered_some_at_a_time(monkeypatch):
    X, y = load_digits(return_X_y=True)
    model = TorchCNNClassifier(**QUICK).fit(X[:100], y[:100])
    said = model.predict_proba(X[:100])
    sizes = []
    answer = model.module_.outputs
    monkeypatch.setattr(model.module_, "outputs", lambda rows: sizes.append(len(rows)) or answer(rows))
    monkeypatch.setattr("runtree.algorithms.torch.cnn.MAX_ACTIVATIONS", 4 * 64 * 30)
    assert model.predict_proba(X[:100]) == pytest.approx(said, abs=1e-6)
    assert sizes == [30, 30, 30, 10]
