"""All checks in the order in which they run: cheap ones first, and those that explain others before them."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from runtree.checks.context import CheckContext, CheckResult, error_result, skipped
from runtree.checks.leakage import check_leakage
from runtree.checks.learning import check_learns, check_one_batch, check_shuffled
from runtree.checks.pipeline import check_repeats, check_shapes
from runtree.checks.rows import check_contradictions, check_copies, check_duplicates, check_imbalance
from runtree.checks.schema import check_schema
from runtree.checks.table import (
    check_classes,
    check_constant,
    check_groups,
    check_identifiers,
    check_missing,
    check_reading,
    check_time,
)
from runtree.checks.values import check_drift, check_missing_by_group, check_outliers
from runtree.contract.errors import raise_if_ours


@dataclass(frozen=True)
class Check:
    """A check of one configuration.

    Attributes
    ----------
    name, question
        A name of one or two words, and the check as a question in one line.
    needs_fit
        Whether the check fits the pipeline; it is skipped if that fails.
    """

    name: str
    question: str
    function: Callable[[CheckContext], CheckResult]
    needs_fit: bool = False


@dataclass(frozen=True)
class CheckOutcome:
    """A check with its result and its duration in seconds."""

    check: Check
    result: CheckResult
    seconds: float


CHECKS: tuple[Check, ...] = (
    Check("schema", "Is the table as its schema declares?", check_schema),
    Check("shapes", "Do splits, features and predictions fit together?", check_shapes),
    Check("missing", "Are missing or infinite values left after preprocessing?", check_missing),
    Check("reading", "Is every column read as the type that it looks like?", check_reading),
    Check("constant", "Does every column vary?", check_constant),
    Check("identifiers", "Is a column an identifier of its rows?", check_identifiers),
    Check("outliers", "Are numbers far outside the others of their column?", check_outliers),
    Check("missing by group", "Is a column missing more often in some classes or groups?", check_missing_by_group),
    Check("copies", "Does a row occur more than once?", check_copies),
    Check("contradictions", "Have rows with the same features another target?", check_contradictions),
    Check("duplicates", "Are rows of other splits also train rows?", check_duplicates),
    Check("classes", "Does every split have every class?", check_classes),
    Check("imbalance", "Is a class rare?", check_imbalance),
    Check("groups", "Is every group in one split?", check_groups),
    Check("time", "Are the train rows earlier than all others?", check_time),
    Check("drift", "Are the other splits like the train split?", check_drift),
    Check("leakage", "Does a single column predict the target?", check_leakage),
    Check("learns", "Is the pipeline better than a dummy?", check_learns, needs_fit=True),
    Check("shuffled", "Does the score fall to chance level on permuted labels?", check_shuffled, needs_fit=True),
    Check("one batch", "Can the algorithm memorize a few rows?", check_one_batch, needs_fit=True),
    Check("repeats", "Does the same seed give the same predictions?", check_repeats, needs_fit=True),
)


def run_checks(
    context: CheckContext, checks: Sequence[Check] = CHECKS, on_start: Callable[[str], None] = lambda _: None
) -> Iterator[CheckOutcome]:
    """Run the checks one after the other; `on_start` is called with the name of each."""
    for check in checks:
        on_start(check.name)
        clock = time.monotonic()
        result = run_check(check, context)
        yield CheckOutcome(check, result, time.monotonic() - clock)


def run_check(check: Check, context: CheckContext) -> CheckResult:
    """Return the result of a check; an error that the pipeline raises is a failure of the check."""
    if check.needs_fit and context.fit_error is not None:
        return skipped("the pipeline cannot be fitted, see shapes")
    try:
        return check.function(context)
    # a check that raises is a finding about the pipeline; the other checks still run
    except BaseException as error:
        raise_if_ours(error)
        return error_result(error)
