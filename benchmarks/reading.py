"""What reading a table takes beside the library that does the parsing, in processor seconds of one run.

1,000,000 rows x 20 columns: numbers with holes, whole numbers, categories and dates as text. `runtree` is what a run
does to come by the rows: find the format, check the header, look for codes with leading zeros and words such as NA.

    python benchmarks/reading.py [--rows 1000000]
    python benchmarks/reading.py census.csv flights.csv     (files of one's own, the last column being the target)

Of files it also measures what follows the reading, each as a multiple of pandas' `read_csv` of the file: types are
decided, the rows hashed, repeated rows found, and the columns described for `data.json`.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

REPEATS = 5


def write_tables(rows: int) -> None:
    """Write the same table as CSV, gzipped CSV, Parquet, and four CSV files."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {
        f"number{n}": np.where(rng.random(rows) < 0.1 * (n % 3 == 0), np.nan, rng.normal(size=rows).round(4))
        for n in range(10)
    }
    columns |= {f"count{n}": rng.integers(0, 1000, rows) for n in range(4)}
    columns |= {f"kind{n}": rng.choice([f"level{k}" for k in range(3 + 20 * n)], rows) for n in range(4)}
    days = pd.date_range("2020-01-01", periods=1000).astype(str).to_numpy()
    columns |= {"day": rng.choice(days, rows), "y": rng.choice(["yes", "no"], rows)}
    frame = pd.DataFrame(columns)
    frame.to_csv("table.csv", index=False)
    frame.to_csv("table.csv.gz", index=False, compression={"method": "gzip", "compresslevel": 1})
    frame.to_parquet("table.parquet")
    Path("many").mkdir()
    for part in range(4):
        frame[part * rows // 4 : (part + 1) * rows // 4].to_csv(f"many/{part}.csv", index=False)


def seconds(read: Callable[[], Any]) -> float:
    """Return the processor seconds of the quickest of a few calls."""
    taken = []
    for _ in range(REPEATS):
        before = time.process_time()
        read()
        taken.append(time.process_time() - before)
    return min(taken)


def measure_file(file: str) -> None:
    """Print seconds of pandas, and the multiples of it that the steps of runtree take, one after the other."""
    import pandas as pd

    from runtree.data.files import TableFile
    from runtree.lifecycle.row_choice import find_repeats
    from runtree.tables.column_types import describe_type
    from runtree.tables.fingerprint import TableHash
    from runtree.tables.notes import decide_types
    from runtree.tables.table import count_distinct

    taken: dict[str, list[float]] = {}

    def step(name: str, work: Callable[..., Any], *arguments: Any) -> Any:
        before = time.process_time()
        result = work(*arguments)
        taken.setdefault(name, []).append(time.process_time() - before)
        return result

    def describe(features: pd.DataFrame) -> list[Any]:
        return [(describe_type(column), count_distinct(column)) for _, column in features.items()]

    for _ in range(REPEATS):
        step("pandas", partial(pd.read_csv, low_memory=False), file)
        frame = step("read", TableFile(file).load)
        features, target = frame.iloc[:, :-1], frame.iloc[:, -1]
        step("types", decide_types, features, {})
        rows = step("hash", TableHash().update, features, target)
        step("repeats", find_repeats, rows, "auto")
        step("describe", describe, features)
    best = {name: min(each) for name, each in taken.items()}
    plain = best.pop("pandas")
    ratios = "".join(f"  {name} {each / plain:.2f}" for name, each in best.items())
    print(f"{Path(file).stem:<12} {len(frame):>9,} x {frame.shape[1]:<3} pandas {plain:.2f} s {ratios}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", help="CSV files to read instead of the table that is made")
    parser.add_argument("--rows", type=int, default=1_000_000)
    arguments = parser.parse_args()
    if arguments.files:
        for file in arguments.files:
            measure_file(file)
        return
    rows = arguments.rows
    import pandas as pd

    from runtree.data.files import TableFile
    from runtree.tables.fingerprint import frame_fingerprint, hash_table

    def one_by_one() -> Any:
        return pd.concat([pd.read_csv(file, low_memory=False) for file in sorted(Path("many").iterdir())])

    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write_tables(rows)
        frame = pd.read_csv("table.csv", low_memory=False)
        pairs: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
            "CSV": (lambda: pd.read_csv("table.csv", low_memory=False), TableFile("table.csv").load),
            "CSV, gzip": (lambda: pd.read_csv("table.csv.gz", low_memory=False), TableFile("table.csv.gz").load),
            "CSV, 4 files": (one_by_one, TableFile("many").load),
            "Parquet": (lambda: pd.read_parquet("table.parquet"), TableFile("table.parquet").load),
            "fingerprint with sketch": (
                lambda: frame_fingerprint(frame),
                lambda: hash_table(frame.drop(columns="y"), frame["y"]),
            ),
        }
        print(f"{rows:,} rows x {frame.shape[1]} columns\n{'':<24}  plain s  runtree s  ratio")
        for name, (plain, ours) in pairs.items():
            first, second = seconds(plain), seconds(ours)
            print(f"{name:<24}  {first:7.2f}  {second:9.2f}  {second / first:5.2f}")
        os.chdir("/")


if __name__ == "__main__":
    main()
