"""`runtree serve`: models of runs and of the registry, loaded for a service."""

import logging
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from runtree.app.application import App
from runtree.contract.errors import RuntreeError, first_line
from runtree.contract.model_version import SCHEME
from runtree.records.find import find_run
from runtree.records.model_versions import find_version, registry_root
from runtree.records.sealed import SealKey, key_of
from runtree.registry.store import user_name
from runtree.serving.access import AccessControl
from runtree.serving.keys import KeyStore
from runtree.serving.prediction_log import PredictionLog
from runtree.serving.recording import Recorder, add_record_routes, count_into
from runtree.serving.review import add_review_routes
from runtree.serving.routes import make_app
from runtree.serving.served_model import ServedModel, make_served
from runtree.serving.server import PatientProtocol, Place
from runtree.serving.service import Service
from runtree.serving.settings import PolicyOptions, ServeSettings
from runtree.serving.telemetry import shared_file
from runtree.serving.traffic import CANARY, PRIMARY, SHADOW, Target, Traffic
from runtree.serving.watched import add_watched_route

log = logging.getLogger(__name__)


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
    host: str = "127.0.0.1"

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
        """Return the ASGI application; called in each process that serves, which is replaced if it cannot."""
        try:
            return self.open(self.load())
        except RuntreeError as error:
            log.error("this process cannot serve: %s", first_line(error))
            raise SystemExit(1) from None

    def open(self, service: Service) -> Any:
        """Return the ASGI application of a service: with its log, behind its doors.

        Raises
        ------
        RuntreeError
            The log cannot be written, or its key is not known.
        """
        settings, registry = self.settings, registry_root()
        predictions = None
        if settings.log.to is not None:
            predictions = PredictionLog.open(
                settings.log, self.key(service), on_counts=count_into(service.telemetry.registry)
            )
        recorder = Recorder(service, predictions, registry if registry.is_dir() else None, user_name())
        recorder.attach()

        def extend(app: Any, api: Any) -> None:
            add_record_routes(app, api, recorder)
            add_review_routes(app, api, recorder, settings.log.to)
            add_watched_route(app, api, Path(settings.monitor))

        app = make_app(service, extend)
        telemetry = service.telemetry
        return AccessControl(
            app,
            settings.access,
            KeyStore(registry),
            self.host,
            lambda status: telemetry.request("refused", status, 0.0),
            shared_file("rates"),
        )

    def key(self, service: Service) -> SealKey | None:
        """Return the key of the prediction log: that of the settings, else the one that a model's run names."""
        named = (asdict(self.settings.encrypt), *(t.model.encrypt for t in service.traffic.targets))
        return next((key for options in named if (key := key_of(options))), None)

    def announce(self, service: Service, act: str, place: Place) -> None:
        """Audit that the service starts or stops."""
        root = registry_root()
        recorder = Recorder(service, None, root if root.is_dir() else None, user_name())
        models = [f"{t.reference}, version {t.model.version}" for t in service.traffic.targets]
        recorder.note(act, url=place.url, workers=place.workers, models=models, pid=os.getpid())

    def in_workers(self) -> "ServeRequest":
        """Return the same request for processes that end with this one."""
        return ServeRequest(**{**vars(self), "parent": os.getpid()})
