"""Each built-in stage passes the suite that a third party's has to pass."""

from conformance.shipped import class_name
from runtree.evaluation import evaluate
from runtree.lifecycle import stages
from runtree.testing import StageSuite

WRITES = {
    "split": ["data.json"],
    "score": ["metrics.json", "predictions.parquet"],
    "save": ["model/model.json", "model/model.skops"],
}

for _stage in [*stages.stages(), *evaluate.stages()]:
    _name = class_name(_stage.name)
    globals()[_name] = type(
        _name, (StageSuite,), {"stage": _stage.name, "writes": WRITES.get(_stage.name, []), "__module__": __name__}
    )
