import json
from pathlib import Path

import pytest

from runtree.contract.run import Deferred, SlotError
from runtree.training.active_run import ActiveRun


class Hooks:
    def __init__(self):
        self.heard = []

    def moment(self, name, **arguments):
        self.heard.append((name, arguments))


def make_run(folder=Path(), **more):
    config = {"seed": 3, "algorithm": {"name": "ridge", "alphas": [1, {"a": 2}]}}
    return ActiveRun(config, folder, Hooks(), None, {}, **more)


def test_reading_an_empty_slot_names_the_stage_that_fills_it():
    with pytest.raises(SlotError, match=r"run\.model is empty: the stage 'fit' fills it"):
        make_run().model  # noqa: B018


def test_a_key_error_of_a_deferred_value_is_not_an_empty_slot():
    run = make_run()
    run.predictions = Deferred(lambda: {}["no such key"])
    with pytest.raises(KeyError, match="no such key"):
        run.predictions  # noqa: B018


def test_a_slot_is_filled_once():
    run = make_run()
    run.model = "first"
    with pytest.raises(SlotError, match="filled already"):
        run.model = "second"
    assert run.model == "first"


def test_the_config_reads_by_key_and_by_attribute_and_cannot_be_changed():
    run = make_run()
    assert run.config.algorithm.name == run.config["algorithm"]["name"] == "ridge"
    assert run.config.algorithm.alphas[1].a == 2
    with pytest.raises(AttributeError, match="read-only"):
        run.config.algorithm.name = "lasso"
    with pytest.raises(AttributeError, match="it has: seed, algorithm"):
        run.config.algoritm  # noqa: B018


def test_a_report_reaches_the_history_and_the_hook(tmp_path):
    run = make_run(tmp_path, records=True)
    run.report(4, loss=0.5)
    assert json.loads((tmp_path / "history.jsonl").read_text()) == {"step": 4, "loss": 0.5}
    assert run.hooks.heard == [("run_iterated", {"run": run, "step": 4, "metrics": {"loss": 0.5}})]
