"""A metric of a plugin's next version is another metric: its scores are neither ranked nor resumed with the old ones."""

import pytest

from runtree.contract.errors import RequestError
from runtree.records import environment
from runtree.records.compare.comparability import scored_by
from runtree.statistics.metrics import accuracy
from runtree.sweeps.identity import check_same
from runtree.sweeps.results import Objectives
from runtree.sweeps.state import SweepState
from runtree.sweeps.warm_start import difference


def youden(y_true, y_pred):
    return 0.0


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.setattr(environment, "_plugin_versions", lambda: {youden.__module__.partition(".")[0]: "kit 2.0"})


def test_what_plugins_contribute_to_scores_is_named_with_its_version(installed):
    scored = {"youden": youden, "accuracy": accuracy}
    assert environment.scoring_providers(scored, SweepState) == "youden: kit 2.0"
    assert environment.scoring_providers({"accuracy": accuracy}, SweepState) == ""


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
    assert difference(old, new) == "another version of a plugin scored it"
    assert difference(old, old) == ""
