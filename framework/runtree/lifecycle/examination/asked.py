"""What a run is examined for, looked at before it is trained: a gate that cannot be answered is refused, not missed."""

from runtree.contract.errors import ConfigError, unknown
from runtree.contract.run import Run
from runtree.lifecycle import metrics
from runtree.lifecycle.examination.baseline_models import NAMES
from runtree.lifecycle.examination.baselines import wanted
from runtree.lifecycle.examination.benchmark import conditions
from runtree.lifecycle.examination.champion import check_champion
from runtree.lifecycle.examination.condition import CHAMPION, check_condition
from runtree.lifecycle.examination.fairness_columns import check_columns
from runtree.lifecycle.examination.fairness_metrics import check_metrics
from runtree.lifecycle.examination.options import ExaminationOptions, examination_options


def check_asked(run: Run) -> None:
    """Refuse baselines, bounds, columns and metrics that the run cannot have.

    Raises
    ------
    RuntreeError
        With the config path; `MissingError` where fairness is asked for and the extra is not installed.
    """
    options = examination_options(run.config.plain()["evaluator"])
    _check_baselines(options)
    _check_conditions(run, options)
    if options.fairness.columns:
        check_columns(run.data, options.fairness.columns)
        check_metrics(run, options.fairness)


def check_rival(run: Run) -> None:
    """Refuse a run to beat that this one does not compare with; to be asked once the split is known."""
    node = run.config.plain()
    options = examination_options(node["evaluator"])
    if options.benchmark.run is not None:
        check_champion(
            run, options.benchmark.run, metrics.objective(node["objective"], run.data.task, run.catalogue)[0]
        )


def _check_baselines(options: ExaminationOptions) -> None:
    asked = options.baselines
    for name in [asked] if isinstance(asked, str) else asked:
        if name not in NAMES and (name not in ("auto", "none") or not isinstance(asked, str)):
            raise unknown("baseline at evaluator.baselines:", name, [*NAMES, "auto", "none"], error=ConfigError)


def _check_conditions(run: Run, options: ExaminationOptions) -> None:
    node, task = run.config.plain(), run.data.task
    asked = metrics.choose(node["evaluator"].get("metrics", "auto"), task, run.catalogue)
    ranked, _ = metrics.objective(node["objective"], task, run.catalogue)
    scored = {metric.name: metric for metric in (*asked, ranked)}
    known = [name for name, metric in run.catalogue.items() if task in metric.tasks]
    rivals = [one.name for one in wanted(options.baselines)]
    rivals += [CHAMPION] if options.benchmark.run is not None else []
    for condition in conditions(options.benchmark.metrics, options.benchmark.run):
        check_condition(condition, scored, known, rivals, intervals=options.intervals.resamples > 0)
