"""How the arguments of a call become the words of a command line."""

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.contract.commands import DEFAULT_OUTPUTS
from runtree.contract.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

# Hydra's state, the seeds of the random generators and the limits on threads belong to the process: of several threads
# one works at a time. The same thread may enter again: an algorithm may train another one within its own fit.
AT_WORK = threading.RLock()
FRAMES = ".frames"  # in the output folder: the tables that were given as data frames, by content


def parse_words(words: Sequence[str], trust: Sequence[str]) -> Any:
    """Return what the command line would read from these words."""
    from runtree.config.hydra_engine import parse_flags

    return parse_flags([*words, *(part for name in trust for part in ("--trust", name))])


def override_words(overrides: Sequence[Any], values: Mapping[str, Any], ranges: bool = False) -> Iterator[str]:
    """Yield overrides as they are typed; with `ranges` a text of a keyword may name several values."""
    import shlex

    from runtree.config.space.grammar import literal

    for given in (*overrides, values):
        if isinstance(given, str):
            yield from shlex.split(given)
        elif isinstance(given, Mapping):
            for path, value in given.items():
                # what is written as on the command line stays so: "ridge,lasso" names two options
                plain = ranges and isinstance(value, str)
                yield f"{path}={value if plain else literal(value, str(path))}"
        else:
            raise ConfigError(f"rt: {given!r} is no override", "type: 'algorithm=ridge', or {'algorithm.alpha': 2}")


def data_words(data: Any, target: str | None, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the overrides that choose the data: an option, a file, or a data frame that is kept in the output tree."""
    from runtree.config.space.grammar import override

    if data is not None:
        if hasattr(data, "to_parquet"):
            yield "data=parquet"
            yield override("data.path", str(keep_frame(data, Path(str(values.get("outputs", DEFAULT_OUTPUTS))))))
            yield "data.name=frame"
        elif not isinstance(data, (str, Path)):
            raise ConfigError(
                f"data: a {type(data).__name__} is neither a data frame of pandas, nor a path, nor an option",
                "make a frame of it: pandas.DataFrame(…), or to_pandas() of another library",
            )
        elif isinstance(data, Path) or Path(str(data)).suffix:
            yield "data=parquet" if Path(data).suffix == ".parquet" else "data=csv"
            yield override("data.path", str(data))
        else:
            yield f"data={data}"
    if target is not None:
        yield override("data.target", target)


def keep_frame(frame: "pd.DataFrame", outputs: Path) -> Path:
    """Write a data frame below the output folder, once for each content; the run reads it from there.

    Raises
    ------
    DataError
        It cannot be written as Parquet, for example since a column mixes numbers and text.
    """
    from io import BytesIO

    from runtree.contract.errors import DataError, first_line
    from runtree.records.writer import write_bytes

    content = BytesIO()
    try:
        # the index of a frame is no column: rows are numbered by their place
        frame.to_parquet(content, index=False)
    except Exception as error:
        raise DataError(f"data: the data frame cannot be kept as Parquet: {first_line(error)}") from None
    folder = outputs / FRAMES
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{hashlib.sha256(content.getvalue()).hexdigest()[:16]}.parquet"
    if not file.is_file():
        write_bytes(file, content.getvalue())
    return file
