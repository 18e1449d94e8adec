import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from runtree.contract.card import WEIGHTS, ModelCard
from runtree.contract.errors import DataError, NotFoundError, RequestError, UntrustedError
from runtree.records.zoo import add_entry, find_entry, layer_shapes, list_entries, make_file_card

HEADER = {"b.weight": {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]}, "__metadata__": {"by": "hand"}}


def weights(path: Path, content: bytes = bytes(8)) -> Path:
    """Write a file of safetensors by hand."""
    header = json.dumps(HEADER).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + content)
    return path


def test_what_is_added_is_found(tmp_path):
    file = weights(tmp_path / "w.safetensors")
    entry = add_entry(tmp_path / "zoo", make_file_card("one", file), file)
    assert (entry.state, entry.size) == ("ok", file.stat().st_size)
    assert entry.card.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert [found.name for found in list_entries(tmp_path / "zoo")] == ["one"]
    assert layer_shapes(entry.folder / WEIGHTS) == {"b.weight": [1, 2]}
    assert ModelCard.parse(entry.card.text().encode(), "here") == entry.card


def test_a_name_that_is_taken_stays_as_it_is(tmp_path):
    first = weights(tmp_path / "w.safetensors")
    add_entry(tmp_path / "zoo", make_file_card("one", first), first)
    other = weights(tmp_path / "v.safetensors", bytes(range(8)))
    with pytest.raises(RequestError, match="an entry of this name exists already"):
        add_entry(tmp_path / "zoo", make_file_card("one", other), other)
    assert (tmp_path / "zoo" / "one" / WEIGHTS).read_bytes() == first.read_bytes()


def test_what_fails_half_way_leaves_nothing(tmp_path):
    file = weights(tmp_path / "w.safetensors")
    card = replace(make_file_card("one", file), files={WEIGHTS: "0" * 64})
    with pytest.raises(DataError, match="not the file that the run wrote"):
        add_entry(tmp_path / "zoo", card, file)
    assert not list((tmp_path / "zoo").iterdir())


@pytest.mark.parametrize("name", ["../one", ".one", "a/b", "", "a b"])
def test_a_name_leads_nowhere_else(tmp_path, name):
    file = weights(tmp_path / "w.safetensors")
    with pytest.raises(RequestError, match="is not a valid name"):
        add_entry(tmp_path / "zoo", make_file_card(name, file), file)
    assert not (tmp_path / "zoo").exists()


@pytest.mark.parametrize("content", [b"", b"12", b"\xff" * 40, (2).to_bytes(8, "little") + b"[]" + bytes(9)])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    file = tmp_path / "w.safetensors"
    file.write_bytes(content)
    with pytest.raises(DataError, match="not a safetensors file"):
        add_entry(tmp_path / "zoo", make_file_card("one", file), file)


def test_a_pickle_is_refused(tmp_path):
    with pytest.raises(UntrustedError, match="can run code"):
        add_entry(tmp_path / "zoo", make_file_card("one", Path("m.pt")), Path("m.pt"))


def damage(entry, how):
    card = entry / "card.yaml"
    told = yaml.safe_load(card.read_text())
    if how == "no card":
        card.unlink()
    elif how == "no mapping":
        card.write_text("x: [")
    elif how == "no text":
        card.write_bytes(b"\xff\xfe\x00")
    elif how == "a key less":
        card.write_text(yaml.safe_dump({key: value for key, value in told.items() if key != "task"}))
    elif how == "another type":
        card.write_text(yaml.safe_dump(told | {"inputs": [1]}))
    elif how == "no hash":
        card.write_text(yaml.safe_dump(told | {"files": {WEIGHTS: "abc"}}))
    elif how == "no weights":
        (entry / WEIGHTS).unlink()
    else:
        content = bytearray((entry / WEIGHTS).read_bytes())
        content[-1] ^= 1
        (entry / WEIGHTS).write_bytes(content)


@pytest.mark.parametrize(
    ("how", "fault"),
    [
        ("no card", "card.yaml: No such file"),
        ("no mapping", "card.yaml: not a card"),
        ("no text", "card.yaml: not a card"),
        ("a key less", "card.yaml: the card has no 'task'"),
        ("another type", "card.yaml: 'inputs' must be a mapping"),
        ("no hash", f"card.yaml: 'files' must hold '{WEIGHTS}'"),
        ("no weights", f"{WEIGHTS}: No such file"),
        ("another byte", f"{WEIGHTS}: not the file that the card describes"),
    ],
)
def test_a_damaged_entry_is_listed_as_such_beside_the_others(tmp_path, how, fault):
    file, zoo = weights(tmp_path / "w.safetensors"), tmp_path / "zoo"
    for name in ("one", "two"):
        add_entry(zoo, make_file_card(name, file), file)
    damage(zoo / "one", how)
    first, second = list_entries(zoo)
    assert (first.state, second.state) == ("damaged", "ok")
    assert first.fault.startswith(fault)


def test_an_unknown_name_is_answered_with_those_there_are(tmp_path):
    file = weights(tmp_path / "w.safetensors")
    add_entry(tmp_path, make_file_card("flowers", file), file)
    with pytest.raises(NotFoundError, match="did you mean: flowers"):
        find_entry(tmp_path, "flower")
    with pytest.raises(NotFoundError):
        find_entry(tmp_path / "flowers", "..")
