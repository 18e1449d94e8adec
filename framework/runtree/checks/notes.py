"""The cheap checks that every run makes of its table before the fit: the same functions as those of `runtree check`.

A leak that is known after the fit has cost the fit, and one that only `runtree check` knows is mostly never known.
"""

import logging
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial

from runtree.checks.context import make_check_context
from runtree.checks.leakage import check_suspects
from runtree.checks.profile import profile_table
from runtree.checks.registry import Check, run_checks
from runtree.checks.rows import MIN_TOLD_SHARE, check_contradictions, check_duplicates, check_imbalance
from runtree.checks.schema import STAGE as SCHEMA
from runtree.checks.schema import hold_to_schema
from runtree.checks.table import check_classes, check_constant, check_groups, check_identifiers, check_time
from runtree.checks.values import check_drift, check_missing_by_group, check_outliers
from runtree.contract.run import Stage
from runtree.contract.types import SPLITS, Finding
from runtree.records.layout import RunFolder
from runtree.records.writer import write_json
from runtree.training.active_run import ActiveRun

log = logging.getLogger(__name__)

# Together, with the profile, about 3 % of a run: see docs/checks.md.
CHEAP_CHECKS: tuple[Check, ...] = (
    Check("leakage", "Does one of the most telling columns predict the target?", check_suspects),
    Check("constant", "Does every column vary?", check_constant),
    Check("identifiers", "Is a column an identifier of its rows?", check_identifiers),
    Check("outliers", "Are numbers far outside the others of their column?", check_outliers),
    Check("missing by group", "Is a column missing more often in some classes or groups?", check_missing_by_group),
    Check(
        "contradictions",
        "Have many rows with the same features another target?",
        partial(check_contradictions, least=MIN_TOLD_SHARE),
    ),
    Check(
        "duplicates",
        "Are many rows of other splits also train rows?",
        partial(check_duplicates, least=MIN_TOLD_SHARE),
    ),
    Check("imbalance", "Is a class rare?", check_imbalance),
    Check("classes", "Does every split have every class?", check_classes),
    Check("groups", "Is every group in one split?", check_groups),
    Check("time", "Are the train rows earlier than all others?", check_time),
    Check("drift", "Are the other splits like the train split?", check_drift),
)


def stages() -> list[Stage]:
    """Return the stages that the checks add to those of a run."""
    return [
        Stage(SCHEMA, hold_to_schema, after="load", before="check"),
        Stage("check_table", note_table, after="split", before="fit"),
    ]


def note_table(run: ActiveRun) -> None:
    """Print what is wrong with the table of a single run, and keep it for its report.

    In a sweep, the preflight prints them once; `runtree check` makes these checks among others.
    """
    if not run.records or run.scored_splits != SPLITS:
        return
    if run.config.to_dict()["evaluator"].get("diagnose") != "none":
        write_json(RunFolder(run.folder).columns, profile_table(run.data, anonymous=True))
    run.table_findings += tuple(table_findings(run))
    for finding in run.table_findings:
        log.warning("%s", note_text(finding))


def table_findings(run: ActiveRun) -> Iterator[Finding]:
    """Yield a finding for each cheap check that a loaded and split run does not pass; none without a diagnosis."""
    if run.config.to_dict()["evaluator"].get("diagnose") == "none":
        return
    context = make_check_context(run, lambda seed: nullcontext())
    for outcome in run_checks(context, CHEAP_CHECKS):
        result = outcome.result
        if result.state in ("warned", "failed"):
            level = "warning" if result.state == "failed" else "note"
            yield Finding(f"table: {outcome.check.name}", level, result.message, result.advice)  # type: ignore[arg-type]


def note_text(finding: Finding) -> str:
    """Return a finding on one line."""
    return f"{finding.name.removeprefix('table: ')}: {finding.says}; {finding.advice}"
