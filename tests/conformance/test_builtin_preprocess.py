"""Each shipped preprocessing passes the suite that a third party's has to pass."""

from conformance.shipped import class_name, options
from runtree.testing import PreprocessSuite

NUMBERS_ONLY = ("none", "standard", "raw")  # raw hands on what it gets: numbers where it gets numbers

for _option in options("preprocess"):
    _name = class_name(_option)
    globals()[_name] = type(
        _name,
        (PreprocessSuite,),
        {"option": _option, "numbers_only": _option in NUMBERS_ONLY, "__module__": __name__},
    )


class TestTabularWithManyLevels(PreprocessSuite):
    option = "tabular"
    overrides = ("preprocess.max_levels=2",)
