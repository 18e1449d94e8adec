"""How sure each metric of the test part is."""

from typing import Any

from runtree.lifecycle.examination.subject import Subject


def intervals(subject: Subject) -> dict[str, Any] | None:
    """Return the bootstrap interval of each metric of the test part; groups that the table is split by stay whole."""
    from runtree.statistics.bootstrap import METHOD, bootstrap

    asked = subject.options.intervals
    if not asked.resamples or "test" not in subject.answers:
        return None
    answers, groups = subject.answers["test"], subject.groups("test")
    found = bootstrap(answers, subject.metrics, asked.resamples, asked.level, subject.run.seed, groups)
    return {
        "level": asked.level,
        "resamples": asked.resamples,
        "method": METHOD,
        "drawn": "rows" if groups is None else "groups",
        "test": {name: own.plain() for name, own in found.items()},
    }
