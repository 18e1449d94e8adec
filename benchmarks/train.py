"""Processor time of `runtree train` beside a bare scikit-learn script of the same fit, and of the quick verbs.

Each contestant is a whole process, started in turn (A B C, A B C, …) after one warm-up; printed are medians and ratios
of user and system seconds, children included, beside the seconds on the clock.

    python benchmarks/train.py [--runs 7]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from statistics import median

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
model = make_pipeline(StandardScaler(), HistGradientBoostingClassifier(l2_regularization=1.0, random_state=0)).fit(x, y)
for a, b in ((x, y), (valid_x, valid_y), (test_x, test_y)):
    p = model.predict_proba(a)
    y = model.predict(a)
    print(accuracy_score(b, y), balanced_accuracy_score(b, y), log_loss(b, p), roc_auc_score(b, p[:, 1]))
"""
FRONT = [sys.executable, "-c", "from runtree.cli.main import main; main()"]
EXTRAS_OFF = [f"evaluator.{key}" for key in ("report=false", "baselines=none", "explain=none", "diagnose=none")]
CONTESTANTS = {
    "bare scikit-learn script": [sys.executable, "-c", SCRIPT],
    "runtree train": [*FRONT, "train"],
    "runtree train, extras off": [*FRONT, "train", *EXTRAS_OFF],
    "runtree plan": [*FRONT, "plan", "tuner=random", "tuner.stop.max_runs=9"],
    "runtree describe": [*FRONT, "describe", "algorithm=ridge"],
    "runtree best": [*FRONT, "best"],
    "python -c 'import click'": [sys.executable, "-c", "import click"],
    "runtree --help": [*FRONT, "--help"],
    "completion of algorithm=ran": FRONT,
}
COMPLETE = {"_RUNTREE_COMPLETE": "bash_complete", "COMP_WORDS": "runtree train algorithm=ran", "COMP_CWORD": "2"}


def cost(name: str, folder: str) -> tuple[float, float]:
    """Run a contestant once; return its processor seconds and the seconds on the clock."""
    environment = {**os.environ, **(COMPLETE if name.startswith("completion") else {})}
    clock = time.perf_counter()
    process = subprocess.Popen(CONTESTANTS[name], cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{name}: ended with status {status}")
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - clock


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as runtree sets it, so that both fits are alike
    with tempfile.TemporaryDirectory() as folder:
        costs: dict[str, list[tuple[float, float]]] = {name: [] for name in CONTESTANTS}
        for repeat in range(runs + 1):
            for name, values in costs.items():
                values += [cost(name, folder)][: min(repeat, 1)]  # the first is the warm-up
    print(f"{'contestant':30} {'cpu s':>7} {'min':>7} {'max':>7} {'clock s':>8}   (medians, n={runs})")
    for name, values in costs.items():
        cpu, clock = zip(*values, strict=True)
        print(f"{name:30} {median(cpu):7.3f} {min(cpu):7.3f} {max(cpu):7.3f} {median(clock):8.3f}")
    for one, other in (
        ("runtree train", "bare scikit-learn script"),
        ("runtree train, extras off", "bare scikit-learn script"),
        ("runtree --help", "python -c 'import click'"),
    ):
        ratios = [a / b for (a, _), (b, _) in zip(costs[one], costs[other], strict=True)]
        print(f"{one} / {other}: {median(ratios):.2f} (pair by pair {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
