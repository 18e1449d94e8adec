"""The application: the plugins of this environment and the options they provide."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.config.catalogue import Catalogue
from runtree.config.search_path import SHIPPED, USER, ConfigFolder, config_folders
from runtree.plugins import Plugins, installed_plugins

if TYPE_CHECKING:
    from runtree.config.allowlist import AllowList


@dataclass
class App:
    """The plugins of this environment and the options they provide."""

    plugins: Plugins = field(default_factory=installed_plugins)

    @cached_property
    def folders(self) -> list[ConfigFolder]:
        """Return the config folders: the user's, then plugins', then the shipped one."""
        # the order is that of precedence, so the shipped folder comes last, whenever its plugin was registered
        paths = sorted(self.plugins.contributions("config_paths"), key=lambda pair: pair[0] == SHIPPED)
        return config_folders(paths)

    @cached_property
    def algorithms(self) -> list[tuple[str, Any]]:
        """Return the algorithms that plugins register, each after the plugin's name."""
        return list(self.plugins.contributions("register_algorithms"))

    @cached_property
    def catalogue(self) -> Catalogue:
        """Return every group and option."""
        return Catalogue(self.folders, self.algorithms)

    def allow_list(self, overrides: Sequence[str] = ()) -> "AllowList":
        """Return which code a config may name: targets of installed options and those typed on the command line.

        Options in the user's folder add nothing: a folder may be anyone's.
        """
        from runtree.config.allowlist import AllowList, add_import_folder, command_line_targets, find_targets

        typed = list(command_line_targets(overrides))
        # a class in the working directory can be named on the command line, but only then is the directory searched
        if typed:
            add_import_folder(Path.cwd())

        # a generator, because reading every option takes longer than a run that names only shipped classes needs
        def allowed() -> Iterator[str]:
            yield from typed
            for options in self.catalogue.groups.values():
                for option in options.values():
                    if option.provider != USER:
                        yield from find_targets(option.read())

        return AllowList(allowed)


def rest_idle_threads() -> None:
    """Let OpenMP's idle threads sleep instead of spin. Call it before scikit-learn is imported.

    Spinning threads take the cores from each other on a busy machine: boosting 341 rows took 28 s instead of 0.3 s on
    two busy cores. A value that the user has set stays.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
