"""The job of scripted sweeps: it returns a given objective value, some jobs later than others."""

import time

from harness import outcome


def setup(argument):
    return run_scripted


def run_scripted(payload, channel):
    """Return `value`, with delays that let later jobs end before earlier ones; "no" is a failed run."""
    value, number = payload
    time.sleep(0.03 * (number * 7 % 5))
    if value == "no":
        return outcome(0.0, state="failed", reason="error", error={"type": "ValueError", "message": "no"})
    return outcome(value)
