"""Discovery, with distributions that are really there: a package and its metadata on a path."""

import sys
from importlib.metadata import distributions

import pytest

from runtree import hookimpl
from runtree.plugins import make_plugins


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that lays out a distribution with a plugin and returns its entry points."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def lay_out(name, code, version="1.0"):
        (tmp_path / f"{name}_discovered.py").write_text(code)
        info = tmp_path / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[runtree]\n{name} = {name}_discovered\n")
        return [point for found in distributions(path=[str(tmp_path)]) for point in found.entry_points]

    yield lay_out
    for module in [module for module in sys.modules if module.endswith("_discovered")]:
        del sys.modules[module]


GOOD = "from runtree import hookimpl, Metric\n@hookimpl\ndef environment_facts():\n    return {'a': 'b'}\n"


def test_a_plugin_is_found_by_its_entry_point(install):
    plugins = make_plugins(install("good", GOOD, "2.5"))
    assert plugins.names == ["runtree", "good"]
    assert plugins.versions["good"] == "2.5"
    assert list(plugins.contributions("environment_facts")) == [("good", ("a", "b"))]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("1 / 0", "ZeroDivisionError"),
        ("def x(:\n", "SyntaxError"),
        (
            "from runtree import hookimpl\n@hookimpl\ndef run_startet(run):\n    pass\n",
            "'run_startet', which does not exist",
        ),
        ("from runtree import hookimpl\n@hookimpl\ndef run_started(rum):\n    pass\n", "rum"),
    ],
)
def test_a_broken_plugin_is_named_with_the_reason_and_left_out(install, caplog, code, why):
    install("broken", code)
    plugins = make_plugins(install("good", GOOD))
    assert plugins.names == ["runtree", "good"]
    assert why in plugins.broken["broken"]
    assert "plugin broken is left out" in caplog.text


def test_a_blocked_plugin_is_not_even_imported(install, tmp_path):
    points = install("noisy", f"open({str(tmp_path / 'imported')!r}, 'w')")
    plugins = make_plugins(points, blocked=["noisy"])
    assert plugins.names == ["runtree"]
    assert not (tmp_path / "imported").exists()


def test_a_plugin_that_is_given_by_hand_takes_part():
    class Mine:
        @staticmethod
        @hookimpl
        def trusted_types():
            return ["x.Y"]

    plugins = make_plugins(found=[], extra=[("mine", Mine)])
    assert ("mine", "x.Y") in list(plugins.contributions("trusted_types"))


def test_hooks_are_asked_in_the_order_of_registration(install):
    class Last:
        @staticmethod
        @hookimpl
        def environment_facts():
            return {"c": "d"}

    plugins = make_plugins(install("good", GOOD), extra=[("last", Last)])
    assert [name for name, _ in plugins.contributions("environment_facts")] == ["good", "last"]
