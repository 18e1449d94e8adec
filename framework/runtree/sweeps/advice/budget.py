"""Whether the sweep was long enough, or too long, and what was lost on the way."""

from collections import Counter
from collections.abc import Iterator

from runtree.contract.errors import first_line, without_numbers
from runtree.contract.finding import Finding
from runtree.sweeps.advice.facts import Facts

CUT = ("max_runs", "max_seconds", "asked", "interrupted")  # endings that say nothing of the search itself
ENOUGH = 10  # runs: of fewer nothing is told
LAST = 5  # the last fifth of a sweep: an improvement in it speaks for more
LOST = 0.1  # share of runs that failed


def too_small(facts: Facts) -> Iterator[Finding]:
    """Find a budget that ended while the best still rose, or before the tuner had learnt anything."""
    count, criterion = len(facts.in_order), facts.stop.get("criterion")
    if count < ENOUGH or criterion not in CUT:
        return
    place, before = last_improvement(facts)
    more = f"runtree resume {facts.name} tuner.stop.{_doubled(facts)}"
    families = len({trial.key[0] for trial in facts.book.trials.values()}) or 1
    if facts.startup * families >= count:
        said = f"all {count} runs were drawn at random: the tuner learns after {facts.startup} of each algorithm"
        yield Finding("budget", "note", said, f"let it go on: {more}", {"runs": count, "startup": facts.startup})
    elif count - place <= count // LAST and before is not None:
        best = facts.in_order[place - 1][1]
        said = f"still improving when the budget ended: run {place} of {count} took the best from {before:.4g}"
        found = {"runs": count, "improved_at": place}
        yield Finding("budget", "warning", f"{said} to {best:.4g}", f"go on: {more}", found)


def too_large(facts: Facts) -> Iterator[Finding]:
    """Find a budget of which most came to nothing."""
    count = len(facts.in_order)
    if facts.stop.get("criterion") not in CUT or count < 5 * ENOUGH:
        return
    place, _ = last_improvement(facts)
    if place <= count // 4:
        said = f"the best came at run {place} of {count}; the {count - place} after it found nothing better"
        patience = max(10, 2 * place)
        yield Finding("budget", "note", said, f"next time: tuner.stop.patience.runs={patience}", {"improved_at": place})


def failures(facts: Facts) -> Iterator[Finding]:
    """Find that many runs failed, and why most of them did."""
    ended = [facts.book.runs[number] for number in facts.book.ended]
    failed = [entry for entry in ended if entry.state == "failed"]
    if not ended or len(failed) <= LOST * len(ended):
        return
    reasons = [first_line((entry.outcome.get("error") or {}).get("message")) for entry in failed]
    kind, often = Counter(map(without_numbers, reasons)).most_common(1)[0]
    reason = next(one for one in reasons if without_numbers(one) == kind)
    yield Finding(
        "failures",
        "warning",
        f"{len(failed)} of {len(ended)} runs failed, {often} of them so: {reason}",
        f"leave what fails out of the space; one of them: runtree show {facts.name}/{failed[0].number:04d} --log",
        {"failed": len(failed), "runs": len(ended)},
    )


def alike(facts: Facts) -> Iterator[Finding]:
    """Find that several configurations come to the very same best value."""
    if len(facts.scored) < ENOUGH:
        return
    best = facts.scored[0][1]
    same = sum(value == best for _, value in facts.scored)
    if same > 1:
        said = f"{same} configurations come to the same best validation {facts.metric}, {best:.4g}: it cannot part them"
        advice = f"take the cheapest of them: runtree best {facts.name} --cheapest; or judge by folds: "
        yield Finding("ties", "note", said, f"{advice}evaluator=cross_validation", {"tied": same, "value": best})


def last_improvement(facts: Facts) -> tuple[int, float | None]:
    """Return after how many completed runs the best was found, and the best before that."""
    best: float | None = None
    place, before = 0, None
    for number, (_, value) in enumerate(facts.in_order, 1):
        if best is None or facts.better(value, best):
            place, before, best = number, best, value
    return place, before


def _doubled(facts: Facts) -> str:
    threshold = facts.stop.get("threshold")
    if facts.stop.get("criterion") == "max_seconds" and threshold:
        return f"max_seconds={2 * float(threshold):g}"
    return f"max_runs={2 * len(facts.book.runs)}"
