"""A training that several processes share."""

# ruff: noqa: E402

import os
import signal
import subprocess
import sys

import numpy as np
import psutil
import pytest

torch = pytest.importorskip("torch")

from runtree.algorithms.torch.ddp import check_devices
from runtree.algorithms.torch.tabular import TorchMLPRegressor
from runtree.algorithms.torch.train_loop import BatchShard
from runtree.contract.errors import ConfigError, RunFailedError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(75, 5))
Y = X[:, 0] - X[:, 1] ** 2


class Watch:
    """Notes what it is told; may do something at an epoch."""

    best = None

    def __init__(self, start=None, do=lambda step, save: False):
        self.start, self.do, self.told = start, do, []

    def due(self, step):
        return True

    def __call__(self, step, *, model, snapshot, save, **metrics):
        self.told.append(
            [metrics["train_loss"], metrics["validation_loss"], metrics["learning_rate"], *model.predict(X)]
        )
        return self.do(step, save)


def make(devices, **parameters):
    return TorchMLPRegressor(
        max_epochs=4, batch_size=16, dropout=0.0, units=8, random_state=0, device="cpu", learning_rate=0.01,
        scheduler="one_cycle", gradient_clip=1.0, devices=devices, threads=1, **parameters,
    )  # fmt: skip


def children():
    return [each for each in psutil.Process().children() if "spawn_main" in " ".join(each.cmdline())]


@pytest.mark.slow
def test_two_processes_learn_as_one_does(tmp_path):
    one, two = (Watch(do=lambda step, save: step == 3) for _ in range(2))
    weight = RNG.uniform(0.5, 2, len(X))
    make(1).fit(X, Y, weight, report=one, validation=(X, Y))
    make(2).fit(X, Y, weight, report=two, validation=(X, Y))
    assert len(two.told) == 3
    assert np.array(two.told) == pytest.approx(np.array(one.told), rel=1e-4, abs=1e-5)
    assert children() == []


@pytest.mark.slow
def test_two_processes_go_on_bit_equal(tmp_path):
    def keep(step, save):
        if step == 2:
            save(tmp_path)
        return False

    parameters = {"normalization": "batch", "optimizer": "sgd"}
    whole = make(2, **parameters).set_params(dropout=0.3).fit(X, Y, report=_without_validation(Watch(do=keep)))
    ended = make(2, **parameters).set_params(dropout=0.3).fit(X, Y, report=_without_validation(Watch(tmp_path)))
    assert ended.predict(X).tobytes() == whole.predict(X).tobytes()


def _without_validation(watch):
    class Watched(Watch):
        def __call__(self, step, *, save, **told):
            return watch.do(step, save)

    return Watched(watch.start)


@pytest.mark.slow
def test_a_process_that_dies_ends_the_fit():
    def kill(step, save):
        os.kill(children()[-1].pid, signal.SIGKILL)
        return False

    with pytest.raises(RunFailedError, match=r"training on 2 devices failed: process \d of 2 ended with exit code -9"):
        make(2).fit(X, Y, report=Watch(do=kill), validation=(X, Y))
    assert children() == []


@pytest.mark.slow
def test_an_error_in_a_process_is_told():
    with pytest.raises(RunFailedError, match=r"training on 2 devices failed: .*Error") as told:
        make(2, loss=torch.nn.CTCLoss()).fit(X, Y)
    assert len(str(told.value).splitlines()) == 1
    assert children() == []


def test_shares_are_the_batch():
    part = torch.arange(7)
    shares = [BatchShard(rank, 3) for rank in range(3)]
    assert sorted(torch.cat([share.rows_of(part) for share in shares]).tolist()) == list(range(7))
    assert sum(share.loss_factor(len(share.rows_of(part)), 7) for share in shares) == pytest.approx(3)


@pytest.mark.parametrize(
    ("device", "devices", "batch", "said"),
    [
        ("cuda", 99, 512, "compute.devices: 99 requested, but 0 GPU"),
        ("mps", 2, 64, "compute.devices: 2 requested, but 1"),
        ("cpu", 4, 7, "algorithm.batch_size: 7 rows cannot be split across 4 devices"),
    ],
)
def test_what_is_not_there_is_refused(device, devices, batch, said, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ConfigError, match=said):
        check_devices(torch.device(device), devices, batch, 1000)


FIT = """
import numpy as np
import psutil
from runtree.algorithms.torch.tabular import TorchMLPRegressor

class Watch:
    start = best = None
    def due(self, step):
        return step == 1
    def __call__(self, step, **told):
        print(*(child.pid for child in psutil.Process().children()), flush=True)
        return False

if __name__ == "__main__":
    X = np.eye(2000, 10)
    TorchMLPRegressor(max_epochs=100000, device="cpu", devices=2, threads=1).fit(X, X[:, 0], report=Watch())
"""


@pytest.mark.slow
def test_no_process_outlives_the_one_that_began_it(tmp_path):
    script = tmp_path / "fit.py"
    script.write_text(FIT)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as begun:
        left = [psutil.Process(int(pid)) for pid in begun.stdout.readline().split()]
        begun.kill()
    assert len(left) >= 2
    assert psutil.wait_procs(left, timeout=60)[1] == []
