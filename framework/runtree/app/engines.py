"""The executor of a sweep: worker processes, this process, or a Hydra launcher."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from runtree.app.application import App
from runtree.app.sweep_worker import WorkerConfig, objective_values
from runtree.config.provenance import TypedWords
from runtree.config.resources import read_resources
from runtree.contract.commands import display_path, typed
from runtree.contract.errors import ConfigError, NotFoundError, RunFailedError, RuntreeError
from runtree.records.layout import RunFolder
from runtree.records.record import read_record
from runtree.sweeps.attempts import difference_from_request
from runtree.sweeps.messages import AttemptResult, RunRequest
from runtree.sweeps.options import read_loop_options
from runtree.workers.executor import Event, Executor, Job, JobReturned, refuse_limits
from runtree.workers.in_process import InProcessExecutor
from runtree.workers.process_executor import ProcessExecutor

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from runtree.app.train import HydraTask

WORKER_FACTORY = "runtree.app.sweep_worker:make_sweep_worker"
DEFAULT_SUBDIR = "runs/${padded:${hydra.job.num}}"
RUNTREE_LAUNCHER = "hydra_plugins.runtree_hydra.RuntreeLauncher"


def make_executor(app: App, typed: TypedWords, sweeper: Any) -> Executor:
    """Return the executor that a sweep's config selects.

    runtree's own workers do not set up Hydra for each run. Where the config uses what needs that, Hydra's launcher
    runs them.
    """
    from omegaconf import OmegaConf

    config = sweeper.config
    allowed = read_resources(_container(config.compute))
    options = read_loop_options(_container(config.tuner))
    setting = worker_config(app, typed)
    if config.hydra.launcher.get("_target_") != RUNTREE_LAUNCHER or needs_hydra(config):
        batch_size = sweeper.max_batch_size or launcher_batch_size(config, allowed.at_once)
        local = InProcessExecutor(WORKER_FACTORY, setting)
        return LauncherExecutor(sweeper, batch_size, local, sweeper.task_function)
    if allowed.engine == "in_process":
        return InProcessExecutor(WORKER_FACTORY, setting)
    # A deterministic sweep prunes at the same step every time: each report has to wait for the pruner's decision
    sync = options.deterministic and (is_of_plugin(config) or OmegaConf.select(config, "tuner.pruner") is not None)
    return ProcessExecutor(
        allowed.at_once,
        WORKER_FACTORY,
        setting,
        threads=allowed.threads_each,
        grace=float(options.grace),
        sync_reports=sync,
    )


def make_preflight_executor(app: App, typed: TypedWords, executor: Executor) -> Executor:
    """Return the executor of the preflight: the sweep's own, whose worker then has the data cached, or this process."""
    if isinstance(executor, LauncherExecutor):
        return InProcessExecutor(WORKER_FACTORY, worker_config(app, typed))
    return executor


def is_of_plugin(config: "DictConfig") -> bool:
    """Return whether the tuner is not runtree's own: nothing is known of its settings, so it may learn and prune."""
    return not str(config.tuner.get("_target_")).startswith("runtree.")


def worker_config(app: App, typed: TypedWords) -> WorkerConfig:
    return WorkerConfig(typed, app.plugins.extra)


def launcher_batch_size(config: "DictConfig", slots: int) -> int:
    """Return how many runs a Hydra launcher gets at once: `compute.slots`, or if that is 1 the launcher's own limit.

    A tuner that learns gets batches of one on Slurm, not the hundreds of a job array: it would propose a whole batch
    before it has seen a single result.
    """
    launcher = config.hydra.launcher
    if slots > 1:
        return slots
    if launcher.get("n_jobs"):  # hydra-joblib-launcher
        # the launcher itself resolves -1 this way, and a batch should fill its processes
        from joblib import effective_n_jobs

        return int(effective_n_jobs(launcher.n_jobs))
    learns = "sampler" in config.tuner or is_of_plugin(config)
    return 1 if learns else int(launcher.get("array_parallelism") or 1)  # hydra-submitit-launcher


def needs_hydra(config: "DictConfig") -> bool:
    """Return whether each run needs Hydra around it: callbacks, job logging, other folders, or `${hydra:…}`."""
    # unresolved: resolving would replace `${hydra:…}`, which is what is looked for; and Hydra's own node is full of it
    hydra = (raw := _container(config, resolve=False)).pop("hydra")
    features = [
        hydra["callbacks"],
        hydra["job"]["chdir"],
        hydra["job"]["env_set"],
        hydra["output_subdir"],
        hydra["job_logging"].get("handlers"),
        hydra["sweep"]["subdir"] != DEFAULT_SUBDIR,
    ]
    return any(features) or "${hydra:" in str(raw)


def refuse_shared_folder(config: "DictConfig") -> None:
    """Refuse a `hydra.sweep.subdir` that is the same for all runs of a sweep.

    Raises
    ------
    ConfigError
        Each run would write over what the one before has written there.
    """
    subdir = str(_container(config.hydra.sweep, resolve=False).get("subdir"))
    if "${" not in subdir:
        own = typed("hydra.sweep.subdir=${hydra.job.num}")
        raise ConfigError(
            f"hydra.sweep.subdir: every run of this sweep would be written to the same folder, {subdir}",
            f"name one for each run: {own}, or leave it out",
        )


def _container(node: Any, resolve: bool = True) -> dict[str, Any]:
    from omegaconf import OmegaConf

    container = OmegaConf.to_container(node, resolve=resolve)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


class HydraSweeper(Protocol):
    """The attribute of `hydra.plugins.sweeper.Sweeper` that is used here."""

    launcher: "HydraLauncher"


class HydraLauncher(Protocol):
    """The method of `hydra.plugins.launcher.Launcher` that is used here."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[Any]:
        """Run one job per list of overrides and return a `hydra.core.utils.JobReturn` for each."""
        ...


class LauncherExecutor:
    """Hands `slots` runs at a time to a Hydra launcher, and waits for the whole batch.

    Parameters
    ----------
    sweeper
        Has the launcher, which is made again as soon as the folder of the sweep is known.
    local
        The executor of all other jobs (finalize, recheck), which have ids below 0: a launcher can only run overrides.
    task
        The task that the launcher runs; it receives the number of the attempt of each run.
    """

    def __init__(self, sweeper: HydraSweeper, slots: int, local: Executor, task: "HydraTask") -> None:
        self.sweeper, self.slots, self.local, self.task = sweeper, slots, local, task
        self._jobs: list[Job] = []

    def submit(self, job: Job) -> None:
        """Add a run to the next batch."""
        refuse_limits(job, "of a Hydra launcher")
        self._jobs.append(job)

    def wait(self, timeout: float | None = None) -> list[Event]:
        """Launch the batch and wait for all of it, ignoring `timeout`."""
        jobs, self._jobs = sorted(self._jobs, key=lambda job: job.id), []
        events: list[Event] = []
        for job in [job for job in jobs if job.id < 0]:
            self.local.submit(job)
            events += self.local.wait(timeout)
        jobs = [job for job in jobs if job.id >= 0]
        while jobs:
            # A launcher numbers a batch upwards from `initial_job_idx`: a gap in the run numbers begins a new batch
            batch = [job for place, job in enumerate(jobs) if job.id == jobs[0].id + place]
            jobs = jobs[len(batch) :]
            events += self._launch(batch)
        return events

    def _launch(self, batch: Sequence[Job]) -> list[Event]:
        # a launcher passes nothing but overrides and the task, which it pickles with each batch
        self.task.attempts = {job.id: job.payload.attempt for job in batch}
        returns = self.sweeper.launcher.launch([job.payload.overrides for job in batch], initial_job_idx=batch[0].id)
        return [JobReturned(job.id, self._result(job.payload, back)) for job, back in zip(batch, returns, strict=True)]

    def _result(self, request: RunRequest, returned: Any) -> Any:
        """Return what a worker would have returned, read from the record in the run's folder."""
        error, folder = returned._return_value, RunFolder(request.folder)  # `return_value` would raise the error
        try:
            # from the file, as the launcher may have run the job on another machine, and returns only its objective
            record = read_record(folder)
        except NotFoundError as unreadable:
            return error if isinstance(error, RuntreeError) else RunFailedError(f"{unreadable.message} ({error})")
        # a job that was refused, or that a former session left behind, is not this run: its record is no result of it
        difference = difference_from_request(record, request)
        if difference:
            kind = RunFailedError(f"{display_path(folder.path)}: {difference}")
            return error if isinstance(error, RuntreeError) else kind
        return AttemptResult.from_record(record, objective_values(record, request.objectives), folder.manifest.exists())

    def prune(self, job: int) -> None:
        """Do nothing: the runs of a launcher cannot be reached."""

    def acknowledge(self, job: int) -> None:
        """Do nothing: no report waits for a reply."""

    def terminate(self, job: int) -> None:
        """Do nothing: a batch ends by itself."""

    def close(self) -> None:
        """Drop the runs that have not been launched."""
        self._jobs.clear()
        self.local.close()
