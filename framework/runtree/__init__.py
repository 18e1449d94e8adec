"""runtree trains and evaluates models from one tree of YAML, and keeps every run in files one owns.

This face is what a plugin author imports from, and `load_runs` for whoever looks at runs in Python. A name is loaded
when it is asked for, so that the command line, which passes through here too, starts at once; none loads Hydra or
scikit-learn, and `load_runs`, which makes a pandas table, alone loads pandas.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtree.contract.hookspecs import hookimpl
    from runtree.contract.run import Run, Stage
    from runtree.contract.types import AlgorithmOption, Command, Metric, RunRecord, Split, Table, Tracker
    from runtree.records.dataframe import load_runs

__version__ = "0.1.0"

__all__ = [
    "AlgorithmOption",
    "Command",
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

_HOMES = {
    "hookimpl": "contract.hookspecs",
    "Run": "contract.run",
    "Stage": "contract.run",
    "load_runs": "records.dataframe",
}


def __getattr__(name: str) -> Any:
    """Load a name of the face from its home."""
    if name not in __all__:
        raise AttributeError(f"module 'runtree' has no attribute '{name}'")
    return getattr(import_module(f"runtree.{_HOMES.get(name, 'contract.types')}"), name)
