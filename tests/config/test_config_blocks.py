"""A block of keys becomes a frozen dataclass, or an error that names the config path."""

from dataclasses import dataclass, field

import pytest

from runtree.config.config_blocks import read_block
from runtree.contract.errors import ConfigError


@dataclass(frozen=True)
class Inner:
    low: float = 0.0
    words: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Outer:
    count: int = 1
    inner: Inner = field(default_factory=Inner)


def refuse_zero(options: Outer) -> None:
    if options.count == 0:
        raise ConfigError("outer.count: 0 is too few")


def read(**node):
    return read_block(Outer, node, "outer", {"inner": Inner}, refuse_zero)


def test_what_is_not_given_is_as_the_dataclass_has_it():
    assert read() == Outer()
    assert read(inner={"words": ["a"]}) == Outer(1, Inner(0.0, ["a"]))


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ({"cuont": 1}, "unknown config key 'outer.cuont'"),
        ({"inner": {"lwo": 1.0}}, "unknown config key 'outer.inner.lwo'"),
        ({"inner": 3}, "outer.inner: 3 is not a mapping"),
        ({"count": "many"}, "outer.count"),
        ({"inner": {"low": "deep"}}, "outer.inner.low"),
        ({"count": 0}, "outer.count: 0 is too few"),
    ],
)
def test_what_cannot_be_is_refused_by_its_path(node, said):
    with pytest.raises(ConfigError) as error:
        read(**node)
    assert said in error.value.message


def test_the_same_block_is_checked_once_and_a_refusal_each_time():
    assert read(count=5) is read(count=5)
    for _ in range(2):
        with pytest.raises(ConfigError):
            read(count=0)
