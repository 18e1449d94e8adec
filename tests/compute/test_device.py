import random
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from runtree.compute import device, found
from runtree.compute.device import Auto, Cpu, Gpu
from runtree.compute.found import Accelerator
from runtree.compute.session import seeded, thread_count
from runtree.contract.errors import ConfigError, MissingError, RequestError
from runtree.contract.hardware import available_cores


def test_threads_are_counted():
    assert thread_count(-1) == available_cores() >= 1
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
    used = {"device": "cpu", "devices": 1, "threads": 2, "cores": available_cores(), "deterministic": False}
    assert Cpu(threads=2).describe() == used
    assert Auto(device="cpu").describe()["device"] == "cpu"
    for make in (Gpu, lambda: Auto(device="cuda")):  # named, it must be there
        with pytest.raises(RequestError, match="compute: device cuda is not available: found no GPU"):
            make()
    with pytest.raises(ConfigError, match=r"compute\.device: compute=cpu is the processor, and cuda is not") as refused:
        Cpu(device="cuda")
    assert refused.value.hints == ("type: compute=gpu compute.device=cuda",)


def test_with_gpus_the_first_is_chosen_and_another_one_found(monkeypatch):
    there = {f"cuda:{number}": Accelerator(f"cuda:{number}", name, 24.0) for number, name in enumerate("AB")}
    monkeypatch.setattr(device, "accelerators", lambda: there)
    assert Auto().describe()["device"] == "cuda:0"
    assert Auto(device="cuda:1").describe()["accelerator"]["name"] == "B"
    assert Gpu(device="cuda:1").describe()["accelerator"] == {"name": "B", "memory_gib": 24.0}
    assert Gpu(devices=2).describe()["devices"] == 2
    with pytest.raises(RequestError, match=r"compute\.devices: 3 requested, but 2 available: cuda:0, cuda:1"):
        Gpu(devices=3)
    with pytest.raises(RequestError, match="device cuda:2 is not available: found cuda:0, cuda:1"):
        Gpu(device="cuda:2")


def test_torch_is_not_loaded_where_there_is_no_driver(monkeypatch):
    import sys

    monkeypatch.setattr(Path, "exists", lambda self: False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setitem(sys.modules, "torch", None)
    assert found.accelerators() == {}
    assert found.why_none() == "this machine has no NVIDIA driver"


def test_a_driver_without_torch_names_the_extra(monkeypatch):
    import sys

    monkeypatch.setattr(Path, "exists", lambda self: True)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingError, match=r"pip install 'runtree\[torch\]'"):
        found.why_none()


def test_torch_is_asked_what_the_accelerators_are(monkeypatch):
    torch = pytest.importorskip("torch")
    facts = type("Facts", (), {"name": "A100", "major": 8, "minor": 0, "total_memory": 40 * 2**30})
    monkeypatch.setattr(found, "has_driver", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: facts)
    (seen,) = found.accelerators().values()
    assert (seen.device, seen.name, seen.memory) == ("cuda:0", "A100", 40.0)
    assert set(seen.facts()) == {"name", "memory_gib", "capability", "cuda", "cudnn"}


@pytest.mark.parametrize("wrong", [0, -1])
def test_devices_are_a_count(wrong):
    with pytest.raises(ConfigError, match=r"compute\.devices"):
        Cpu(devices=wrong)


def test_an_apple_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(device, "accelerators", dict)
    with pytest.raises(RequestError, match="device mps is not available"):
        Gpu(device="mps")


def test_deterministic_binds_torch_for_the_time_of_a_run():
    torch = pytest.importorskip("torch")
    with seeded(0, 1, deterministic=True):
        assert torch.are_deterministic_algorithms_enabled()
    assert not torch.are_deterministic_algorithms_enabled()
