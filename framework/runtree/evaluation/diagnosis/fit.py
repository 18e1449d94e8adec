"""Over- and underfitting, skill over a constant prediction, and the learning curve over the number of train rows."""

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runtree.contract.predictions import Predictions, encode_target, predict
from runtree.contract.types import WHOLE_GROUPS, Finding
from runtree.evaluation.baseline_gain import compare_with_guessing
from runtree.evaluation.context import (
    MAX_BOOTSTRAP_ROWS,
    STANDARD_ERROR_RESAMPLES,
    EvaluationContext,
    metric_value,
    perfect_predictions,
    take_rows,
)
from runtree.evaluation.diagnosis.suggestions import (
    check_command,
    regularize_override,
    relax_override,
    supports_fit_option,
    tuning_advice,
)
from runtree.lifecycle.split import holdout_rows
from runtree.training.monitor import loss

if TYPE_CHECKING:
    import numpy as np

    Rows = np.ndarray[Any, Any]

log = logging.getLogger(__name__)

GAP_ERRORS = 3.0  # standard errors beyond which a gap is significant: p < 0.002
NOTE_LOSS, WARNING_LOSS = 0.1, 0.25  # share of the train split's skill that is lost on other rows
MIN_SKILL = 0.5  # on the train split, between a constant prediction and a perfect one

TRAIN_SHARES = (0.125, 0.25, 0.5, 1.0)  # of the learning curve: each doubles the one before
MIN_TRAIN_ROWS = 20
DOUBLING_RESAMPLES = 400


def fit_failure_findings(context: EvaluationContext) -> Iterator[Finding]:
    """Warn of a fit that is no better than knowing nothing on its own train rows: it has diverged, or cannot learn."""
    run = context.run
    if "train" not in context.predictions or run.config.algorithm.get("name") == "dummy":
        return
    train, no_skill = context.predictions["train"], context.no_skill_predictions("train")
    metric, classes = context.metric, len(run.data.classes)
    score, reference = metric_value(train, metric), metric_value(no_skill, metric)
    fit_loss = loss(train)
    # without probabilities both losses are error rates
    constant_loss = loss(replace(no_skill, score=None) if train.score is None else no_skill)
    values = {"train": score, "constant": reference, "loss": fit_loss}
    check = check_command(context)
    # a model that ranks rows but predicts one class for all has learned something: it has a finding of its own
    if context.gain(score, reference) <= 0 and fit_loss >= constant_loss:
        constant = "the most common class" if classes else "the mean"
        yield Finding(
            "failed fit",
            "warning",
            f"the fit has learned nothing: {metric.name} {score:.4g} on its own train rows, and {reference:.4g} for "
            f"always predicting {constant}",
            " or ".join(filter(None, [*_lower_rates(context), relax_override(context), check])),
            values,
        )
    # not the log loss of the class shares: class weights move probabilities away from them on purpose
    elif train.score is not None and fit_loss > math.log(classes):
        yield Finding(
            "failed fit",
            "warning",
            f"the probabilities are worse than none: log loss {fit_loss:.4g} on the train rows, and "
            f"{math.log(classes):.4g} for {classes} equal ones: the fit has diverged, or is much too sure",
            " or ".join([*_lower_rates(context), "decision.calibrate=temperature", check]),
            {**values, "equal": math.log(classes)},
        )


def _lower_rates(context: EvaluationContext) -> list[str]:
    """Return an override with a tenth of the learning rate, if the algorithm has one."""
    algorithm = context.run.config.algorithm
    rates = ((key, algorithm.get(key)) for key in ("learning_rate", "learning_rate_init"))
    return [f"algorithm.{key}={rate / 10:g}" for key, rate in rates if isinstance(rate, float)]


def fit_findings(context: EvaluationContext) -> Iterator[Finding]:
    """Compare the train split with the selection split, and both with a constant prediction."""
    split = context.selection_split
    if split is None or "train" not in context.predictions:
        return
    skill = _skill_finding(context, split)
    if skill is None:
        return
    yield skill
    gap = _overfitting(context, split)
    if gap is not None:
        yield gap
    # underfitting is worth a word only if there is skill, and no overfitting to mend first
    if skill.level == "good" and (gap is None or gap.level == "good"):
        yield from _underfitting(context)


def _skill_finding(context: EvaluationContext, split: str) -> Finding | None:
    """Compare the model with the most common class of the train split, or with its mean; None without a score."""
    from runtree.statistics.bootstrap import bootstrap_difference

    metric, predictions, no_skill = context.metric, context.predictions[split], context.no_skill_predictions(split)
    rows = context.sample_rows(split, MAX_BOOTSTRAP_ROWS)
    pair = (take_rows(predictions, rows), take_rows(no_skill, rows))
    groups = context.groups(split)
    groups = None if groups is None else groups[rows]
    difference = bootstrap_difference(*pair, metric, STANDARD_ERROR_RESAMPLES, 0.95, context.run.seed, groups)
    model, reference = metric_value(predictions, metric), metric_value(no_skill, metric)
    gain = context.gain(model, reference)
    if not math.isfinite(gain):
        return None
    # half the width of a 95 % interval, scaled from the sample to all rows
    noise = (difference.high - difference.low) / 2 * math.sqrt(len(rows) / len(predictions.y_true))
    if math.isnan(noise):  # the difference is equal on every resample, so take the error of the model's own score
        noise = 2 * context.standard_error(split)
    values = {"part": split, "model": model, "constant": reference, "noise": noise}
    constant = "the most common class" if context.run.data.classes else "the mean"
    scores = f"{metric.name} on {split}: {model:.4g}, and {reference:.4g} for always predicting {constant}"
    if gain > noise:
        return Finding("no skill", "good", scores, values=values)
    better_by = [entry["metric"] for entry in compare_with_guessing(context, *pair, groups) if entry["better"]]
    if better_by:  # a few rows may decide one metric, as one confident error does the log loss
        advice = f"look at the rows that {metric.name} weighs most, or choose objective.metric={better_by[0]}"
        return Finding("no skill", "note", f"{scores}; but better by {', '.join(better_by)}", advice, values)
    if gain > 0 and math.isnan(noise):
        advice = "get more rows, or more groups, to tell the difference from noise"
        return Finding("no skill", "note", f"{scores}; {difference.note}", advice, values)
    if gain > 0:
        advice = f"the difference may be noise: get more rows, or more informative columns; {tuning_advice(context)}"
        return Finding("no skill", "warning", scores, advice, values)
    return Finding("no skill", "warning", scores, f"check the data first: {check_command(context)}", values)


def _overfitting(context: EvaluationContext, split: str) -> Finding | None:
    """Compare the gap between the train split and another with the skill on the train split."""
    metric = context.metric
    train, other = (metric_value(context.predictions[name], metric) for name in ("train", split))
    # the two splits share no row, so their errors are independent and add up in squares
    noise = math.hypot(*(context.standard_error(name) for name in ("train", split)))
    gap = context.gain(train, other)
    skill = context.gain(train, metric_value(context.no_skill_predictions(split), metric))
    if not all(map(math.isfinite, (gap, skill, noise))) or skill <= 0:
        return None
    # as a share of the skill, which makes one threshold fit metrics of any unit
    lost = max(gap / skill, 0.0)
    values = {"train": train, split: other, "gap": gap, "noise": noise, "lost": lost}
    scores = f"{metric.name}: {train:.4g} on train, {other:.4g} on {split}"
    if gap <= GAP_ERRORS * noise or lost < NOTE_LOSS:
        message = f"{scores}: {split} is {lost:.0%} of the way back to the baseline (± {noise:.2g})"
        return Finding("overfitting", "good", message, "", values)
    overrides = [regularize_override(context)]
    overrides += ["fit.patience.checks=10"] if supports_fit_option(context, "patience") else []
    advice = " or ".join(filter(None, overrides)) or tuning_advice(context)
    return Finding(
        "overfitting",
        "warning" if lost >= WARNING_LOSS else "note",
        f"{scores}: {split} is {lost:.0%} of the way back to the baseline (noise ± {noise:.2g})",
        f"regularize the model: {advice}; or get more rows",
        values,
    )


def _underfitting(context: EvaluationContext) -> Iterator[Finding]:
    """Note a low skill on the train split; only another algorithm can show whether more can be learned."""
    metric, predictions = context.metric, context.predictions["train"]
    constant = metric_value(context.no_skill_predictions("train"), metric)
    # 0 for constant targets, and NaN for metrics that a perfect prediction leaves undefined
    possible = context.gain(metric_value(perfect_predictions(predictions), metric), constant)
    skill = context.gain(metric_value(predictions, metric), constant) / possible if possible else math.nan
    if not math.isfinite(skill):
        return
    values = {"skill": skill, "train": metric_value(predictions, metric)}
    if skill >= MIN_SKILL:
        message = "fits its training rows perfectly" if skill == 1 else f"reaches {skill:.0%} of a perfect fit on train"
        yield Finding("underfitting", "good", message, "", values)
        return
    override = relax_override(context)
    advice = (
        f"the target is noisy, or the model too simple: try {override}"
        if override
        else f"the target is noisy, or there are too few columns; {tuning_advice(context)}"
    )
    yield Finding("underfitting", "note", f"reaches only {skill:.0%} of a perfect fit on train", advice, values)


def learning_curve(context: EvaluationContext) -> dict[str, Any] | None:
    """Fit the pipeline on nested samples of the train split, each twice the one before, and score it."""
    run = context.run
    if context.options.diagnose != "full" or run.refit is None:
        return None
    train, validation = holdout_rows(run)
    points: list[dict[str, Any]] = []
    last: Predictions | None = None
    previous: Predictions | None = None
    # nested samples: two points differ by the rows that were added, not by two draws
    for rows in nested_samples(train, run.data.target, run.data.classes, run.seed):
        clock = time.monotonic()
        # preprocessing is fitted again on each sample, or it would know rows that the sample lacks
        model = run.refit(run.data.features.iloc[rows], run.data.target.iloc[rows].to_numpy())
        previous, last = last, _predict(context, model, validation)
        score = metric_value(_predict(context, model, rows), context.metric)
        points.append({"rows": len(rows), "train": score, "validation": metric_value(last, context.metric)})
        log.info("learning curve: %d rows in %.2f s", len(rows), time.monotonic() - clock)
    if last is None or previous is None:
        return None
    groups = run.data.groups if run.metadata.get("split") in WHOLE_GROUPS else None
    held_out = None if groups is None else groups.iloc[validation].to_numpy()
    doubling = _last_doubling(context, last, previous, held_out)
    return {"metric": context.metric.name, "points": points, "doubling": doubling}


def nested_samples(rows: "Rows", target: Any, classes: tuple[Any, ...], seed: int) -> "Iterator[Rows]":
    """Yield samples of the rows, each a superset of the one before and stratified by class."""
    import numpy as np

    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(rows)
    if classes:  # spread the rows of each class evenly, so that every prefix is stratified
        labels = target.iloc[shuffled].to_numpy()
        places = np.empty(len(shuffled))
        for label in np.unique(labels):
            own = labels == label
            places[own] = (np.arange(own.sum()) + generator.random()) / own.sum()
        shuffled = shuffled[np.argsort(places, kind="stable")]
    for share in TRAIN_SHARES:
        count = round(share * len(shuffled))
        sample = np.sort(shuffled[:count])
        # a sample without some class would be another task
        if count >= MIN_TRAIN_ROWS and (not classes or len(set(target.iloc[sample])) == len(classes)):
            yield sample


def _predict(context: EvaluationContext, model: Any, rows: "Rows") -> Predictions:
    data = context.run.data
    truth = encode_target(data.target.iloc[rows], data.classes)
    return predict(model[-1], model[:-1].transform(data.features.iloc[rows]), truth, data.classes)


def _last_doubling(
    context: EvaluationContext, last: Predictions, previous: Predictions, groups: "Rows | None"
) -> dict[str, Any]:
    """Return the gain of the last doubling of the rows, with a paired bootstrap interval over the validation rows."""
    from runtree.statistics.bootstrap import bootstrap_difference

    difference = bootstrap_difference(
        last, previous, context.metric, DOUBLING_RESAMPLES, 0.95, context.run.seed, groups
    )
    # for a metric to minimize the gain is negated, which exchanges the ends
    low, high = sorted((context.gain(difference.low, 0), context.gain(difference.high, 0)))
    return {"gain": context.gain(difference.value, 0), "low": low, "high": high, "p": difference.p}


def learning_curve_findings(context: EvaluationContext) -> Iterator[Finding]:
    """Report whether more rows would help, judged by the last doubling."""
    curve = context.results.get("learning_curve")
    if not curve or not math.isfinite(curve["doubling"]["low"]):
        return
    last, gain = curve["points"][-1], curve["doubling"]
    message = (
        f"the last doubling, to {last['rows']:,} rows, improved {curve['metric']} on validation by {gain['gain']:.2g} "
        f"({gain['low']:.2g} to {gain['high']:.2g})"
    )
    if gain["low"] <= 0 or gain["gain"] <= 0:
        yield Finding("more rows", "good", f"{message}: more rows would hardly help", "", gain)
        return
    sampled = context.run.config.data.get("sample")
    advice = "use all rows: data.sample=null" if sampled else "collect more rows before you tune further"
    yield Finding("more rows", "note", message, advice, gain)
