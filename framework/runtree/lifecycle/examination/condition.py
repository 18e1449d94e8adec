"""Bounds that a run must keep: ``test.f1 >= 0.9``, ``test.f1.low > 0.85``, ``gain.linear > 0``, ``fit_seconds < 9``."""

import operator
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from runtree.contract.errors import ConfigError, unknown
from runtree.contract.types import PARTS, Metric
from runtree.lifecycle.metrics import SECONDS

FORM = re.compile(r"\s*([\w.]+)\s*(>=|<=|>|<)\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*")
RELATIONS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
ENDS = ("low", "high")  # of an interval
GAIN, CHAMPION = "gain", "champion"
WHERE = "evaluator.benchmark.metrics"
POSSIBLE = (
    "possible: PART.METRIC, test.METRIC.low, gain.NAME, gain.NAME.low or fit_seconds; then >=, >, <= or <; a number",
    f'for example: {WHERE}=\'["test.f1 >= 0.9","gain.linear.low > 0","fit_seconds < 60"]\'',
)


@dataclass(frozen=True)
class Condition:
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


def read_condition(text: str) -> Condition:
    """Read ``test.f1 >= 0.9``.

    Raises
    ------
    ConfigError
        Where it is anything but a name, a relation and a number.
    """
    match = FORM.fullmatch(str(text))
    if match is None:
        raise ConfigError(f"{WHERE}: '{text}' is no bound", *POSSIBLE)
    return Condition(str(text).strip(), match[1], match[2], float(match[3]))


def check_condition(
    found: Condition, scored: Mapping[str, Metric], known: Collection[str], rivals: Collection[str], intervals: bool
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
        raise ConfigError(f"{WHERE}: '{found.text}' asks for an interval, and none is made", hint)
    if (first, len(others)) == (SECONDS, 0) and not found.end:
        return
    if first == GAIN and len(others) == 1:
        _check_rival(found, others[0], rivals)
    elif first in PARTS and len(others) == 1:
        _check_metric(found, others[0], scored, known)
    else:
        raise ConfigError(f"{WHERE}: '{found.name}' is nothing that a run has", *POSSIBLE)


def _check_rival(found: Condition, name: str, rivals: Collection[str]) -> None:
    if name in rivals:
        return
    if name == CHAMPION:
        raise ConfigError(f"{WHERE}: '{found.text}' needs a run to beat", "name it: evaluator.benchmark.run=RUN")
    raise unknown(f"name of a gain at {WHERE}:", name, rivals, "see: evaluator.baselines", error=ConfigError)


def _check_metric(found: Condition, name: str, scored: Mapping[str, Metric], known: Collection[str]) -> None:
    if name not in scored and name in known:
        wanted = ",".join([*scored, name])
        raise ConfigError(f"{WHERE}: {name} is not scored in this run", f"type: evaluator.metrics=[{wanted}]")
    if name not in scored:
        raise unknown(f"metric at {WHERE}:", name, known, error=ConfigError)
    if found.end and found.parts[0] != "test":
        raise ConfigError(f"{WHERE}: '{found.text}': intervals are made on the test part", f"type: test.{name}.low")
