"""What this package adds to runtree: the stage `explain`, and the config group by which it is set."""

from collections.abc import Iterable, Mapping
from importlib.metadata import version

from runtree import Run, Stage, hookimpl


@hookimpl
def config_paths() -> Iterable[str]:
    """Return the group `explain`."""
    return ["pkg://runtree_shap.conf"]


@hookimpl
def register_stages() -> Iterable[Stage]:
    """Return `explain`, which stands behind `save`: whatever it meets, the model is safe by then."""
    return [Stage("explain", explain, after="save")]


@hookimpl
def environment_facts() -> Mapping[str, str]:
    """Return SHAP's version."""
    return {"shap": version("shap")}


def explain(run: Run) -> None:
    """Explain the run's model; numpy and matplotlib are loaded now and not before."""
    from runtree_shap.stage import explain_run

    explain_run(run)
