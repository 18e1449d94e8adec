"""The one printer of tables: plain rows in a pipe, rich on a terminal."""

import subprocess
import sys

import pytest

from runtree.cli.tables import cell_width, fit_columns, print_table

HEADINGS = ["run", "validation.balanced_accuracy", "why"]
LONG = "a sentence of several words that does not fit into the rest of a narrow terminal"
ROWS = [["0001", 0.5, LONG], ["0002", None, "x\x1b[2J"]]


def test_in_a_pipe_each_row_is_a_line_and_nothing_is_cut(capsys):
    print_table(HEADINGS, ROWS, {0: "a note"})
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        " run  validation.balanced_accuracy  why",
        f"0001                        0.5000  {LONG}",
        "    a note",
        r"0002                             -  x\x1b[2J",
    ]


def test_on_a_terminal_headings_are_broken_text_is_wrapped_and_notes_stand_below_their_row(terminal, capsys):
    terminal(60)
    print_table(HEADINGS, ROWS, {0: "a note", 1: "another"})
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert [line.split() for line in lines[:3]] == [["validation."], ["balanced_"], ["run", "accuracy", "why"]]
    assert max(map(len, lines)) <= 60
    note = lines.index("    a note")
    assert lines[3].startswith("0001       0.5000  a sentence of several")
    assert lines[note - 1].split()[-1] == "terminal"
    assert lines[note + 1 :] == [r"0002            -  x\x1b[2J", "    another"]


def test_a_terminal_without_room_gets_whole_rows(terminal, capsys):
    terminal(30)
    print_table(["a", "b"], [["x" * 25, "y" * 25]])
    assert capsys.readouterr().out.splitlines()[1] == f"{'x' * 25}  {'y' * 25}"


def test_columns_are_kept_in_the_order_in_which_they_matter(terminal):
    row = ["0001", "x" * 10, "y" * 10, "z" * 10]
    headings = ["run", "a", "b", "c"]
    terminal(30)
    assert fit_columns(headings, [row], ["c", "a", "b"]) == ["run", "a", "c"]
    terminal(80)
    assert fit_columns(headings, [row], ["c", "a", "b"]) == headings


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("日本", 4), ("e\N{COMBINING ACUTE ACCENT}", 1)])
def test_the_width_of_text(text, width):
    assert cell_width(text) == width


def test_without_a_terminal_rich_is_not_imported():
    code = "import sys; from runtree.cli.tables import print_table; print_table(['a'], [[1]]); print('rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["a", "1", "False"]
