import pytest

pytest.importorskip("torch")

from runtree.algorithms.torch.pretrained import names_below, prefixes_without

NAMES = ["input.weight", "blocks.1.weight", "blocks.1.bias", "blocks.10.weight", "output.weight", "output.bias"]


def test_a_layer_is_names_below_as_a_whole_and_alone():
    assert names_below(["blocks.1"], NAMES) == ["blocks.1.weight", "blocks.1.bias"]
    assert names_below(["output.bias", "input"], NAMES) == ["input.weight", "output.bias"]
    assert names_below(["block", "out"], NAMES) == []


def test_what_is_left_is_told_in_the_fewest_words():
    assert prefixes_without(NAMES, {"output.weight", "output.bias"}) == ["input", "blocks"]
    assert prefixes_without(NAMES, {"blocks.10.weight", "blocks.11.weight"}) == ["input", "blocks.1", "output"]
    assert prefixes_without(NAMES, set(NAMES)) == []
