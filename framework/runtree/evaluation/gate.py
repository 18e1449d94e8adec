"""The quality gate: bounds that a run must meet, and a champion that it must not fall behind.

Bounds are written in the expression language: ``test.f1 >= 0.9``, ``test.f1.low > 0.85``, ``gain.linear > 0``.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.contract.commands import command
from runtree.contract.errors import ConfigError, DataError, NotFoundError, RequestError, unknown
from runtree.contract.expression import Bound, parse
from runtree.contract.predictions import Predictions, read_predictions
from runtree.contract.types import SPLITS, WHOLE_GROUPS, Metric, RunRecord
from runtree.evaluation.baseline_gain import compare_on_test, format_gain, is_tie
from runtree.evaluation.baselines import SKIPPED
from runtree.evaluation.context import EvaluationContext
from runtree.lifecycle.score import check_rows
from runtree.records.commands import run_command
from runtree.records.find import find_run, is_chosen
from runtree.records.layout import RunFolder
from runtree.records.sealed import plain_source
from runtree.statistics.metrics import FIT_SECONDS
from runtree.training.active_run import ActiveRun

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

METRICS_PATH = "evaluator.benchmark.metrics"
RUN_PATH = "evaluator.benchmark.run"
INTERVAL_ENDS = ("low", "high")
GAIN, CHAMPION = "gain", "champion"
# the plain gain and not its lower end: with few test rows no model could ever be shown to be better
DEFAULT_CHAMPION_BOUND = "gain.champion >= 0"  # applies where a champion is named and no bound on it
POSSIBLE = (
    "possible: SPLIT.METRIC, test.METRIC.low, gain.NAME, gain.NAME.low or fit_seconds; then >=, >, <= or <; a number",
    f'for example: {METRICS_PATH}=\'["test.f1 >= 0.9","gain.linear.low > 0","fit_seconds < 60"]\'',
)


@dataclass(frozen=True)
class GateCondition:
    """A bound as it was typed, and as it was parsed."""

    text: str
    bound: Bound

    @property
    def end(self) -> str | None:
        """ "low" or "high" where the bound is on an end of an interval."""
        last = self.bound.name.rpartition(".")[2]
        return last if last in INTERVAL_ENDS else None

    @property
    def parts(self) -> tuple[str, ...]:
        """The bounded name, split at its dots, without the end of an interval."""
        parts = tuple(self.bound.name.split("."))
        return parts[:-1] if self.end else parts


def parse_condition(text: str) -> GateCondition:
    """Parse ``test.f1 >= 0.9``.

    Raises
    ------
    ConfigError
        The text is not a name, a relation and a number.
    """
    # one language for all conditions; a gate accepts the part of it that has a limit to report
    bound = parse(str(text), source=METRICS_PATH, error=ConfigError).bound
    if bound is None:
        raise ConfigError(f"{METRICS_PATH}: '{text}' is not a bound", *POSSIBLE)
    return GateCondition(str(text).strip(), bound)


def gate_conditions(texts: Sequence[str], champion: str | int | None) -> list[GateCondition]:
    """Return the conditions of the gate; a champion without a bound of its own gets the default one."""
    conditions = [parse_condition(text) for text in texts]
    if champion is not None and not any(condition.parts == (GAIN, CHAMPION) for condition in conditions):
        conditions.append(parse_condition(DEFAULT_CHAMPION_BOUND))
    return conditions


def check_condition(
    condition: GateCondition,
    scored: Mapping[str, Metric],
    known: Collection[str],
    opponents: Collection[str],
    intervals: bool,
) -> None:
    """Refuse a bound on a value that the run will not have.

    Parameters
    ----------
    scored, known
        The metrics that the run is scored by, and all metrics of its task.
    opponents
        What the run is compared with: baselines, and `champion` where one is named.
    intervals
        Whether bootstrap intervals are computed.
    """
    first, *rest = condition.parts
    # refused before the fit, because after it the bound could not be computed
    if condition.end and not intervals:
        hint = "type: evaluator.intervals.resamples=2000"
        raise ConfigError(f"{METRICS_PATH}: '{condition.text}' needs an interval, and none is computed", hint)
    if condition.bound.name == FIT_SECONDS:
        return
    if first == GAIN and len(rest) == 1:
        _check_opponent(condition, rest[0], opponents)
    elif first in SPLITS and len(rest) == 1:
        _check_metric(condition, rest[0], scored, known)
    else:
        raise ConfigError(f"{METRICS_PATH}: this run has no '{condition.bound.name}'", *POSSIBLE)


def _check_opponent(condition: GateCondition, name: str, opponents: Collection[str]) -> None:
    if name in opponents:
        return
    if name == CHAMPION:
        raise ConfigError(f"{METRICS_PATH}: '{condition.text}' needs a champion", f"name it: {RUN_PATH}=RUN")
    raise unknown(f"name of a gain at {METRICS_PATH}:", name, opponents, "see: evaluator.baselines", error=ConfigError)


def _check_metric(condition: GateCondition, name: str, scored: Mapping[str, Metric], known: Collection[str]) -> None:
    if name not in scored and name in known:
        metrics = ",".join([*scored, name])
        raise ConfigError(f"{METRICS_PATH}: {name} is not scored in this run", f"type: evaluator.metrics=[{metrics}]")
    if name not in scored:
        raise unknown(f"metric at {METRICS_PATH}:", name, known, error=ConfigError)
    if condition.end and condition.parts[0] != "test":
        raise ConfigError(
            f"{METRICS_PATH}: '{condition.text}': intervals are computed on the test split", f"type: test.{name}.low"
        )


def check_gate_rows(run: ActiveRun, conditions: Sequence[GateCondition], level: float) -> None:
    """Refuse a bound on a figure that the rows of its split do not define, whatever the model.

    Raises
    ------
    DataError
        A metric of a split without some class, or an interval of too few groups.
    """
    from runtree.statistics.resampling import too_few_units

    for condition in conditions:
        split, *names = condition.parts
        if split not in SPLITS or (split == "validation" and not run.evaluator.holds_out):
            continue
        check_rows(run, split, run.catalogue[names[0]], METRICS_PATH)
        groups = run.data.groups if run.metadata.get("split") in WHOLE_GROUPS else None
        if groups is None or not condition.end:
            continue
        few = too_few_units(len(run.split.rows(split)), groups.iloc[run.split.rows(split)].to_numpy(), level)
        if few:
            hint = "make it larger: data.test_size=0.3; or bound the metric itself"
            raise DataError(f"{METRICS_PATH}: '{condition.text}' needs an interval, and {few}", hint)


def find_champion(run: ActiveRun, name: str | int) -> RunRecord:
    """Return the champion by its name; `latest` and `best` are looked for outside this run's sweep.

    Raises
    ------
    NotFoundError, ConfigError
        There is no such run.
    """
    # YAML reads a run's id that consists of digits as a number
    outputs, name = Path(str(run.config["outputs"])), str(name)
    own = _outer_folder(run.folder)

    def search() -> RunRecord:
        try:
            # a run of the same sweep is no champion: the comparison would depend on the order in which runs end
            return find_run(outputs, name, "table of predictions", lambda folder: _outer_folder(folder) != own)
        except NotFoundError as error:
            if is_chosen(name):
                message = f"{RUN_PATH}: {outputs} has no completed run to compare with"
                raise ConfigError(message, "train one first, or name another run") from None
            raise NotFoundError(f"{RUN_PATH}: {error.message}", f"see: {command('runs', outputs=outputs)}") from None
        except RequestError as error:
            raise ConfigError(f"{RUN_PATH}: {error.message}", *error.hints) from None

    # one champion for all runs of a worker, whatever ends meanwhile
    record: RunRecord = run.cached("champion", (name, str(outputs)), search)
    return record


def _outer_folder(folder: Path) -> Path:
    """Return the folder of the sweep that a run belongs to, or the run's own."""
    resolved = folder.resolve()
    return resolved.parent if resolved.parent.name == "runs" else resolved


def check_champion(run: ActiveRun, name: str | int, metric: Metric) -> None:
    """Refuse a champion that cannot be compared row by row with this run.

    Raises
    ------
    RuntreeError
        It does not exist, was trained on other data or another split, or kept no predictions.
    """
    record = find_champion(run, name)
    # the comparison is paired by row, and test rows that the champion was fitted on would favour it
    for key, own in (("data", run.data.fingerprint), ("split", run.split.id)):
        if record.fingerprints.get(key) != own:
            raise ConfigError(
                f"{RUN_PATH}: {record.id} was scored on other {'data' if key == 'data' else 'rows: its split differs'}",
                "a champion needs the same test rows: the same data, data.test_size and seed",
                f"see its config: {run_command('show', record, '--config')}",
            )
    if not RunFolder(record.folder).predictions.is_file():
        in_sweep = "/" in record.id
        again = f"train it again: {run_command('rerun', record)}"
        hint = "a sweep keeps those of its best runs only" if in_sweep else again
        raise ConfigError(f"{RUN_PATH}: {record.id} kept no predictions to compare with", hint)
    # reads the table: only its columns show whether there are probabilities
    if metric.needs == "probability" and champion_predictions(run, name, run.split.test).score is None:
        raise ConfigError(f"{RUN_PATH}: {record.id} has no probabilities, and {metric.name} needs them")


def champion_predictions(run: ActiveRun, name: str | int, rows: "Array") -> Predictions:
    """Return the champion's predictions for test rows, in the order of `rows`, which are positions in memory."""
    import pandas as pd

    table = pd.read_parquet(plain_source(RunFolder(find_champion(run, name).folder).predictions))
    return read_predictions(align_rows(table[table["part"] == "test"], run.data.numbers(rows)), run.data.classes)


def align_rows(table: "pd.DataFrame", rows: "Array") -> "pd.DataFrame":
    """Return predictions in the order of `rows`."""
    # .loc raises KeyError for a missing row, where a merge would silently drop it
    return table.set_index("row", drop=False).loc[rows]


def check_gate(context: EvaluationContext) -> dict[str, Any] | None:
    """Return each condition with its value, and whether all are met; None where the gate has no condition."""
    options = context.options.benchmark
    conditions = gate_conditions(options.metrics, options.run)
    if not conditions:
        return None
    champion: dict[str, Any] | None = None
    if options.run is not None:
        gain: dict[str, Any] = {"metric": context.metric.name, "value": None, "low": None, "high": None}
        if "test" in context.predictions:
            gain = compare_on_test(context, champion_predictions(context.run, options.run, context.rows["test"]))
        champion = {"run": find_champion(context.run, options.run).id, "gain": gain}
    results = [_check(context, condition, champion) for condition in conditions]
    failed = [result["reason"] for result in results if not result["passed"]]
    explanation = "; ".join(failed) or f"all {len(results)} conditions are met"
    gate = {"passed": not failed, "conditions": results, "explanation": explanation}
    return {**gate, "champion": champion} if champion else gate


def _check(context: EvaluationContext, condition: GateCondition, champion: dict[str, Any] | None) -> dict[str, Any]:
    value = _value(context, condition, champion)
    passed = condition.bound.holds(value)
    reason = "" if passed else _failure(context, condition, value, champion)
    return {"condition": condition.text, "value": value, "passed": passed, "reason": reason}


def _value(context: EvaluationContext, condition: GateCondition, champion: dict[str, Any] | None) -> float | None:
    first, *rest = condition.parts
    if first == FIT_SECONDS:
        # of the stage, not of `model.fit` alone: preprocessing is part of what a user waits for
        return context.run.stage_seconds.get("fit")
    if first == GAIN:
        gains: dict[str, dict[str, float | None]] = {
            baseline["name"]: baseline["gain"] for baseline in context.results.get("baselines") or ()
        }
        gains |= {CHAMPION: champion["gain"]} if champion else {}
        return gains.get(rest[0], {}).get(condition.end or "value")
    if condition.end:
        return _interval(context, rest[0]).get(condition.end)
    return context.run.metrics.get(first, {}).get(rest[0])


def _interval(context: EvaluationContext, metric: str) -> dict[str, float]:
    """Return the recorded interval of a test metric; of the ranking metric, if it is not scored, a new one."""
    from runtree.statistics.bootstrap import bootstrap

    recorded: dict[str, float] | None = (context.results.get("intervals") or {}).get("test", {}).get(metric)
    if recorded is not None or "test" not in context.predictions:
        return recorded or {}
    options = context.options.intervals
    selected = [candidate for candidate in context.metrics if candidate.name == metric]
    groups = context.groups("test")
    interval = bootstrap(
        context.predictions["test"], selected, options.resamples, options.level, context.run.seed, groups
    ).get(metric)
    return {"low": interval.low, "high": interval.high} if interval is not None else {}


def _failure(
    context: EvaluationContext, condition: GateCondition, value: float | None, champion: dict[str, Any] | None
) -> str:
    bound = condition.bound
    if champion is None or condition.parts != (GAIN, CHAMPION):
        why = "" if _is_number(value) else _why_unknown(context, condition)
        shown = f"{value:.4g}" if value is not None and not why else f"not defined{f' ({why})' if why else ''}"
        return f"{bound.name} is {shown}, required {bound.operator} {bound.limit:g}"
    gain = champion["gain"]
    tie = " (a tie)" if is_tie(gain) else ""
    return (
        f"does not beat {champion['run']}: gain in test {gain['metric']} {format_gain(gain)}{tie}, "
        f"required {condition.text}"
    )


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _why_unknown(context: EvaluationContext, condition: GateCondition) -> str:
    """Return the reason why a bounded figure is not defined, as it is recorded beside the figure."""
    split, *names = condition.parts
    if not names:
        return ""
    if split == GAIN:
        gains = {entry["name"]: entry["gain"].get("note") for entry in context.results.get("baselines") or ()}
        gains |= {entry["name"]: entry["reason"] for entry in context.results.get(SKIPPED) or ()}
        return gains.get(names[0]) or "the model was not compared with it"
    interval = (context.results.get("intervals") or {}).get(split, {}).get(names[0], {})
    return context.run.undefined.get(split, {}).get(names[0]) or str(interval.get("reason") or "")


def failed_gates(context: EvaluationContext) -> tuple[str, ...]:
    """Return a sentence for each gate that the run failed; a gate that could not be computed counts as failed."""
    failed = []
    options, gate = context.options.benchmark, context.results.get("benchmark")
    if options.metrics or options.run is not None:
        # the step failed and was left out; a gate that is missing must not count as passed
        if gate is None:
            failed.append("evaluator.benchmark: could not be computed; see log.txt")
        elif not gate["passed"]:
            failed.append(f"evaluator.benchmark: {gate['explanation']}")
    fairness, columns = context.options.fairness, context.results.get("fairness")
    if fairness.columns and fairness.max_gap is not None:
        if columns is None:
            failed.append("evaluator.fairness.max_gap: could not be computed; see log.txt")
        for column in columns or ():
            if column["passed"] is False:
                failed.append(f"evaluator.fairness.max_gap: {column['explanation']}")
    return tuple(failed)
