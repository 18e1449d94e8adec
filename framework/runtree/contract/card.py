"""The card of weights that others may start from: what `NAME/card.yaml` says of `NAME/weights.safetensors` in a zoo."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from runtree.contract.errors import DataError, UntrustedError

CARD, WEIGHTS = "card.yaml", "weights.safetensors"
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
SHA256 = re.compile(r"[0-9a-f]{64}")
UNPICKLED = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".joblib")


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What is known of some weights; what nobody stated is None.

    Attributes
    ----------
    architecture
        The dotted name of the estimator, or of what makes the module.
    inputs
        What the weights were trained on.
    files
        File name → sha256, the weights among them.
    """

    name: str
    architecture: str | None
    task: str | None
    classes: tuple[str, ...] | None
    inputs: Mapping[str, Any] | None
    source: str | None
    licence: str | None
    description: str | None
    files: Mapping[str, str]

    @property
    def sha256(self) -> str:
        """Return what the weights hash to."""
        return self.files[WEIGHTS]

    @classmethod
    def parse(cls, text: bytes, place: str) -> Self:
        """Read a card's YAML; `place` says in messages where it lies."""
        import yaml

        try:
            found = yaml.safe_load(text)
        except (yaml.YAMLError, UnicodeDecodeError):
            found = None
        if not isinstance(found, dict):
            raise DataError(f"{place}: not a card: no mapping in YAML")
        missing = [key for key in cls.__dataclass_fields__ if key not in found]
        if missing:
            raise DataError(f"{place}: the card has no {', '.join(map(repr, missing))}", "what nobody knows is null")
        return cls(**_checked({key: found[key] for key in cls.__dataclass_fields__}, place))

    def text(self) -> str:
        """Return the card as YAML."""
        import yaml

        told = asdict(self)
        told["classes"] = None if self.classes is None else list(self.classes)
        text: str = yaml.safe_dump(told, sort_keys=False, allow_unicode=True)
        return text


def _checked(found: dict[str, Any], place: str) -> dict[str, Any]:
    for key in ("architecture", "task", "source", "licence", "description"):
        if not isinstance(found[key], str | None):
            raise DataError(f"{place}: '{key}' must be a text or null, not {found[key]!r}")
    if not isinstance(found["name"], str):
        raise DataError(f"{place}: 'name' must be a text, not {found['name']!r}")
    if not isinstance(found["inputs"], dict | None) or not isinstance(found["classes"], list | None):
        raise DataError(f"{place}: 'inputs' must be a mapping and 'classes' a list, or null")
    files = found["files"]
    if not isinstance(files, dict) or not SHA256.fullmatch(str(files.get(WEIGHTS))):
        raise DataError(f"{place}: 'files' must hold '{WEIGHTS}' with its sha256")
    classes = None if found["classes"] is None else tuple(map(str, found["classes"]))
    return {**found, "classes": classes, "files": {str(name): str(value) for name, value in files.items()}}


def refuse_pickles(file: str, path: str) -> None:
    """Refuse a file that only unpickling could read, which runs whatever code lies in it."""
    if file.lower().endswith(UNPICKLED):
        raise UntrustedError(
            f"{path}: {file}: weights are read from .safetensors alone, for reading a pickle can run code",
            "turn it into one: safetensors.torch.save_file(torch.load(FILE, weights_only=True), 'weights.safetensors')",
        )
