"""Train `sgd` on a table that is larger than memory may be, beside scikit-learn's own out-of-core loop.

    python benchmarks/larger_than_memory.py /tmp/big.parquet --rows 10000000

Makes the table (20 columns of numbers, two classes) unless it is there, then runs both in processes of their own, one
after the other, and prints seconds, the largest resident memory and the test accuracy of each. Both make the same
number of passes. The loop of scikit-learn is the one of its documentation on out-of-core learning: statistics and then
`partial_fit`, batch by batch, with the last batches held out.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COLUMNS, GROUP_ROWS, BATCH_ROWS, EPOCHS = 20, 100_000, 50_000, 2
QUIET = ("baselines=none", "explain=none", "diagnose=none", "intervals.resamples=0")


def make_table(path: Path, rows: int) -> None:
    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet

    generator = np.random.default_rng(0)
    weights, writer = generator.normal(size=COLUMNS), None
    for _ in range(rows // GROUP_ROWS):
        values = generator.normal(size=(GROUP_ROWS, COLUMNS))
        target = np.where(values @ weights + 2 * generator.logistic(size=GROUP_ROWS) > 0, "yes", "no")
        table = pa.table({**{f"x{place}": column for place, column in enumerate(values.T)}, "y": target})
        writer = writer or parquet.ParquetWriter(path, table.schema, compression="none")
        writer.write_table(table, row_group_size=GROUP_ROWS)
    if writer is not None:
        writer.close()


def scikit_learn(path: str) -> dict[str, float]:
    import numpy as np
    from pyarrow import parquet
    from sklearn.linear_model import SGDClassifier
    from sklearn.preprocessing import StandardScaler

    names = [f"x{place}" for place in range(COLUMNS)]

    def batches():
        with parquet.ParquetFile(path, pre_buffer=False) as file:
            for batch in file.iter_batches(batch_size=BATCH_ROWS):
                frame = batch.to_pandas()
                yield frame[names].to_numpy(), frame["y"].to_numpy()

    with parquet.ParquetFile(path) as file:
        count = -(-file.metadata.num_rows // BATCH_ROWS)
    train = max(count - 4, 1)  # the others are held out
    scaler, model = StandardScaler(), SGDClassifier(loss="log_loss", random_state=0)
    for place, (rows, _) in enumerate(batches()):
        if place < train:
            scaler.partial_fit(rows)
    right, scored = 0, 0
    for epoch in range(EPOCHS):
        for place, (rows, target) in enumerate(batches()):
            if place < train:
                model.partial_fit(scaler.transform(rows), target, classes=np.array(["no", "yes"]))
            elif epoch == EPOCHS - 1:
                right += int((model.predict(scaler.transform(rows)) == target).sum())
                scored += len(target)
    return {"accuracy": right / max(scored, 1)}


def runtree(path: str) -> dict[str, float]:
    from runtree.app import App, train
    from runtree.config.hydra_engine import parse_flags

    with tempfile.TemporaryDirectory() as folder:
        words = ["data=parquet", f"data.path={path}", "data.target=y", "data.batches=true", "algorithm=sgd"]
        words += [f"fit.max_iterations={EPOCHS}", f"outputs={folder}", *(f"evaluator.{key}" for key in QUIET)]
        run = train(App(), parse_flags(words)).runs[0]
        return {"accuracy": run.metrics["test"]["accuracy"], **run.stage_seconds}


def measure(which: str, path: str) -> None:
    """Run one of the two in a process of its own, and print what it took."""
    started = time.monotonic()
    child = subprocess.Popen([sys.executable, __file__, path, "--only", which], stdout=subprocess.PIPE, text=True)
    out = child.stdout.read() if child.stdout else ""
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.monotonic() - started
    found = json.loads(out.splitlines()[-1]) if status == 0 else {}
    stages = {name: round(value, 1) for name, value in found.items() if name != "accuracy"}
    busy = usage.ru_utime + usage.ru_stime
    memory, accuracy = usage.ru_maxrss / 2**20, found.get("accuracy", 0)
    took = f"{seconds:7.1f} s, {busy:6.1f} s of processor time, {memory:.2f} GiB"
    print(f"{which:14} {took}, accuracy {accuracy:.4f}  {stages or ''}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--only", choices=["runtree", "scikit-learn"])
    chosen = parser.parse_args()
    if chosen.only:
        print(json.dumps(runtree(chosen.path) if chosen.only == "runtree" else scikit_learn(chosen.path)))
        return
    if not Path(chosen.path).exists():
        make_table(Path(chosen.path), chosen.rows)
    for which in ("runtree", "scikit-learn"):
        measure(which, chosen.path)


if __name__ == "__main__":
    main()
