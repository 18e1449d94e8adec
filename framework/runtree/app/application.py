"""The application: the plugins of this environment and the options they provide."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.config.catalogue import Catalogue
from runtree.config.search_path import USER, ConfigFolder, config_folders, named_folders
from runtree.contract.errors import RequestError
from runtree.plugins import Plugins, installed_plugins
from runtree.records.commands import flags_for

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    import argparse

    from runtree.app.consent import Consent
    from runtree.config.allowlist import AllowList
    from runtree.config.hydra_engine import HydraEngine
    from runtree.config.provenance import TypedWords
    from runtree.contract.types import RunRecord
    from runtree.lifecycle.predict import Predictor


@dataclass
class App:
    """The plugins of this environment and the options they provide."""

    plugins: Plugins = field(default_factory=installed_plugins)
    named_folders: tuple[ConfigFolder, ...] = ()  # by flags and words of a command line; they may be anyone's

    def with_folders_of(self, flags: "argparse.Namespace") -> "App":
        """Return the application with the options of the folders that a command line names."""
        words = [*flags.recorded, *flags.overrides]
        paths = [existing_folder(flags.config_path, "--config-path"), existing_folder(flags.config_dir)]
        folders = named_folders([*(path for path in paths if path), *search_path_of(words)])
        return replace(self, named_folders=folders) if folders else self

    @cached_property
    def folders(self) -> list[ConfigFolder]:
        """Return the config folders in the order of precedence: the user's, the shipped one, then those of plugins.

        A folder of a plugin that is not there is named in a warning and left out.
        """
        paths = self.plugins.contributions("config_paths")
        return config_folders(paths, on_missing=lambda error: log.warning("%s; it is left out", error.message))

    @cached_property
    def algorithms(self) -> list[tuple[str, Any]]:
        """Return the algorithms that plugins register, each after the plugin's name."""
        return list(self.plugins.contributions("register_algorithms"))

    @cached_property
    def catalogue(self) -> Catalogue:
        """Return every group and option."""
        # of blocked ones the command line speaks under every error of a request
        return Catalogue([*self.folders, *self.named_folders], self.algorithms, self.plugins.broken)

    def allow_list(self, typed: "TypedWords | Sequence[str]" = ()) -> "AllowList":
        """Return which code a config may name: targets of installed options and those typed on the command line.

        Options in the user's folder add nothing, as a folder may be anyone's, unless the user has allowed its files as
        they are. `typed` must hold no override that was read from a record.
        """
        from runtree.config.allowlist import AllowList, add_import_folder
        from runtree.config.provenance import TypedWords

        words = typed if isinstance(typed, TypedWords) else TypedWords(tuple(typed))
        # a class in the working directory can be named on the command line, but only then is the directory searched
        add_import_folder(Path.cwd(), words.targets)
        add_import_folder(self.consent.folder, self.consent.targets)
        return AllowList(lambda: self.installed_nodes, words, lambda: self.consent.own_code)

    @cached_property
    def consent(self) -> "Consent":
        """Return whether the user has allowed the ``conf/`` of the working directory."""
        from runtree.app.consent import working_consent

        return working_consent()

    def load_predictor(self, record: "RunRecord", trusted: Sequence[str] = ()) -> "Predictor":
        """Load the model of a run. It may hold types of plugins, after ``--trust``, and of an allowed ``conf/``."""
        from runtree.config.allowlist import add_import_folder
        from runtree.contract.errors import UntrustedError
        from runtree.lifecycle.predict import load_predictor
        from runtree.records.layout import RunFolder

        names = (*trusted, *self.consent.targets)
        add_import_folder(self.consent.folder, names)  # a type of the user's is likely defined in a module there
        try:
            return load_predictor(RunFolder(record.folder), self.plugins, self.plugins.trusted_types(names))
        except UntrustedError as error:
            raise self.consent.explain(error) from None

    @cached_property
    def installed_nodes(self) -> list[dict[str, Any]]:
        """Return the content of every installed option; a plugin's that cannot be read is named in a warning."""
        return [
            keys
            for group in self.catalogue.groups
            for option, keys in self.catalogue.readable(group)
            if option.provider != USER
        ]

    def engine(self, flags: "argparse.Namespace", allow_list: "AllowList") -> "HydraEngine":
        """Return Hydra over the config folders and those that the flags name."""
        from runtree.config.hydra_engine import HydraEngine

        self.catalogue.groups  # noqa: B018  names that are taken are reported before anything else
        config_dir = existing_folder(flags.config_dir)
        config_path = existing_folder(flags.config_path, "--config-path")
        name = flags.config_name or "config"
        return HydraEngine(self.folders, self.algorithms, allow_list, name, config_dir, config_path)


def typed_words(flags: "argparse.Namespace") -> "TypedWords":
    """Return what was typed in this call; overrides that were read from a record are in `flags.recorded`."""
    from runtree.config.provenance import TypedWords

    return TypedWords(tuple(flags.overrides), tuple(flags.trusted))


def existing_folder(path: str | None, flag: str = "--config-dir") -> str | None:
    """Return the absolute path of the folder after a flag."""
    if path is None:
        return None
    folder = Path(path.removeprefix("file://"))
    if folder.is_file():
        raise RequestError(f"{flag}: {path} is a file", f"name its folder: {flag} {folder.parent} -cn {folder.stem}")
    if not folder.is_dir():
        raise RequestError(f"{flag}: there is no folder {path}")
    return str(folder.resolve())


def search_path_of(overrides: Sequence[str]) -> list[str]:
    """Return the folders of ``hydra.searchpath=[…]``."""
    values = [text.partition("=")[2] for text in overrides if text.lstrip("+").startswith("hydra.searchpath=")]
    return [path.strip(" '\"") for path in values[-1].strip("[]").split(",")] if values else []


def flags_of(flags: "argparse.Namespace") -> tuple[str, ...]:
    """Return those of Hydra's flags that a config is composed by, as they are recorded."""
    folder, path = existing_folder(flags.config_dir), existing_folder(flags.config_path, "--config-path")
    return flags_for(flags.config_name, folder, path)
