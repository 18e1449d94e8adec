import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtree.records.record import fast_json_reader

parse = fast_json_reader()

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES, st.booleans())
def test_it_reads_what_python_reads(value, plain):
    text = json.dumps(value, ensure_ascii=plain)
    try:
        content = text.encode()
    except UnicodeEncodeError:  # a lone surrogate cannot be written so
        content = json.dumps(value).encode()
    assert repr(parse(content)) == repr(json.loads(content))


@given(st.binary(max_size=30))
def test_what_is_no_json_is_a_value_error_for_both(content):
    try:
        expected = json.loads(content.decode())
    except ValueError:
        with pytest.raises(ValueError):
            parse(content)
    else:
        assert repr(parse(content)) == repr(expected)


@pytest.mark.parametrize("content", [b"18446744073709551616", b"1e999", b'{"a": NaN}', b'"\\ud800"', b'{"a":1,"a":2}'])
def test_what_other_readers_stumble_over_is_read(content):
    assert repr(parse(content)) == repr(json.loads(content))
