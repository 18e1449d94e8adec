"""Whether a baseline that was fitted beside the model is better than it."""

from collections.abc import Iterator

from runtree.contract.finding import Finding
from runtree.lifecycle.examination.subject import Subject

OPTIONS = {"boosted": "hist_gradient_boosting", "linear": "logistic"}  # what a baseline is called as an algorithm
LINE = "ridge"  # … where the task is a regression


def findings(subject: Subject) -> Iterator[Finding]:
    """Name each baseline whose gain is below 0 by more than chance; silent where none is, or none was fitted."""
    for one in subject.found.get("baselines") or ():
        gain = one.get("gain") or {}
        value, high = gain.get("value"), gain.get("high")
        if value is None or high is None or high >= 0:
            continue
        option = OPTIONS.get(one["name"], "")
        option = LINE if option == "logistic" and not subject.run.data.classes else option
        yield Finding(
            "beaten",
            "warning",
            f"the baseline '{one['name']}' is better: {gain.get('metric')} on test by {-value:.3g} "
            f"(at least {-high:.3g})",
            f"take it, or find out what it sees: algorithm={option}" if option else "look at the data: runtree check",
            {"name": one["name"], **gain},
        )
