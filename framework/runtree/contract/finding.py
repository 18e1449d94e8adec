"""What a look at a model, or at a sweep, found, and what to do next."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Level = Literal["good", "note", "warning"]


@dataclass(frozen=True)
class Finding:
    """One sentence about what was found, and one about what to do.

    Attributes
    ----------
    name
        A word or two, the same each time: ``overfitting``.
    level
        "good": nothing to do; "note": worth knowing; "warning": the numbers or the model deserve less trust.
    says
        What was found, with its figures.
    advice
        What to do next, best an override to type; empty only where the level is "good".
    values
        The figures behind it, for programs.
    """

    name: str
    level: Level
    says: str
    advice: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """Return it as `evaluation.json` keeps it."""
        return asdict(self)
