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
    _more = {"test_changes_no_result": None}  # compares with a run without the stage: these are in every run
    _suite = {"stage": _stage.name, "writes": WRITES.get(_stage.name, []), "__module__": __name__, **_more}
    globals()[_name] = type(_name, (StageSuite,), _suite)
