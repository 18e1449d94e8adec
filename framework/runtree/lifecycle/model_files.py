"""Models on disk: skops for scikit-learn pipelines, with the types stated that may be loaded.

Loading never unpickles. A file that holds a type which is neither in the shipped list nor named by an installed plugin
nor by the user is refused, with the way out named.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED

from runtree.contract.errors import RequestError, UntrustedError
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
    """Write a scikit-learn model; anything else is somebody else's."""
    from sklearn.base import BaseEstimator

    if not isinstance(model, BaseEstimator):
        return None
    _skops().dump(model, folder / FILE, compression=ZIP_DEFLATED, compresslevel=1)  # a seventh of the size
    return FORMAT


def load_skops(folder: Path, trust: Iterable[str]) -> Any:
    """Read a model, if each type in it is trusted."""
    io = _skops()
    file = folder / FILE
    if not file.is_file():
        raise RequestError(f"{file}: no such model file", "the run saved none, or it was removed")
    allowed = set(trust)
    strange = sorted(set(io.get_untrusted_types(file=file)) - allowed)
    if strange:
        raise UntrustedError(
            f"{file}: the model holds types that nobody vouches for: {', '.join(strange[:5])}",
            "loading them could run code; if you know where the file comes from, say so:",
            "  " + " ".join(f"--trust {name}" for name in strange),
        )
    return io.load(file, trusted=sorted(allowed))


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
