"""Who works on the runs of a sweep: processes of runtree's own, this process, or a launcher of Hydra's."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runtree.app.application import App
from runtree.app.working import Setting, outcome, values
from runtree.config.resources import resources
from runtree.contract.types import RunRecord
from runtree.sweeps.executor import Executor
from runtree.sweeps.in_process import InProcess
from runtree.sweeps.launched import Launched
from runtree.sweeps.options import loop_options
from runtree.sweeps.payload import Outcome, Work
from runtree.sweeps.processes import Processes

if TYPE_CHECKING:
    from omegaconf import DictConfig

SETUP = "runtree.app.working:setup"
SUBDIR = "runs/${padded:${hydra.job.num}}"
OURS = "hydra_plugins.runtree_hydra.RuntreeLauncher"


def make_executor(app: App, overrides: tuple[str, ...], sweeper: Any) -> Executor:
    """Return the executor that a sweep's config asks for.

    runtree's own processes know nothing of Hydra: where something is asked of it for each run, its launcher runs them.
    """
    from omegaconf import OmegaConf

    config = sweeper.config
    allowed = resources(_plain(config.compute))
    options = loop_options(_plain(config.tuner))
    if config.hydra.launcher.get("_target_") != OURS or needs_hydra(config):
        aside = InProcess(SETUP, setting_of(app, overrides))
        return Launched(sweeper.launcher, sweeper.max_batch_size or batch_of(config, allowed.at_once), told, aside)
    setting = setting_of(app, overrides)
    if allowed.engine == "in_process":
        return InProcess(SETUP, setting)
    sync = options.deterministic and OmegaConf.select(config, "tuner.pruner") is not None
    return Processes(
        allowed.at_once, SETUP, setting, threads=allowed.threads_each, grace=float(options.grace), sync_reports=sync
    )


def batch_of(config: "DictConfig", slots: int) -> int:
    """Return how many runs a launcher of Hydra's is given at once: `slots`, or where nobody set that what it can take.

    A tuner that learns is spared the hundreds of a cluster's array: it would know nothing when it proposes them.
    """
    launcher, learns = config.hydra.launcher, "sampler" in config.tuner
    if slots > 1:
        return slots
    if launcher.get("n_jobs"):  # of joblib
        from joblib import effective_n_jobs

        return int(effective_n_jobs(launcher.n_jobs))
    return 1 if learns else int(launcher.get("array_parallelism") or 1)  # of submitit


def make_prober(app: App, overrides: tuple[str, ...], executor: Executor) -> Executor:
    """Return who looks before the first run: a worker that then knows the data already, or this process."""
    return InProcess(SETUP, setting_of(app, overrides)) if isinstance(executor, Launched) else executor


def setting_of(app: App, overrides: tuple[str, ...]) -> Setting:
    """Return what workers need to know."""
    return Setting(overrides, app.plugins.extra)


def needs_hydra(config: "DictConfig") -> bool:
    """Tell whether Hydra has to stand around each run: callbacks, job logging, other folders, `${hydra:…}`."""
    from omegaconf import OmegaConf

    raw: Any = OmegaConf.to_container(config, resolve=False)
    hydra = raw.pop("hydra")
    asked = [hydra["callbacks"], hydra["job"]["chdir"], hydra["job"]["env_set"], hydra["output_subdir"]]
    asked += [hydra["job_logging"].get("handlers"), hydra["sweep"]["subdir"] != SUBDIR]
    return any(asked) or "${hydra:" in str(raw)


def told(work: Work, record: RunRecord, kept: bool) -> Outcome:
    """Return what a worker would have answered, from the record that a launcher's run left."""
    return outcome(record, values(record, work.objectives), kept)


def _plain(node: Any) -> Mapping[str, Any]:
    from omegaconf import OmegaConf

    found = OmegaConf.to_container(node, resolve=True)
    assert isinstance(found, dict)
    return {str(key): value for key, value in found.items()}
