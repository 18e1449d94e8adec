import json
import sys
import textwrap
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint

import pytest

from runtree import plugins
from runtree.cli import main
from runtree.cli.plugins import heavy_imports

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
        monkeypatch.setattr(main, "plugins_installed", lambda: bool(points))

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
        (
            "@hookimpl\ndef register_algorithms(): return [AlgorithmOption('a', 'x.A', {'b': 1}, {'b': 'interval(1, x)'})]",
            "algorithm.b: 'interval(1, x)' cannot be parsed",
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


VERB = """
import click
@hookimpl
def register_commands():
    return [Command("hello", {command}, "Greet.")]
"""
HELLO = VERB.format(command="click.Command('hello', callback=lambda: print('hi'))")


def test_a_verb_that_two_plugins_offer_is_refused_and_the_others_work(runtree, installed):
    installed(good=HELLO, twin=HELLO)
    said = runtree("hello")
    assert said.code == 4
    assert said.err.startswith("error: verb 'hello' is registered twice: by 'good' and by 'twin'\n")
    assert runtree("plugins").out.count("verb 'hello' is registered twice: by 'good' and by 'twin'") == 1
    assert runtree("list").code == 0
    assert runtree("--block", "twin", "hello").code == 0


def test_a_verb_of_runtree_is_not_replaced(runtree, installed):
    installed(sly=HELLO.replace('"hello"', '"list"'))
    assert "algorithm" in runtree("list").out
    assert listed(runtree)["sly"]["problem"] == "its verb 'list' is left out: runtree has one of that name"


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("lambda: __import__('sys').exit(3)", "plugin 'bad', verb 'hello': it called sys.exit(3)"),
        ("lambda: 5", "plugin 'bad', verb 'hello': it returned 5, no command"),
    ],
)
def test_a_verb_that_cannot_be_made_is_named(runtree, installed, command, why):
    installed(bad=VERB.format(command=command))
    said = runtree("hello")
    assert (said.code, said.err.splitlines()[0]) == (4, f"error: {why}")


def test_a_plugin_that_is_not_there_cannot_be_blocked(runtree, installed):
    installed(gold=HELLO)
    said = runtree("--block", "gild", "list")
    assert (said.code, said.err) == (2, "error: unknown plugin 'gild'\n  did you mean: gold?\n  see: runtree plugins\n")
    assert runtree("--block", "runtree", "list").code == 2


def test_what_is_unknown_may_belong_to_a_plugin_that_is_left_out(runtree, installed):
    installed(good=GOOD)
    assert runtree("describe", "algorithm=stump").code == 0
    said = runtree("--block", "good", "describe", "algorithm=stump")
    assert said.code == 2
    assert said.err.splitlines()[-1] == "  plugins left out by --block or RUNTREE_BLOCK: good"


@pytest.mark.parametrize(
    "source",
    [
        "@hookimpl\ndef config_paths(): return ['pkg://nowhere.conf']",
        "@hookimpl\ndef config_paths(): return 'pkg://nowhere.conf'",
        "@hookimpl\ndef config_paths(): return ['spoilt']",
        "raise SystemExit(3)",
        "class Odd(BaseException): pass\nraise Odd",
        "@hookimpl\ndef register_commands(): raise SystemExit(5)",
        "@hookimpl\ndef register_algorithms(): return [AlgorithmOption('../evil name', 'x.Y')]",
        "@hookimpl\ndef register_algorithms(): return [5]",
    ],
)
def test_a_mistake_of_one_plugin_stops_nobody(runtree, installed, folder, source):
    (folder / "spoilt" / "data").mkdir(parents=True)
    (folder / "spoilt" / "data" / "torn.yaml").write_text("a: [1\n b")
    installed(bad=source)
    for words in (["list"], ["--help"], ["train", "--cfg", "job", "algorithm=ridge", "data=diabetes"]):
        said = runtree(*words)
        assert said.code == 0, said.err
        assert len(said.out.splitlines()) > 5
        assert "bad" in said.err or words != ["train"]


def test_heavy_imports_of_a_module_are_named_with_their_milliseconds(runtree, installed, folder):
    (folder / "slow_library.py").write_text("import time\ntime.sleep(0.12)\n")
    installed(slow="import slow_library\n" + textwrap.dedent(GOOD), good=GOOD)
    found = listed(runtree)
    assert list(found["slow"]["imports"]) == ["slow_library"]
    assert found["slow"]["imports"]["slow_library"] >= 120
    assert found["good"]["imports"] == {}


def test_the_time_of_an_import_counts_once_and_with_all_that_it_imports():
    table = """import time: self [us] | cumulative | imported package
import time:       100 |        100 |       numpy.core
import time:       100 |      60000 |     numpy
import time:       100 |      90000 |   pandas
import time:       100 |     300000 |   json
import time:       100 |      70000 |     pandas.extra
import time:       100 |      71000 |   mine.data
import time:       100 |     500000 | mine
import time:       100 |      80000 |   pluggy
import time:       100 |      90000 | runtree.plugins
"""
    assert heavy_imports(table, {"mine"}) == {"pandas": 160}


@pytest.mark.parametrize(
    ("callback", "code", "says"),
    [
        ("lambda: 1 // 0", 1, "verb 'hello' of the plugin 'bad' failed: ZeroDivisionError: "),
        ("lambda: sys.exit(3)", 1, "verb 'hello' of the plugin 'bad' called sys.exit(3)"),
        ("lambda: sys.exit(0)", 0, ""),
        ("lambda: (_ for _ in ()).throw(GeneratorExit())", 1, "verb 'hello' of the plugin 'bad' failed: GeneratorExit"),
    ],
)
def test_a_verb_that_fails_is_named_and_takes_none_of_our_exit_codes(runtree, installed, callback, code, says):
    installed(bad="import sys\n" + VERB.format(command=f"click.Command('hello', callback={callback})"))
    said = runtree("hello")
    assert said.code == code
    assert said.err.startswith(f"error: {says}" if says else "")
