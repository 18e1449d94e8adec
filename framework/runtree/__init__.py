"""runtree trains and evaluates models from one tree of YAML, and keeps every run in plain files.

The public API for plugin authors, and `load_runs` for analysis in Python. Names are imported on first access, because
the command line imports this package too and must start fast. None imports Hydra or scikit-learn; only `load_runs`
imports pandas.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtree.contract.errors import ConfigError, DataError
    from runtree.contract.hookspecs import hookimpl
    from runtree.contract.run import Run, Stage
    from runtree.contract.types import AlgorithmOption, Command, Metric, RunRecord, Split, Table, Tracker
    from runtree.records.dataframe import load_runs

__version__ = "0.1.0"

__all__ = [
    "AlgorithmOption",
    "Command",
    "ConfigError",
    "DataError",
    "Metric",
    "Run",
    "RunRecord",
    "Split",
    "Stage",
    "Table",
    "Tracker",
    "__version__",
    "hookimpl",
    "load_runs",
]

_MODULES = {
    "ConfigError": "contract.errors",
    "DataError": "contract.errors",
    "hookimpl": "contract.hookspecs",
    "Run": "contract.run",
    "Stage": "contract.run",
    "load_runs": "records.dataframe",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first access (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module 'runtree' has no attribute '{name}'")
    return getattr(import_module(f"runtree.{_MODULES.get(name, 'contract.types')}"), name)
