import pytest

pytest.importorskip("torch")

from runtree.algorithms.torch.pretrained import avoiding, matched

NAMES = ["input.weight", "blocks.1.weight", "blocks.1.bias", "blocks.10.weight", "output.weight", "output.bias"]


def test_a_layer_is_matched_as_a_whole_and_alone():
    assert matched(["blocks.1"], NAMES) == ["blocks.1.weight", "blocks.1.bias"]
    assert matched(["output.bias", "input"], NAMES) == ["input.weight", "output.bias"]
    assert matched(["block", "out"], NAMES) == []


def test_what_is_left_is_told_in_the_fewest_words():
    assert avoiding(NAMES, {"output.weight", "output.bias"}) == ["input", "blocks"]
    assert avoiding(NAMES, {"blocks.10.weight", "blocks.11.weight"}) == ["input", "blocks.1", "output"]
    assert avoiding(NAMES, set(NAMES)) == []
