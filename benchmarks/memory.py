"""How much memory a training takes beside the table's own: a CSV of 100,000 rows x 50 columns, boosted.

The table has numbers with holes, whole numbers, categories, dates and text. The peak is the resident memory above
what the process holds with its libraries loaded; the table's own is `DataFrame.memory_usage(deep=True)`.

    python benchmarks/memory.py [--rows 100000]
"""

import argparse
import os
import tempfile
import threading
import time
from pathlib import Path

WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "lazy", "dog", "alpha", "beta", "gamma", "delta"]


def write_table(file: Path, rows: int) -> float:
    """Write the CSV and return its table's own memory in MiB, as it is read back."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(0)
    columns = {
        f"number{n}": np.where(rng.random(rows) < 0.1 * (n % 3 == 0), np.nan, rng.normal(size=rows)) for n in range(28)
    }
    columns |= {f"count{n}": rng.integers(0, 1000, rows) for n in range(6)}
    columns |= {f"kind{n}": rng.choice([f"level{k}" for k in range(3 + 20 * n)], rows) for n in range(6)}
    days = pd.date_range("2020-01-01", periods=rows, freq="13min").astype(str).to_numpy()
    columns |= {f"day{n}": rng.permutation(days) for n in range(4)}
    columns |= {f"text{n}": [" ".join(row) for row in rng.choice(WORDS, (rows, 6))] for n in range(5)}
    noise = rng.normal(size=rows)
    columns["y"] = np.where(columns["number1"] + columns["count0"] / 500 + noise > 1, "yes", "no")
    pd.DataFrame(columns).to_csv(file, index=False)
    return float(pd.read_csv(file).memory_usage(deep=True).sum()) / 2**20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        child = os.fork()  # the table is made by another process, so that its memory is not counted here
        if child == 0:
            Path("own.txt").write_text(str(write_table(Path("big.csv"), rows)))
            os._exit(0)
        os.waitpid(child, 0)
        own, peak, seconds = float(Path("own.txt").read_text()), *trained()
    print(
        f"table {own:.0f} MiB, peak above the loaded libraries {peak:.0f} MiB: {peak / own:.2f} x, in {seconds:.0f} s"
    )


def trained() -> tuple[float, float]:
    """Train once and return the peak above the start in MiB, and the seconds."""
    from runtree.cli.main import main as runtree

    table = ["data=csv", "data.path=big.csv", "data.target=y"]
    Path("warm.csv").write_text("x,y\n" + "\n".join(f"{n},{'pq'[n % 2]}" for n in range(80)))
    runtree(["train", "data=csv", "data.path=warm.csv", "data.target=y"])  # loads every library that a run needs

    import psutil

    process, peak, done = psutil.Process(), [0], threading.Event()
    start, clock = process.memory_info().rss, time.monotonic()

    def watch() -> None:
        while not done.wait(0.01):
            peak[0] = max(peak[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    runtree(["train", *table, "algorithm=hist_gradient_boosting"])
    done.set()
    watcher.join()
    return (peak[0] - start) / 2**20, time.monotonic() - clock


if __name__ == "__main__":
    main()
