"""An MLflow tracking store: experiments, and runs identified by a tag."""

import logging
import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from runtree_mlflow.limits import batches
from runtree_mlflow.settings import Settings

KEY = "runtree.key"
PAGE = 1000


class Store:
    """A client of MLflow. `known` caches, by key, the runs that this process created or found."""

    def __init__(self, settings: Settings) -> None:
        from mlflow.tracking import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.ERROR)
        self.settings = settings
        self.client = MlflowClient(tracking_uri=settings.uri)
        self.known: dict[str, Any] = {}
        self._experiments: dict[str, str] = {}

    @cached_property
    def uri(self) -> str:
        """The tracking URI."""
        return str(self.client.tracking_uri)

    def experiment(self, usual: str) -> str:
        """Return the id of the configured experiment, else of `usual`; it is created if missing."""
        if not self.settings.experiment and os.environ.get("MLFLOW_EXPERIMENT_ID"):
            return os.environ["MLFLOW_EXPERIMENT_ID"]
        name = self.settings.experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or usual
        if name not in self._experiments:
            self._experiments[name] = self._experiment(name)
        return self._experiments[name]

    def _experiment(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        found = self.client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(self.client.create_experiment(name))
            except MlflowException:  # created by another process meanwhile
                found = self.client.get_experiment_by_name(name)
                if found is None:
                    raise
        return str(found.experiment_id)

    def find(self, experiment: str, key: str) -> Any:
        """Return the run with a key, or None."""
        if key not in self.known:
            found = self._search(experiment, f"tags.`{KEY}` = '{key}'")
            self.known[key] = next(found, None)
        return self.known[key]

    def find_children(self, experiment: str, parent: str) -> dict[str, Any]:
        """Return the child runs of a run by their keys."""
        found = self._search(experiment, f"tags.`mlflow.parentRunId` = '{parent}'")
        return {run.data.tags[KEY]: run for run in found if KEY in run.data.tags}

    def _search(self, experiment: str, condition: str) -> Iterator[Any]:
        token = None
        while True:
            page = self.client.search_runs([experiment], condition, max_results=PAGE, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def make(self, experiment: str, key: str, name: str, started: int, tags: Mapping[str, str]) -> Any:
        """Create a run that has its key from the start."""
        own = {**tags, KEY: key}
        self.known[key] = self.client.create_run(experiment, start_time=started, tags=own, run_name=name)
        return self.known[key]

    def log(self, run_id: str, params: Mapping[str, str], metrics: Any, tags: Mapping[str, str]) -> None:
        """Log in as few calls as the limits allow; the tags last."""
        for batch in batches(params, list(metrics), tags):
            self.client.log_batch(run_id, **batch)
