"""The hooks of this package: the stage `explain` and its config group."""

from collections.abc import Iterable, Mapping
from importlib.metadata import version

from runtree import Run, Stage, hookimpl


@hookimpl
def config_paths() -> Iterable[str]:
    """Return the group `explain`."""
    return ["pkg://runtree_shap.conf"]


@hookimpl
def register_stages() -> Iterable[Stage]:
    """Return `explain`. It runs after `save`, so that an error in it cannot lose the model."""
    return [Stage("explain", explain, after="save")]


@hookimpl
def environment_facts() -> Mapping[str, str]:
    """Return SHAP's version."""
    return {"shap": version("shap")}


def explain(run: Run) -> None:
    """Explain the model of a run; numpy and matplotlib are imported only here."""
    from runtree_shap.stage import explain_run

    explain_run(run)
