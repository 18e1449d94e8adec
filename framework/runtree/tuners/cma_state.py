"""The state of CMA-ES as JSON. Optuna keeps it as a pickle, which no file of a sweep is to hold."""

import pickle
import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any

OPTIMIZER = re.compile(r"(\w+:optimizer):\d+")  # Optuna's attributes: cma:optimizer:0, cma:optimizer:1 …
KINDS = ("CMA", "SepCMA", "CMAwM")
HISTORY = "_funhist_values"  # for a stop rule that Optuna does not use, and partly never set


def attributes_to_json(attributes_from_json: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trial's attributes as JSON that `attributes` takes back."""
    found: dict[str, Any] = {}
    pickled: dict[str, str] = {}
    for key, value in attributes_from_json.items():
        optimizer = OPTIMIZER.fullmatch(key)
        if optimizer:
            pickled[optimizer[1]] = pickled.get(optimizer[1], "") + value
        else:
            found[key] = value
    return found | {key: encode(pickle.loads(bytes.fromhex(text))) for key, text in pickled.items()}


def attributes_from_json(memo: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trial's attributes as Optuna keeps them."""
    found: dict[str, Any] = {}
    for key, value in memo.items():
        if key.endswith(":optimizer"):
            found[f"{key}:0"] = pickle.dumps(decode(value)).hex()
        else:
            found[key] = value
    return found


def encode(value: Any) -> Any:
    """Return JSON for an optimizer, or for what one is made of: arrays, numbers, None."""
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
    """Return what was encoded. Nothing but the optimizers of `cmaes` is ever made of it."""
    import numpy as np

    if not isinstance(value, dict):
        return value
    if "array" in value:
        return np.array(value["array"], value["dtype"]).reshape(value["shape"])
    if value["class"] not in KINDS:
        raise ValueError(f"{value['class']} is no optimizer of cmaes: {', '.join(KINDS)}")
    kind = getattr(import_module("cmaes"), value["class"])
    optimizer = kind.__new__(kind)
    state = {key: decode(item) for key, item in value["state"].items()}
    if "_funhist_term" in state:
        state[HISTORY] = np.zeros(2 * state["_funhist_term"])
    getattr(optimizer, "__setstate__", optimizer.__dict__.update)(state)
    return optimizer
