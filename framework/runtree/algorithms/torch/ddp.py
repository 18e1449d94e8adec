"""Training on several devices of this machine: one process per device, through DistributedDataParallel.

Each process has a pipe to the process that watches the fit, which asks for an epoch, the weights or the state. The
watcher stays in its own process, and a closed pipe ends the process at its other end, so none is left behind.
"""

import io
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, distributed, nn

from runtree.algorithms.torch.train_loop import BatchShard, LocalTrainer, Trainer, TrainingData, TrainingSettings
from runtree.contract.errors import ConfigError, RunFailedError, first_line

# --- One of the processes that share a training: it meets the others, then does what it is asked.


@dataclass(frozen=True)
class DistributedTask:
    """What every process is given; tensors travel through shared memory."""

    module: nn.Module
    settings: TrainingSettings
    lesson: TrainingData
    device: str
    world: int
    threads: int
    meeting: str


def run_process(rank: int, pipe: Connection, task: DistributedTask) -> None:
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


def _joined(rank: int, task: DistributedTask) -> LocalTrainer:
    device = torch.device(task.device, rank) if task.device == "cuda" else torch.device(task.device)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    torch.set_num_threads(task.threads)
    backend = "nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, init_method=f"file://{task.meeting}", rank=rank, world_size=task.world)
    return LocalTrainer(unshared(task.module), task.settings, task.lesson, device, BatchShard(rank, task.world))


def _answer(pipe: Connection, training: LocalTrainer, value: Any) -> None:
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


GRACE = 5.0  # seconds


@contextmanager
def make_trainer(
    module: nn.Module, settings: TrainingSettings, lesson: TrainingData, device: torch.device, devices: int
) -> Iterator[Trainer]:
    """Make a training here, or in as many processes as there are devices."""
    if devices == 1:
        yield LocalTrainer(module, settings, lesson, device)
        return
    check_devices(device, devices, settings.batch_size, len(lesson.train))
    threads = max(1, torch.get_num_threads() // devices)
    with tempfile.TemporaryDirectory() as folder:
        task = DistributedTask(module, settings, lesson, device.type, devices, threads, str(Path(folder) / "meeting"))
        with DistributedTrainer(task) as processes:
            yield processes


def check_devices(device: torch.device, devices: int, batch_size: int, rows: int) -> None:
    """Refuse more devices than there are, or than a batch can be shared among."""
    there = torch.cuda.device_count()
    if device.type == "cuda" and devices > there:
        raise ConfigError(f"compute.devices: {devices} are asked for: found {there} GPU(s)", f"possible: 1 to {there}")
    if device.type == "mps":
        raise ConfigError(f"compute.devices: {devices} are asked for: found 1 (mps)", "type: compute.devices=1")
    if min(batch_size, rows) < 2 * devices:
        raise ConfigError(
            f"algorithm.batch_size: {min(batch_size, rows)} rows cannot be shared by {devices} devices",
            f"needed: {2 * devices} or more",
        )


class DistributedTrainer:
    """A training that others do; its methods are those of `Training`."""

    def __init__(self, task: DistributedTask) -> None:
        self.epochs_done, self.learning_rate = 0, task.settings.learning_rate
        context = multiprocessing.get_context("spawn")  # a fork would inherit threads' locks, and cuda refuses it
        pipes = [context.Pipe() for _ in range(task.world)]
        self.pipes: list[Connection] = [ours for ours, _ in pipes]
        self.processes = [
            context.Process(target=run_process, args=(rank, theirs, task), daemon=True)
            for rank, (_, theirs) in enumerate(pipes)
        ]
        for process, (_, theirs) in zip(self.processes, pipes, strict=True):
            process.start()
            theirs.close()  # else its end would not be seen when the process dies

    def __enter__(self) -> Self:
        """Wait until all have met."""
        try:
            self._take(self._answers(range(len(self.pipes)))[0])
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes."""
        self.close()

    def epoch(self) -> float:
        """Let all learn from their shares; return the mean loss over all train rows."""
        return float(self._ask("epoch"))

    def validation_loss(self) -> float:
        """Return the mean loss over the validation rows."""
        return float(self._ask("validation_loss", only_first=True))

    def weights(self) -> dict[str, Tensor]:
        """Return a copy of the weights, which are the same in all."""
        weights: dict[str, Tensor] = self._ask("weights", only_first=True)
        return weights

    def state(self) -> dict[str, Any]:
        """Return all that a training needs to go on exactly."""
        state: dict[str, Any] = self._ask("state", only_first=True)
        return state

    def restore(self, state: dict[str, Any]) -> None:
        """Let all go on from a state."""
        self._ask("restore", state)

    def close(self) -> None:
        """Close the pipes, at which the processes end; one that does not is killed."""
        for pipe in self.pipes:
            pipe.close()
        for process in self.processes:
            process.join(GRACE if process.exitcode is None else None)
            if process.exitcode is None:
                process.kill()
                process.join()

    def _ask(self, name: str, *arguments: Any, only_first: bool = False) -> Any:
        ranks = range(1 if only_first else len(self.pipes))
        question = packed((name, arguments))
        for rank in ranks:
            try:
                self.pipes[rank].send_bytes(question)
            except OSError:
                raise self._lost(f"process {rank} does not answer") from None
        return self._take(self._answers(ranks)[0])

    def _take(self, answer: tuple[int, float, Any]) -> Any:
        self.epochs_done, self.learning_rate, value = answer
        return value

    def _answers(self, ranks: Sequence[int]) -> list[Any]:
        """Wait for an answer of each; an error, or the end of a process, ends the fit."""
        waiting, found = {self.pipes[rank]: rank for rank in ranks}, {}
        while waiting:
            ready = wait([*waiting, *(process.sentinel for process in self.processes)])
            if not any(pipe in waiting for pipe in ready):
                raise self._lost("a process ended")
            for pipe in [pipe for pipe in ready if isinstance(pipe, Connection)]:
                try:
                    told, value = unpacked(pipe.recv_bytes())
                except (EOFError, OSError):
                    raise self._lost("a process ended") from None
                if told == "error":
                    raise self._lost(value)
                found[waiting.pop(pipe)] = value
        return [found[rank] for rank in ranks]

    def _lost(self, reason: str) -> RunFailedError:
        """Say which process failed: the others fail too, when they next need it."""
        ended = wait([process.sentinel for process in self.processes], timeout=1.0)
        for process in self.processes:
            if process.sentinel in ended:
                process.join(1.0)  # its pipes close a moment before its exit code is known
        died = [(rank, process.exitcode) for rank, process in enumerate(self.processes) if process.exitcode]
        told = ", ".join(f"process {rank} of {len(self.pipes)} ended with exit code {code}" for rank, code in died)
        return RunFailedError(f"training on {len(self.pipes)} devices failed: {told or reason}")
