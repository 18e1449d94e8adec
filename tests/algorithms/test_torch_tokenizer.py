"""The tokens of texts, and what is learned of them."""

import pandas as pd
import pytest

pytest.importorskip("torch")

from runtree.algorithms.torch.sequence_encoders import Tokenizer, split
from runtree.contract.errors import DataError


def frame(*texts):
    return pd.DataFrame({"text": list(texts)})


def learn(*texts, tokens="words", vocabulary=100, min_count=1, max_length=50):
    return Tokenizer.learn(frame(*texts), tokens, vocabulary, min_count, max_length)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The cat,\tthe HAT!", ["the", "cat", ",", "the", "hat", "!"]),
        ("snake_case 3.5€", ["snake_case", "3", ".", "5", "€"]),
        ("Füße Ελλάδα हिन्दी", ["füße", "ελλάδα", "हिन्दी"]),
        ("東京2020", ["東", "京", "2020"]),
        ("cafe\u0301 co\u00adop ﬁn", ["café", "coop", "fin"]),
        (" \n ", []),
    ],
)
def test_words(text, words):
    assert next(split([text], "words")) == words


def test_characters_keep_one_space_between_words():
    assert next(split([" Ab\n c "], "characters")) == ["a", "b", " ", "c"]


def test_the_most_frequent_are_known_in_an_order_that_rows_do_not_change():
    texts = ["b a c a", "d b", "c a"]
    assert learn(*texts).vocabulary == ["a", "b", "c", "d"]
    assert learn(*texts[::-1]).vocabulary == ["a", "b", "c", "d"]
    assert learn(*texts, vocabulary=2).vocabulary == ["a", "b"]
    assert learn(*texts, min_count=3).vocabulary == ["a"]


def test_ids_of_known_unknown_missing_and_long_texts():
    tokenizer = learn("a a b", "a b")
    ids, lengths = tokenizer.encode(frame("b a", "a never b a a", None, ""))
    assert ids.tolist() == [[3, 2, 0], [2, 1, 3], [0, 0, 0], [0, 0, 0]]
    assert lengths.tolist() == [2, 3, 1, 1]


def test_length_is_that_of_the_longest_text_to_learn_from_within_the_bound():
    assert learn("a b c", "a").length == 3
    assert learn("a b c", "a", max_length=2).length == 2


def test_empty_texts_teach_nothing():
    with pytest.raises(DataError, match="column 'text' holds no words"):
        learn("", None, "  ")
