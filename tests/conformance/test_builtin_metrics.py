"""Each shipped metric passes the suite that a third party's has to pass."""

import math

from conformance.shipped import class_name
from runtree.statistics.metrics import BUILTIN
from runtree.testing import MetricSuite

BOUNDS = {"mcc": (-1, 1), "r2": (-math.inf, 1), "log_loss": (0, math.inf), "brier": (0, 2)}
BOUNDS |= dict.fromkeys(("mae", "mse", "rmse", "mape", "median_ae"), (0, math.inf))

for _metric in BUILTIN:
    _name = class_name(_metric.name)
    globals()[_name] = type(
        _name,
        (MetricSuite,),
        {"metric": _metric.name, "bounds": BOUNDS.get(_metric.name, (0, 1)), "__module__": __name__},
    )
