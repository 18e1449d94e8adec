"""A run's loop: made of what its config asks, and what is told of it in the end."""

import math
from collections.abc import Mapping
from typing import Any

from runtree.contract.errors import ConfigError
from runtree.contract.run import Run
from runtree.lifecycle.fitting.checkpoints import Checkpoints
from runtree.lifecycle.fitting.history import trim
from runtree.lifecycle.fitting.judge import Rows, choose, direction_of, judge, split_name
from runtree.lifecycle.fitting.loop import Loop
from runtree.lifecycle.fitting.options import FitOptions
from runtree.lifecycle.fitting.plan import Plan
from runtree.lifecycle.fitting.rules import EXPLODED, Divergence, Falling, Rules
from runtree.lifecycle.metrics import choose as named
from runtree.lifecycle.metrics import objective
from runtree.records.layout import RunFolder


def watch(run: Run, learnt: Rows, held: Rows | None) -> Loop:
    """Return the loop of a run's own fit; it goes on from the last checkpoint in the run's folder."""
    plan: Plan = run.plan
    parts = {"train": learnt, **({"validation": held} if held is not None else {})}
    folder, rules = RunFolder(run.folder), make_rules(plan.options, run)
    if plan.stepper is not None:  # its losses are runtree's own, so it is known what knowing nothing costs
        rules.divergence.first = knowing_nothing(run, learnt[1])
    kept = plan.options.checkpoint.every or plan.options.checkpoint.minutes
    loop = Loop(
        rules=rules,
        every=plan.every,
        bound=bound(run.estimator, plan),
        judge=judge(run, choose(plan.options, run), parts),
        tell=lambda step, found: run.report(step, **found),
        restores=plan.options.patience.checks is not None and plan.options.patience.restore_best,
        asked=plan.options.checkpoint,
        checkpoints=Checkpoints(folder.checkpoints, identity(run)) if kept else None,
    )
    trim(folder.history, loop.step)
    return loop


def watch_fold(run: Run, learnt: Rows, held: Rows | None) -> Loop:
    """Return the loop of a fold's fit: the same stop rules, and nobody to be told."""
    options = run.plan.options
    rules = make_rules(options, run)
    looked_at = [split_name(rule.metric)[1] for rule in (rules.tolerance, rules.patience) if rule is not None]
    wanted = named([name for name in looked_at if name in run.catalogue], run.data.task, run.catalogue)
    return Loop(
        rules=rules,
        every=run.plan.every,
        bound=bound(run.estimator, run.plan),
        judge=judge(run, wanted, {"train": learnt, **({"validation": held} if held is not None else {})}),
        restores=options.patience.checks is not None and options.patience.restore_best,
    )


def make_rules(options: FitOptions, run: Run) -> Rules:
    """Return the rules that the options ask for, with nothing counted yet."""
    ranked, _ = objective(run.config.objective, run.data.task, run.catalogue)
    tolerance, patience = options.tolerance, options.patience
    watched = patience.metric or f"validation_{ranked.name}"
    return Rules(
        max_seconds=options.max_seconds,
        tolerance=None
        if tolerance.min_change is None
        else Falling(
            tolerance.metric, direction_of(tolerance.metric, run), tolerance.min_change, tolerance.checks or 1
        ),
        patience=None
        if patience.checks is None
        else Falling(watched, direction_of(watched, run), patience.min_delta, patience.checks, strict=True),
        divergence=Divergence(options.divergence or EXPLODED),
    )


def knowing_nothing(run: Run, target: Any) -> float:
    """Return the loss of the mean, or of equal chances: what the first loss of a fit is held against."""
    return math.log(len(run.data.classes)) if run.data.classes else float(target.astype(float).var())


def identity(run: Run) -> str:
    """Return what makes a checkpoint this fit's own: the same science on the same rows."""
    return f"{run.fingerprint}:{run.data.fingerprint}:{run.split.id}"


def bound(algorithm: Any, plan: Plan) -> int | None:
    """Return how many iterations there are at most; None where there is no such limit."""
    value = getattr(algorithm, plan.bound, None) if plan.bound else None  # which a constructor stores as it is
    return int(value) if value is not None and value > 0 else None


def hold_out(run: Run, learnt: Rows, held: Rows | None) -> tuple[Rows, Rows | None]:
    """Return the rows to learn from and those to watch: the validation part, or a fraction of the train part."""
    fraction = run.plan.options.validation_fraction
    if fraction is None or not run.plan.steps:
        return learnt, held
    from sklearn.model_selection import train_test_split

    stratify = learnt[1] if run.data.task == "classification" else None
    try:
        rows, watched, target, truth = train_test_split(
            *learnt, test_size=fraction, random_state=run.seed, stratify=stratify
        )
    except ValueError as error:
        raise ConfigError(f"fit.validation_fraction: {error}") from None
    return (rows, target), (watched, truth)


def ending(algorithm: Any, plan: Plan, loop: Loop | None) -> Mapping[str, Any]:
    """Return how the fit ended: after how many iterations, and why."""
    if loop is not None:
        return {
            "unit": plan.iterations.unit,
            "iterations": loop.step,
            "reason": loop.reason or ("max_iterations" if loop.step == loop.bound else None),
            **({"best": loop.best_step} if loop.restores else {}),
        }
    limit, done = bound(algorithm, plan), iterations_of(algorithm)
    if limit is None or done is None:
        return {}
    reason = "max_iterations" if done >= limit else "tolerance"
    return {"unit": plan.iterations.unit, "iterations": done, "reason": reason}


def iterations_of(algorithm: Any) -> int | None:
    """Return how many iterations scikit-learn says there were."""
    found = getattr(algorithm, "n_iter_", None)
    if found is None:
        return None
    return int(max(found)) if hasattr(found, "__len__") else int(found)
