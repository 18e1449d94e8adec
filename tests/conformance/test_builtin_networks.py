"""Each shipped network passes the suite that a third party's has to pass."""

import pytest

from conformance.shipped import class_name, options
from runtree.testing import AlgorithmSuite

pytest.importorskip("torch", reason="networks need the extra torch")

SMALL = {
    # Columns of numbers as pictures of one line; a text is none.
    "torch_cnn": ["algorithm.image_shape=[1,1,-1]", "data.drop=[place]"],
    "torch_sequence": ["data.drop=[place]"],  # as steps of a series
}

for _option in options("algorithm"):
    if _option.startswith("torch_"):
        _name, _asked = class_name(_option), ["algorithm.max_epochs=3", *SMALL.get(_option, [])]
        globals()[_name] = type(
            _name, (AlgorithmSuite,), {"option": _option, "overrides": _asked, "__module__": __name__}
        )
