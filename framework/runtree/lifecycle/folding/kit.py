"""How a bench crosses to other processes: written once, its arrays beside the pickle, and mapped by all who read it.

Both files lie in a folder that its owner alone can open, and are read by processes that the owner has started.
"""

import mmap
import pickle
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from runtree.lifecycle.folding.bench import Bench

OBJECTS, ARRAYS, ENDS = "objects", "arrays", "ends"
ALIGNED = 64  # bytes: where an array may begin


def write_kit(bench: Bench, folder: Path) -> None:
    """Write a bench into an empty folder."""
    import cloudpickle  # a plugin's metric may be a lambda, which pickle does not take

    buffers: list[pickle.PickleBuffer] = []
    (folder / OBJECTS).write_bytes(cloudpickle.dumps(bench, protocol=5, buffer_callback=buffers.append))
    ends = [0]
    with (folder / ARRAYS).open("wb") as file:
        for buffer in buffers:
            content = buffer.raw()
            file.write(content)
            file.write(bytes(-content.nbytes % ALIGNED))
            ends += [ends[-1] + content.nbytes, file.tell()]
    (folder / ENDS).write_text(" ".join(map(str, ends)))


@lru_cache(maxsize=1)
def read_kit(folder: str) -> Bench:
    """Return the bench in a folder; its arrays are those of the file, and cannot be written to."""
    place = Path(folder)
    ends = [int(end) for end in (place / ENDS).read_text().split()]
    whole = _mapped(place / ARRAYS) if ends[-1] else memoryview(b"")
    buffers = [whole[first:last] for first, last in list(pairwise(ends))[::2]]  # every other one is what aligns
    bench: Bench = pickle.loads((place / OBJECTS).read_bytes(), buffers=buffers)
    return bench


@lru_cache(maxsize=1)
def _mapped(file: Path) -> memoryview:
    with file.open("rb") as opened:
        return memoryview(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ))
