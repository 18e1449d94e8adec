"""`runtree serve`: models of runs and of the registry, loaded for a service."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtree.app.application import App
from runtree.contract.model_version import SCHEME
from runtree.records.find import find_run
from runtree.records.model_versions import find_version, registry_root
from runtree.serving.routes import make_app
from runtree.serving.served_model import ServedModel, make_served
from runtree.serving.server import PatientProtocol
from runtree.serving.service import Service
from runtree.serving.settings import PolicyOptions, ServeSettings
from runtree.serving.traffic import CANARY, PRIMARY, SHADOW, Target, Traffic


@dataclass(frozen=True)
class ModelLoader:
    """Loads what a word means: a run, or a version of a registered model, which may be another one later."""

    outputs: str
    policy: PolicyOptions
    trusted: tuple[str, ...] = ()

    def current(self, reference: str) -> str:
        """Return the version that a reference means now."""
        if not reference.startswith(SCHEME):
            return "run"  # `latest` means the run that it meant at the start
        return str(find_version(registry_root(), reference).number)

    def load(self, reference: str) -> ServedModel:
        """Load a model, checked and warmed up."""
        record = find_run(Path(self.outputs), reference, needs="model")
        registered, tags = None, {}
        if reference.startswith(SCHEME):
            version = find_version(registry_root(), reference)
            # the alias may have moved between the two looks
            reference_now = f"{SCHEME}{version.name}/{version.number}"
            record = find_run(Path(self.outputs), reference_now)
            registered, tags = (version.name, version.number), dict(version.tags)
        predictor = App().load_predictor(record, self.trusted)
        return make_served(record, predictor, reference, self.policy, registered, tags)


@dataclass(frozen=True)
class ServeRequest:
    """What is served and how; it can be sent to the processes that serve.

    Attributes
    ----------
    canaries
        References with the share of requests that each answers.
    parent
        The process without which the service ends; None for none.
    """

    reference: str
    loader: ModelLoader
    settings: ServeSettings
    canaries: Sequence[tuple[str, float]] = ()
    shadows: Sequence[str] = ()
    parent: int | None = None

    def load(self) -> Service:
        """Load every model and return the service, not started yet.

        Raises
        ------
        RuntreeError
            A model cannot be loaded.
        """
        load = self.loader.load
        primary = Target(PRIMARY, self.reference, load(self.reference))
        canaries = [Target(CANARY, reference, load(reference), share) for reference, share in self.canaries]
        shadows = [Target(SHADOW, reference, load(reference)) for reference in self.shadows]
        traffic = Traffic(self.loader, primary, canaries, shadows)
        PatientProtocol.seconds = float(self.settings.receive)
        return Service(self.settings, traffic, parent=self.parent)

    def make(self) -> Any:
        """Return the ASGI application; called in each process that serves."""
        return make_app(self.load())

    def in_workers(self) -> "ServeRequest":
        """Return the same request for processes that end with this one."""
        return ServeRequest(**{**vars(self), "parent": os.getpid()})
