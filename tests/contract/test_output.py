"""No text that is printed or logged controls the terminal."""

import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtree.contract.output import SafeStream, escape_controls

HARMFUL = {
    "title": ("\x1b]0;gone\x07", "\\x1b]0;gone\\x07"),
    "clear": ("\x1b[2J", "\\x1b[2J"),
    "cursor up": ("\x1b[1A", "\\x1b[1A"),
    "hidden text": ("\x1b[8mx", "\\x1b[8mx"),
    "hidden among colours": ("\x1b[31;8mx", "\\x1b[31;8mx"),
    "bell": ("\x07", "\\x07"),
    "backspace": ("a\x08b", "a\\x08b"),
    "C1": ("\x9b31m", "\\u009b31m"),
    "bidi": ("\u202eabc", "\\u202eabc"),
    "isolate": ("\u2066abc", "\\u2066abc"),
    "tag": ("\U000e0041", "\\U000e0041"),
    "return": ("wrong\rright", "wrong\\x0dright"),
}


@pytest.mark.parametrize("name", HARMFUL)
def test_what_controls_a_terminal_is_escaped(name):
    raw, escaped = HARMFUL[name]
    assert escape_controls(raw) == escaped


@pytest.mark.parametrize("text", ["plain\n\ttext\r\n", "\x1b[31merror\x1b[0m", "\r 50%", "héllo 日本 👩‍🔬"])
def test_colours_line_ends_and_letters_stay(text):
    assert escape_controls(text) == text


def test_a_panel_moves_the_cursor_and_does_nothing_else():
    assert escape_controls("\x1b[?25l\x1b[2K\x1b[1A", cursor=True) == "\x1b[?25l\x1b[2K\x1b[1A"
    assert escape_controls("\x1b]0;gone\x07", cursor=True) == "\\x1b]0;gone\\x07"


@given(st.text(st.characters(categories=["Cc", "Cf", "L"])))
def test_only_colours_begin_with_an_escape_in_the_end(text):
    written = escape_controls(text).replace("\n", "").replace("\t", "").lstrip("\r").replace("\r", "")
    assert escape_controls(written) == written
    assert not {sign for sign in written if unicodedata.category(sign) == "Cc" and sign != "\x1b"}


def test_a_stream_passes_everything_else_on():
    under = io.StringIO()
    stream = SafeStream(under)
    assert stream.write("a\x07") == 2
    stream.writelines(["b\n"])
    stream.flush()
    assert under.getvalue() == "a\\x07b\n"
    assert not stream.isatty()
