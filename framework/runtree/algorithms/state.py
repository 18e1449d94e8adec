"""The state of a fitted scikit-learn estimator: taken, put back, written, read."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np

from runtree.contract.iteration import Store

MODEL = "estimator.skops"
GENERATOR = "generator.json"


def take(algorithm: Any) -> dict[str, Any]:
    """Return a copy of all that an estimator holds."""
    return deepcopy(algorithm.__dict__)


def put_back(algorithm: Any, state: "dict[str, Any] | Path", store: Store) -> None:
    """Give an estimator the state that was taken, or written, before; its parameters stay as they are."""
    asked = algorithm.get_params(deep=False)
    held = store.load(state / MODEL).__dict__ if isinstance(state, Path) else state
    algorithm.__dict__.clear()
    algorithm.__dict__.update({**held, **asked})


def write(algorithm: Any, generator: np.random.RandomState | None, folder: Path, store: Store) -> None:
    """Write an estimator, and where its generator of random numbers stands."""
    store.dump(algorithm, folder / MODEL)
    if generator is not None:
        name, keys, *rest = generator.get_state(legacy=True)
        (folder / GENERATOR).write_text(json.dumps([name, np.asarray(keys).tolist(), *rest]))


def read_generator(folder: Path) -> np.random.RandomState:
    """Return a generator that goes on where the written one stood."""
    name, keys, *rest = json.loads((folder / GENERATOR).read_text())
    generator = np.random.RandomState()
    generator.set_state((name, np.asarray(keys, dtype=np.uint32), *rest))
    return generator
