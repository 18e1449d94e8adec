"""A registered model, as hooks and the command line see it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

ModelState = Literal["pending", "approved", "rejected"]

SCHEME = "models:/"
# a name is a folder, and `@` and `/` separate it from an alias or a number
MODEL_NAME = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,128}")


@dataclass(frozen=True)
class ModelVersion:
    """An immutable version of a registered model.

    Attributes
    ----------
    folder
        Its folder, which has the files of a run and the model card.
    content
        The sha256 of its manifest, and so of every file in it.
    run
        The id of the run that trained it.
    registered, by
        When (ISO 8601, UTC) and by whom.
    state
        "pending" until a named person approves or rejects it.
    aliases
        The movable names that mean it now, sorted.
    """

    name: str
    number: int
    folder: Path
    content: str
    run: str
    registered: str
    by: str
    state: ModelState = "pending"
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        """Return what to type for it wherever a run is expected: ``models:/churn/3``."""
        return f"{SCHEME}{self.name}/{self.number}"

    def to_dict(self) -> dict[str, Any]:
        """Return its facts, for programs."""
        facts = {key: getattr(self, key) for key in ("name", "content", "run", "registered", "by", "state")}
        return {
            "reference": self.reference,
            "version": self.number,
            **facts,
            "tags": dict(self.tags),
            "aliases": list(self.aliases),
            "folder": str(self.folder),
        }
