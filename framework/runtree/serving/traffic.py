"""Which model answers a request: champion, canary or shadow; and how one is exchanged when its alias moves."""

import asyncio
import logging
import re
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from runtree.contract.errors import RequestError, first_line
from runtree.serving.served_model import ServedModel

log = logging.getLogger(__name__)

RETRY_SECONDS = 60  # before a version that could not be loaded is tried again
PRIMARY, CANARY, SHADOW = "primary", "canary", "shadow"


class ModelSource(Protocol):
    """Where models come from."""

    def current(self, reference: str) -> str:
        """Return the version that a reference means now; RuntreeError if it means none."""

    def load(self, reference: str) -> ServedModel:
        """Load that version, checked and warmed up."""


@dataclass
class Target:
    """A reference that is served, and the model that it means; the model alone changes, in one step.

    Attributes
    ----------
    kind
        primary, canary or shadow.
    share
        The share of the requests that a canary answers, from 0 to 1.
    """

    kind: str
    reference: str
    model: ServedModel
    share: float = 0.0
    refused: dict[str, float] = field(default_factory=dict)


@dataclass
class Traffic:
    """The targets of a service."""

    source: ModelSource
    primary: Target
    canaries: Sequence[Target] = ()
    shadows: Sequence[Target] = ()
    on_swap: Callable[[Target, bool], None] = lambda target, succeeded: None

    def __post_init__(self) -> None:
        for target in self.targets[1:]:
            self._check_fields(target, target.model)

    @property
    def targets(self) -> list[Target]:
        """All targets, the primary first."""
        return [self.primary, *self.canaries, *self.shadows]

    def choose(self, request_id: str) -> Target:
        """Return who answers a request: the same for the same id, so that a repeated request gets the same answer."""
        if not self.canaries:
            return self.primary
        place = zlib.crc32(request_id.encode()) / 2**32
        for target in self.canaries:
            if place < target.share:
                return target
            place -= target.share
        return self.primary

    async def follow(self, seconds: float) -> None:
        """Look again and again whether an alias has moved, and exchange the model if it has. Ends when cancelled."""
        while True:
            await asyncio.sleep(seconds)
            for target in self.targets:
                await self.refresh(target)

    async def refresh(self, target: Target) -> bool:
        """Exchange the model of a target if its reference means another version now; return whether it did.

        The new one is loaded, checked and warmed up in a thread, while the old one answers. Where anything of that
        fails the old one stays, and the version is tried again later: it may have been half copied.
        """
        version = "?"
        try:
            version = await asyncio.to_thread(self.source.current, target.reference)
            if version == target.model.version or time.monotonic() < target.refused.get(version, 0.0):
                return False
            model = await asyncio.to_thread(self.source.load, target.reference)
            self._check_fields(target, model)
        except Exception as error:
            if time.monotonic() >= target.refused.get(version, 0.0):
                said = "%s cannot be exchanged for version %s, and version %s keeps answering: %s"
                log.warning(said, target.reference, version, target.model.version, first_line(error))
                self.on_swap(target, False)
            target.refused[version] = time.monotonic() + RETRY_SECONDS
            return False
        before, target.model = target.model, model
        target.refused.clear()
        log.warning("%s is version %s now, before %s", target.reference, model.version, before.version)
        self.on_swap(target, True)
        return True

    def _check_fields(self, target: Target, model: ServedModel) -> None:
        """Refuse a canary or shadow that could answer no request that the primary can, or only some."""
        if target is self.primary:
            return
        own, other = self.primary.model.schema, model.schema
        lacks = {one.name for one in own.fields if one.type != "any"} - other.names
        wants = {one.name for one in other.fields if other.is_required(one)} - own.names
        if odd := sorted(lacks | wants):
            raise RequestError(
                f"--{target.kind} {target.reference}: requests for {self.primary.reference} do not fit its fields",
                f"only one of them has: {', '.join(odd[:5])}{', …' if len(odd) > 5 else ''}",
            )


def parse_canary(text: str) -> tuple[str, float]:
    """Return reference and share of ``models:/churn@challenger=10%``, also written ``=0.1``.

    Raises
    ------
    RequestError
        The share is not a number between 0 and 100 %.
    """
    reference, mark, share = text.rpartition("=")
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(%?)", share)
    value = float(found[1]) / (100 if found[2] else 1) if found else -1.0
    if not mark or not reference or not 0 < value < 1:
        raise RequestError(f"--canary {text}: a reference and a share are needed", "type: models:/churn@challenger=10%")
    return reference, value
