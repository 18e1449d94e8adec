"""What the block `decision` learnt from the validation part, which therefore judges no more."""

from collections.abc import Iterator

from runtree.contract.finding import Finding
from runtree.lifecycle.decision.decide import FACT
from runtree.lifecycle.examination.subject import Subject


def findings(subject: Subject) -> Iterator[Finding]:
    """Say that validation metrics are those of rows that something was learnt from."""
    facts = subject.run.facts.get(FACT) or {}
    if not facts.get("part"):
        return
    learnt = [f"the {facts['calibrate']} calibration"] if facts.get("calibrate") else []
    learnt += [f"the threshold {facts['threshold']:.3g} (by {facts['by']})"] if facts.get("by") else []
    yield Finding(
        "decision",
        "note",
        f"{' and '.join(learnt)} {'were' if len(learnt) > 1 else 'was'} learnt on {facts['part']}: its metrics are "
        "a little better than they should be",
        "judge this run by its test metrics, or tune first and set decision last",
        dict(facts),
    )
