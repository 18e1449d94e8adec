"""Each shipped evaluator passes the suite that a third party's has to pass."""

from conformance.shipped import class_name, options
from runtree.testing import EvaluatorSuite

NESTED = ["evaluator.folds=3", "evaluator.inner_folds=2", "evaluator.candidates=2"]
SMALL = {"cross_validation": ["evaluator.folds=3"], "nested_cross_validation": NESTED}

for _option in sorted({*options("evaluator")} - {"reported"}):  # that one predicts nothing
    _name = class_name(_option)
    globals()[_name] = type(
        _name,
        (EvaluatorSuite,),
        {"option": _option, "overrides": SMALL.get(_option, []), "algorithm": "decision_tree", "__module__": __name__},
    )
