import os
import subprocess
import sys

import click
import pytest

from runtree.cli.main import runtree as main_command


def test_python_m_is_the_same_command_line_with_the_same_exit_codes(folder):
    def typed(*words):
        return subprocess.run([sys.executable, "-m", "runtree", *words], capture_output=True, text=True)

    assert typed("--version").stdout.startswith("runtree ")
    mistaken = typed("tarin")
    assert (mistaken.returncode, mistaken.stderr.split("\n")[1].strip()) == (2, "did you mean: train?")
    assert typed("show", "latest").returncode == 5


def test_without_a_verb_the_help_is_printed(runtree):
    said = runtree()
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("Usage: runtree ")
    assert "  completion " in said.out


def test_a_reader_that_stops_early_ends_it_quietly(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [sys.executable, "-c", "import sys; from runtree.cli.main import main; sys.exit(main(['list']))"],
        stdout=writer,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    )
    os.close(writer)
    assert (process.returncode, process.stderr) == (0, b"")


def test_workers_start_where_the_output_is_thrown_away_and_errors_go_to_a_pipe(tmp_path):
    process = subprocess.run(
        [sys.executable, "-m", "runtree", "plan", "algorithm=dummy", "data=iris"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    )
    assert (process.returncode, process.stderr) == (0, b"")


def test_the_version_that_hydras_parser_prints_is_no_failure(runtree):
    said = runtree("train", "seed=1", "--version")
    assert (said.code, said.err) == (0, "")


def test_no_help_shows_the_mark_of_a_paragraph_that_is_kept_as_it_is():
    def helps(command, context):
        yield context.command_path, command.get_help(context)
        for name in command.list_commands(context) if isinstance(command, click.Group) else ():
            below = command.get_command(context, name)
            yield from helps(below, click.Context(below, parent=context, info_name=name))

    shown = dict(helps(main_command, click.Context(main_command, info_name="runtree")))
    assert len(shown) > 40
    assert [path for path, text in shown.items() if "\b" in text] == []
    assert shown["runtree serve run"].startswith("Usage: runtree serve [OPTIONS] RUN")  # as it is typed


def test_a_verb_of_subcommands_alone_prints_its_help(runtree):
    said = runtree("data")
    assert (said.code, said.err) == (0, "")
    assert "versions" in said.out


@pytest.mark.parametrize(
    "words",
    [["runs", "--limit"], ["compare", "--limit"], ["explain", "latest", "--row"], ["predict", "r", "f", "--batch"]],
)
def test_a_number_that_no_library_can_hold_is_refused(runtree, words):
    said = runtree(*words, "9" * 20)
    assert (said.code, "2147483647" in said.err) == (2, True), said.err
