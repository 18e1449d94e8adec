"""Seeded hostile inputs of four kinds: command lines, YAML files, tables, damaged output trees.

A case is made from its kind and its number alone, so that one that fails can be repeated::

    python tests/end_to_end/fuzzing.py               all kinds, as many cases of each as COUNTS says
    python tests/end_to_end/fuzzing.py tables 17     one case, with tracebacks

`complaint` says what every answer must be: within the time, with a documented exit code, in a few lines, and never an
error that nobody has turned into a message.
"""

import csv
import datetime
import decimal
import gzip
import io
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from runtree.cli.main import VERBS, main
from runtree.contract import redaction
from runtree.records.ledger import line, parse
from runtree.testing.fixtures import UNEXAMINED

COUNTS = {"commands": 500, "yaml": 350, "tables": 350, "trees": 300}
CODES = (0, 1, 2, 3, 4, 5)
SECONDS = 90  # of the wall clock, on a machine that others use too
ERROR_LINES = 5
QUICK = ("algorithm=dummy", "compute=cpu", "compute.threads=1", *UNEXAMINED)
SWEEP = ("-m", "compute.engine=in_process", "tuner.plots=false", "tuner.report=false")
UNEXPLAINED = ("Traceback (most recent call last)", "for the traceback:", "the run failed:")


class HangError(BaseException):
    """Raised by the alarm; no Exception, so that nothing which is tested takes it for one of its own."""


@dataclass(frozen=True)
class Answer:
    """What a command answered; `raised` is what left `main`, of which nothing should."""

    words: tuple[str, ...]
    code: int | None
    out: str
    err: str
    raised: BaseException | None = None


def ask(words: Sequence[str]) -> Answer:
    """Run a command in this process, for a limited time."""

    def end(signum: int, frame: Any) -> None:
        raise HangError

    out, err, code, raised = io.StringIO(), io.StringIO(), None, None
    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(SECONDS)
    # else the secrets of one case, of which some are letters, would be hidden in the answers of the next
    redaction._KNOWN = redaction._KnownValues()
    try:
        with redirect_stdout(out), redirect_stderr(err), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = main(list(words))
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raised = error
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    return Answer(tuple(words), code, out.getvalue(), err.getvalue(), raised)


def complaint(answer: Answer) -> str | None:
    """Return what is wrong with an answer, None if nothing is."""
    if answer.raised is not None:
        return f"{type(answer.raised).__name__} was raised: {answer.raised}"
    if answer.code not in CODES:
        return f"exit code {answer.code}"
    said = answer.err + answer.out
    found = next((text for text in UNEXPLAINED if text in said), None)
    if found:
        return next(text for text in said.splitlines() if found in text or text.startswith("error: "))
    error = answer.err.partition("error: ")[2]
    if answer.code and not error and answer.code not in (1, 3):
        return f"exit code {answer.code}, and nothing is said"
    if len(error.splitlines()) > ERROR_LINES:
        return f"{len(error.splitlines())} lines of error"
    return None


# --- Command lines: the grammar of overrides, and each verb's own options.

KEYS = (
    "algorithm", "data", "preprocess", "evaluator", "tuner", "compute", "experiment", "seed", "outputs",
    "algorithm.C", "algorithm.alpha", "algorithm.strategy", "algorithm.params", "algorithm.params.x", "algorithm._target_",
    "algorithm.space", "algorithm.space.C", "algorithm.path", "algorithm.name", "data.path", "data.target", "data.task", "data.drop", "data.sample",
    "data.test_size", "data.validation_size", "data.split", "data.group", "data.time", "data.types", "data.types.y",
    "data.missing", "data.positive", "data.separator", "data.decimal", "data.encoding", "data.name", "evaluator.metrics", "evaluator.folds",
    "evaluator.repeats", "evaluator.kind", "evaluator.baselines", "evaluator.report", "evaluator.gates", "evaluator.explain", "evaluator.confidence",
    "evaluator.benchmark", "evaluator.champion", "evaluator.fairness", "evaluator.slices", "objective", "objective.metric", "objective.direction",
    "experiment.name", "experiment.tags", "experiment.note", "tuner.stop", "tuner.stop.max_runs", "tuner.stop.patience",
    "tuner.stop.patience.runs", "tuner.repeats", "tuner.constraints", "tuner.keep", "tuner.seed", "tuner.warm_start", "tuner.own_space", "tuner.shares",
    "compute.device", "compute.slots", "compute.threads", "compute.precision", "compute.deterministic", "fit.max_iterations", "fit.monitor",
    "fit.patience", "fit", "decision", "decision.threshold", "decision.calibrate", "trackers", "extras", "extras.a", "hydra.job.name", "hydra.verbose", "hydra/launcher", "hydra/sweeper",
    "hydra.searchpath", "hydra.callbacks", "hydra.output_subdir", "hydra.run.dir", "x", "a.b.c", "a[0]", "", "a=b", "é", "data@x", "override data",
)  # fmt: skip
VALUES = (
    "", "1", "0", "-1", "3", "0.5", "1.0", "1e400", "-1e400", "nan", "inf", "99999999999999999999", "null", "true", "false", "yes", "on",
    "007", "0x1F", "1e-3", "2024-01-01", "12:30:45", "a", "ridge", "logistic", "dummy", "iris", "csv", "t.csv", "nothere.csv", "y", "x", "auto",
    "random", "group", "time", "accuracy", "[accuracy,f1]", "[]", "{}", "[1,2", "[a,b]", "[[1],[2]]", "{a: 1}", "{a: {b: [1]}}", "[null]", "[1,a,null]", "'a b'", '"a"',
    "'", '"', "a b", "a,b", "1,2,3", "range(1,3)", "choice(a,b)", "interval(0,1)", "glob(*)", "shuffle(1,2)", "sort(2,1)", "tag(a,1,2)", "int(3.7)", "int(x)",
    "log", "quniform(0,1)", "${seed}", "${nothere}", "${", "${oc.env:HOME}", "${oc.env:NOTHERE}", "${secret:X}", "${hydra:job.name}", "${a.b", "$x", "\\", "\n", "\t", "é", "😀", "\x1b[31m",
    "../x", "/", ".", "..", "/dev/null", "-", "--", "*", "?", "???", "%", "#", ":", "=", "==", "~", "!", "@", "&", "|", ";", "os.system", "json:loads", "sklearn.svm:SVC", "x" * 300, "(" * 30,
)  # fmt: skip
FLAGS = (
    "-m", "--cfg", "job", "hydra", "all", "--info", "config", "defaults", "defaults-tree", "searchpath", "plugins", "--resolve", "-p", "--package", "-cn", "-cd", "-cp", "--config-name",
    "--config-dir", "--config-path", "conf", "nothere", "--continue", "latest", "--trust", "os.system", "--hydra-help", "--version", "-h", "--block", "nosuch", "--no-color", "--multirun",
    "-c", "--run", "-r", "--experimental-rerun", "-e", "--", "-", "--foo", "-x",
)  # fmt: skip
ARGUMENTS = (
    "latest",
    "best",
    "nothere",
    "",
    "a/b",
    "../..",
    "/",
    "t.csv",
    "t.parquet",
    "outputs",
    "20260101-000000-sweep",
    "default",
    "*",
    "0",
    "-1",
    "accuracy",
    "test.accuracy",
    "--",
)
CONDITIONS = (
    "state == 'failed'", "test.accuracy > 0.5", "a =", "x in [1,2]", "not x", "1/0", "__import__('os')", "seed == 7 and", "config.algorithm.name == 'dummy'", "(((", "test.accuracy > '1'",
    "x < None", "id in ['a']", "seed + 1", "a.b.c.d", "-seed > 1", "'a' < 1", "tags == []", "nan == nan", "1 < 2 < 3", "f'{x}'", "seed is None", "",
)  # fmt: skip
# not: what follows for ever, opens a window, ends this process's own work, or downloads
NEVER = ("--watch", "--follow", "--open", "-w", "-f")


def override(chance: random.Random) -> str:
    """Return one word that is, or is nearly, an override."""
    if chance.random() < 0.03:
        return "".join(chance.choices("ab=.,[]{}'\"\\${}:+~ \t\n1é()-", k=chance.randint(1, 12)))
    prefix = chance.choice(("", "", "", "", "", "+", "++", "~", "-"))
    text = f"{prefix}{chance.choice(KEYS)}"
    return text if chance.random() < 0.04 else f"{text}={chance.choice(VALUES)}"


def verb_words(chance: random.Random, verb: str) -> list[str]:
    """Return arguments and options of a verb, chosen from those it declares and from others."""
    from click import Argument, Choice, Context

    from runtree.cli.main import runtree

    command = runtree.get_command(Context(runtree), verb)
    assert command is not None
    words: list[str] = []
    for parameter in command.params:
        if isinstance(parameter, Argument):
            words += chance.choices(ARGUMENTS, k=chance.choice((0, 1, 1, 1, 2)))
        elif chance.random() < 0.25 and not {*parameter.opts} & {*NEVER}:
            words.append(chance.choice(parameter.opts))
            if not getattr(parameter, "is_flag", False):
                choices = parameter.type.choices if isinstance(parameter.type, Choice) else ()
                words.append(chance.choice([*map(str, choices), *chance.choices(VALUES + ARGUMENTS + CONDITIONS, k=3)]))
    return words


def commands_case(chance: random.Random, tree: Path) -> Iterator[Sequence[str]]:
    shutil.copytree(tree, ".", dirs_exist_ok=True)
    Path("t.csv").write_text("x,z,y\n" + "".join(f"{n},{n * n % 7},{'pq'[n % 2]}\n" for n in range(40)))
    for _ in range(3):
        if chance.random() < 0.5:
            verb = chance.choice(("train", "train", "check", "plan", "tune"))
            words = [*QUICK, chance.choice(("data=iris", "data=csv"))] if chance.random() < 0.8 else ["compute.slots=1"]
            words += [override(chance) for _ in range(chance.randint(1, 4))]
            words += ["data.path=t.csv", "data.target=y"] if "data=csv" in words and chance.random() < 0.8 else []
            words += chance.sample(FLAGS, k=chance.choice((0, 0, 0, 1, 2)))
            if verb != "check":
                words += ["compute.engine=in_process", "tuner.stop.max_runs=2", "tuner.plots=false"] * (verb == "tune")
            yield [verb, *words]
        else:
            verb = chance.choice([name for name in VERBS if name not in ("init", "stop", "train", "tune")])
            words = verb_words(chance, verb)
            if chance.random() < 0.3:
                words.insert(chance.randint(0, len(words)), override(chance))
            yield [verb, *words]


# --- YAML: a file of a config folder, damaged or of another shape.

GOOD = {
    "algorithm": b"# a comment\nname: fz\n_target_: sklearn.dummy.DummyClassifier\nstrategy: prior\nspace:\n  strategy: [prior, uniform]\n",
    "data": b"defaults: [_table_, _self_]\nname: fz\n_target_: runtree.data.files.Csv\npath: t.csv\ntarget: y\n",
    "experiment": b"# @package _global_\ndefaults:\n  - override /algorithm: dummy\n  - override /data: iris\nseed: 7\n",
    "preprocess": b"name: fz\n_target_: runtree.preprocess.tabular.Tabular\n",
    "evaluator": b"defaults: [_evaluation_, _self_]\nname: fz\n_target_: runtree.evaluators.holdout.Holdout\n",
    "tuner": b"defaults: [_loop_, _self_]\nname: fz\n_target_: runtree.tuners.grid.Grid\n",
    "compute": b"name: fz\n_target_: runtree.compute.device.Device\ndevice: cpu\n",
}
ROOTS = (
    b"", b"null", b"~", b"5", b"- 1\n- 2", b"text", b"true", b"1.5", b"2024-01-01", b"{}", b"[]", b"---\n", b"a: 1\n---\nb: 2\n", b"\xef\xbb\xbfname: fz\n", b"\x00", b"name: f\x00z\n", b"\xff\xfen\x00a\x00",
    b"name: \xf6\n", b"\tname: fz\n", b"name: fz\nname: gz\n", b"name: fz\r\nseed: 1\r\n", b"name: fz\rseed: 1\r", b"{" * 200, b"[" * 2000, b"a: " * 200, b"&a [*a]", b"a: &a [1]\nb: *c\n", b"? [1]\n: 2\n", b"1: 2\n", b"null: 2\n",
    b"true: 1\n", b"!!python/object:os.system {}\n", b"!!binary aGk=\n", b"!!set {a, b}\n", b"!foo bar\n", b"<<: {a: 1}\n", b"<<: 5\n", b"name: ${seed\n", b"name: ${nothere}\n", b"x: ${oc.env:NOTHERE}\n", b"%YAML 9.9\n---\na: 1\n",
    b"# @package\nseed: 1\n", b"# @package a.b.c\nseed: 1\n", b"# @package _group_.x\nseed: 1\n", b"# @package [0]\nseed: 1\n", b"# @package _global_.hydra\nx: 1\n", b"a.b: 1\n", b"'': 1\n", b"a: .nan\nb: .inf\n", b"seed: 1e400\n", b"x: 1" + b"0" * 5000,
)  # fmt: skip
DEFAULTS: tuple[Any, ...] = (
    5, "x", None, True, {}, {"a": 1}, [5], [None], [[1]], [True], ["fz"], ["nothere"], ["_self_", "_self_"], [{"algorithm": "fz"}], [{"nogroup": "x"}], [{"/algorithm": "nothere"}], [{"override /algorithm": "nothere"}],
    [{"override /nogroup": "x"}], [{"a": 1, "b": 2}], [{"algorithm": ["ridge", 5]}], [{"algorithm": None}], [{5: 6}], [{"algorithm": {"a": 1}}], ["../algorithm/ridge"], ["/config"], ["/algorithm/ridge"], [""], ["a b"], ["${seed}"],
    [{"optional algorithm": "nothere"}], [{"algorithm@x": "ridge"}], ["config"], [{"override hydra/launcher": "nothere"}], [{"/experiment": "fz"}], ["fz.yaml"], [1.5], ["é"], [{"algorithm": 5}], [{"override algorithm": "dummy"}],
)  # fmt: skip
LEAVES: tuple[Any, ...] = (
    None, True, 5, -1, 1.5, float("nan"), float("inf"), 10**30, "", "x", "???", "${seed}", "${x", [], [1], {}, {"a": 1}, [None], [[]], {"_target_": "os.system"}, {"_target_": 5}, {"_target_": ""}, {"_target_": ["a"]},
    {"_target_": "sklearn.svm.SVC", "_partial_": True}, {"_target_": "sklearn.svm.SVC", "_args_": 5}, {"classification": 1}, {"classification": "sklearn.svm.SVC", "regression": 5}, {"distribution": "float"}, "interval(0,1)", datetime.date(2024, 1, 1), b"hi",
)  # fmt: skip


def yaml_content(chance: random.Random, group: str) -> bytes:
    """Return the content of a YAML file that is damaged, or is something else."""
    good = GOOD[group]
    kind = chance.random()
    if kind < 0.25:
        return chance.choice(ROOTS)
    if kind < 0.5:
        content = yaml.safe_load(good) | {"defaults": chance.choice(DEFAULTS)}
        head = b"# @package _global_\n" if b"@package" in good else b""
        return head + yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode()
    if kind < 0.75:
        content = yaml.safe_load(good)
        for _ in range(chance.randint(1, 2)):
            names = (
                "tuner",
                "data",
                "algorithm",
                "objective",
                "experiment",
                "hydra",
                "compute",
                "outputs",
                "seed",
                "space",
                "_target_",
                "name",
                "iterations",
                "stop",
                "defaults",
                "summary",
                "_partial_",
                "_recursive_",
                "_convert_",
                "_args_",
            )
            content[chance.choice([*content, *names])] = chance.choice(LEAVES)
        head = b"# @package _global_\n" if b"@package" in good else b""
        return head + yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode()
    return damage(chance, good)


def damage(chance: random.Random, content: bytes) -> bytes:
    """Return bytes with some flipped, cut off, doubled, zeroed or inserted."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(data) + 1)
        how = chance.randrange(6)
        if how == 0 and data:
            data[place % len(data)] ^= 1 << chance.randrange(8)
        elif how == 1:
            del data[place:]
        elif how == 2:
            data[place:place] = chance.choice(
                (
                    b"\x00",
                    b"\xff",
                    b"\t",
                    b"\r",
                    b"{",
                    b"[",
                    b": ",
                    b"- ",
                    b"#",
                    b"&a ",
                    b"*a ",
                    b"'",
                    b'"',
                    b"\n",
                    b"|",
                    b"\xef\xbb\xbf",
                    b"\xc2\x85",
                )
            )
        elif how == 3:
            data[place:place] = data[: chance.randrange(len(data) + 1)]
        elif how == 4:
            end = place + chance.randrange(20)
            data[place:end] = bytes(len(data[place:end]))
        else:
            del data[place : place + chance.randrange(1, 20)]
    return bytes(data)


def yaml_case(chance: random.Random, tree: Path) -> Iterator[Sequence[str]]:
    group = chance.choice(sorted(GOOD))
    where = chance.choice(("option", "option", "option", "option", "config", "-cn", "-cd", "_table_"))
    content = yaml_content(chance, group)
    Path("t.csv").write_text("x,z,y\n" + "".join(f"{n},{n * n % 7},{'pq'[n % 2]}\n" for n in range(40)))
    flags: list[str] = []
    file = Path("conf", group, "fz.yaml")
    chosen = [f"{group}=fz"]
    if where == "config":
        file, chosen = Path("conf/config.yaml"), []
    elif where == "-cn":
        file, chosen, flags = Path("conf/fz.yaml"), [], ["-cn", "fz"]
    elif where == "-cd":
        file, flags = Path("more", group, "fz.yaml"), ["-cd", "more"]
    elif where == "_table_":
        file, chosen = Path("conf/data/_table_.yaml"), ["data=csv", "data.path=t.csv", "data.target=y"]
    file.parent.mkdir(parents=True, exist_ok=True)
    put(chance, file, content)
    words = [*chosen, *(word for word in QUICK if not word.startswith(f"{group}="))]
    words += [] if group == "data" or where == "_table_" else ["data=iris"]
    asked = [
        ["list"], ["list", group], ["list", "algorithm", "--task", "regression"], ["describe", group], ["describe", f"{group}=fz"], ["train", *flags, *words], ["check", *flags, *words],
        ["plan", *flags, *words, "seed=1,2"], ["train", *flags, *SWEEP, *words, "seed=1,2"], ["train", *flags, "--cfg", "job", *words], ["train", *flags, "--info", "defaults", *words],
        ["train", "data=iris", *QUICK], ["train", *flags, *words, "algorithm.nothere=1"], ["train", "nothere=1", "data=iris", *QUICK], ["plugins"],
    ]  # fmt: skip
    yield from chance.sample(asked, k=4)


def put(chance: random.Random, file: Path, content: bytes) -> None:
    """Write the content, or, seldom, make something of that name that is no file that can be read."""
    odd = chance.random()
    if odd < 0.02:
        file.mkdir()
    elif odd < 0.04:
        file.symlink_to(file.name)
    elif odd < 0.05:
        os.mkfifo(file)
    elif odd < 0.06:
        file.symlink_to("/nothere")
    else:
        file.write_bytes(content)


# --- Tables: text files and Parquet files.

CELLS = (
    "", "1", "-1", "0", "1.5", "1e400", "nan", "NaN", "inf", "-inf", "NA", "null", "None", "?", "-", "n/a", "yes", "no", "true", "007", "1,234", "12,5", "5%", "$5", "12 kg", "2024-01-01", "01/02/2024", "2024-13-45", "12:30",
    "a", "b", "a b", "é", "😀", "\x00", "a\nb", 'a"b', "a'b", "=1+1", "\t", " ", "9" * 30, "-" + "9" * 400, "x" * 5000, "1e-400", "0x1F", "1_000", "٣", "\uff11", "\ufeff", "\x1b[31m", "<b>",
)  # fmt: skip
HEADERS = (
    "x", "y", "z", "", " ", "y ", "x", "1", "1.0", "null", "true", "007", "2024-01-01", "a,b", 'a"b', "a.b", "a b", "é", "\n", "\ufeffx", "x" * 300, "[x]", "{x}", "<b>", "$x", "${x}", "_target_", "index", "row", "prediction", "y_pred",
)  # fmt: skip


def text_table(chance: random.Random) -> bytes:
    """Return a CSV file, mostly readable."""
    width, height = chance.choice((1, 2, 3, 3, 4, 4, 8)), chance.choice((0, 1, 2, 5, 30, 60, 60, 60))
    names = (
        [*chance.choices(HEADERS, k=max(width - 1, 0)), "y"]
        if chance.random() < 0.7
        else chance.choices(HEADERS, k=width)
    )
    columns = []
    for _ in names:
        kind = chance.randrange(7)
        if kind == 0:
            columns.append([repr(chance.gauss(0, 1)) for _ in range(height)])
        elif kind == 1:
            columns.append([chance.choice("pqr") for _ in range(height)])
        elif kind == 2:
            columns.append([chance.choice(CELLS) if chance.random() < 0.1 else str(n) for n in range(height)])
        elif kind == 3:
            columns.append([chance.choice(CELLS)] * height)
        elif kind == 4:
            columns.append(chance.choices(CELLS, k=height))
        elif kind == 5:
            few = chance.sample(CELLS, k=2)
            columns.append([chance.choice(few) for _ in range(height)])
        else:
            columns.append([str(datetime.date(2024, 1, 1) + datetime.timedelta(days=n)) for n in range(height)])
    if chance.random() < 0.5:  # a target that can be learnt, so that the other columns are reached
        columns[-1] = [chance.choice("pq") if chance.random() < 2 else "" for _ in range(height)]
    rows = [list(row) for row in zip(*columns, strict=True)]
    if rows and chance.random() < 0.1:
        chance.choice(rows).extend(["1", "2"])
    if rows and chance.random() < 0.1:
        chance.choice(rows).clear()
    target = io.StringIO()
    separator = chance.choice((",",) * 6 + (";", "\t", "|"))
    csv.writer(
        target,
        delimiter=separator,
        quoting=chance.choice((csv.QUOTE_MINIMAL,) * 4 + (csv.QUOTE_ALL,)),
        lineterminator=chance.choice(("\n", "\n", "\r\n", "\r")),
    ).writerows([names, *rows])
    encoding = chance.choice(("utf-8",) * 8 + ("utf-16", "utf-8-sig", "latin-1", "utf-16-le", "utf-32"))
    content = target.getvalue().encode(encoding, "replace")
    return damage(chance, content) if chance.random() < 0.15 else content


def parquet_table(chance: random.Random) -> bytes:
    """Return a Parquet file with columns of many types."""
    import pyarrow as pa
    from pyarrow import parquet

    height = chance.choice((0, 1, 3, 40, 40, 40))
    makers: tuple[Callable[[int], Any], ...] = (
        lambda n: n / 7, lambda n: n, lambda n: "pq"[n % 2], lambda n: [n, n], lambda n: {"a": n}, lambda n: decimal.Decimal(n) / 4, lambda n: datetime.datetime(2024, 1, 1) + datetime.timedelta(hours=n),
        lambda n: datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(days=n), lambda n: datetime.timedelta(seconds=n), lambda n: datetime.date(2024, 1, 1 + n % 28), lambda n: datetime.time(n % 24),
        lambda n: b"\xff" * n, lambda n: None, lambda n: n % 2 == 0, lambda n: float("nan"), lambda n: float("inf"), lambda n: n if n % 3 else None, lambda n: None if n % 3 else "a", lambda n: 2**62 + n, lambda n: datetime.date(1, 1, 1 + n % 28),
        lambda n: "x" * 3000, lambda n: n % 3,
    )  # fmt: skip
    arrays, names = [], []
    for number in range(chance.choice((1, 2, 4, 6))):
        make = chance.choice(makers)
        array = pa.array([make(row) for row in range(height)])
        if pa.types.is_string(array.type) and chance.random() < 0.4:
            array = array.dictionary_encode()
        if pa.types.is_floating(array.type) and chance.random() < 0.2:
            array = array.cast(pa.float32())
        arrays.append(array)
        names.append(chance.choice((f"x{number}", "y", *HEADERS)))
    if chance.random() < 0.5 and height:
        arrays.append(pa.array(["pq"[row % 2] for row in range(height)]))
        names.append("y")
    target = io.BytesIO()
    parquet.write_table(pa.table(arrays, names=names), target)
    content = target.getvalue()
    return damage(chance, content) if chance.random() < 0.1 else content


def other_file(chance: random.Random) -> bytes:
    """Return a file of another format than its name says."""
    text = b"x,y\n" + b"".join(b"%d,%s\n" % (n, b"pq"[n % 2 : n % 2 + 1]) for n in range(40))
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb") as file:
        file.write(text)
    return chance.choice((
        b"<!DOCTYPE html><html><body>404</body></html>", b"PK\x03\x04" + bytes(chance.randrange(256) for _ in range(200)), packed.getvalue(), b'[{"x": 1, "y": "p"}]\n', b'{"x": 1}\n{"x": 2}\n', b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n",
        b"\x89PNG\r\n\x1a\n\x00", b"\x80\x04\x95", bytes(chance.randrange(256) for _ in range(300)), b"\x00" * 100, b"", b"\n\n\n", b"SQLite format 3\x00", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", b"\x1f\x8b",
    ))  # fmt: skip


def tables_case(chance: random.Random, tree: Path) -> Iterator[Sequence[str]]:
    shutil.copytree(tree, ".", dirs_exist_ok=True)
    kind = chance.random()
    content = text_table(chance) if kind < 0.6 else parquet_table(chance) if kind < 0.9 else other_file(chance)
    source = "csv" if kind < 0.6 else "parquet"
    if chance.random() < 0.15:
        source = "parquet" if source == "csv" else "csv"
    name = chance.choice((f"t.{source}",) * 6 + ("t.csv.gz", "t.zip", "t", "t.txt", "t.zst", "t.csv.bz2", "t.xlsx"))
    put(chance, Path(name), content)
    target = chance.choice(("y",) * 8 + ("x", "z", "1", "null", "007", "true", "1.0", "", "2024-01-01"))
    words = [f"data={source}", f"data.path={name}", f"data.target={target}"]
    words += chance.choices(
        ("data.task=regression", "data.group=x", "data.time=x", "data.time=z", "data.drop=[x]", "data.types.x=number", "data.types.x=category", "data.types.x=date", "data.types.x='%d/%m/%Y'", "data.sample=0.5", "data.sample=10", "data.missing=[auto,\"-\"]", "data.positive=p",
         "data.split=random", "preprocess=raw", "preprocess=none", "preprocess=standard", "evaluator=cross_validation") + (("data.separator=';'", "data.separator=\"\\t\"", "data.encoding=latin-1", "data.encoding=utf-16", "data.encoding=nothere", "data.decimal=','", "data.separator=''", "data.decimal=x") if source == "csv" else ()),
        k=chance.choice((0, 0, 1, 1, 2, 3)),
    )  # fmt: skip
    algorithm = chance.choice(("dummy", "dummy", "logistic", "ridge", "hist_gradient_boosting", "knn", "decision_tree"))
    words += [f"algorithm={algorithm}", *QUICK[1:]]
    asked = [
        ["train", *words], ["train", *words], ["train", *words], ["check", *words], ["predict", "latest", name], ["predict", "latest", name, "-o", "out.csv"], ["explain", "latest", name],
        ["plan", *words, "seed=1,2"],
    ]  # fmt: skip
    if kind < 0.6 and chance.random() < 0.5:
        words += chance.choice((["evaluator.baselines=auto"], ["evaluator.diagnose=auto"], ["evaluator.report=true"]))
    yield from chance.sample(asked, k=2)


# --- Damaged trees: any file of the outputs, by bytes or by values.

WRONG: tuple[Any, ...] = (
    None, True, 0, -1, 10**30, 1.5, float("nan"), float("inf"), -float("inf"), "", "x", "é\x1b[31m", "9" * 400, [], [None], [1, "a"], {}, {"a": None}, {"": 1}, [[[]]], "2026-01-01", "<script>", "../../x", "x" * 3000, {"x": {"y": {"z": 1}}}, 10**400,
)  # fmt: skip
ASKED = (
    ("runs",), ("runs", "--json"), ("runs", "--sort", "test.accuracy"), ("runs", "--where", "seed == 1"), ("runs", "--csv"), ("show",), ("show", "RUN"), ("show", "RUN", "--json"), ("show", "RUN", "--config"), ("show", "RUN", "--history"),
    ("show", "RUN", "--findings"), ("compare",), ("compare", "--json"), ("best",), ("best", "--json"), ("status",), ("status", "--json"), ("diff", "RUN", "OTHER"), ("diff", "OTHER", "RUN"), ("report", "RUN"), ("report", "SWEEP"), ("export", "-o", "all.csv"),
    ("clean",), ("clean", "--yes"), ("resume", "latest"), ("resume", "SWEEP"), ("show", "RUN", "--verify"), ("predict", "RUN", "rows.csv"), ("explain", "RUN", "rows.csv"), ("rerun", "RUN"), ("train", "--continue", "RUN"), ("plan", "--resume", "SWEEP"),
    ("train", "data=iris", *QUICK), ("train", *SWEEP, "data=iris", *QUICK, "seed=1,2", "tuner.warm_start=SWEEP"), ("zoo",), ("train", "data=iris", *QUICK, "evaluator.champion=RUN"),
)  # fmt: skip


def make_tree(folder: Path) -> None:
    """Make the outputs that are damaged: a single run, one that failed, and a sweep of three."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert ask(["train", "data=iris", *QUICK, "algorithm=logistic", "++evaluator.baselines=[dummy]"]).code == 0
        assert ask(["train", "data=iris", *QUICK, "algorithm=logistic", "algorithm.C=-1"]).code == 2
        words = ["data=iris", *QUICK, "algorithm=decision_tree", "evaluator=cross_validation", "evaluator.folds=2"]
        assert ask(["train", *SWEEP, *words, "algorithm.max_depth=1,2,3"]).code == 0
        Path("rows.csv").write_text(
            "sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)\n5,3,1,0.2\n"
        )
    finally:
        os.chdir(before)


def change_value(chance: random.Random, content: Any) -> Any:
    """Return JSON content with one value, at any depth, replaced, removed or renamed."""
    if isinstance(content, dict) and content and chance.random() < 0.85:
        key = chance.choice(list(content))
        how = chance.random()
        if how < 0.1:
            return {name: value for name, value in content.items() if name != key}
        if how < 0.13:
            return {("é" if name == key else name): value for name, value in content.items()}
        return content | {key: change_value(chance, content[key])}
    if isinstance(content, list) and content and chance.random() < 0.7:
        place = chance.randrange(len(content))
        return [*content[:place], change_value(chance, content[place]), *content[place + 1 :]]
    return chance.choice(WRONG)


def damage_file(chance: random.Random, file: Path, others: Sequence[Path]) -> None:
    """Damage one file of the tree."""
    content = file.read_bytes()
    how = chance.random()
    if file.suffix == ".json" and how < 0.6:
        try:
            file.write_text(json.dumps(change_value(chance, json.loads(content))))
            return
        except (ValueError, RecursionError):
            pass
    elif file.suffix in (".yaml",) and how < 0.5:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            file.write_text(yaml.safe_dump(change_value(chance, yaml.safe_load(content))))
        return
    elif file.suffix == ".jsonl" and how < 0.6 and content:
        lines = content.splitlines()
        place = chance.randrange(len(lines))
        event = parse(lines[place])
        if event is None:
            lines[place] = json.dumps(change_value(chance, json.loads(lines[place]))).encode()
        else:  # with the right checksum: written so, not damaged by the disk
            changed = change_value(chance, event)
            lines[place] = line(changed if isinstance(changed, dict) else {"event": changed}).rstrip(b"\n")
        file.write_bytes(b"\n".join(lines) + b"\n")
        return
    if how < 0.7:
        file.write_bytes(damage(chance, content))
    elif how < 0.75:
        file.write_bytes(b"")
    elif how < 0.85:
        file.unlink()
        if chance.random() < 0.3:
            put(random.Random(chance.randrange(6)), file, b"[1]")
        elif chance.random() < 0.2:
            os.mkfifo(file)
        elif chance.random() < 0.2:
            file.mkdir()
    elif how < 0.93:
        file.write_bytes(chance.choice(others).read_bytes())
    else:
        file.write_bytes(
            chance.choice((b"null", b"[]", b"5", b'"x"', b"[" * 100_000, b"{}", b"\xff\xfe", bytes(50), b'{"a": NaN}'))
        )


def trees_case(chance: random.Random, tree: Path) -> Iterator[Sequence[str]]:
    shutil.copytree(tree, ".", dirs_exist_ok=True)
    files = sorted(path for path in Path("outputs").rglob("*") if path.is_file() and path.name != ".lock")
    texts = [path for path in files if path.suffix in (".json", ".jsonl", ".yaml", ".csv", ".txt")]
    for file in chance.sample(texts, k=chance.choice((1, 1, 2, 3))) + chance.sample(files, k=chance.choice((0, 1))):
        if file.is_file() and not file.is_symlink():
            damage_file(chance, file, [path for path in files if path.is_file() and not path.is_symlink()])
    if chance.random() < 0.05:
        shutil.rmtree(chance.choice(files).parent)
    [sweep] = tree.glob("outputs/default/*-sweep")
    single = sorted(
        path.parent.name for path in tree.glob("outputs/default/*/model") if path.parent.parent.name == "default"
    )
    runs = [*single, *(f"{sweep.name}/{path.name}" for path in sorted((sweep / "runs").iterdir()))]
    names = {"RUN": chance.choice(runs), "OTHER": chance.choice(runs), "SWEEP": sweep.name}
    for words in chance.sample(ASKED, k=7):
        yield [names.get(word, re.sub("=(RUN|SWEEP)$", lambda found: f"={names[found[1]]}", word)) for word in words]


CASES: dict[str, Callable[[random.Random, Path], Iterator[Sequence[str]]]] = {
    "commands": commands_case,
    "yaml": yaml_case,
    "tables": tables_case,
    "trees": trees_case,
}


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a case an empty folder that is the current one, and take it away."""
    before, environment = Path.cwd(), dict(os.environ)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.chdir(folder)
        try:
            yield Path(folder)
        finally:
            os.chdir(before)
            os.environ.clear()
            os.environ.update(environment)


def run_case(kind: str, number: int, tree: Path) -> Iterator[tuple[Answer, str]]:
    """Run the commands of a case, and yield those answers that are wrong, with what is wrong."""
    with scratch():
        # a text seeds the same on every platform and version, a tuple does not
        for words in CASES[kind](random.Random(f"{kind}-{number}"), tree):
            answer = ask(words)
            wrong = complaint(answer)
            if wrong:
                yield answer, wrong
            if isinstance(answer.raised, HangError):
                return


def tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def run_all(argv: Sequence[str]) -> int:
    """Run the cases that the arguments name: a kind and, perhaps, numbers; print what is wrong."""
    kinds = [argv[0]] if argv else list(CASES)
    if len(argv) > 1:
        os.environ["RUNTREE_TRACEBACK"] = "1"
    with tempfile.TemporaryDirectory() as tree:
        make_tree(Path(tree))
        wrong, asked = 0, 0
        for kind in kinds:
            numbers = [int(text) for text in argv[1:]] or range(COUNTS[kind])
            for number in numbers:
                asked += 1
                for answer, text in run_case(kind, number, Path(tree)):
                    wrong += 1
                    tell(f"{kind} {number}: {text}\n    runtree {' '.join(map(repr, answer.words))}")
                    if len(argv) > 1:
                        tell(f"{answer.out[-3000:]}\n{answer.err[-6000:]}")
        tell(f"{asked} cases, {wrong} wrong answers")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(run_all(sys.argv[1:]))
