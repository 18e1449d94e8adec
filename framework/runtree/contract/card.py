"""The model card of pretrained weights: the content of `NAME/card.yaml` beside `NAME/weights.safetensors` in a zoo."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from runtree.contract.errors import DataError, UntrustedError

CARD, WEIGHTS = "card.yaml", "weights.safetensors"
# a name is a folder: no slash and no leading dot, so no card can be written outside the zoo
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
SHA256 = re.compile(r"[0-9a-f]{64}")
# by their usual endings: `torch.load` and joblib unpickle, and a file's content is not worth opening to find out
UNPICKLED = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".joblib")


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """The description of weights; an unknown field is None.

    Attributes
    ----------
    architecture
        The dotted name of the estimator, or of the function that makes the module.
    inputs
        The data that the weights were trained on.
    files
        The sha256 of each file by its name, that of the weights included.
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
        """Return the sha256 of the weights."""
        return self.files[WEIGHTS]

    @classmethod
    def parse(cls, text: bytes, place: str) -> Self:
        """Parse the YAML of a card; `place` names the file in errors."""
        # not at the top: every command imports the contract, and few of them need YAML
        import yaml

        try:
            # safe_load, because a card comes with weights from elsewhere, and YAML's full loader constructs arbitrary
            # objects
            content = yaml.safe_load(text)
        except (yaml.YAMLError, UnicodeDecodeError):
            content = None
        if not isinstance(content, dict):
            raise DataError(f"{place}: not a card: no mapping in YAML")
        # all keys must be there, with null for unknown: a forgotten licence must not look like an unknown one. Further
        # keys are ignored, so that a later version may add some.
        missing = [key for key in cls.__dataclass_fields__ if key not in content]
        if missing:
            names = ", ".join(map(repr, missing))
            raise DataError(f"{place}: the card has no {names}", "write null for unknown values")
        return cls(**_check({key: content[key] for key in cls.__dataclass_fields__}, place))

    def text(self) -> str:
        """Return the card as YAML."""
        import yaml

        # asdict keeps the tuple, for which safe_dump has no representation
        content = asdict(self)
        content["classes"] = None if self.classes is None else list(self.classes)
        text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
        return text


def _check(content: dict[str, Any], place: str) -> dict[str, Any]:
    for key in ("architecture", "task", "source", "licence", "description"):
        if not isinstance(content[key], str | None):
            raise DataError(f"{place}: '{key}' must be a text or null, not {content[key]!r}")
    if not isinstance(content["name"], str):
        raise DataError(f"{place}: 'name' must be a text, not {content['name']!r}")
    if not isinstance(content["inputs"], dict | None) or not isinstance(content["classes"], list | None):
        raise DataError(f"{place}: 'inputs' must be a mapping and 'classes' a list, or null")
    # without the hash a damaged or exchanged file could not be detected
    files = content["files"]
    if not isinstance(files, dict) or not SHA256.fullmatch(str(files.get(WEIGHTS))):
        raise DataError(f"{place}: 'files' must hold '{WEIGHTS}' with its sha256")
    classes = None if content["classes"] is None else tuple(map(str, content["classes"]))
    return {**content, "classes": classes, "files": {str(name): str(value) for name, value in files.items()}}


def refuse_pickles(file: str, path: str) -> None:
    """Refuse a file that can only be read by unpickling, because that executes code in the file."""
    if file.lower().endswith(UNPICKLED):
        raise UntrustedError(
            f"{path}: {file}: weights are read from .safetensors only: loading a pickle can run code",
            "convert it: safetensors.torch.save_file(torch.load(FILE, weights_only=True), 'weights.safetensors')",
        )
