"""A metric of a plugin's next version is another metric: its scores are neither ranked nor resumed with the old ones."""

import pytest

from runtree.contract.errors import RequestError
from runtree.contract.types import Metric, PluginIdentity
from runtree.records.compare.comparability import scored_by
from runtree.sweeps.identity import check_same
from runtree.sweeps.results import Objectives
from runtree.sweeps.state import SweepState
from runtree.sweeps.warm_start import difference
from runtree.training.contributors import Contributors


@pytest.fixture
def contributors():
    """Return what a plugin `kit` registered: a metric, and the evaluator that is `SweepState` here."""
    identities = {"kit": PluginIdentity("kit", "runtree-kit", "2.0", packages=frozenset({"kit"}))}
    return Contributors(identities, metrics={"youden": "kit", "accuracy": "runtree"})


def measures(*names):
    return [Metric(name, lambda y_true, y_pred: 0.0, "maximize") for name in names]


def test_what_plugins_contribute_to_scores_is_named_with_its_version(contributors):
    assert contributors.scoring(measures("youden", "accuracy"), SweepState) == "youden: runtree-kit 2.0"
    assert contributors.scoring(measures("accuracy"), SweepState) == ""
    halves = type("Halves", (), {"__module__": "kit.halves"})
    assert contributors.scoring(measures("accuracy"), halves) == "evaluator: runtree-kit 2.0"


def test_a_comparison_looks_at_the_metric_that_it_is_made_by():
    text = "gain: kit 1.0; youden: kit 2.0"
    assert (scored_by(text, "youden"), scored_by(text, "f1"), scored_by(None, "f1")) == (
        "youden: kit 2.0",
        None,
        None,
    )


def test_another_version_is_neither_ranked_nor_resumed_nor_learned_from(tmp_path):
    def ended(run, version):
        fingerprints = {"data": "d", "split": "s", "scoring": f"youden: kit {version}"}
        event = {"event": "ended", "run": run, "family": "", "trial": run, "repeat": 0, "of": 1, "values": {}}
        return event | {"same": str(run), "state": "completed", "objectives": [0.5], "fingerprints": fingerprints}

    youden, f1 = (Objectives(((name, "maximize"),)) for name in ("youden", "f1"))
    assert youden.are_comparable(SweepState().apply_all([ended(0, "1.0"), ended(1, "1.0")]))
    changed = SweepState().apply_all([ended(0, "1.0"), ended(1, "2.0")])
    assert not youden.are_comparable(changed)
    assert f1.are_comparable(changed), "as `compare` does, it looks at the metric that it ranks by"
    old, new = ({"families": {}, "scoring": f"youden: kit {version}"} for version in ("1.0", "2.0"))
    with pytest.raises(RequestError, match="scoring"):
        check_same(old, new, tmp_path)
    assert difference(old, new) == "another version or setting of a metric of a plugin"
    assert difference(old, old) == ""
