"""Pictures as tables: files in folders, and arrays."""

# ruff: noqa: E402

import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image")

from sklearn.datasets import load_digits

from runtree.contract.errors import DataError
from runtree.data.image_arrays import ImageArrays
from runtree.data.image_folder import ImageFolder

RNG = np.random.default_rng(0)


def draw(file, mode="RGB"):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 256, (6, 5, 3), dtype=np.uint8)).convert(mode).save(file)


@pytest.fixture
def pets(tmp_path):
    for number, suffix in enumerate(("png", "jpg", "JPEG", "bmp", "gif", "webp")):
        draw(tmp_path / "pets" / "cat" / f"{number}.{suffix}")
    draw(tmp_path / "pets" / "dog" / "1.png")
    (tmp_path / "pets" / "dog" / "notes.txt").write_text("not a picture")
    (tmp_path / "pets" / ".hidden").mkdir()
    return tmp_path / "pets"


def test_a_folder_for_each_class_becomes_names_and_labels(pets):
    frame = ImageFolder(str(pets)).load()
    assert list(frame) == ["image", "label"]
    assert frame["label"].tolist() == ["cat"] * 6 + ["dog"]
    assert frame["image"].iloc[[0, -1]].tolist() == [str(pets / "cat" / "0.png"), str(pets / "dog" / "1.png")]


def test_files_are_named_as_the_path_was_typed(pets, monkeypatch):
    monkeypatch.chdir(pets.parent)
    assert ImageFolder("pets").load()["image"].iloc[0] == "pets/cat/0.png"
    assert ImageFolder("pets", suffixes=["png"]).load()["image"].tolist() == ["pets/cat/0.png", "pets/dog/1.png"]


def test_what_is_no_picture_is_named(pets):
    whole = (pets / "cat" / "0.png").read_bytes()
    for name, content in {"empty.png": b"", "text.jpg": b"hello", "torn.png": whole[: len(whole) // 2]}.items():
        (pets / "dog" / name).write_bytes(content)
        with pytest.raises(DataError, match=rf"data\.path: cannot decode image .*dog/{name}"):
            ImageFolder(str(pets)).load()
        (pets / "dog" / name).unlink()


def test_a_folder_that_is_none_of_classes_is_refused(pets):
    with pytest.raises(DataError, match=r"data\.path: nowhere does not exist"):
        ImageFolder("nowhere").load()
    with pytest.raises(DataError, match="is a file, not a folder"):
        ImageFolder(str(pets / "dog" / "1.png")).load()
    with pytest.raises(DataError, match="dog holds no folder"):
        ImageFolder(str(pets / "dog")).load()
    with pytest.raises(DataError, match=rf"type: data\.path={pets}"):
        ImageFolder(str(pets.parent)).load()
    with pytest.raises(DataError, match=r"cat holds no image \(tif\)"):
        ImageFolder(str(pets), suffixes=["tif"]).load()
    (pets / "dog" / "1.png").unlink()
    (pets / "dog" / "notes.txt").unlink()
    (pets / "dog").rmdir()
    with pytest.raises(DataError, match="holds only one class: 'cat'"):
        ImageFolder(str(pets)).load()


def test_arrays_become_columns_of_bytes_named_as_digits_are(tmp_path):
    digits = load_digits(as_frame=True)
    np.savez(tmp_path / "d.npz", x=digits.images[:50].astype(int), y=digits.target[:50])
    frame = ImageArrays(str(tmp_path / "d.npz")).load()
    assert list(frame) == [*digits.data.columns, "label"]
    assert set(frame.dtypes.iloc[:-1]) == {np.dtype("uint8")}
    assert frame.iloc[:, :-1].to_numpy().tolist() == digits.data[:50].to_numpy().tolist()
    assert frame["label"].tolist() == digits.target[:50].tolist()


def test_colours_come_one_after_the_other(tmp_path):
    images = RNG.normal(size=(4, 3, 2, 3))
    np.save(tmp_path / "x.npy", images)
    np.save(tmp_path / "y.npy", np.array([[b"a"], [b"b"], [b"a"], [b"b"]]))
    frame = ImageArrays(str(tmp_path / "x.npy"), labels=str(tmp_path / "y.npy")).load()
    assert list(frame)[:3] == ["pixel_0_0_0", "pixel_0_0_1", "pixel_0_1_0"]
    assert frame["pixel_2_1_0"].tolist() == images[:, 1, 0, 2].astype(np.float32).tolist()
    assert frame["pixel_2_1_0"].dtype == np.float32
    assert frame["label"].tolist() == ["a", "b", "a", "b"]


def test_arrays_are_found_by_name(tmp_path):
    file = str(tmp_path / "many.npz")
    arrays = {"x_train": np.zeros((3, 2, 2)), "y_train": np.arange(3), "x_test": np.ones((2, 2, 2)), "y_test": [0, 1]}
    np.savez(file, **arrays)
    assert ImageArrays(file, "x_test", "y_test").load()["label"].tolist() == [0, 1]
    with pytest.raises(DataError, match=r"data\.images: 2 arrays could be the images") as told:
        ImageArrays(file).load()
    assert "x_train (3, 2, 2)" in str(told.value)
    with pytest.raises(DataError, match=r"data\.labels: 'y' is not in the file"):
        ImageArrays(file, "x_test", "y").load()


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (np.zeros((3, 2, 2)), np.zeros(2), "3 images, but 2 labels"),
        (np.zeros((3, 3, 9, 9)), np.zeros(3), "channels last"),
        (np.zeros((3, 4)), np.zeros(3), r"images of shape \(3, 4\)"),
        (np.zeros((3, 2, 2)), np.zeros((3, 2)), r"labels of shape \(3, 2\)"),
        (np.full((3, 2, 2), "a"), np.zeros(3), "must be numbers"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(images, labels, said, tmp_path):
    np.save(tmp_path / "x.npy", images)
    np.save(tmp_path / "y.npy", labels)
    with pytest.raises(DataError, match=said):
        ImageArrays(str(tmp_path / "x.npy"), labels=str(tmp_path / "y.npy")).load()


def test_nothing_is_unpickled_and_what_is_no_array_is_refused(tmp_path):
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "o.npz", x=np.array([{}], dtype=object))
    (tmp_path / "t.npz").write_text("hello")
    (tmp_path / "e.npy").write_bytes(b"")
    for name in ("o.npy", "o.npz", "t.npz", "e.npy"):
        with pytest.raises(DataError, match=rf"{name} is not a \.npy or \.npz file"):
            ImageArrays(str(tmp_path / name), labels="y.npy").load()
    np.save(tmp_path / "x.npy", np.zeros((3, 2, 2)))
    with pytest.raises(DataError, match=r"data\.labels: no file gone\.npy"):
        ImageArrays(str(tmp_path / "x.npy"), labels="gone.npy").load()
    with pytest.raises(DataError, match=r"data\.path: no file gone\.npz"):
        ImageArrays("gone.npz").load()
    with pytest.raises(DataError, match=r"type: data\.labels=FILE\.npy"):
        ImageArrays(str(tmp_path / "x.npy")).load()


def test_a_picture_that_changes_and_keeps_its_name_is_other_data(pets):
    source = ImageFolder(str(pets))
    before = source.fingerprint(source.load())
    assert source.fingerprint(source.load()) == before
    draw(pets / "dog" / "1.png")
    assert source.fingerprint(source.load()) != before
