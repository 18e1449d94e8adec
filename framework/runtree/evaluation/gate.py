"""Bounds that a run must keep: ``test.f1 >= 0.9``, ``test.f1.low > 0.85``, ``gain.linear > 0``, ``fit_seconds < 9``."""

import operator
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.contract.answers import Answers, read_answers
from runtree.contract.errors import ConfigError, NotFoundError, unknown
from runtree.contract.run import Run
from runtree.contract.types import PARTS, Metric, RunRecord
from runtree.evaluation.baselines import compare_on_test, format_gain, is_tie
from runtree.evaluation.context import EvaluationContext
from runtree.lifecycle.metrics import SECONDS
from runtree.records.layout import RunFolder
from runtree.records.selectors import find_run, read_records

FORM = re.compile(r"\s*([\w.]+)\s*(>=|<=|>|<)\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*")
RELATIONS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
ENDS = ("low", "high")  # of an interval
GAIN, CHAMPION = "gain", "champion"
METRICS_PATH = "evaluator.benchmark.metrics"
POSSIBLE = (
    "possible: PART.METRIC, test.METRIC.low, gain.NAME, gain.NAME.low or fit_seconds; then >=, >, <= or <; a number",
    f'for example: {METRICS_PATH}=\'["test.f1 >= 0.9","gain.linear.low > 0","fit_seconds < 60"]\'',
)


@dataclass(frozen=True)
class GateCondition:
    """A bound: what is bounded, by dotted name, how, and by what."""

    text: str
    name: str
    relation: str
    bound: float

    @property
    def parts(self) -> tuple[str, ...]:
        """Return the name in pieces, without the end of an interval."""
        pieces = tuple(self.name.split("."))
        return pieces[:-1] if self.end else pieces

    @property
    def end(self) -> str | None:
        """Return "low" or "high" where the end of an interval is bounded."""
        last = self.name.rpartition(".")[2]
        return last if last in ENDS else None

    def holds(self, value: float | None) -> bool:
        """Tell whether a value keeps the bound; one that is missing or NaN does not."""
        return value is not None and bool(RELATIONS[self.relation](value, self.bound))


def parse_condition(text: str) -> GateCondition:
    """Read ``test.f1 >= 0.9``.

    Raises
    ------
    ConfigError
        Where it is anything but a name, a relation and a number.
    """
    match = FORM.fullmatch(str(text))
    if match is None:
        raise ConfigError(f"{METRICS_PATH}: '{text}' is no bound", *POSSIBLE)
    return GateCondition(str(text).strip(), match[1], match[2], float(match[3]))


def check_condition(
    found: GateCondition, scored: Mapping[str, Metric], known: Collection[str], rivals: Collection[str], intervals: bool
) -> None:
    """Refuse a bound of what the run will not know.

    Parameters
    ----------
    scored, known
        The metrics that the run is scored by, and every metric of its task.
    rivals
        Names that a gain may be asked over: baselines, and `champion` where a run is named.
    intervals
        Whether intervals are made.
    """
    first, *others = found.parts
    if found.end and not intervals:
        hint = "type: evaluator.intervals.resamples=2000"
        raise ConfigError(f"{METRICS_PATH}: '{found.text}' asks for an interval, and none is made", hint)
    if (first, len(others)) == (SECONDS, 0) and not found.end:
        return
    if first == GAIN and len(others) == 1:
        _check_opponent(found, others[0], rivals)
    elif first in PARTS and len(others) == 1:
        _check_metric(found, others[0], scored, known)
    else:
        raise ConfigError(f"{METRICS_PATH}: '{found.name}' is nothing that a run has", *POSSIBLE)


def _check_opponent(found: GateCondition, name: str, rivals: Collection[str]) -> None:
    if name in rivals:
        return
    if name == CHAMPION:
        raise ConfigError(f"{METRICS_PATH}: '{found.text}' needs a run to beat", "name it: evaluator.benchmark.run=RUN")
    raise unknown(f"name of a gain at {METRICS_PATH}:", name, rivals, "see: evaluator.baselines", error=ConfigError)


def _check_metric(found: GateCondition, name: str, scored: Mapping[str, Metric], known: Collection[str]) -> None:
    if name not in scored and name in known:
        wanted = ",".join([*scored, name])
        raise ConfigError(f"{METRICS_PATH}: {name} is not scored in this run", f"type: evaluator.metrics=[{wanted}]")
    if name not in scored:
        raise unknown(f"metric at {METRICS_PATH}:", name, known, error=ConfigError)
    if found.end and found.parts[0] != "test":
        raise ConfigError(
            f"{METRICS_PATH}: '{found.text}': intervals are made on the test part", f"type: test.{name}.low"
        )


# --- The run that is to be beaten: found, known to compare, and its answers about the same test rows.

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Rows = np.ndarray[Any, Any]

RUN_PATH = "evaluator.benchmark.run"
COMPARABLE = ("data", "split")


def find_champion(run: Run, name: str | int) -> RunRecord:
    """Return the run to beat; `latest` is the last completed one that kept its predictions, this run's sweep aside."""
    outputs, name = Path(str(run.config["outputs"])), str(name)
    found: RunRecord = run.recall(
        "champion",
        (name, str(outputs)),
        lambda: _latest(run, outputs) if name == "latest" else _find_champion(outputs, name),
    )
    return found


def _find_champion(outputs: Path, name: str) -> RunRecord:
    try:
        return find_run(outputs, name)
    except NotFoundError as error:
        raise NotFoundError(f"{RUN_PATH}: {error.message}", "see: runtree runs") from None


def _latest(run: Run, outputs: Path) -> RunRecord:
    for record in sorted(read_records(outputs), key=lambda record: (record.started, record.id), reverse=True):
        of_this = _whole(record.folder) == _whole(run.folder)
        if record.state == "completed" and not of_this and RunFolder(record.folder).predictions.is_file():
            return record
    raise ConfigError(
        f"{RUN_PATH}: there is no completed run in {outputs} to beat", "train one first, or name another run"
    )


def _whole(folder: Path) -> Path:
    """Return the folder of the sweep that a run is of, else its own."""
    own = folder.resolve()
    return own.parent if own.parent.name == "runs" else own


def check_champion(run: Run, name: str | int, metric: Metric) -> None:
    """Refuse a run that cannot be compared with this one: other rows, another split, no answers kept.

    Raises
    ------
    RuntreeError
        There is no such run, or why the two do not compare.
    """
    record = find_champion(run, name)
    here = {"data": run.data.fingerprint, "split": run.split.id}
    for key in COMPARABLE:
        if record.fingerprints.get(key) != here[key]:
            raise ConfigError(
                f"{RUN_PATH}: {record.id} was scored on other {'data' if key == 'data' else 'rows: its split differs'}",
                "a run is beaten on the same test rows: the same data, data.test_size and seed",
                f"its own: runtree show {record.id} --config",
            )
    if not RunFolder(record.folder).predictions.is_file():
        hint = (
            "in a sweep only the best runs keep theirs"
            if "/" in record.id
            else f"make it anew: runtree rerun {record.id}"
        )
        raise ConfigError(f"{RUN_PATH}: {record.id} kept no predictions to compare with", hint)
    if metric.needs == "probability" and champion_predictions(run, name, run.split.test).score is None:
        raise ConfigError(f"{RUN_PATH}: {record.id} gave no chances, and {metric.name} needs them")


def champion_predictions(run: Run, name: str | int, rows: "Rows") -> Answers:
    """Return what the champion answered about test rows, in their order."""
    import pandas as pd

    table = pd.read_parquet(RunFolder(find_champion(run, name).folder).predictions)
    return read_answers(align_rows(table[table["part"] == "test"], rows), run.data.classes)


def align_rows(table: "pd.DataFrame", rows: "Rows") -> "pd.DataFrame":
    """Return predictions in the order of `rows`."""
    return table.set_index("row", drop=False).loc[rows]


# --- The gate: bounds that a run must keep, and a run that it must not fall behind.

AT_LEAST = "gain.champion >= 0"  # what a run to beat is worth without a bound of the user's own


def gate_conditions(metrics: Sequence[str], run: str | int | None) -> list[GateCondition]:
    """Return the bounds that are asked for, the one that a run to beat brings along among them."""
    asked = [parse_condition(text) for text in metrics]
    if run is not None and not any(found.parts == (GAIN, CHAMPION) for found in asked):
        asked.append(parse_condition(AT_LEAST))
    return asked


def check_gate(context: EvaluationContext) -> dict[str, Any] | None:
    """Return each condition with what was found, and whether all are kept; None where none is asked for."""
    asked = context.options.benchmark
    wanted = gate_conditions(asked.metrics, asked.run)
    if not wanted:
        return None
    rival = _rival(context, asked.run)
    judged = [_judge(context, condition, rival) for condition in wanted]
    failed = [one for one in judged if not one["passed"]]
    explanation = "; ".join(one["reason"] for one in failed) or f"all {len(judged)} conditions are kept"
    found = {"passed": not failed, "conditions": judged, "explanation": explanation}
    return {**found, "champion": rival} if rival else found


def _rival(context: EvaluationContext, name: str | int | None) -> dict[str, Any] | None:
    if name is None:
        return None
    found = compare_on_test(context, champion_predictions(context.run, name, context.rows["test"]))
    return {"run": find_champion(context.run, name).id, "gain": found}


def _judge(context: EvaluationContext, condition: GateCondition, rival: dict[str, Any] | None) -> dict[str, Any]:
    value = _value(context, condition, rival)
    passed = condition.holds(value)
    reason = "" if passed else _reason(condition, value, rival)
    return {"asked": condition.text, "found": value, "passed": passed, "reason": reason}


def _value(context: EvaluationContext, condition: GateCondition, rival: dict[str, Any] | None) -> float | None:
    first, *others = condition.parts
    if first == SECONDS:
        return context.run.seconds.get("fit")
    if first == GAIN:
        gains = dict(_gains(context, rival))
        return gains.get(others[0], {}).get(condition.end or "value")
    if condition.end:
        return _interval(context, others[0]).get(condition.end)
    return context.run.metrics.get(first, {}).get(others[0])


def _gains(context: EvaluationContext, rival: dict[str, Any] | None) -> Iterator[tuple[str, dict[str, Any]]]:
    for baseline in context.results.get("baselines") or ():
        yield baseline["name"], baseline["gain"]
    if rival:
        yield CHAMPION, rival["gain"]


def _interval(context: EvaluationContext, metric: str) -> dict[str, float]:
    known: dict[str, float] | None = (context.results.get("intervals") or {}).get("test", {}).get(metric)
    return known if known is not None else _bootstrapped(context, metric)


def _bootstrapped(context: EvaluationContext, metric: str) -> dict[str, float]:
    from runtree.statistics.bootstrap import bootstrap

    asked = context.options.intervals
    own = [one for one in context.metrics if one.name == metric]
    groups = context.groups("test")
    found = bootstrap(context.predictions["test"], own, asked.resamples, asked.level, context.run.seed, groups)
    return {"low": found[metric].low, "high": found[metric].high} if metric in found else {}


def _reason(condition: GateCondition, value: float | None, rival: dict[str, Any] | None) -> str:
    shown = "not known" if value is None else f"{value:.4g}"
    first, *others = condition.parts
    if first != GAIN or rival is None or others[0] != CHAMPION:
        return f"{condition.name} is {shown}, and {condition.relation} {condition.bound:g} was asked"
    sure = ", within chance" if is_tie(rival["gain"]) else ""
    return (
        f"{rival['run']} is not beaten: test {rival['gain']['metric']} gain {format_gain(rival['gain'])}{sure}, "
        f"and {condition.text} was asked"
    )


# --- Which gates of a run said no. One that was asked for and could not be answered has said no as well.


def failed_gates(context: EvaluationContext) -> tuple[str, ...]:
    """Return a sentence for each gate that the run did not pass."""
    return (*_benchmark_failures(context), *_fairness_failures(context))


def _benchmark_failures(context: EvaluationContext) -> Iterator[str]:
    asked = context.options.benchmark
    if not asked.metrics and asked.run is None:
        return
    found = context.results.get("benchmark")
    if found is None:
        yield "evaluator.benchmark: it could not be answered: see log.txt"
    elif not found["passed"]:
        yield f"evaluator.benchmark: {found['explanation']}"


def _fairness_failures(context: EvaluationContext) -> Iterator[str]:
    asked = context.options.fairness
    if not asked.columns or asked.max_gap is None:
        return
    found = context.results.get("fairness")
    if found is None:
        yield "evaluator.fairness.max_gap: it could not be answered: see log.txt"
        return
    for one in found:
        if one["passed"] is False:
            yield f"evaluator.fairness.max_gap: {one['explanation']}"
