"""Every command that is printed works as it stands: a real shell splits it, and the verb takes what comes of that.

All commands are made by `runtree.contract.commands`, so all that a few sessions offer, in tables, errors, pages, advice
and findings, are collected there. The folders have names that a shell would split.
"""

import ast
import json
import os
import re
import subprocess
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest

import runtree as package
from runtree.app.application import App, typed_words
from runtree.app.resume import check_resume_overrides
from runtree.cli.main import main
from runtree.cli.resume import resume_command
from runtree.config.freeze import freeze
from runtree.config.hydra_engine import force_open_parameters, parse_flags
from runtree.contract import commands
from runtree.testing.fixtures import UNEXAMINED

CSV = "data.path='a\\'b c.csv'"
TABLE = ["data=csv", CSV, "data.target=y"]
ELSEWHERE = "outputs='else where'"
QUICK = [*UNEXAMINED, "evaluator.metrics=[accuracy]", "compute.engine=in_process"]
DIAGNOSED = ["evaluator.baselines=none", "evaluator.explain=none", "evaluator.diagnose=quick", "evaluator.report=true"]


def say(*words):
    """Type a command line; return its exit code and all that it prints."""
    with redirect_stdout(StringIO()) as said, redirect_stderr(said):
        code = main(list(words))
    return code, said.getvalue()


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    """Return the commands that some sessions print, each once, and the folder they were typed in."""
    folder = tmp_path_factory.mktemp("it's here")
    made = []

    def join(words):
        made.append(__import__("shlex").join(words))
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(commands, "shlex", SimpleNamespace(join=join))
        rows = [f"{n % 7},{n * 37 % 11},{'yes' if n * n * 7 % 13 > 6 else 'no'}" for n in range(80)]
        (folder / "a'b c.csv").write_text("\n".join(["x,z,y", *rows]))
        moved = [f"{n % 7 + 9},{n * 37 % 11},{'yes' if n % 3 else 'no'}" for n in range(80)]
        (folder / "moved.csv").write_text("\n".join(["x,z,y", *moved]))
        (folder / "conf").mkdir()
        (folder / "conf" / "mine.yaml").write_text("defaults: [config, _self_]\nseed: 5\n")
        for typed, code in SESSIONS:
            answered, said = say(*typed)
            assert answered == code, said
    return SimpleNamespace(folder=folder, made=list(dict.fromkeys(made)))


def sweep(*words):
    return ["train", "-m", *TABLE, ELSEWHERE, "algorithm=knn", *words, *QUICK]


SESSIONS = [
    (["train", *TABLE, ELSEWHERE, "algorithm=logistic", "evaluator.metrics=[accuracy]", *DIAGNOSED], 0),
    (["train", "-cn", "mine", *TABLE, ELSEWHERE, "algorithm=knn", "algorithm.n_neighbors=5", *QUICK], 0),
    (["train", *TABLE, "hydra.run.dir='by name'", "algorithm=knn", *QUICK], 0),
    (
        sweep(
            "algorithm.n_neighbors=range(1,13)", "tuner.plots=false", "evaluator.report=true", "tuner.stop.max_runs=11"
        ),
        0,
    ),
    (sweep("algorithm.n_neighbors=3,500", "hydra.sweep.dir='my sweep'", "tuner.plots=false"), 1),
    (sweep("algorithm.n_neighbors=3,7", "hydra/sweeper=basic"), 0),
    *[
        ([*verb, "--outputs", "else where"], 0)
        for verb in (["runs"], ["runs", "--where", "seed=5"], ["show", "latest"])
    ],
    *[([*verb, "--outputs", "else where"], 0) for verb in (["best"], ["compare"], ["status"], ["status", "--all"])],
    *[([*verb, "--outputs", "else where"], 0) for verb in (["report", "latest"], ["stop"], ["resume"])],
    *[([verb, "my sweep"], 0) for verb in ("status", "report", "stop")],
    (["show", "by name"], 0),
    (["show", "my sweep/runs/0001"], 0),
    (["check", "-cn", "mine", *TABLE, "algorithm=knn"], 3),
    (["plan", "-cn", "mine", *TABLE, "algorithm=knn", "algorithm.n_neighbors=1,2"], 0),
    (["monitor", "best", "--data", "moved.csv", "monitor.window.minimum=40", "--outputs", "else where"], 3),
    (["describe", "algorithm=knn"], 0),
    (["list"], 0),
    (["plugins"], 0),
    # mistakes
    (["show", "nix", "--outputs", "else where"], 5),
    (["compare", "nix", "--outputs", "else where"], 5),
    (["train", *TABLE, "algorithm=knn,dummy"], 2),
    (["train", "data=csv", "data.path=a'b c.csv", "data.target=y"], 2),
    (["train", "data=csv", 'data.path=it\'s [a] "list"', "data.target=y"], 2),
    (["train", "algorithm=nix"], 2),
    ([*TABLE, "algorithm=knn"], 2),
    (["train", *TABLE, "hydra.run.dir='by name'", "algorithm=knn", *QUICK], 2),
    (sweep("algorithm.n_neighbors=3,7", "hydra.sweep.dir='my sweep'"), 2),
    (sweep("algorithm.n_neighbors=3,7", "hydra.sweep.subdir=same"), 2),
]


def split_by_shell(lines):
    """Return the words into which bash splits each of some command lines."""
    script = "runtree() { printf '%s\\0' \"$@\"; printf '\\1\\0'; }\n" + "\n".join(lines)
    done = subprocess.run(["bash", "-u"], input=script, capture_output=True, text=True, check=True)
    assert not done.stderr
    parts = done.stdout.split("\1\0")[:-1]
    assert len(parts) == len(lines)
    return [part.split("\0")[:-1] for part in parts]


def compose(words):
    app, flags = App(), parse_flags(words)
    engine = app.engine(flags, app.allow_list(typed_words(flags)))
    return engine.compose(force_open_parameters(flags.overrides), multirun=flags.multirun)


def try_out(verb, words):
    """Do what a command says, or what comes before its work."""
    if verb in ("train", "check"):
        freezes = "-m" not in words
        composed = compose(words)
        if freezes:
            freeze(composed)
    elif verb in ("tune", "plan"):
        compose(["-m", *words])
    elif verb == "resume":
        typed = resume_command.make_context(verb, list(words)).params
        check_resume_overrides(typed["overrides"])
        assert say("status", typed["sweep"], "--outputs", typed["outputs"])[0] == 0
    elif verb == "rerun":
        assert say("show", *words)[0] == 0
    elif verb == "predict":
        named = {"ROWS.csv": "a'b c.csv", "OUT.csv": "out.csv"}
        assert say(verb, *(named.get(word, word) for word in words))[0] == 0
    else:
        opened = [word for word in words if word != "--open"]
        code, said = say(verb, *opened)
        assert code == 0, said


def test_each_command_works_as_it_stands(sessions, monkeypatch):
    monkeypatch.chdir(sessions.folder)
    lines = [line for line in sessions.made if line.startswith("runtree ")]
    verbs = {line.split()[1] for line in lines}
    assert verbs >= {"train", "tune", "check", "show", "predict", "runs", "best", "compare", "diff", "resume", "report"}
    for line, (verb, *words) in zip(lines, split_by_shell(lines), strict=True):
        try:
            try_out(verb, words)
        except Exception as error:
            raise AssertionError(f"{line}\n{error}") from error


def test_each_override_works_as_it_stands(sessions, monkeypatch):
    monkeypatch.chdir(sessions.folder)
    lines = [f"runtree {line}" for line in sessions.made if not line.startswith("runtree ")]
    assert len(lines) >= 2
    for words in split_by_shell(lines):
        assert parse_flags(words).overrides == words
        from hydra.core.override_parser.overrides_parser import OverridesParser

        OverridesParser.create().parse_overrides([word for word in words if "…" not in word])


def test_the_best_is_named_so_that_it_can_be_trained_again(sessions, monkeypatch):
    monkeypatch.chdir(sessions.folder)
    for more in ([], ["--where", "seed=5"]):
        code, said = say("best", "--json", "--outputs", "else where", *more)
        assert code == 0, said
        document = json.loads(said)
        record = json.loads((Path(document["folder"]) / "run.json").read_text())
        [[_, *words]] = split_by_shell([document["command"]])
        assert freeze(compose(words)).fingerprint == record["fingerprints"]["config"]
        code, text = say("best", "--outputs", "else where", *more)
        assert f"\ncommand  {document['command']}\n" in text


def test_no_command_with_a_value_in_it_is_put_together_by_hand():
    verb = re.compile(r"runtree (--block )?[a-z]")
    found = []
    for file in Path(package.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            parts = node.values if isinstance(node, ast.JoinedStr) else []
            begun = False
            for part in parts:
                if isinstance(part, ast.Constant) and (match := verb.search(part.value)):
                    begun = os.linesep not in part.value and "…" not in part.value[match.start() :]
                elif isinstance(part, ast.FormattedValue) and begun:
                    found.append(f"{file.name}:{node.lineno}: {ast.unparse(node)}")
                    break
    assert [line for line in found if not any(known in line for known in WORDS_ONLY)] == []


# Sentences that mention a verb, or a command that ends in "…" for the user to fill in
WORDS_ONLY = ("removed by runtree clean", "runtree itself is broken", "=…'", "--block {")
