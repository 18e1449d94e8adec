"""runtree's own contributions, through the hooks that every plugin uses."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from runtree.config.search_path import shipped_conf
from runtree.contract.alerting import AlertChannel
from runtree.contract.detection import Detector
from runtree.contract.hookspecs import hookimpl
from runtree.contract.run import Stage
from runtree.contract.types import Metric, Tracker


@hookimpl
def config_paths() -> Iterable[str]:
    """Return the shipped `conf/`."""
    return [str(shipped_conf())]


@hookimpl
def register_stages() -> Iterable[Stage]:
    """Return the stages of the lifecycle, and those of evaluation and checks, which the lifecycle does not import."""
    # imported inside the hooks: the command line loads this
    # module at each start, and help and completion need no stages
    from runtree.checks import notes
    from runtree.evaluation import evaluate
    from runtree.lifecycle import stages

    return [*stages.stages(), *evaluate.stages(), *notes.stages()]


@hookimpl
def register_metrics() -> Iterable[Metric]:
    """Return scikit-learn's metrics."""
    from runtree.statistics.metrics import BUILTIN

    return BUILTIN


@hookimpl
def register_trackers() -> Iterable[Tracker]:
    """Return the TensorBoard tracker."""
    return [Tracker("tensorboard", "runtree.trackers.tensorboard.TensorBoard")]


@hookimpl
def register_detectors() -> Iterable[Detector]:
    """Return tests of SciPy and a classifier of scikit-learn."""
    from runtree.monitoring.detectors import BUILTIN

    return BUILTIN


@hookimpl
def register_alerts() -> Iterable[AlertChannel]:
    """Return the console, a webhook and e-mail."""
    names = {"console": "Console", "webhook": "Webhook", "email": "Email"}
    return [AlertChannel(name, f"runtree.alerts.channels.{target}") for name, target in names.items()]


@hookimpl
def trusted_types() -> Iterable[str]:
    """Return the types in saved models of the shipped algorithms."""
    from runtree.training.model_files import TRUSTED

    return sorted(TRUSTED)


@hookimpl(trylast=True)
def save_model(model: Any, folder: Path) -> str | None:
    """Write a scikit-learn pipeline with skops."""
    from runtree.training.model_files import save_skops

    return save_skops(model, folder)


@hookimpl(trylast=True)
def load_model(folder: Path, format: str, trust: tuple[str, ...]) -> Any | None:
    """Load a model of `save_model`; `trust` holds the types that plugins and the user allow."""
    from runtree.training.model_files import FORMAT, load_skops

    return load_skops(folder, trust) if format == FORMAT else None
