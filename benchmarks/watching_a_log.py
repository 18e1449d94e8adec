"""Time and memory of `runtree monitor` over a prediction log, beside the same log read into pandas.

    python benchmarks/watching_a_log.py 1_000_000 10_000_000

For each size a log of Parquet files with 20 numbers and 2 categories is made, a week of it 190,000 answers, with labels
for a tenth of the answers. Each measurement is a process of its own; memory is its peak (``ru_maxrss``).
"""

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

NUMBERS, FILE_ROWS, WEEK, WEEK_SECONDS = 20, 500_000, 190_000, 7 * 86_400
READ = "import pandas as pd, sys; frame = pd.read_parquet('predictions'); print(len(frame))"
TESTS = ("monitor.detectors=[ks,psi,missing,unseen]", "monitor.stream=[]")
WATCH = ("monitor", "run", "monitor.window.every=week", *TESTS)


def make_table(rows, seed, start):
    """Return `rows` rows as the service logs them, from the `start`-th on, and the target."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({f"x{number}": rng.normal(size=rows) for number in range(NUMBERS)})
    frame["city"], frame["kind"] = rng.choice(["Bern", "Bonn", "Ulm"], rows), rng.choice(["a", "b"], rows)
    p = 1 / (1 + np.exp(-frame["x0"] - frame["x1"]))
    frame["y"] = np.where(rng.random(rows) < p, "yes", "no")
    after = pd.to_timedelta(np.arange(start, start + rows) * WEEK_SECONDS / WEEK, "s")
    moments = pd.Timestamp("2026-01-05", tz="UTC") + after
    return frame, p, moments.astype("datetime64[us, UTC]")


def write_log(folder, rows, run):
    """Write a log in files, as a service leaves them."""
    import numpy as np
    import pandas as pd

    (folder / "labels").mkdir(parents=True)
    for number, start in enumerate(range(0, rows, FILE_ROWS)):
        count = min(FILE_ROWS, rows - start)
        frame, p, moments = make_table(count, number + 1, start)
        ids = pd.Series(np.arange(start, start + count)).map("q{:09d}".format)
        logged = pd.DataFrame({"request_id": ids, "row": np.int32(0), "time": moments, "model": run, "version": "run"})
        logged["route"], logged["seconds"] = "primary", 0.004
        logged = logged.join(frame.drop(columns="y").add_prefix("inputs."))
        logged["outputs.prediction"] = np.where(p > 0.5, "yes", "no")
        logged["outputs.probabilities.no"], logged["outputs.probabilities.yes"] = 1 - p, p
        logged.to_parquet(folder / f"20260101-000000-{number:06d}-1-aaaaaa.parquet", index=False)
        labels = logged[["request_id", "row", "time"]].iloc[::10].assign(label='"yes"')
        labels["label"] = [json.dumps(label) for label in frame["y"].iloc[::10]]
        labels.to_parquet(folder / "labels" / f"20260101-000000-{number:06d}-1-aaaaaa.parquet", index=False)


def measure(*words, cwd):
    """Return seconds of processor time, megabytes at the peak, and what a process printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = (
        "import resource, subprocess, sys; run = subprocess.run(sys.argv[1:], capture_output=True, text=True);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); print(run.stdout, run.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=cwd, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak, _, said = done.stdout.partition("\n")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, int(peak) / 1024, said


def main(sizes):
    """Print a line for each size."""
    runtree = str(Path(sys.executable).parent / "runtree")
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            make_table(5_000, 0, 0)[0].to_parquet(folder / "train.parquet")
            words = [
                "data=parquet",
                "data.path=train.parquet",
                "data.target=y",
                "algorithm=logistic",
                "hydra.run.dir=run",
            ]
            subprocess.run([runtree, "train", *words], cwd=folder, check=True, capture_output=True)
            write_log(folder / "predictions", size, json.loads((folder / "run" / "run.json").read_text())["id"])
            for label, words in (("monitor", [runtree, *WATCH]), ("pandas", [sys.executable, "-c", READ])):
                seconds, megabytes, said = measure(*words, cwd=folder)
                print(f"{size:>12,} rows  {label:<8} {seconds:7.1f} s CPU  {megabytes:8,.0f} MB", flush=True)
                if label == "monitor":
                    print("\n".join(said.splitlines()[:12]), flush=True)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [1_000_000, 10_000_000])
