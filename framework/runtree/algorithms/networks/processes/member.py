"""One of the processes that share a training: it meets the others, then does what it is asked."""

import io
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import torch
from torch import distributed, nn

from runtree.algorithms.networks.processes.share import Share
from runtree.algorithms.networks.training import Lesson, Settings, Training
from runtree.contract.errors import first_line


@dataclass(frozen=True)
class Task:
    """What every process is given; tensors travel through shared memory."""

    module: nn.Module
    settings: Settings
    lesson: Lesson
    device: str
    world: int
    threads: int
    meeting: str


def work(rank: int, pipe: Connection, task: Task) -> None:
    """Be one of the processes: meet the others, then do what is asked until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one that watches decides
    for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):  # nobody from elsewhere takes part
        os.environ.setdefault(name, "lo0" if sys.platform == "darwin" else "lo")
    try:
        training = _joined(rank, task)
        _answer(pipe, training, None)
        while True:
            name, arguments = unpacked(pipe.recv_bytes())
            _answer(pipe, training, getattr(training, name)(*arguments))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # whoever watches the fit is done, or gone: so is this process
    except Exception as error:
        with suppress(OSError):
            pipe.send_bytes(packed(("error", f"process {rank}: {type(error).__name__}: {first_line(error)}")))


def _joined(rank: int, task: Task) -> Training:
    device = torch.device(task.device, rank) if task.device == "cuda" else torch.device(task.device)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    torch.set_num_threads(task.threads)
    backend = "nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, init_method=f"file://{task.meeting}", rank=rank, world_size=task.world)
    return Training(unshared(task.module), task.settings, task.lesson, device, Share(rank, task.world))


def _answer(pipe: Connection, training: Training, value: Any) -> None:
    pipe.send_bytes(packed(("done", (training.epochs_done, training.learning_rate, value))))


def unshared(module: nn.Module) -> nn.Module:
    """Return a copy with weights of its own: what a process is given lies in memory that all of them would write to."""
    copied: nn.Module = unpacked(packed(module))
    return copied


def packed(content: Any) -> bytes:
    """Return bytes: a pipe by itself would pass tensors on as shared memory."""
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def unpacked(content: bytes) -> Any:
    """Return what was packed by a process of ours."""
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=False)
