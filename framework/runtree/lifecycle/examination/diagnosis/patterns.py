"""What patterns of residuals say about a regression, and what to do."""

from collections.abc import Iterator, Mapping
from typing import Any

from runtree.contract.finding import Finding
from runtree.lifecycle.examination.diagnosis import overrides
from runtree.lifecycle.examination.diagnosis.residuals import LEVEL, NAMED, SPREAD, TAILS
from runtree.lifecycle.examination.subject import Subject


def findings(subject: Subject) -> Iterator[Finding]:
    """Read the residuals; good where they show no pattern."""
    found = subject.found.get("residuals")
    if not found:
        return
    told = [*_bias(found), *_by_prediction(subject, found), *_columns(found), *_spread(subject, found)]
    told += [*_tails(subject, found), *_neighbours(found)]
    yield from told
    if not told:
        yield Finding("residuals", "good", f"no pattern in the residuals of {found['rows']:,} rows of {found['part']}")


def _bias(found: Mapping[str, Any]) -> Iterator[Finding]:
    bias = found["bias"]
    if bias["p"] < LEVEL and abs(bias["value"]) > 0.05 * bias["sd"]:
        yield Finding(
            "bias",
            "note",
            f"predictions are {'too low' if bias['value'] > 0 else 'too high'} by {abs(bias['value']):.3g} on average "
            f"on {found['part']} (residuals scatter by {bias['sd']:.3g})",
            "are the parts alike? runtree check tells; a loss of the median predicts low where the target is skewed",
            dict(bias),
        )


def _by_prediction(subject: Subject, found: Mapping[str, Any]) -> Iterator[Finding]:
    bins, p = found["by_prediction"]["bins"], found["by_prediction"]["p"]
    if p >= LEVEL:
        return
    worst = max(bins, key=lambda one: abs(one["mean"]))
    side = "too low" if worst["mean"] > 0 else "too high"
    other = overrides.let_go(subject)
    yield Finding(
        "bias by prediction",
        "note",
        f"predictions from {worst['low']:.3g} to {worst['high']:.3g} are {side} by {abs(worst['mean']):.3g} on average "
        f"({worst['rows']} rows; p {p:.1g})",
        f"the model bends too little or too much: try {other or overrides.TUNE}",
        {"p": p, **worst},
    )


def _columns(found: Mapping[str, Any]) -> Iterator[Finding]:
    for one in [one for one in found["columns"] if one["p"] < LEVEL][:NAMED]:
        worst = max(one["bins"], key=lambda each: abs(each["mean"]))
        where = f"= {worst['level']}" if "level" in worst else f"from {worst['low']:.3g} to {worst['high']:.3g}"
        side = "too low" if worst["mean"] > 0 else "too high"
        yield Finding(
            "pattern by column",
            "note",
            f"what is left depends on {one['column']!r}: where it is {where}, predictions are {side} by "
            f"{abs(worst['mean']):.3g} on average (p {one['p']:.1g})",
            f"the model does not use {one['column']!r} as it should: try {overrides.MORE}",
            {"column": one["column"], "p": one["p"], **worst},
        )


def _spread(subject: Subject, found: Mapping[str, Any]) -> Iterator[Finding]:
    spread = found["spread"]
    if spread["p"] >= LEVEL or abs(spread["rho"]) < SPREAD:
        return
    grows, target = spread["rho"] > 0, subject.run.data.target
    advice = "an interval of one width for all rows is wrong: judge by metrics of relative error"
    if grows and float(target.min()) > 0:
        advice = "learn the logarithm of the target: algorithm=gamma, or a column of logarithms as data.target"
    elif grows and float(target.min()) == 0:
        advice = "a count or an amount? algorithm=poisson or algorithm=tweedie"
    yield Finding(
        "spread",
        "note",
        f"errors {'grow' if grows else 'shrink'} with the prediction (rank correlation {spread['rho']:.2f})",
        advice,
        dict(spread),
    )


def _tails(subject: Subject, found: Mapping[str, Any]) -> Iterator[Finding]:
    tails = found["tails"]
    if tails["p"] >= LEVEL or tails["excess_kurtosis"] < TAILS:
        return
    robust = "objective.metric=mae judges without letting a few rows decide"
    if subject.run.config.algorithm.get("name") == "hist_gradient_boosting":
        robust += "; algorithm.loss=absolute_error learns so"
    elif subject.run.config.algorithm.get("name") in ("linear", "ridge", "lasso", "elastic_net"):
        robust += "; algorithm=huber learns so"
    yield Finding(
        "tails",
        "note",
        f"a few errors are very large: {tails['share_beyond_3_sd']:.1%} beyond 3 standard deviations, excess kurtosis "
        f"{tails['excess_kurtosis']:.1f}",
        f"look at these rows; {robust}",
        dict(tails),
    )


def _neighbours(found: Mapping[str, Any]) -> Iterator[Finding]:
    near = found.get("neighbours")
    if near and near["p"] < LEVEL and abs(near["r"]) > 0.1:
        yield Finding(
            "neighbours in time",
            "warning",
            f"residuals that follow each other are alike (correlation {near['r']:.2f})",
            "the past tells more than the model uses: add earlier values as columns; intervals are too narrow",
            dict(near),
        )
