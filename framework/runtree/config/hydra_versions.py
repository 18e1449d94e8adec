"""What differs between the versions of Hydra (1.3, 1.4) and of OmegaConf (2.3, 2.4) that are supported."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import omegaconf
from omegaconf import DictConfig, OmegaConf, read_write

from runtree.config.space.grammar import quote


def hydra_minor() -> int:
    """Return the minor version of Hydra."""
    import hydra  # takes 0.4 s, and a config is frozen in workers that do not use it

    return int(hydra.__version__.split(".")[1])


def set_version_base() -> None:
    """Let Hydra 1.3 behave as 1.3 does: without a version base it behaves like 1.1. Hydra 1.4 warns if it is set."""
    from hydra import version

    if hydra_minor() < 4:
        version.setbase("1.3")


def store_config(group: str | None, name: str, node: Any, provider: str) -> None:
    """Put a config into Hydra's store, in place of one of the same name."""
    from hydra.core.config_store import ConfigStore

    # Hydra 1.4 warns of a name that is stored twice, and has an argument for those who mean it; 1.3 has none
    replacing: dict[str, Any] = {"replace": True} if hydra_minor() >= 4 else {}
    ConfigStore.instance().store(group=group, name=name, node=node, provider=provider, **replacing)


def set_hydra_dir(composed: DictConfig, key: str, folder: str) -> None:
    """Set `hydra.run.dir` or `hydra.sweep.dir` in a composed config, and in the jobs that are composed from it."""
    # read-only in Hydra 1.4
    with read_write(composed.hydra):
        OmegaConf.update(composed, key, folder)
        composed.hydra.overrides.hydra.append(f"{key}={quote(folder)}")


@contextmanager
def hydra_values(config: Any) -> Iterator[None]:
    """Let ``${hydra:…}`` have a value outside of a job of Hydra's: from a composed config, as in its first job."""
    if not isinstance(config, DictConfig) or "hydra" not in config:
        yield
        return
    from hydra.core.hydra_config import HydraConfig

    instance: Any = HydraConfig.instance()
    former = instance.cfg
    if former is not None and not OmegaConf.is_missing(former.hydra.job, "num"):  # within a job of a sweep
        yield
        return
    values = OmegaConf.masked_copy(config, ["hydra"])
    with read_write(values.hydra), read_write(values.hydra.job), read_write(values.hydra.runtime):
        for node, key, value in ((values.hydra.job, "num", 0), (values.hydra.job, "id", "0")):
            if OmegaConf.is_missing(node, key):
                node[key] = value
        if OmegaConf.is_missing(values.hydra.runtime, "output_dir"):
            values.hydra.runtime.output_dir = str(Path.cwd())
    instance.set_config(values)
    try:
        yield
    finally:
        instance.cfg = former


def register_resolver(name: str, resolver: Callable[..., Any]) -> None:
    """Register a resolver with OmegaConf."""
    # 2.4 renamed the function and warns of its former name; in 2.3 the new name is that of an older function
    register = OmegaConf.register_resolver if omegaconf_minor() >= 4 else OmegaConf.register_new_resolver
    register(name, resolver)


def omegaconf_minor() -> int:
    """Return the minor version of OmegaConf."""
    return int(omegaconf.__version__.split(".")[1])
