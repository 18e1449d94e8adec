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

    from runtree.contract.types import RunRecord
    from runtree.lifecycle.sensitive import Protection

# Hydra's state, the seeds of the random generators and the limits on threads belong to the process: of several threads
# one works at a time. The same thread may enter again: an algorithm may train another one within its own fit.
AT_WORK = threading.RLock()


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


def data_words(data: Any, target: str | None, values: Mapping[str, Any], words: Sequence[str] = ()) -> Iterator[str]:
    """Yield the overrides that choose the data: an option, a file, or a data frame that is kept in the output tree.

    `words` are the other overrides, which may say that columns are sensitive.
    """
    from runtree.config.space.grammar import override

    if data is not None:
        if hasattr(data, "to_parquet"):
            yield "data=parquet"
            outputs, protection = Path(str(values.get("outputs", DEFAULT_OUTPUTS))), _protection(words)
            if protection is not None:
                protection.check_columns([*map(str, data.columns)])
            yield override("data.path", str(keep_frame(data, outputs, protection)))
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


def _protection(words: Sequence[str]) -> "Protection | None":
    """Return what overrides say about sensitive columns; None if nothing."""
    from runtree.app.evaluate import set_value
    from runtree.contract.commands import override_key
    from runtree.lifecycle.sensitive import read_protection

    config: Mapping[str, Any] = {"data": {}}
    for word in words:
        if override_key(word).startswith(("data.sensitive", "data.hash_key")):
            config = set_value(config, word.lstrip("+"))
    node = config["data"]
    return read_protection(node["sensitive"], node.get("hash_key"), {}, {}) if node.get("sensitive") else None


def protection_of(record: "RunRecord") -> "Protection":
    """Return what a run does with sensitive columns."""
    from runtree.app.explain import read_run_config
    from runtree.lifecycle.table_options import table_options

    return table_options(read_run_config(record)["data"]).protection


def keep_frame(frame: "pd.DataFrame", outputs: Path, protection: "Protection | None" = None) -> Path:
    """Write a data frame below the output folder, once for each content; the run reads it from there.

    Sensitive columns are hashed and masked before; those that are dropped are empty.

    Raises
    ------
    DataError
        It cannot be written as Parquet, for example since a column mixes numbers and text.
    """
    from io import BytesIO

    from runtree.contract.errors import DataError, first_line
    from runtree.lifecycle.sensitive import DROP, FRAMES, PROTECTED
    from runtree.records.writer import write_bytes

    content, is_protected = BytesIO(), protection is not None and bool(protection.ways)
    if protection is not None and is_protected:
        dropped = {name: None for name in frame.columns if protection.ways.get(str(name)) == DROP}
        frame = protection.frame(frame).assign(**dropped)
    try:
        # the index of a frame is no column: rows are numbered by their place
        frame.to_parquet(content, index=False)
    except Exception as error:
        raise DataError(f"data: the data frame cannot be kept as Parquet: {first_line(error)}") from None
    folder = outputs / FRAMES
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(content.getvalue()).hexdigest()[:16]
    file = folder / f"{name}{PROTECTED if is_protected else '.parquet'}"
    if not file.is_file():
        write_bytes(file, content.getvalue())
    return file
