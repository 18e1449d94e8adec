"""Training on several devices of this machine: one process per device, through DistributedDataParallel.

The parent process, in which `fit` was called, has a pipe to each rank and sends it method calls: an epoch, the weights,
the state. Reports and metrics stay in the parent. A rank exits when its pipe closes, so no process outlives the parent,
even if that is killed.
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

# --- One rank: join the process group, then execute the calls of the parent.


@dataclass(frozen=True)
class DistributedTask:
    """The arguments of every rank; pickling them passes tensors through shared memory."""

    module: nn.Module
    settings: TrainingSettings
    data: TrainingData
    device: str
    world_size: int
    threads: int
    rendezvous_file: str


def run_process(rank: int, pipe: Connection, task: DistributedTask) -> None:
    """Join the process group, then execute method calls from the pipe until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent handles it
    for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):  # listen on the loopback interface only
        os.environ.setdefault(name, "lo0" if sys.platform == "darwin" else "lo")
    try:
        trainer = _join_group(rank, task)
        _send(pipe, trainer, None)
        while True:
            name, arguments = unpacked(pipe.recv_bytes())
            _send(pipe, trainer, getattr(trainer, name)(*arguments))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the parent has closed the pipe or has died
    except Exception as error:
        with suppress(OSError):
            pipe.send_bytes(packed(("error", f"process {rank}: {type(error).__name__}: {first_line(error)}")))


def _join_group(rank: int, task: DistributedTask) -> LocalTrainer:
    device = torch.device(task.device, rank) if task.device == "cuda" else torch.device(task.device)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    torch.set_num_threads(task.threads)  # the ranks share the cores of this machine
    backend = "nccl" if device.type == "cuda" else "gloo"
    # A file instead of a TCP port: no port can be taken by another process between choosing and binding it.
    distributed.init_process_group(
        backend, init_method=f"file://{task.rendezvous_file}", rank=rank, world_size=task.world_size
    )
    return LocalTrainer(unshared(task.module), task.settings, task.data, device, BatchShard(rank, task.world_size))


def _send(pipe: Connection, trainer: LocalTrainer, value: Any) -> None:
    # Counters travel with every result, so that the parent can read them without another round trip.
    pipe.send_bytes(packed(("done", (trainer.epochs_done, trainer.learning_rate, value))))


def unshared(module: nn.Module) -> nn.Module:
    """Return a copy in private memory: the pickled module lies in shared memory, to which all ranks would write."""
    copied: nn.Module = unpacked(packed(module))
    return copied


def packed(content: Any) -> bytes:
    """Serialise to bytes: sent through the pipe directly, tensors would go as shared memory, whose owner may exit."""
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def unpacked(content: bytes) -> Any:
    """Deserialise; `weights_only=False` is safe because only this module writes to these pipes."""
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=False)


SHUTDOWN_SECONDS = 5.0


@contextmanager
def make_trainer(
    module: nn.Module, settings: TrainingSettings, data: TrainingData, device: torch.device, devices: int
) -> Iterator[Trainer]:
    """Yield a trainer in this process, or one with a process per device."""
    if devices == 1:
        yield LocalTrainer(module, settings, data, device)
        return
    check_devices(device, devices, settings.batch_size, len(data.train))
    threads = max(1, torch.get_num_threads() // devices)
    with tempfile.TemporaryDirectory() as folder:
        task = DistributedTask(module, settings, data, device.type, devices, threads, str(Path(folder) / "rendezvous"))
        with DistributedTrainer(task) as processes:
            yield processes


def check_devices(device: torch.device, devices: int, batch_size: int, rows: int) -> None:
    """Raise ConfigError if there are fewer GPUs, or if a batch has fewer than two rows per device."""
    available = torch.cuda.device_count()
    if device.type == "cuda" and devices > available:
        raise ConfigError(
            f"compute.devices: {devices} requested, but {available} GPU(s) available", f"possible: 1 to {available}"
        )
    if device.type == "mps":
        raise ConfigError(f"compute.devices: {devices} requested, but 1 (mps) available", "type: compute.devices=1")
    if min(batch_size, rows) < 2 * devices:
        raise ConfigError(
            f"algorithm.batch_size: {min(batch_size, rows)} rows cannot be split across {devices} devices",
            f"needed: {2 * devices} or more",
        )


class DistributedTrainer:
    """Forwards the methods of `Trainer` to one process per device."""

    def __init__(self, task: DistributedTask) -> None:
        self.epochs_done, self.learning_rate = 0, task.settings.learning_rate
        # A fork would copy locks that other threads hold, and CUDA cannot be used in a forked process.
        context = multiprocessing.get_context("spawn")
        pipes = [context.Pipe() for _ in range(task.world_size)]
        self.pipes: list[Connection] = [parent_end for parent_end, _ in pipes]
        self.processes = [
            context.Process(target=run_process, args=(rank, child_end, task), daemon=True)
            for rank, (_, child_end) in enumerate(pipes)
        ]
        for process, (_, child_end) in zip(self.processes, pipes, strict=True):
            process.start()
            child_end.close()  # otherwise the parent would keep the pipe open and see no EOF when the child dies

    def __enter__(self) -> Self:
        """Wait until all ranks have joined the process group."""
        try:
            self._unpack(self._receive(range(len(self.pipes)))[0])
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the processes."""
        self.close()

    def epoch(self) -> float:
        """Train one epoch on all ranks; return the mean loss over the train rows."""
        return float(self._call("epoch"))

    def validation_loss(self) -> float:
        """Return the mean loss over the validation rows."""
        return float(self._call("validation_loss", rank_0_only=True))

    def weights(self) -> dict[str, Tensor]:
        """Return a copy of rank 0's weights; they are equal on all ranks."""
        weights: dict[str, Tensor] = self._call("weights", rank_0_only=True)
        return weights

    def state(self) -> dict[str, Any]:
        """Return the state that resumes training exactly."""
        state: dict[str, Any] = self._call("state", rank_0_only=True)
        return state

    def restore(self, state: dict[str, Any]) -> None:
        """Load a state on every rank."""
        self._call("restore", state)

    def close(self) -> None:
        """Close the pipes, which ends the ranks; kill those that have not exited after `SHUTDOWN_SECONDS`.

        A rank that waits in a collective call for a rank that has died never reads its pipe.
        """
        for pipe in self.pipes:
            pipe.close()
        for process in self.processes:
            process.join(SHUTDOWN_SECONDS if process.exitcode is None else None)
            if process.exitcode is None:
                process.kill()
                process.join()

    def _call(self, name: str, *arguments: Any, rank_0_only: bool = False) -> Any:
        ranks = range(1 if rank_0_only else len(self.pipes))
        message = packed((name, arguments))
        for rank in ranks:
            try:
                self.pipes[rank].send_bytes(message)
            except OSError:
                raise self._failure(f"process {rank} closed its pipe") from None
        return self._unpack(self._receive(ranks)[0])

    def _unpack(self, result: tuple[int, float, Any]) -> Any:
        self.epochs_done, self.learning_rate, value = result
        return value

    def _receive(self, ranks: Sequence[int]) -> list[Any]:
        """Wait for a result of each rank; raise RunFailedError if one reports an error or dies."""
        waiting, results = {self.pipes[rank]: rank for rank in ranks}, {}
        while waiting:
            # All processes are watched, not only those waited for: a dead rank blocks the others in their collectives.
            ready = wait([*waiting, *(process.sentinel for process in self.processes)])
            if not any(pipe in waiting for pipe in ready):
                raise self._failure("a process ended")
            for pipe in [pipe for pipe in ready if isinstance(pipe, Connection)]:
                try:
                    status, value = unpacked(pipe.recv_bytes())
                except (EOFError, OSError):
                    raise self._failure("a process ended") from None
                if status == "error":
                    raise self._failure(value)
                results[waiting.pop(pipe)] = value
        return [results[rank] for rank in ranks]

    def _failure(self, reason: str) -> RunFailedError:
        """Return an error that names the rank that died first, before the others fail in their next collective call."""
        ended = wait([process.sentinel for process in self.processes], timeout=1.0)
        for process in self.processes:
            if process.sentinel in ended:
                process.join(1.0)  # the pipe closes shortly before the exit code is available
        died = [(rank, process.exitcode) for rank, process in enumerate(self.processes) if process.exitcode]
        deaths = ", ".join(f"process {rank} of {len(self.pipes)} ended with exit code {code}" for rank, code in died)
        return RunFailedError(f"training on {len(self.pipes)} devices failed: {deaths or reason}")
