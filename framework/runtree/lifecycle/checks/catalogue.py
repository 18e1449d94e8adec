"""Every check, in the order in which they are asked: what is cheap and what explains the others comes first."""

import time
from collections.abc import Callable, Iterator, Sequence

from runtree.lifecycle.checks import (
    columns,
    identifiers,
    leakage,
    learning,
    one_batch,
    parts,
    repeats,
    shapes,
    shuffling,
)
from runtree.lifecycle.checks.check import Check, Outcome
from runtree.lifecycle.checks.context import Context, told
from runtree.lifecycle.checks.finding import Finding, skipped

CHECKS: tuple[Check, ...] = (
    Check("shapes", "Do parts, features and answers fit together?", shapes.shapes),
    Check("missing", "Is anything missing or infinite left?", columns.missing),
    Check("constant", "Does every column vary?", columns.constant),
    Check("identifiers", "Does a column name its rows?", identifiers.identifiers),
    Check("duplicates", "Do rows stand in two parts?", parts.duplicates),
    Check("classes", "Has every part every class?", parts.classes),
    Check("groups", "Is every group in one part?", parts.groups),
    Check("time", "Is what is judged by later than what is learnt from?", parts.time),
    Check("leakage", "Does one column give the answer away?", leakage.leakage),
    Check("learns", "Is it better than a dummy?", learning.learns, fits=True),
    Check("shuffled", "Does it fall to chance on permuted labels?", shuffling.shuffled, fits=True),
    Check("one batch", "Can it learn a few rows by heart?", one_batch.one_batch, fits=True),
    Check("repeats", "Does the same seed give the same predictions?", repeats.repeats, fits=True),
)


def ask_all(
    context: Context, checks: Sequence[Check] = CHECKS, watch: Callable[[str], None] = lambda _: None
) -> Iterator[Outcome]:
    """Ask each check in turn, and yield what it found; `watch` hears the name of each that begins."""
    for check in checks:
        watch(check.name)
        clock = time.monotonic()
        finding = answer(check, context)
        yield Outcome(check, finding, time.monotonic() - clock)


def answer(check: Check, context: Context) -> Finding:
    """Return what a check finds; an error that the pipeline raises meanwhile is a finding too."""
    if check.fits and context.trouble is not None:
        return skipped("the pipeline cannot be fitted, see shapes")
    try:
        return check.function(context)
    except Exception as error:
        return told(error)
