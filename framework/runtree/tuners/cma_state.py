"""The state of CMA-ES as JSON: Optuna stores it as a pickle, and reading a ledger must not execute code."""

import pickle
import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any

OPTIMIZER_ATTRIBUTE = re.compile(r"(\w+:optimizer):\d+")  # Optuna splits the pickle: cma:optimizer:0, cma:optimizer:1 …
OPTIMIZER_CLASSES = ("CMA", "SepCMA", "CMAwM")
HISTORY = "_funhist_values"  # uninitialized memory in part, for a stop criterion that Optuna does not use


def attributes_to_json(attributes_from_json: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a trial as JSON."""
    result: dict[str, Any] = {}
    pickled: dict[str, str] = {}
    for key, value in attributes_from_json.items():
        optimizer = OPTIMIZER_ATTRIBUTE.fullmatch(key)
        if optimizer:
            pickled[optimizer[1]] = pickled.get(optimizer[1], "") + value
        else:
            result[key] = value
    # safe: the pickle was made by Optuna in this process a moment ago, and does not come from a file
    return result | {key: encode(pickle.loads(bytes.fromhex(text))) for key, text in pickled.items()}


def attributes_from_json(memo: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a trial in Optuna's form, from that JSON."""
    result: dict[str, Any] = {}
    for key, value in memo.items():
        if key.endswith(":optimizer"):
            # one piece instead of several: Optuna joins whatever pieces there are
            result[f"{key}:0"] = pickle.dumps(decode(value)).hex()
        # a pickle in place of that JSON, which Optuna would load: no ledger of runtree's holds one
        elif ":optimizer" not in key:
            result[key] = value
    return result


def encode(value: Any) -> Any:
    """Return JSON for an optimizer, or for one of its attributes: an array, a number, None."""
    import numpy as np

    if isinstance(value, np.ndarray):
        return {"array": value.ravel().tolist(), "shape": list(value.shape), "dtype": value.dtype.name}
    if isinstance(value, np.generic):
        return value.item()
    if type(value).__module__.startswith("cmaes."):
        state = {key: encode(item) for key, item in value.__getstate__().items() if key != HISTORY}
        return {"class": type(value).__name__, "state": state}
    return value


def decode(value: Any) -> Any:
    """Return the object; the optimizers of `cmaes` are the only classes it creates."""
    import numpy as np

    if not isinstance(value, dict):
        return value
    if "array" in value:
        return np.array(value["array"], value["dtype"]).reshape(value["shape"])
    # the class comes from the ledger, which anyone may have edited: only these three are ever looked up
    if value["class"] not in OPTIMIZER_CLASSES:
        raise ValueError(f"{value['class']} is not an optimizer of cmaes: {', '.join(OPTIMIZER_CLASSES)}")
    kind = getattr(import_module("cmaes"), value["class"])
    # without `__init__`, which would draw random numbers and overwrite the state
    optimizer = kind.__new__(kind)
    state = {key: decode(item) for key, item in value["state"].items()}
    if "_funhist_term" in state:
        # must exist, as the optimizer writes into it; its values are never read
        state[HISTORY] = np.zeros(2 * state["_funhist_term"])
    getattr(optimizer, "__setstate__", optimizer.__dict__.update)(state)
    return optimizer
