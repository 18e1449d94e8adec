import random
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from runtree.compute import device
from runtree.compute.device import Auto, Cpu, Gpu
from runtree.compute.session import cores, seeded, thread_count
from runtree.contract.errors import ConfigError, MissingError, RequestError


def test_threads_are_counted():
    assert thread_count(-1) == cores() >= 1
    assert thread_count(3) == 3
    for wrong in (0, -2):
        with pytest.raises(ConfigError, match=r"compute\.threads"):
            thread_count(wrong)


def test_native_threads_are_limited_for_the_time_of_a_run():
    with seeded(0, threads=1):
        assert {pool["num_threads"] for pool in threadpool_info()} == {1}


def test_generators_are_seeded_and_come_back_as_they_were():
    random.seed(99)
    np.random.seed(99)
    before = random.getstate(), np.random.get_state()[1].tolist()
    with seeded(7, 1):
        first = random.random(), np.random.random()
    with seeded(7, 1):
        assert (random.random(), np.random.random()) == first
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


def test_without_a_gpu_the_processor_is_chosen_and_a_gpu_refused(monkeypatch):
    monkeypatch.setattr(device, "accelerators", dict)
    assert Auto().describe()["device"] == "cpu"
    assert Cpu(threads=2).describe() == {"device": "cpu", "threads": 2, "cores": cores()}
    with pytest.raises(RequestError, match="compute: device cuda is not there: found no GPU"):
        Gpu()


def test_with_gpus_the_first_is_chosen_and_another_one_found(monkeypatch):
    monkeypatch.setattr(device, "accelerators", lambda: {"cuda:0": "A", "cuda:1": "B"})
    assert Auto().describe()["device"] == "cuda:0"
    assert Gpu(device="cuda:1").describe()["name"] == "B"
    with pytest.raises(RequestError, match="device cuda:2 is not there: found cuda:0, cuda:1"):
        Gpu(device="cuda:2")


def test_torch_is_not_loaded_where_there_is_no_driver(monkeypatch):
    import sys

    monkeypatch.setattr(Path, "exists", lambda self: False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setitem(sys.modules, "torch", None)
    assert device.accelerators() == {}
    assert device.why_none() == "this machine has no NVIDIA driver"


def test_a_driver_without_torch_names_the_extra(monkeypatch):
    import sys

    monkeypatch.setattr(Path, "exists", lambda self: True)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingError, match=r"pip install 'runtree\[torch\]'"):
        device.why_none()
