"""The config options that plugins provide: by hook, and in their config folders."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from runtree.config.calls import find_targets
from runtree.config.catalogue import algorithm_node
from runtree.config.class_source import NotInSource, find_class
from runtree.config.config_files import read_yaml
from runtree.config.search_path import SHIPPED, locate
from runtree.contract.errors import RuntreeError
from runtree.contract.types import AlgorithmOption

MODEL_GROUPS = ("algorithm", "preprocess")  # whose objects are in a saved model

Paths = Iterable[tuple[str, str]]  # (plugin, path of a config folder)
Algorithms = Iterable[tuple[str, AlgorithmOption]]


def options_by_plugin(paths: Paths, algorithms: Algorithms) -> dict[str, frozenset[str]]:
    """Return the options of each plugin, as ``group=name``."""
    options: dict[str, set[str]] = {}
    for plugin, algorithm in algorithms:
        options.setdefault(plugin, set()).add(f"algorithm={algorithm.name}")
    for plugin, root, file in _files(paths, "*/**/*.yaml"):
        options.setdefault(plugin, set()).add(f"{file.parent.relative_to(root).as_posix()}={file.stem}")
    return {plugin: frozenset(names) for plugin, names in options.items()}


def option_types(paths: Paths, algorithms: Algorithms) -> list[str]:
    """Return the classes behind the algorithms and preprocessings of plugins: what may be fitted may be loaded."""
    # of runtree's own options the list is closed, see `training.model_files`
    nodes = [algorithm_node(algorithm) for plugin, algorithm in algorithms if plugin != SHIPPED]
    pairs = list(paths)
    for group in MODEL_GROUPS:
        for _, _, file in _files(pairs, f"{group}/*.yaml"):
            with suppress(RuntreeError):  # it cannot be read, of which the composition speaks
                nodes.append(read_yaml(file))
    targets = sorted({target for node in nodes for target in find_targets(node)})
    return list(dict.fromkeys(name for target in targets for name in (target, *_defining_name(target))))


def _files(paths: Paths, pattern: str) -> Iterator[tuple[str, Path, Path]]:
    for plugin, path in paths:
        if plugin != SHIPPED:
            with suppress(RuntreeError):  # there is no such folder
                root = locate(path, plugin).path
                yield from ((plugin, root, file) for file in sorted(root.glob(pattern)))


def _defining_name(target: str) -> list[str]:
    """Return the name of a class in the module that defines it, as a model file has it; nothing is imported."""
    with suppress(NotInSource, OSError, SyntaxError, ValueError):
        source = find_class(target)
        return [f"{source.module}.{source.node.name}"]
    return []
