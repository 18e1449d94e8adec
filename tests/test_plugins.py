"""Discovery, with distributions that are really there, and calls of hooks that go through pluggy."""

import os
import sys
from importlib.metadata import distributions

import pytest

from runtree import hookimpl
from runtree.contract.errors import MissingError, Pruned, RequestError
from runtree.plugins import block, make_plugins


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


def probe(**hooks):
    """Return a plugin with these hooks; a value that is a pair holds the options of the marker as well."""
    made = {}
    for name, function in hooks.items():
        function, options = function if isinstance(function, tuple) else (function, {})
        made[name] = staticmethod(hookimpl(**options)(function))
    return type("Probe", (), made)


def made(**probes):
    return make_plugins(found=[], extra=list(probes.items()))


def test_plugins_are_asked_by_name_and_runtree_contributes_first(install):
    install("zinc", GOOD)
    plugins = make_plugins(install("gold", GOOD), extra=[("lead", probe(environment_facts=lambda: {"c": "d"}))])
    assert plugins.names == ["runtree", "gold", "lead", "zinc"]
    assert [name for name, _ in plugins.contributions("environment_facts")] == ["gold", "lead", "zinc"]
    assert next(plugins.contributions("register_metrics"))[0] == "runtree"


def test_moments_and_decisions_keep_the_order_that_pluggy_promises(tmp_path):
    said = []
    told = {name: (lambda name=name: said.append(name)) for name in "abcd"}
    plugins = made(
        a=probe(sweep_started=(told["a"], {"trylast": True})),
        b=probe(sweep_started=told["b"]),
        c=probe(sweep_started=told["c"]),
        d=probe(sweep_started=(told["d"], {"tryfirst": True})),
    )
    plugins.moment("sweep_started", folder=tmp_path)
    assert said == ["d", "b", "c", "a"]


class Model:
    def predict(self, rows):
        return rows


def load(plugins, folder):
    return plugins.first("load_model", folder=folder, format="mine", trust=())


def test_the_first_that_answers_is_the_last_that_is_asked(tmp_path):
    asked, model = [], Model()
    plugins = made(
        a=probe(load_model=lambda: asked.append("a")),
        b=probe(load_model=lambda format: model if format == "mine" else None),
        c=probe(load_model=lambda: asked.append("c")),
    )
    assert load(plugins, tmp_path) is model
    assert asked == ["a"]


def around(said, change=lambda outcome: outcome):
    def wrapper():
        said.append("before")
        outcome = yield
        said.append("after")
        return change(outcome)

    return wrapper, {"wrapper": True}


def test_wrappers_run_around_moments_decisions_and_contributions(tmp_path):
    from runtree import Metric

    said, inner, outer = [], Model(), Model()
    own = Metric("mine", len, "minimize")
    plugins = made(
        a=probe(
            sweep_started=around(said),
            load_model=around(said, lambda outcome: outer if outcome is inner else outcome),
            register_metrics=around(said, lambda given: [*(list(one)[:1] for one in given), [own]]),
        ),
        b=probe(sweep_started=lambda: said.append("b"), load_model=lambda: inner),
    )
    plugins.moment("sweep_started", folder=tmp_path)
    assert said == ["before", "b", "after"]
    assert load(plugins, tmp_path) is outer
    assert [(plugin, metric.name) for plugin, metric in plugins.contributions("register_metrics")] == [
        ("a", "accuracy"),
        ("a", "mine"),
    ]


class Odd(BaseException):
    pass


def raising(error):
    def fail():
        raise error

    return fail


def wrapping_badly(when):
    def wrapper():
        if when == "before":
            raise Odd("oops")
        outcome = yield
        if when == "after":
            raise Odd("oops")
        if when == "twice":
            yield
        return 5 if when == "wrong" else outcome

    return wrapper, {"wrapper": True}


FAULTS = {
    "an error": raising(ValueError("oops")),
    "an exit": raising(SystemExit(0)),
    "no Exception": raising(Odd("oops")),
    "a value of another type": lambda: 5,
    "a generator without a mark": around([])[0],
    **{f"a wrapper, {when}": wrapping_badly(when) for when in ("before", "after", "twice", "wrong")},
    "an old wrapper": ((lambda: (yield from ())), {"hookwrapper": True}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_one_plugin_is_told_by_name_and_harms_no_other(tmp_path, caplog, fault):
    told, model = [], Model()
    bad = FAULTS[fault]
    plugins = made(
        bad=probe(sweep_started=bad, load_model=bad, environment_facts=bad),
        good=probe(
            sweep_started=lambda: told.append("good"), load_model=lambda: model, environment_facts=lambda: {"a": "b"}
        ),
    )
    plugins.moment("sweep_started", folder=tmp_path)
    plugins.moment("sweep_started", folder=tmp_path)
    assert told == ["good", "good"]
    assert load(plugins, tmp_path) is model
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    # a moment may return anything: nobody reads it
    of_moment = [text for text in warned if text.startswith("plugin bad failed in sweep_started: ")]
    assert len(of_moment) == (
        0 if fault in ("a value of another type", "a generator without a mark", "a wrapper, wrong") else 1
    )
    assert len([text for text in warned if text.startswith("plugin 'bad' failed in load_model: ")]) == 1
    assert list(plugins.contributions("environment_facts")) == [("good", ("a", "b"))]
    assert "environment_facts: " in plugins.broken["bad"]


def test_a_plugin_that_is_left_out_is_asked_nothing_any_more(tmp_path):
    asked = []
    plugins = made(
        bad=probe(
            environment_facts=raising(ValueError("boom")),
            save_model=lambda: asked.append("save_model"),
            sweep_started=lambda: asked.append("sweep_started"),
            trusted_types=lambda: asked.append("trusted_types"),
        )
    )
    list(plugins.contributions("environment_facts"))
    plugins.moment("sweep_started", folder=tmp_path)
    list(plugins.contributions("trusted_types"))
    load(plugins, tmp_path)
    assert asked == []
    assert plugins.names == ["runtree"]


def writes(answer, text=None):
    def save(folder):
        if text is not None:
            (folder / "weights").mkdir()
            (folder / "weights" / "half.txt").write_text(text)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return save


@pytest.mark.parametrize(
    "save",
    [
        writes("evil"),
        writes(5, "x"),
        writes("", "x"),
        writes(OSError("no room"), "x"),
        writes(SystemExit(0)),
        wrapping_badly("wrong"),
    ],
)
def test_what_is_no_saved_model_is_passed_over_and_leaves_no_files(tmp_path, caplog, save):
    good = writes("good", "good")
    plugins = made(bad=probe(save_model=save), good=probe(save_model=good))
    assert plugins.first("save_model", model=Model(), folder=tmp_path) == "good"
    assert (tmp_path / "weights" / "half.txt").read_text() == "good"
    assert "plugin 'bad' failed in save_model: " in caplog.text
    assert caplog.text.count("WARNING") == 1


def test_a_plugin_alone_that_fails_in_a_decision_is_an_error_with_its_name(tmp_path):
    with pytest.raises(MissingError, match="plugin 'bad' failed in load_model: OSError: torn"):
        load(made(bad=probe(load_model=raising(OSError("torn")))), tmp_path)
    # an error for the user was raised on purpose
    refusing = made(a=probe(load_model=raising(RequestError("no"))), b=probe(load_model=lambda: Model()))
    with pytest.raises(RequestError, match=r"^no$"):
        load(refusing, tmp_path)


@pytest.mark.parametrize("ours", [KeyboardInterrupt(), Pruned(3)])
def test_what_is_no_fault_of_a_plugin_passes(tmp_path, ours):
    with pytest.raises(type(ours)):
        made(a=probe(sweep_started=raising(ours))).moment("sweep_started", folder=tmp_path)


def test_entry_points_that_cannot_be_told_apart_are_left_out(install, caplog):
    class Point:
        def __init__(self, name, dist):
            self.name, self.dist = name, type("Dist", (), {"name": dist, "version": "1"})

        def load(self):
            return probe()

    plugins = make_plugins(
        [Point("gold", "b-gold"), Point("gold", "a-gold"), Point("runtree", "sly"), Point("a,b", "comma")]
    )
    assert plugins.names == ["runtree"]
    assert plugins.broken["gold"] == "packages with the same entry point: a-gold 1, b-gold 1; uninstall one"
    assert "'runtree'" in plugins.broken["sly 1"]
    assert "a name has letters" in plugins.broken["a,b"]


def test_what_cannot_be_blocked_is_refused(monkeypatch, install):
    points = install("gold", GOOD)
    monkeypatch.setattr("runtree.plugins.entry_points", lambda group: points)
    monkeypatch.setenv("RUNTREE_BLOCK", "zinc")
    with pytest.raises(RequestError, match="unknown plugin 'gild'\\n  did you mean: gold"):
        block(["gild"])
    for refuse in (lambda: block(["runtree"]), lambda: make_plugins(blocked=["runtree"])):
        with pytest.raises(RequestError, match="--block runtree: runtree's own"):
            refuse()
    block(["gold"])
    assert os.environ["RUNTREE_BLOCK"] == "zinc,gold"
