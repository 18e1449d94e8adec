"""A read-only look at nested configuration, by key or by attribute, without copying it."""

from collections.abc import Iterator, Mapping
from typing import Any


class View(Mapping[str, Any]):
    """Wrap a nested dict: ``view["a"]["b"]`` and ``view.a.b`` read the same value, and nothing can be assigned."""

    __slots__ = ("_content",)

    def __init__(self, content: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_content", content)

    def __getitem__(self, key: str) -> Any:
        """Return a value; a nested mapping comes as a view, a list as a tuple."""
        return _seen(self._content[key])

    def __getattr__(self, key: str) -> Any:
        """Return a value by attribute."""
        try:
            return self[key]
        except KeyError:
            raise AttributeError(f"the config has no key '{key}' here; it has: {', '.join(self._content)}") from None

    def __setattr__(self, key: str, value: object) -> None:
        """Refuse: a run's config is read-only."""
        raise AttributeError(f"a run's config is read-only: '{key}' cannot be set")

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys."""
        return iter(self._content)

    def __len__(self) -> int:
        """Count the keys."""
        return len(self._content)

    def __repr__(self) -> str:
        """Show the content."""
        return f"View({self._content!r})"

    def __reduce__(self) -> tuple[type["View"], tuple[Mapping[str, Any]]]:
        """Cross to another process as the content."""
        return View, (self._content,)

    def plain(self) -> dict[str, Any]:
        """Return the nested dict itself, to be dumped or copied, not changed."""
        return dict(self._content)


def _seen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return View(value)
    if isinstance(value, list):
        return tuple(_seen(item) for item in value)
    return value
