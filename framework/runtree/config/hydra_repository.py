"""The files of Hydra's search path, each checked before Hydra reads it."""

import os
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.errors import ConfigCompositionException, HydraException
from hydra.plugins.config_source import ConfigResult, ConfigSource
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from runtree.config.config_files import find_cycle, read_yaml, syntax_error, unreadable
from runtree.config.search_path import shipped_conf
from runtree.contract.commands import display_path
from runtree.contract.errors import ConfigError, RuntreeError, first_line


class CheckedRepository(ConfigRepository):
    """Hydra's files of configs, each checked before Hydra reads it.

    Hydra copies what an alias stands for at each alias, waits for ever for the content of a FIFO, and raises errors of
    many types, of which few name the file.
    """

    def load_config(self, config_path: str) -> ConfigResult | None:
        """Return a config; the errors of a file name it."""
        source = self._find_object_source(config_path, ObjectType.CONFIG)
        # the shipped files are tested, and parsing each a second time takes some milliseconds
        is_shipped = source is None or source.path == str(shipped_conf())
        file = None if source is None or is_shipped else _file_of(source, config_path)
        if file is None:
            return super().load_config(config_path)
        read_yaml(file)
        try:
            loaded = super().load_config(config_path)
        except YAMLError as error:  # a key that is there twice, which only OmegaConf refuses
            raise syntax_error(error, file) from None
        except (OSError, ValueError, TypeError, AttributeError, AssertionError, OmegaConfBaseException) as error:
            raise unreadable(file, error) from None
        if loaded is not None and file.read_bytes()[:3] == BOM_UTF8:
            # Hydra sees no `# @package` behind the mark that editors on Windows write
            loaded.header = source._get_header_dict(file.read_text(encoding="utf-8-sig")[:512])  # type: ignore[union-attr]
        return loaded

    def _find_object_source(self, config_path: str, object_type: ObjectType | None) -> ConfigSource | None:
        if object_type == ObjectType.CONFIG:
            for source in self.sources:
                file = _file_of(source, config_path)
                # a folder, a FIFO or a dangling link: Hydra would look for the name elsewhere
                if file is not None and os.path.lexists(file) and not file.is_file():
                    read_yaml(file)
                if source.is_config(config_path):
                    return source
            return None
        return super()._find_object_source(config_path, object_type)


def _file_of(source: ConfigSource, config_path: str) -> Path | None:
    is_file = source.scheme() == "file"
    return Path(source.path, source._normalize_file_name(config_path)) if is_file else None


class FileCheckingLoader(ConfigLoaderImpl):
    """Hydra's loader over files that are checked."""

    def __init__(self, search_path: ConfigSearchPath) -> None:
        super().__init__(search_path)
        self.repository = CheckedRepository(search_path)

    def _load_configuration_impl(self, *args: Any, **kwargs: Any) -> DictConfig:
        with self._named_errors():
            return super()._load_configuration_impl(*args, **kwargs)

    def compute_defaults_list(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the defaults list, for `--info`."""
        with self._named_errors():
            return super().compute_defaults_list(*args, **kwargs)

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except (HydraException, OmegaConfBaseException, RuntreeError):
            raise
        # of an override that Hydra has not checked, such as algorithm=null or algorithm=1
        except (ValueError, TypeError, AssertionError, AttributeError, KeyError) as error:
            raise ConfigCompositionException(first_line(error)) from error
        except RecursionError:
            folders = [Path(source.path) for source in self.repository.get_sources() if source.scheme() == "file"]
            cycle = find_cycle(folders)
            if not cycle:
                raise
            names = " → ".join(map(display_path, [*cycle, cycle[0]]))
            raise ConfigError(
                f"{display_path(cycle[0])}: its defaults lead back to itself: {names}", "take one of them out"
            ) from None
