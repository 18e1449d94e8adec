"""What a load test found: percentiles, throughput, the share of errors, and their course as a plot."""

from collections import Counter
from typing import Any

import numpy as np

from runtree.packaging.load_client import NO_ANSWER, LoadLog, LoadPlan
from runtree.records.plot_writer import BEST, COLOURS, DrawnPlot
from runtree.reports.plots.style import HEIGHT, WIDTH, finish, new_panels

PERCENTILES = (50, 95, 99)
MAX_SLICES = 60  # of the time, each a point of the plot
MILLISECONDS = 1e3


def summarise(plan: LoadPlan, log: LoadLog) -> dict[str, Any]:
    """Return the figures: latencies in milliseconds, of all requests that were answered."""
    latencies = MILLISECONDS * np.asarray(log.latencies)
    answered = np.asarray(log.statuses) != NO_ANSWER
    taken = latencies[answered]
    statuses = Counter(log.statuses)
    errors = sum(count for status, count in statuses.items() if not 200 <= status < 300)
    figures = {f"p{one}": float(np.percentile(taken, one)) if len(taken) else None for one in PERCENTILES}
    return {
        "loop": "closed" if plan.rate is None else "open",
        "connections": plan.connections if plan.rate is None else None,
        "rate": plan.rate,
        "seconds": round(log.seconds, 3),
        "requests": len(latencies),
        "throughput": int(answered.sum()) / log.seconds if log.seconds else 0.0,
        "latency_ms": {**figures, "max": float(taken.max()) if len(taken) else None},
        "error_share": errors / len(latencies) if len(latencies) else 1.0,
        "statuses": {str(status) if status else "no answer": count for status, count in sorted(statuses.items())},
    }


def broken_bounds(summary: dict[str, Any], max_p95: float | None, max_errors: float | None) -> list[str]:
    """Return a sentence for each bound that does not hold; without any answer none holds."""
    p95, share = summary["latency_ms"]["p95"], summary["error_share"]
    broken = []
    if max_p95 is not None and (p95 is None or p95 > max_p95):
        found = "nothing was answered" if p95 is None else f"p95 is {p95:.2f} ms"
        broken.append(f"--max-p95 {max_p95:g}: {found}")
    if max_errors is not None and share > max_errors:
        broken.append(f"--max-errors {max_errors:g}: {share:.2%} of the requests failed")
    return broken


def draw_load(log: LoadLog) -> DrawnPlot | None:
    """Draw latency and answers a second over the time; None of too few requests."""
    slices = min(MAX_SLICES, max(2, int(log.seconds)), len(log.starts) // 10)
    if slices < 2:
        return None
    latencies, statuses = MILLISECONDS * np.asarray(log.latencies), np.asarray(log.statuses)
    edges = np.linspace(0, log.seconds, slices + 1)
    # latency belongs to the moment at which a request was to start, an answer to that at which it came
    begun = np.clip(np.searchsorted(edges, np.asarray(log.starts), "right") - 1, 0, slices - 1)
    ended = np.minimum(np.asarray(log.starts) + np.asarray(log.latencies), log.seconds)
    middles = ((edges[1:] + edges[:-1]) / 2).tolist()
    courses: dict[str, list[float | None]] = {}
    for one in PERCENTILES:
        courses[f"p{one}"] = [
            float(np.percentile(mine, one))
            if len(mine := latencies[(begun == place) & (statuses != NO_ANSWER)])
            else None
            for place in range(slices)
        ]
    good = (statuses >= 200) & (statuses < 300)
    rates = {
        name: (np.histogram(ended[mask], edges)[0] / np.diff(edges)).tolist()
        for name, mask in (("answered", good), ("failed", ~good))
    }
    figure, (left, right) = new_panels(1, 2, width=2 * WIDTH, height=HEIGHT)
    for (name, values), colour in zip(courses.items(), COLOURS, strict=False):
        points = [(x, y) for x, y in zip(middles, values, strict=True) if y is not None]
        left.plot(*zip(*points, strict=True), color=colour, label=name) if points else None
    left.set_ylim(bottom=0)
    finish(left, "Latency", "seconds", "ms")
    for (name, values), colour in zip(rates.items(), (COLOURS[0], BEST), strict=True):
        if name == "answered" or any(values):
            right.plot(middles, values, color=colour, label=name)
    right.set_ylim(bottom=0)
    finish(right, "Answers", "seconds", "answers a second")
    says = "Latency from the intended start of a request, and answers a second."
    return figure, {"title": "Load test", "says": says, "seconds": middles, "latency_ms": courses, "rate": rates}
