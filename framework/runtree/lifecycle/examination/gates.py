"""Which gates of a run said no. One that was asked for and could not be answered has said no as well."""

from collections.abc import Iterator

from runtree.lifecycle.examination.subject import Subject


def missed(subject: Subject) -> tuple[str, ...]:
    """Return a sentence for each gate that the run did not pass."""
    return (*_benchmark(subject), *_fairness(subject))


def _benchmark(subject: Subject) -> Iterator[str]:
    asked = subject.options.benchmark
    if not asked.metrics and asked.run is None:
        return
    found = subject.found.get("benchmark")
    if found is None:
        yield "evaluator.benchmark: it could not be answered: see log.txt"
    elif not found["passed"]:
        yield f"evaluator.benchmark: {found['explanation']}"


def _fairness(subject: Subject) -> Iterator[str]:
    asked = subject.options.fairness
    if not asked.columns or asked.max_gap is None:
        return
    found = subject.found.get("fairness")
    if found is None:
        yield "evaluator.fairness.max_gap: it could not be answered: see log.txt"
        return
    for one in found:
        if one["passed"] is False:
            yield f"evaluator.fairness.max_gap: {one['explanation']}"
