"""Layers by how their dotted names begin: `blocks.1` is `blocks.1.weight` and `blocks.1.bias`, not `blocks.10.bias`."""

from collections.abc import Collection, Iterable


def begins(name: str, prefix: str) -> bool:
    """Tell whether a name is a layer, or something below it."""
    return name == prefix or name.startswith(f"{prefix}.")


def matched(prefixes: Iterable[str], names: Iterable[str]) -> list[str]:
    """Return the names that begin with one of the prefixes, in their order."""
    prefixes = list(prefixes)
    return [name for name in names if any(begins(name, prefix) for prefix in prefixes)]


def avoiding(names: Iterable[str], avoided: Collection[str]) -> list[str]:
    """Return the shortest prefixes that together match `names`, less those that are avoided, and nothing avoided."""
    found = {_shortest(name, avoided): None for name in names if name not in avoided}
    return list(found)


def _shortest(name: str, avoided: Collection[str]) -> str:
    parts = name.split(".")
    stems = [".".join(parts[: length + 1]) for length in range(len(parts))]
    return next(stem for stem in stems if not any(begins(other, stem) for other in avoided))
