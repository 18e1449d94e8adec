"""runtree carries a model through its whole life from one tree of YAML.

This face is what a plugin author imports from; it loads neither Hydra nor scikit-learn nor pandas.
"""

from runtree.contract.hookspecs import hookimpl
from runtree.contract.run import Run
from runtree.contract.types import AlgorithmOption, Command, Metric, RunRecord, Split, Stage, Table

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
    "__version__",
    "hookimpl",
]
