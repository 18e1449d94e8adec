import json
import sys
import textwrap
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint

import pytest

from runtree import plugins

HEADER = "from runtree import AlgorithmOption, Command, Metric, Stage, hookimpl\n"


@pytest.fixture
def installed(folder, monkeypatch) -> Iterator[Callable[..., None]]:
    """Return a function that installs modules, by name and source, as plugins of this environment."""

    def install(**sources: str) -> None:
        for name, source in sources.items():
            sys.modules.pop(f"{name}_plugin", None)  # of another test
            (folder / f"{name}_plugin.py").write_text(HEADER + textwrap.dedent(source))
        points = [EntryPoint(name, f"{name}_plugin", "runtree") for name in sources]
        monkeypatch.setattr(plugins, "entry_points", lambda group: points)

    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delenv("COLUMNS", raising=False)
    plugins.installed_plugins.cache_clear()
    yield install
    plugins.installed_plugins.cache_clear()


def listed(runtree, *before: str) -> dict[str, dict]:
    said = runtree(*before, "plugins", "--json")
    assert said.code == 0
    return {plugin["name"]: plugin for plugin in json.loads(said.out)["plugins"]}


GOOD = """
@hookimpl
def register_algorithms():
    return [AlgorithmOption("stump", "x.Stump")]

@hookimpl
def register_metrics():
    return [Metric("bias", len, "minimize")]

@hookimpl
def environment_facts():
    return {"mylib": "1"}

@hookimpl
def run_finished(run, record):
    pass
"""


def test_runtree_itself_is_listed_with_what_it_contributes(runtree, installed):
    installed()
    own = listed(runtree)["runtree"]
    assert own["state"] == "ok"
    assert own["version"]
    assert {"load", "fit", "save"} <= set(own["adds"]["stages"])
    assert "accuracy" in own["adds"]["metrics"]
    assert "data=iris" in own["adds"]["options"]
    assert "save_model" in own["adds"]["hooks"]


def test_what_a_plugin_adds_is_told(runtree, installed):
    installed(good=GOOD)
    adds = listed(runtree)["good"]["adds"]
    assert adds == {"algorithms": ["stump"], "metrics": ["bias"], "facts": ["mylib"], "hooks": ["run_finished"]}
    text = runtree("plugins").out
    assert "good ?   ok\n  algorithms  stump\n  metrics     bias\n" in text


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import no_such_package", "cannot be imported: ModuleNotFoundError"),
        ("1 / 0", "cannot be imported: ZeroDivisionError"),
        (
            "@hookimpl\ndef register_stages(): return ['x']",
            "register_stages: TypeError: expected items of the type Stage",
        ),
        ("@hookimpl\ndef environment_facts(): raise OSError('gone')", "environment_facts: OSError: gone"),
        ("@hookimpl\ndef register_algoritms(): return []", "register_algoritms"),
        (
            "@hookimpl\ndef config_paths(): return ['pkg://nowhere.conf']",
            "its config folder 'pkg://nowhere.conf' does not exist",
        ),
    ],
)
def test_a_broken_plugin_is_named_with_the_reason_and_the_way_out(runtree, installed, source, why):
    installed(bad=source, good=GOOD)
    found = listed(runtree)
    assert found["bad"]["state"] == "broken"
    assert why in found["bad"]["problem"]
    assert found["good"]["state"] == "ok"
    text = runtree("plugins").out
    assert "BROKEN" in text
    assert "leave it out: runtree --block bad …" in text
    assert "\nnext     runtree --block bad plugins\n" in text


def test_the_way_out_works(runtree, installed):
    installed(bad="1 / 0")
    found = listed(runtree, "--block", "bad")
    assert found["bad"]["state"] == "blocked"
    assert found["bad"]["problem"] is None


def test_a_plugin_that_breaks_is_not_warned_of_beside_the_list(runtree, installed):
    installed(bad="@hookimpl\ndef register_metrics(): raise ValueError('no')")
    assert runtree("plugins").err == ""


def test_a_plugin_that_breaks_elsewhere_is_warned_of_in_one_line(runtree, installed):
    installed(bad="@hookimpl\ndef register_algorithms(): raise ValueError('no')")
    said = runtree("list", "data")
    assert said.code == 0
    assert said.err == "warning: plugin bad is left out: register_algorithms: ValueError: no\n"


def test_two_plugins_that_offer_one_name_are_told_of(runtree, installed):
    installed(good=GOOD, twin=GOOD)
    assert "algorithm=stump is provided twice: by 'good' and by 'twin'" in runtree("plugins").out
