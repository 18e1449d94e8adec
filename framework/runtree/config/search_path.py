"""The folders of config groups: the user's `conf/`, the shipped `conf/`, plugins' folders."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from runtree.contract.errors import MissingError

SHIPPED = "runtree"
USER = "./conf"


@dataclass(frozen=True)
class ConfigFolder:
    """A folder of config groups, and the plugin that provides it."""

    path: Path
    provider: str


def shipped_conf() -> Path:
    """Return the `conf` inside this package (in a wheel), else the one at the root of the checkout."""
    package = Path(__file__).resolve().parent.parent
    # in a checkout the folder is at the root, where people look for it; the wheel build copies it into the package
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent.parent / "conf"


def user_conf(folder: Path | None = None) -> ConfigFolder | None:
    """Return the user's own `conf/`, if there is one."""
    path = (folder or Path.cwd()) / "conf"
    # in the checkout itself ./conf is the shipped folder, which must not shadow itself
    return ConfigFolder(path, USER) if path.is_dir() and path.resolve() != shipped_conf().resolve() else None


def locate(path: str, provider: str) -> ConfigFolder:
    """Return the folder of a plugin's ``pkg://package.folder``, or of a path."""
    folder = _package_folder(path.removeprefix("pkg://")) if path.startswith("pkg://") else Path(path)
    if folder is None or not folder.is_dir():
        raise MissingError(f"plugin '{provider}': its config folder '{path}' does not exist")
    return ConfigFolder(folder, provider)


def _package_folder(dotted: str) -> Path | None:
    package, *below = dotted.replace("/", ".").split(".")
    # only of the top-level package: that imports nothing, while the spec of a submodule imports its parents
    spec = find_spec(package)
    roots: Iterable[str] = (spec.submodule_search_locations or ()) if spec else ()
    return next((folder for root in roots if (folder := Path(root, *below)).is_dir()), None)


def config_folders(
    plugin_paths: Iterable[tuple[str, str]],
    user: Path | None = None,
    on_missing: Callable[[MissingError], None] = lambda error: None,
) -> list[ConfigFolder]:
    """Return every folder, in the order of precedence; `plugin_paths` holds (plugin name, path) pairs.

    Folders that are not there are left out, each after a call of `on_missing`.
    """
    first = user_conf(user)
    folders = [first] if first else []
    for provider, path in plugin_paths:
        try:
            folders.append(locate(path, provider))
        except MissingError as error:
            on_missing(error)
    return folders


def named_folders(paths: Iterable[str]) -> tuple[ConfigFolder, ...]:
    """Return the folders of a search path of Hydra's that exist: ``file:///x``, ``pkg://package.conf``, a path."""
    found = (
        _package_folder(path.removeprefix("pkg://"))
        if path.startswith("pkg://")
        else Path(path.removeprefix("file://"))
        for path in paths
    )
    # as the user's own: they may be anyone's, and may have an option that a package has, too
    return tuple(ConfigFolder(folder, USER) for folder in found if folder is not None and folder.is_dir())
