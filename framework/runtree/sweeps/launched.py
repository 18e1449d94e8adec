"""The engine of a Hydra launcher: runs are handed to it in batches, and a batch is waited for.

It serves launchers that a user selects, and whatever needs Hydra around each run: callbacks, job logging, `chdir`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from runtree.contract.errors import RunFailedError, RuntreeError
from runtree.contract.types import RunRecord
from runtree.records.folder import RunFolder
from runtree.records.record import read_record
from runtree.sweeps.executor import Event, Executor, Job, Returned, refuse_limits
from runtree.sweeps.payload import Work


class Launcher(Protocol):
    """What Hydra calls a launcher."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[Any]:
        """Run jobs, and return what became of each."""
        ...


class Launched:
    """Hands `slots` runs at a time to a launcher.

    Parameters
    ----------
    told
        Turns a run's record, and whether the run is kept, into what a worker would have answered.
    aside
        Does what is no run: keeps the best, judges some once more. A launcher knows runs alone.
    """

    def __init__(
        self, launcher: Launcher, slots: int, told: Callable[[Work, RunRecord, bool], Any], aside: Executor
    ) -> None:
        self.launcher, self.slots, self.told, self.aside = launcher, slots, told, aside
        self._jobs: list[Job] = []

    def submit(self, job: Job) -> None:
        """Take a run into the next batch."""
        refuse_limits(job, "of a launcher of Hydra's")
        self._jobs.append(job)

    def wait(self, timeout: float | None = None) -> list[Event]:
        """Launch the batch and wait for all of it; errands, whose numbers are below 0, are done aside."""
        jobs, self._jobs = sorted(self._jobs, key=lambda job: job.id), []
        events: list[Event] = []
        for errand in [job for job in jobs if job.id < 0]:
            self.aside.submit(errand)
            events += self.aside.wait(timeout)
        jobs = [job for job in jobs if job.id >= 0]
        while jobs:
            batch = [job for place, job in enumerate(jobs) if job.id == jobs[0].id + place]  # launchers count on
            jobs = jobs[len(batch) :]
            events += self._launch(batch)
        return events

    def _launch(self, batch: Sequence[Job]) -> list[Event]:
        returns = self.launcher.launch([job.payload.overrides for job in batch], initial_job_idx=batch[0].id)
        return [Returned(job.id, self._result(job.payload, found)) for job, found in zip(batch, returns, strict=True)]

    def _result(self, work: Work, found: Any) -> Any:
        error = found._return_value
        try:
            folder = RunFolder(Path(found.hydra_cfg.hydra.runtime.output_dir))
            return self.told(work, read_record(folder), folder.manifest.exists())
        except RuntreeError as unread:
            return error if isinstance(error, RuntreeError) else RunFailedError(f"{unread.message} ({error})")

    def prune(self, job: int) -> None:
        """Do nothing: a launcher's runs cannot be reached."""

    def go_on(self, job: int) -> None:
        """Do nothing: nobody waits."""

    def terminate(self, job: int) -> None:
        """Do nothing: a batch is waited for."""

    def close(self) -> None:
        """Forget what was not launched."""
        self._jobs.clear()
        self.aside.close()
