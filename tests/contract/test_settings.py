"""Stages and metrics have settings and a switch in the config, validated by what they declare."""

import numpy as np
import pytest

from runtree.contract.errors import ConfigError
from runtree.contract.fingerprint import affects_fingerprint
from runtree.contract.run import Stage
from runtree.contract.settings import read_settings
from runtree.contract.types import Metric, PluginIdentity
from runtree.lifecycle.stages import choose_stages, stages
from runtree.statistics.metrics import catalogue, select_metrics
from runtree.sweeps.state import SweepState
from runtree.training.contributors import Contributors

ONE = np.zeros(1)
DECLARED = {"onnx": {"opset": 17, "strict": False, "name": "model", "rate": 0.5, "inputs": [1], "free": None}}


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (None, {}),
        ({}, {}),
        ({"onnx": None}, {}),
        ({"onnx": {"opset": 18}}, {"onnx": {"opset": 18}}),
        ({"onnx": {"rate": 1, "strict": True}}, {"onnx": {"rate": 1.0, "strict": True}}),
        ({"onnx": {"enabled": False, "free": "x"}}, {"onnx": {"enabled": False, "free": "x"}}),
    ],
)
def test_what_is_declared_may_be_set(node, expected):
    assert read_settings("stages", node, DECLARED) == expected


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"onx": {"opset": 1}}, "unknown stage at stages: 'onx'\n  did you mean: onnx?"),
        ({"onnx": {"opst": 1}}, "unknown key at stages.onnx: 'opst'\n  did you mean: opset?"),
        ({"onnx": {"enable": False}}, "did you mean: enabled"),
        ({"onnx": {"enabled": "no"}}, "stages.onnx.enabled: 'no' is not of the type bool"),
        ({"onnx": {"opset": True}}, "stages.onnx.opset: True is not of the type int\n  its default is 17"),
        ({"onnx": {"opset": 1.5}}, "is not of the type int"),
        ({"onnx": {"inputs": "a"}}, "is not of the type list"),
        ({"onnx": {"name": 1}}, "is not of the type str"),
        ({"onnx": 3}, "stages.onnx: 3 is not a mapping\n  type: stages.onnx.KEY=VALUE"),
        ("onnx", "stages: 'onnx' is not a mapping"),
    ],
)
def test_anything_else_is_refused_with_the_nearest(node, message):
    with pytest.raises(ConfigError) as refused:
        read_settings("stages", node, DECLARED)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"opset": 1}, "takes no keyword 'opset'"),
        ({"beta": object()}, "not a plain value"),
        ({"enabled": True}, "cannot be named 'enabled'"),
        ({"a b": 1}, "cannot be named 'a b'"),
        ([("beta", 1)], "not a mapping"),
    ],
)
def test_what_a_plugin_declares_is_checked(settings, message):
    for make in (lambda: Stage("s", lambda run, beta=1: None, settings=settings), lambda: fbeta(settings)):
        with pytest.raises((TypeError, ValueError), match=message):
            make()


def fbeta(settings=None, default=True):
    score = lambda y_true, y_pred, beta=1.0: float(beta)  # noqa: E731
    return Metric("fbeta", score, "maximize", default=default, settings={"beta": 1.0} if settings is None else settings)


def test_a_metric_gets_its_settings_and_its_switch_decides_on_auto():
    def known(chosen, default=True):
        return catalogue([("gold", fbeta(default=default))], {"metrics": chosen})

    assert known(None)["fbeta"].function(ONE, ONE) == 1.0
    assert known({"fbeta": {"beta": 2}})["fbeta"].function(ONE, ONE) == 2.0
    off = known({"fbeta": {"enabled": False}})
    assert select_metrics("auto", "regression", off) == []
    assert [metric.name for metric in select_metrics(["fbeta"], "regression", off)] == ["fbeta"]
    assert len(select_metrics("auto", "regression", known({"fbeta": {"enabled": True}}, default=False))) == 1


def test_a_stage_gets_its_settings_and_can_be_switched_off():
    seen = []
    onnx = Stage("onnx", lambda run, opset: seen.append(opset), after="fit", settings={"opset": 17})
    later = Stage("later", lambda run: None, after="onnx")
    pairs = [*(("runtree", stage) for stage in stages()), ("gold", onnx), ("gold", later)]

    def chosen(**node):
        return {stage.name: stage for stage in choose_stages(pairs, {"stages": node})}

    chosen()["onnx"].run(None)
    chosen(onnx={"opset": 18})["onnx"].run(None)
    assert seen == [17, 18]
    assert "onnx" not in chosen(onnx={"enabled": False})
    assert "later" in chosen(onnx={"enabled": False})
    with pytest.raises(ConfigError, match=r"stages\.fit: this stage is runtree's own"):
        chosen(fit={"enabled": False})


def test_settings_count_where_they_are_set():
    assert not affects_fingerprint("stages")
    assert affects_fingerprint("stages.onnx.opset")
    assert affects_fingerprint("metrics.fbeta.beta")


def test_scores_by_other_settings_are_of_another_metric():
    found = Contributors({"gold": PluginIdentity("gold", "runtree-gold", "1.0")}, metrics={"fbeta": "gold"})
    texts = [
        found.scoring(catalogue([("gold", fbeta())], {"metrics": {"fbeta": {"beta": beta}}}).values(), SweepState)
        for beta in (1, 2)
    ]
    assert texts == ['fbeta: runtree-gold 1.0 {"beta": 1.0}', 'fbeta: runtree-gold 1.0 {"beta": 2.0}']
