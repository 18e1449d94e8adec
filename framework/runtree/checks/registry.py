"""What a check is, and what came of it."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from runtree.checks.context import CheckContext, CheckResult, result_of_error, skipped
from runtree.checks.leakage import check_leakage
from runtree.checks.learning import check_learns, check_one_batch, check_shuffled
from runtree.checks.pipeline import check_repeats, check_shapes
from runtree.checks.table import (
    check_classes,
    check_constant,
    check_duplicates,
    check_groups,
    check_identifiers,
    check_missing,
    check_time,
)


@dataclass(frozen=True)
class Check:
    """A question to a configuration, before it is trained at length.

    Attributes
    ----------
    name, asks
        A word for the table, and what is asked in one line.
    function
        Answers it.
    fits
        Whether it needs the pipeline to be fitted; where that cannot be done it is skipped.
    """

    name: str
    asks: str
    function: Callable[[CheckContext], CheckResult]
    fits: bool = False


@dataclass(frozen=True)
class CheckOutcome:
    """A check with what it found, and how long it took in seconds."""

    check: Check
    finding: CheckResult
    seconds: float


# --- Every check, in the order in which they are asked: what is cheap and what explains the others comes first.

CHECKS: tuple[Check, ...] = (
    Check("shapes", "Do parts, features and answers fit together?", check_shapes),
    Check("missing", "Is anything missing or infinite left?", check_missing),
    Check("constant", "Does every column vary?", check_constant),
    Check("identifiers", "Does a column name its rows?", check_identifiers),
    Check("duplicates", "Do rows stand in two parts?", check_duplicates),
    Check("classes", "Has every part every class?", check_classes),
    Check("groups", "Is every group in one part?", check_groups),
    Check("time", "Is what is judged by later than what is learnt from?", check_time),
    Check("leakage", "Does one column give the answer away?", check_leakage),
    Check("learns", "Is it better than a dummy?", check_learns, fits=True),
    Check("shuffled", "Does it fall to chance on permuted labels?", check_shuffled, fits=True),
    Check("one batch", "Can it learn a few rows by heart?", check_one_batch, fits=True),
    Check("repeats", "Does the same seed give the same predictions?", check_repeats, fits=True),
)


def run_checks(
    context: CheckContext, checks: Sequence[Check] = CHECKS, watch: Callable[[str], None] = lambda _: None
) -> Iterator[CheckOutcome]:
    """Ask each check in turn, and yield what it found; `watch` hears the name of each that begins."""
    for check in checks:
        watch(check.name)
        clock = time.monotonic()
        finding = run_check(check, context)
        yield CheckOutcome(check, finding, time.monotonic() - clock)


def run_check(check: Check, context: CheckContext) -> CheckResult:
    """Return what a check finds; an error that the pipeline raises meanwhile is a finding too."""
    if check.fits and context.trouble is not None:
        return skipped("the pipeline cannot be fitted, see shapes")
    try:
        return check.function(context)
    except Exception as error:
        return result_of_error(error)
