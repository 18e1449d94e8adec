"""The state of CMA-ES goes through JSON unchanged, and JSON makes nothing else."""

import json
import pickle

import numpy as np
import pytest

from runtree.tuners.cma_state import attributes_from_json, attributes_to_json, decode

cmaes = pytest.importorskip("cmaes", reason="tuner=cmaes needs the package cmaes")
BOUNDS = np.array([[0.0, 1.0]] * 3)


def optimizer(kind):
    more = {"steps": np.array([0.0, 0.25, 0.0])} if kind is cmaes.CMAwM else {}
    made = kind(mean=np.full(3, 0.5), sigma=0.2, bounds=BOUNDS, seed=0, **more)
    made.tell([(told(made.ask()), float(number)) for number in range(made.population_size)])
    return made


def told(asked):
    return asked[1] if isinstance(asked, tuple) else asked


def drawn(made):
    made._rng.seed(1)
    return told(made.ask()).tolist()


@pytest.mark.parametrize("kind", [cmaes.CMA, cmaes.SepCMA, cmaes.CMAwM])
def test_a_restored_optimizer_draws_and_learns_alike(kind):
    former = optimizer(kind)
    text = pickle.dumps(former).hex()
    kept = json.loads(
        json.dumps(
            attributes_to_json({"cma:generation": 1, "cma:optimizer:0": text[:900], "cma:optimizer:1": text[900:]})
        )
    )
    restored = attributes_from_json(kept)
    assert restored.pop("cma:generation") == 1
    later = pickle.loads(bytes.fromhex(restored["cma:optimizer:0"]))
    assert drawn(later) == drawn(former)
    for made in (former, later):
        made.tell([(np.full(3, number / 10), float(number)) for number in range(made.population_size)])
    assert drawn(later) == drawn(former)


def test_a_pickle_in_a_ledger_is_not_passed_to_optuna():
    text = pickle.dumps(optimizer(cmaes.CMA)).hex()
    for key in ("cma:optimizer:0", "sepcma:optimizer:0", "cma:optimizer:restart:0"):
        assert attributes_from_json({key: text, "cma:generation": 3}) == {"cma:generation": 3}


def test_nothing_else_is_made():
    with pytest.raises(ValueError, match="get_warm_start_mgd is not an optimizer of cmaes"):
        decode({"class": "get_warm_start_mgd", "state": {}})
