"""runtree trains and evaluates models from one tree of YAML, and keeps every run in plain files.

The functions for Python and notebooks (`train`, `tune`, `load_model`, …), and the types for plugin authors. Names are
imported on first access, because the command line imports this package too and must start fast; and no function
imports Hydra, scikit-learn or pandas before it is called, but for `load_runs`, which imports pandas.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtree.api.client import Client
    from runtree.api.estimators import RuntreeClassifier, RuntreeRegressor
    from runtree.api.functions import compare, evaluate, load_model, load_run, load_sweep, resume, train, tune
    from runtree.api.recorded import LoadedModel, RecordedRun, RecordedSweep
    from runtree.api.watching import monitor, retrain
    from runtree.contract.alerting import Alert, AlertChannel
    from runtree.contract.detection import Detection, Detector
    from runtree.contract.errors import ConfigError, DataError
    from runtree.contract.hookspecs import hookimpl
    from runtree.contract.run import Run, Stage
    from runtree.contract.types import AlgorithmOption, Command, Metric, RunRecord, Split, Table, Tracker
    from runtree.records.dataframe import load_runs
    from runtree.sweeps.function_space import SpaceTrial

__version__ = "0.1.0"

__all__ = [
    "Alert",
    "AlertChannel",
    "AlgorithmOption",
    "Client",
    "Command",
    "ConfigError",
    "DataError",
    "Detection",
    "Detector",
    "LoadedModel",
    "Metric",
    "RecordedRun",
    "RecordedSweep",
    "Run",
    "RunRecord",
    "RuntreeClassifier",
    "RuntreeRegressor",
    "SpaceTrial",
    "Split",
    "Stage",
    "Table",
    "Tracker",
    "__version__",
    "compare",
    "evaluate",
    "hookimpl",
    "load_model",
    "load_run",
    "load_runs",
    "load_sweep",
    "monitor",
    "resume",
    "retrain",
    "train",
    "tune",
]

_MODULES = {
    "Alert": "contract.alerting",
    "AlertChannel": "contract.alerting",
    "Client": "api.client",
    "ConfigError": "contract.errors",
    "DataError": "contract.errors",
    "Detection": "contract.detection",
    "Detector": "contract.detection",
    "hookimpl": "contract.hookspecs",
    "Run": "contract.run",
    "Stage": "contract.run",
    "load_runs": "records.dataframe",
    "SpaceTrial": "sweeps.function_space",
    **dict.fromkeys(("LoadedModel", "RecordedRun", "RecordedSweep"), "api.recorded"),
    **dict.fromkeys(("monitor", "retrain"), "api.watching"),
    **dict.fromkeys(("RuntreeClassifier", "RuntreeRegressor"), "api.estimators"),
    **dict.fromkeys(
        ("compare", "evaluate", "load_model", "load_run", "load_sweep", "resume", "train", "tune"), "api.functions"
    ),
}


def __getattr__(name: str) -> Any:
    """Import a public name on first access (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module 'runtree' has no attribute '{name}'")
    return getattr(import_module(f"runtree.{_MODULES.get(name, 'contract.types')}"), name)


def __dir__() -> list[str]:
    """List the public names, whether they were imported already or not."""
    return sorted(__all__)
