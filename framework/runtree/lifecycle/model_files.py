"""Models on disk: skops for scikit-learn pipelines, with the types stated that may be loaded.

Loading never unpickles. A file that holds a type which is neither in the shipped list nor named by an installed plugin
nor by the user is refused, with the way out named.
"""

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED

from runtree.config.allowlist import EXTRAS, AllowList
from runtree.contract.errors import MissingError, RequestError, RuntreeError, UntrustedError
from runtree.lifecycle.decision.wrapping import algorithm_of, with_algorithm
from runtree.lifecycle.trusted_types import TRUSTED

FORMAT = "skops"
FILE = "model.skops"


@dataclass(frozen=True)
class SkopsStore:
    """Writes and reads scikit-learn's objects as skops does; see `contract.iteration.Store`.

    `own` names the class of the algorithm itself: whoever let it be fitted lets it be read.
    """

    own: str

    def dump(self, content: Any, file: Path) -> None:
        """Write an object."""
        _skops().dump(content, file, compression=ZIP_DEFLATED, compresslevel=1)

    def load(self, file: Path) -> Any:
        """Read an object that holds nothing but what the shipped algorithms do."""
        return _skops().load(file, trusted=sorted(TRUSTED | {self.own}))


def save_skops(model: Any, folder: Path) -> str | None:
    """Write a scikit-learn model; anything else is somebody else's.

    Weights that have a format of their own are written beside it; see `contract.iteration.HoldsWeights`.
    """
    from sklearn.base import BaseEstimator

    if not isinstance(model, BaseEstimator):
        return None
    last = last_step(model)
    if hasattr(last, "save_weights"):
        last.save_weights(folder)
        model = with_last_step(model, last.bare())
    _skops().dump(model, folder / FILE, compression=ZIP_DEFLATED, compresslevel=1)  # a seventh of the size
    return FORMAT


def last_step(model: Any) -> Any:
    """Return the algorithm of a pipeline, or the model itself; the algorithm within what decides for it."""
    return algorithm_of(model[-1] if hasattr(model, "steps") else model)


def with_last_step(model: Any, algorithm: Any) -> Any:
    """Return a pipeline that ends in another algorithm; the one that is given stays as it is."""
    if not hasattr(model, "steps"):
        return with_algorithm(model, algorithm)
    other, (name, last) = copy(model), model.steps[-1]
    other.steps = [*model.steps[:-1], (name, with_algorithm(last, algorithm))]
    return other


def load_skops(folder: Path, trust: Iterable[str]) -> Any:
    """Read a model, if each type in it is trusted."""
    io = _skops()
    file = folder / FILE
    if not file.is_file():
        raise RequestError(f"{file}: no such model file", "the run saved none, or it was removed")
    allowed = set(trust)
    found = set(io.get_untrusted_types(file=file)) - allowed
    allowed |= {name for name in found if of_torch(name)}
    strange = sorted(found - allowed)
    if strange:
        raise UntrustedError(
            f"{file}: the model holds types that nobody vouches for: {', '.join(strange[:5])}",
            "loading them could run code; if you know where the file comes from, say so:",
            "  " + " ".join(f"--trust {name}" for name in strange),
        )
    try:
        model = io.load(file, trusted=sorted(allowed))
    except ModuleNotFoundError as error:
        raise MissingError(
            f"{file}: the model needs the package '{error.name}', which is not there", install(str(error.name))
        ) from None
    last = last_step(model)
    if hasattr(last, "load_weights"):
        last.load_weights(folder)
    return model


def of_torch(name: str) -> bool:
    """Tell whether a type is a layer, an optimizer or a schedule of torch's own."""
    try:
        return name.startswith("torch.") and AllowList().resolve(name, "") is not None
    except RuntreeError:
        return False


def install(package: str) -> str:
    """Return what to type for a package that is missing."""
    extra = EXTRAS.get(package.split(".")[0])
    return f"install it: pip install 'runtree[{extra}]'" if extra else f"install it: pip install {package}"


def _skops() -> Any:
    """Import skops without its own list of trusted classes.

    At import skops walks every module of scikit-learn to trust each of its classes unasked: 2.7 s, and it imports
    torch where torch is installed. The list that counts here is our own, so it is given an empty one to walk.
    """
    import sys
    from unittest.mock import patch

    if "skops.io" not in sys.modules:
        with patch("sklearn.utils.all_estimators", list):
            import skops.io
    import skops.io

    return skops.io
