import pytest

from runtree.contract.errors import ConfigError
from runtree.training.decision import decision_options


def test_nothing_is_asked_where_nothing_is_said():
    assert not decision_options({}).is_set
    assert not decision_options({"calibrate": None, "threshold": None, "cost": {"false_positive": None}}).is_set
    assert decision_options({"threshold": 0.3}).is_set
    assert not decision_options({"threshold": 0.3}).needs_validation
    assert decision_options({"threshold": "f1"}).needs_validation


@pytest.mark.parametrize(
    ("node", "told"),
    [
        (
            {"calibrate": "platt"},
            "unknown value at decision.calibrate: 'platt'\n  possible: isotonic, sigmoid, temperature",
        ),
        ({"threshold": 1.5}, "decision.threshold: 1.5 is not a probability"),
        ({"threshold": True}, "decision.threshold"),
        ({"threshold": "cost"}, "needs the costs of both errors"),
        ({"threshold": "cost", "cost": {"false_positive": 1, "false_negative": -1}}, "needs the costs of both errors"),
        ({"cost": {"false_positive": 1}}, "decision.cost is not used"),
        ({"cost": 3}, "possible keys: false_positive, false_negative"),
        ({"tune": 1}, "decision.tune"),
    ],
)
def test_what_cannot_be_is_told_with_its_path(node, told):
    with pytest.raises(ConfigError, match=told.replace("(", r"\(")):
        decision_options(node)
