"""Whether there are plugins at all, found out without loading what they need."""

import sys
from pathlib import Path


def plugins_installed() -> bool:
    """Look whether any installed package names our entry-point group.

    `importlib.metadata` takes longer to load than all else that ``--help`` needs, so it is asked only where there is
    something to find.
    """
    for place in sys.path:
        for file in Path(place).glob("*.dist-info/entry_points.txt"):
            if "[runtree]" in file.read_text(encoding="utf-8", errors="replace"):
                return True
    return False
