import re

import pytest

from runtree.cli.format import format_duration, format_value, shorten_paths
from runtree.cli.sweep.report import _trust_options, exit_code, print_sweep
from runtree.config.provenance import TypedWords
from runtree.sweeps.messages import AttemptResult
from runtree.sweeps.state import RunState


@pytest.fixture
def report(capsys, told):
    """Return a function that reports a sweep written by hand."""

    def type_it(folder, *families, criterion="max_runs", **changes):
        from types import SimpleNamespace

        stop = {"criterion": criterion, "explanation": "stopped after run 3: enough, best 0.9 at run 1"}
        swept = SimpleNamespace(plan=told.plan(folder, *families), driver=told.driver(folder, **changes), stop=stop)
        code = print_sweep(swept)
        return code, capsys.readouterr().out

    return type_it


def test_a_real_sweep_is_reported(real_sweep):
    assert real_sweep.code == 0, real_sweep.err
    lines = real_sweep.out.splitlines()
    assert re.fullmatch(r"sweep    tpe over knn, 4 runs in .* s: 4 completed", lines[0])
    assert lines[1].startswith("ended    stopped: 4 runs were started (max_runs=4), best ")
    assert lines[3].split()[:3] == ["rank", "run", "validation.balanced_accuracy"]
    values = [float(line.split()[2]) for line in lines[4:8]]
    assert values == sorted(values, reverse=True)
    best = lines[4].split()[1]
    for text in (
        f"best     run {best}: knn n_neighbors=",
        "test     balanced_accuracy 0.",
        "(test set used once, after selection)",
        f"folder   outputs/default/{real_sweep.name}",
        f"next     runtree show {real_sweep.name}/{best}",
        f"         runtree predict {real_sweep.name}/{best} ROWS.csv -o OUT.csv",
        f"         runtree resume {real_sweep.name} tuner.stop.max_runs=8",
        f"         runtree compare {real_sweep.name}\n",
    ):
        assert text in unwrapped(real_sweep.out)


def unwrapped(out: str) -> str:
    """Return a text with the lines joined that were one, those of commands left."""
    return re.sub(r"\n {9}(?!runtree)", " ", out)


def test_what_it_says_to_type_next_works(runtree, copied, real_sweep):
    for line in re.findall(r"(?:next    |        ) runtree (show|compare|runs) (.*)", real_sweep.out):
        said = runtree(line[0], *line[1].replace("'", "").split())
        assert said.code == 0, said.err
        assert real_sweep.name in said.out


def test_the_best_of_each_algorithm_is_told(report, write_sweep, told):
    folder = write_sweep(told.opened(), told.ended(0, 0.5), told.ended(1, 0.9, family="b"), told.ended(2, 0.7))
    code, out = report(folder, "a", "b")
    assert code == 1  # the best was to be kept, and is not
    assert re.search(r"algorithm +validation.accuracy +run +runs\nb +0.9000 +0001 +1\na +0.7000 +0002 +2\n", out)
    assert re.search(r" 1 +0001 +b +0.9000 +0.50 +x=0.1\n", out)
    assert "runtree predict" not in out  # it was not kept


def test_what_breaks_a_bound_is_marked_and_where_all_do_it_is_said(report, write_sweep, told):
    runs = [told.ended(number, 0.5, metrics={"validation": {"log_loss": 0.1 + number}}) for number in range(2)]
    kept, broken = ({"constraints": text} for text in ("log_loss <= 0.3", ["log_loss <= 0.05"]))
    out = report(write_sweep(told.opened(), *runs, node=kept), "a")[1]
    assert re.search(r"rank +run +bounds .*\n +1 +0000 +satisfied .*\n +2 +0001 +violated", out)
    assert "no configuration satisfies" not in out
    out = report(write_sweep(told.opened(), *runs, node=broken, name="20260102-030406-sweep"), "a")[1]
    assert "bounds   no configuration satisfies tuner.constraints (log_loss <= 0.05), so none is best" in out


def test_values_that_do_not_vary_get_no_column(report, write_sweep, told):
    runs = [told.ended(number, 0.5, values={"algorithm.x": number, "algorithm.y": 7}) for number in range(2)]
    out = report(write_sweep(told.opened(), *runs), "a")[1]
    assert "rank   run  validation.accuracy  x  seconds" in out


def test_several_objectives_are_told_as_a_front(report, write_sweep, told):
    folder = write_sweep(
        told.opened(), told.ended(0, [0.5, 1.0]), told.ended(1, [0.9, 5.0]), told.ended(2, [0.4, 2.0]),
        objectives=[["accuracy", "maximize"], ["log_loss", "minimize"]],
    )  # fmt: skip
    out = report(folder, "a")[1]
    assert "2 configurations on the Pareto front of accuracy (maximize), log_loss (minimize)" in out
    assert [line.split()[0] for line in out.splitlines() if line.startswith("000")] == ["0001", "0000"]


def test_runs_over_several_splits_make_no_ranking(report, write_sweep, told):
    other = {"data": "d", "split": "another"}
    out = report(write_sweep(told.opened(), told.ended(0, 0.5), told.ended(1, 0.9, fingerprints=other)), "")[1]
    assert "2 rankings, since the runs differ in data, split or scoring" in out
    assert [line.split()[:2] for line in out.splitlines() if line.startswith("   1  ")] == [
        ["1", "0000"],
        ["1", "0001"],
    ]
    assert out.count("\nbest ") == 2, "each ranking has a best of its own"


def test_failures_are_grouped_and_one_log_is_named(report, write_sweep, told):
    events = [
        told.ended(0, 0.5),
        told.failed(1, "it melted\nat once"),
        told.failed(2, "it melted"),
        told.failed(3, "no"),
    ]
    code, out = report(write_sweep(told.opened(), *events), "a")
    assert code == 1
    assert (
        "failed   2 runs: ValueError: it melted\n         log: outputs/default/20260102-030405-sweep/runs/0001/log.txt"
        in out
    )
    assert "failed   1 run: ValueError: no" in out
    assert "runtree resume 20260102-030405-sweep --retry failed\n" in out


def test_failures_that_differ_in_a_number_are_one_kind_and_few_kinds_are_shown(report, write_sweep, told):
    numbered = [told.failed(n, f"must be an int. Got {n}.5 instead.") for n in range(4)]
    others = [told.failed(4 + n, f"kind {'abcdef'[n]}") for n in range(6)]
    out = report(write_sweep(told.opened(), *others, *numbered), "a")[1]
    assert "failed   4 runs: ValueError: must be an int. Got 0.5 instead." in out
    assert out.count("\nfailed ") == 5
    assert "… 2 more kinds of failure in ledger.jsonl" in out


def test_an_interrupted_sweep_says_how_to_go_on(report, write_sweep, told):
    folder = write_sweep(told.opened(), told.ended(0, 0.5))
    code, out = report(folder, "a", criterion="interrupted", stop_cause="interrupt")
    assert code == 130
    assert "next     runtree resume 20260102-030405-sweep\n" in out


def test_a_sweep_without_any_run_is_reported(report, write_sweep, told):
    code, out = report(write_sweep(told.opened()), "a", criterion="interrupted", stop_cause="interrupt")
    assert (code, out.splitlines()[0]) == (130, "sweep    tpe over a, 0 runs in 0.0 s: none ended")


def test_no_message_moves_the_cursor(report, write_sweep, told):
    out = report(write_sweep(told.opened(), told.failed(0, "\x1b[2Jgone")), "a")[1]
    assert "\x1b" not in out


def test_the_best_of_each_algorithm_fits_a_narrow_terminal(report, write_sweep, told, terminal):
    terminal(40)
    runs = [told.ended(number, 0.5, family=family) for number, family in enumerate(("boosting", "logistic"))]
    out = report(write_sweep(told.opened(), *runs, objectives=[["balanced_accuracy", "maximize"]]), "a", "b")[1]
    table = out.partition("best of each algorithm\n")[2].partition("\n\n")[0].splitlines()
    assert len(table) == 5  # the heading is broken: validation. / balanced_ / accuracy
    assert max(map(len, table)) <= 40


@pytest.mark.parametrize("width", ["80", "60"])
def test_lines_fit_a_narrow_terminal(report, write_sweep, told, terminal, width):
    terminal(int(width))
    many = {f"algorithm.parameter_{letter}": 0.123456 for letter in "abcdef"}
    runs = [
        told.ended(number, 0.5, family=family, values={key: value + number for key, value in many.items()})
        for number, family in enumerate("ab")
    ]
    out = report(write_sweep(told.opened(), *runs), "a", "b")[1]
    commands = [line for line in out.splitlines() if "runtree" in line]
    assert [line for line in out.splitlines() if len(line) > int(width) and line not in commands] == []
    assert "parameter_f=1.123" in out


@pytest.mark.parametrize(
    ("state", "reason", "leaving", "code"),
    [
        ("completed", None, None, 0),
        ("pruned", "pruned", None, 0),
        ("failed", "error", None, 1),
        ("stopped", "max_seconds", None, 0),  # the time of the sweep was over
        ("stopped", "max_seconds: TimeLimit", None, 1),
        ("stopped", "interrupted", None, 0),
        ("completed", None, "stop", 0),
        ("completed", None, "disk", 1),
        ("failed", "error", "interrupt", 130),
    ],
)
def test_exit_codes(state, reason, leaving, code):
    from types import SimpleNamespace

    reason, _, error = (reason or "").partition(": ")
    result = AttemptResult(state, reason, error={"type": error} if error or state == "failed" else None)
    entry = RunState(0, ("a", 0), 0, "s", state, result=result)
    book, options = SimpleNamespace(runs={0: entry}), SimpleNamespace(keep="none")
    assert exit_code(SimpleNamespace(stop_cause=leaving, state=book, options=options)) == code


def test_words():
    assert shorten_paths(["algorithm.C", "algorithm.x", "data.x"]) == {
        "algorithm.C": "C", "algorithm.x": "algorithm.x", "data.x": "data.x"
    }  # fmt: skip
    assert [format_duration(s) for s in (None, 0.04, 9.94, 59.4, 59.6, 3599.9)] == [
        "-",
        "0.0 s",
        "9.9 s",
        "59 s",
        "1:00",
        "1:00:00",
    ]
    assert [format_value(v) for v in (None, True, 0.123456, [1, 0.5], "a")] == [
        "null",
        "true",
        "0.1235",
        "[1, 0.5]",
        "a",
    ]


def test_a_command_that_was_typed_is_trusted_in_the_printed_resume():
    from types import SimpleNamespace

    typed = TypedWords(("algorithm=command", "algorithm.command=[python,train.py]"))
    request = SimpleNamespace(typed=typed, app=SimpleNamespace(allow_list=lambda: None))
    assert _trust_options(SimpleNamespace(request=request)) == ["--trust", "algorithm.command"]
