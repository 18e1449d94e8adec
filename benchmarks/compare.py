"""The time to list, rank and diff many runs: a cold walk of the tree, the index, a naive walk, MLflow's store.

Trees of runs as sweeps leave them, with a run.json of some eighty config keys, are made in a temporary folder. All
stores hold the same runs and answer the same question: the ten best by a validation metric, and in which settings they
differ; `compare` groups all runs into configurations and tests the first twenty. Seconds are processor time, the best
of three, in one process, libraries loaded, files in the page cache.

    python benchmarks/compare.py [--runs 5000 50000] [--mlflow 1000]
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runtree.cli.compare import make_comparison
from runtree.records import index
from runtree.records.compare.table import CompareRequest
from runtree.records.diff import varying_keys
from runtree.records.index import INDEX_NAME, query_index
from runtree.records.query import RunQuery, select_runs
from runtree.records.scan import SETTLED_NANOSECONDS

IN_A_SWEEP, BEST = 5_000, 10
METRICS = ("accuracy", "balanced_accuracy", "f1", "precision", "recall", "roc_auc", "average_precision", "log_loss")
WISH = RunQuery(sort="validation.roc_auc", most=BEST)


def content(number: int, name: str, dice: random.Random) -> dict[str, Any]:
    """Return a run's record."""
    option = ("hist_gradient_boosting", "random_forest", "logistic")[number % 3]
    config: dict[str, Any] = {"seed": number % 7, "outputs": "outputs", "experiment.name": "bench"}
    config |= {"algorithm.name": option, "algorithm._target_": f"sklearn.{option}", "data.name": "breast_cancer"}
    config |= {"algorithm.learning_rate": dice.random(), "algorithm.max_iter": dice.randrange(50, 500)}
    for group in ("data", "preprocess", "evaluator", "compute", "fit", "objective", "tuner"):
        config |= {f"{group}.setting_{key}": (None, True, 0.25, 20, "auto")[key % 5] for key in range(10)}
    config |= {f"algorithm.space.{key}": "interval(0, 1)" for key in range(4)}
    metrics = {part: {name: dice.random() for name in METRICS} for part in ("train", "validation")}
    started = f"2026-11-{1 + number // 3000 % 28:02d}T{number % 24:02d}:00:00.{number % 1000:03d}+00:00"
    return {
        "schema": 1, "id": name, "experiment": "bench", "state": "failed" if number % 50 == 7 else "completed",
        "reason": None, "started": started,
        "finished": "2026-11-30T00:00:00.000+00:00", "seconds": dice.random(), "config": config,
        "overrides": [f"algorithm={option}", f"seed={number % 7}"], "metrics": {} if number % 50 == 7 else metrics,
        "objective": {"metric": "roc_auc", "direction": "maximize", "part": "validation", "value": dice.random()},
        "fingerprints": {"config": f"{dice.getrandbits(256):064x}", "data": "d" * 64, "split": "s" * 64},
        "stages": {"load": 0.01, "fit": 0.5}, "task": "classification", "error": None, "pid": 1, "host": "bench",
    }  # fmt: skip


def make_tree(outputs: Path, runs: int) -> None:
    """Make sweeps of runs that have ended."""
    dice = random.Random(0)
    for number in range(runs):
        sweep, own = divmod(number, IN_A_SWEEP)
        folder = f"{outputs}/bench/20261101-{sweep:06d}-sweep"
        if own == 0:
            Path(folder, "runs").mkdir(parents=True)
            Path(folder, "ledger.jsonl").write_text("")
        Path(folder, "runs", f"{own:04d}").mkdir()
        record = content(number, f"20261101-{sweep:06d}-sweep/{own:04d}", dice)
        lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in record.items())
        Path(folder, "runs", f"{own:04d}", "run.json").write_text("{\n" + lines + "\n}\n")


def make_run(outputs: Path) -> None:
    """Add one run outside the sweeps."""
    folder = outputs / "bench" / "20261130-000000-00000000"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps(content(0, folder.name, random.Random(1))))


def answer(outputs: Path, each: bool = False) -> list[str]:
    """List, rank and diff as `runtree runs` does."""
    best = query_index(outputs, lambda runs: select_runs(runs, WISH, lambda: {"roc_auc": "maximize"}), each).records
    varying_keys(best)
    return [record.id for record in best]


def naive(outputs: Path) -> list[str]:
    """Do the same with glob, json and sorted."""
    files = [*outputs.glob("*/*/runs/*/run.json"), *outputs.glob("*/*/run.json")]
    found = [json.loads(file.read_text()) for file in files]
    scored = [record for record in found if record["metrics"]]
    best = sorted(scored, key=lambda record: record["metrics"]["validation"]["roc_auc"], reverse=True)[:BEST]
    keys = {key for record in best for key in record["config"]}
    [key for key in keys if len({str(record["config"].get(key)) for record in best}) > 1]
    return [record["id"] for record in best]


def seconds(work: Callable[[], Any], times: int = 3) -> float:
    """Return the least processor time of a few calls: on a busy machine the wall clock says little."""
    taken = []
    for _ in range(times):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken)


@contextmanager
def no_index_written() -> Iterator[None]:
    """Keep the index from being written."""
    before, index.MIN_CHANGES_TO_WRITE = index.MIN_CHANGES_TO_WRITE, 10**9
    try:
        yield
    finally:
        index.MIN_CHANGES_TO_WRITE = before


def measure(runs: int) -> None:
    """Make a tree, ask in every way, and print the times."""
    with tempfile.TemporaryDirectory() as folder:
        outputs, began = Path(folder, "outputs"), time.perf_counter()
        make_tree(outputs, runs)
        print(f"\n{runs:,} runs, {len(content(0, '', random.Random(0))['config'])} config keys each, made in", end=" ")
        print(f"{time.perf_counter() - began:.0f} s")
        time.sleep(1.5 * SETTLED_NANOSECONDS / 1e9)  # what has only just changed is not put into the index
        taken = {"naive walk: glob, json, sorted": seconds(lambda: naive(outputs))}
        with no_index_written():
            taken["cold walk"] = seconds(lambda: answer(outputs))
        taken["cold walk, and the index written"] = seconds(lambda: rebuilt(outputs))
        taken["from the index"] = seconds(lambda: answer(outputs), 5)
        taken["from the index, each run verified"] = seconds(lambda: answer(outputs, each=True))
        taken["compare, from the index"] = seconds(lambda: make_comparison(outputs, CompareRequest()))
        with no_index_written():
            (outputs / INDEX_NAME).unlink()
            taken["compare, cold walk"] = seconds(lambda: make_comparison(outputs, CompareRequest()))
        rebuilt(outputs)
        make_run(outputs)
        taken["from the index, one run is new"] = seconds(lambda: answer(outputs))
        assert answer(outputs) == naive(outputs), "they do not agree"
        floor = taken["naive walk: glob, json, sorted"]
        print(f"index {(outputs / INDEX_NAME).stat().st_size / 1e6:.1f} MB")
        for name, spent in taken.items():
            print(f"  {name:<36} {spent:8.3f} s   {spent / floor:6.3f} x naive")


def rebuilt(outputs: Path) -> list[str]:
    """Answer without an index, which is then written."""
    (outputs / INDEX_NAME).unlink(missing_ok=True)
    return answer(outputs)


def measure_mlflow(runs: int) -> None:
    """Put the same runs into an MLflow sqlite store through its client, and ask it what a tree of them is asked."""
    try:
        import mlflow
        from mlflow.entities import Metric, Param
    except ImportError:
        print("\nMLflow is not installed: its store is not measured")
        return
    with tempfile.TemporaryDirectory() as folder:
        client, dice = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db"), random.Random(0)
        experiment, began = client.create_experiment("bench"), time.perf_counter()
        for number in range(runs):
            record = content(number, str(number), dice)
            run = client.create_run(experiment).info.run_id
            scores = [(f"{p}.{m}", value) for p, own in record["metrics"].items() for m, value in own.items()]
            settings = [Param(key, str(value)) for key, value in record["config"].items()]
            client.log_batch(run, [Metric(name, value, number, 0) for name, value in scores], settings)
            client.set_terminated(run)
        print(f"\nMLflow {mlflow.__version__}, sqlite: {runs:,} runs put in in {time.perf_counter() - began:.0f} s")
        order, outputs = ["metrics.`validation.roc_auc` DESC"], Path(folder, "outputs")
        make_tree(outputs, runs)
        time.sleep(1.5 * SETTLED_NANOSECONDS / 1e9)
        floor = seconds(lambda: answer(outputs))
        for name, work in {
            "runtree: the ten best, from the index": lambda: answer(outputs),
            "MLflow: the ten best": lambda: client.search_runs([experiment], order_by=order, max_results=BEST),
            "MLflow: all of them listed": lambda: client.search_runs([experiment], max_results=min(runs, 50_000)),
            "naive walk: glob, json, sorted": lambda: naive(outputs),
        }.items():
            spent = seconds(work)
            print(f"  {name:<38} {spent:8.3f} s   {spent / floor:7.1f} x runtree")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="*", default=[5_000, 50_000])
    parser.add_argument("--mlflow", type=int, default=1_000, help="runs to put into MLflow's store; 0 for none")
    options = parser.parse_args()
    for runs in options.runs:
        measure(runs)
    if options.mlflow:
        measure_mlflow(options.mlflow)


if __name__ == "__main__":
    main()
