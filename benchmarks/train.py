"""What `runtree train` costs beside a bare scikit-learn script of the same fit, and how soon `--help` answers.

Each contestant is a whole process, started in turn (A B C, A B C, …) after one warm-up; medians and ratios are printed.

    python benchmarks/train.py [--runs 7]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SCRIPT = """
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
data = load_breast_cancer(as_frame=True)
x, test_x, y, test_y = train_test_split(data.data, data.target, test_size=0.2, stratify=data.target, random_state=0)
x, valid_x, y, valid_y = train_test_split(x, y, test_size=114, stratify=y, random_state=0)
model = make_pipeline(StandardScaler(), HistGradientBoostingClassifier(early_stopping=False, random_state=0)).fit(x, y)
for a, b in ((x, y), (valid_x, valid_y), (test_x, test_y)):
    p = model.predict_proba(a)
    y = model.predict(a)
    print(accuracy_score(b, y), balanced_accuracy_score(b, y), log_loss(b, p), roc_auc_score(b, p[:, 1]))
"""
FRONT = [sys.executable, "-c", "from runtree.cli.main import main; main()"]
CONTESTANTS = {
    "bare scikit-learn script": [sys.executable, "-c", SCRIPT],
    "runtree train": [*FRONT, "train"],
    "python -c 'import click'": [sys.executable, "-c", "import click"],
    "runtree --help": [*FRONT, "--help"],
    "completion of algorithm=ran": FRONT,
}
COMPLETE = {"_RUNTREE_COMPLETE": "bash_complete", "COMP_WORDS": "runtree train algorithm=ran", "COMP_CWORD": "2"}


def seconds(name: str, folder: str) -> float:
    """Run a contestant once."""
    environment = {**os.environ, **(COMPLETE if name.startswith("completion") else {})}
    clock = time.perf_counter()
    subprocess.run(CONTESTANTS[name], cwd=folder, env=environment, check=True, capture_output=True)
    return time.perf_counter() - clock


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as runtree sets it, so that both fits are alike
    with tempfile.TemporaryDirectory() as folder:
        taken = {name: [] for name in CONTESTANTS}
        for repeat in range(runs + 1):
            for name, values in taken.items():
                values += [seconds(name, folder)][: min(repeat, 1)]  # the first is the warm-up
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
    print(f"{'contestant':30} {'median s':>9} {'min':>7} {'max':>7}   (n={runs})")
    for name, values in taken.items():
        print(f"{name:30} {statistics.median(values):9.3f} {min(values):7.3f} {max(values):7.3f}")
    for one, other in (("runtree train", "bare scikit-learn script"), ("runtree --help", "python -c 'import click'")):
        ratios = [a / b for a, b in zip(taken[one], taken[other], strict=True)]
        print(f"{one} / {other}: {statistics.median(ratios):.2f} (pair by pair {min(ratios):.2f} to {max(ratios):.2f})")
    print(f"on disk per run: {size / (runs + 1) / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
