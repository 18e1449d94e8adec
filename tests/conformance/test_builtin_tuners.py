"""Each shipped tuner, built from its YAML, passes the suite that a third party's has to pass."""

from conformance.shipped import class_name, options
from runtree.contract.protocols import Tuner
from runtree.testing.tuner import TunerSuite
from tuners.shipped import shipped_tuner


class Shipped(TunerSuite):
    option: str

    def make(self) -> Tuner:
        return shipped_tuner(self.option)


for _option in options("tuner"):
    _name = class_name(_option)
    _more = {"finite": _option == "grid", "asks": 12 if _option == "gp" else 24}  # a Gaussian process takes its time
    globals()[_name] = type(_name, (Shipped,), {"option": _option, "__module__": __name__, **_more})
