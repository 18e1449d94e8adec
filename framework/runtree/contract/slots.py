"""Slots: attributes that are filled once, by the stage that owns them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

from runtree.contract.errors import RuntreeError

Value = TypeVar("Value")


class SlotError(RuntreeError):
    """A stage read a slot that no stage before it filled, or filled one twice."""


@dataclass(frozen=True)
class Deferred:
    """What a slot holds until somebody reads it."""

    make: Callable[[], Any]


class Slot(Generic[Value]):
    """An attribute of a run that is set once; reading it empty names the stage that fills it."""

    def __init__(self, stage: str) -> None:
        self.stage = stage

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, run: None, owner: type) -> "Slot[Value]": ...
    @overload
    def __get__(self, run: object, owner: type) -> Value: ...
    def __get__(self, run: object | None, owner: type) -> "Slot[Value] | Value":
        """Return what the slot holds."""
        if run is None:
            return self
        try:
            value: Value = run.__dict__[self.name]
            if isinstance(value, Deferred):
                value = run.__dict__[self.name] = value.make()
        except KeyError:
            raise SlotError(
                f"run.{self.name} is empty: the stage '{self.stage}' fills it",
                f"let your stage stand after it: Stage(…, after='{self.stage}')",
            ) from None
        return value

    def __set__(self, run: object, value: Value) -> None:
        """Fill the slot."""
        if self.name in run.__dict__:
            raise SlotError(f"run.{self.name} is filled already: only the stage '{self.stage}' may fill it, once")
        run.__dict__[self.name] = value
