"""Record what some forty commands produce, and compare two such records.

    python benchmarks/regression.py record FOLDER [NAME ...]   # runs the commands with the runtree of this Python
    python benchmarks/regression.py compare BEFORE AFTER       # prints each difference; exit code 1 where there is one

A record holds what must not change unless a change is meant to: exit codes, metrics and predictions to the last bit,
the histories of iterative fits, the order of leaderboards, stop criteria. Times, paths and messages are left out. Use
it around a refactoring: the tests show that each part works, this shows that the whole gives the same results.
"""

import argparse
import csv
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

# Words that stand for several. The evaluation costs seconds a run; only the commands that are about it leave it on.
SHORT = {
    "QUIET": "evaluator.report=false evaluator.baselines=none evaluator.explain=none evaluator.diagnose=none",
    "ONE": "compute.engine=in_process tuner.deterministic=true",  # else what is proposed depends on timing
    "TWO": "compute.slots=2 tuner.deterministic=true",
    "OWN": "data=csv data.path=rows.csv data.target=price",
}
COMMANDS: dict[str, str] = {
    # one run: algorithms, data, preprocessing, evaluators
    "default": "train",
    "logistic": "train algorithm=logistic data=iris",
    "regression": "train algorithm=random_forest data=diabetes",
    "own_table": "train algorithm=ridge OWN",
    "own_boosted": "train OWN QUIET",
    "standard": "train algorithm=knn data=wine preprocess=standard QUIET",
    "raw": "train algorithm=hist_gradient_boosting preprocess=raw OWN QUIET",
    "groups": """
        train algorithm=logistic data=csv data.path=rows.csv data.target=sold data.split=group data.group=side QUIET
    """,
    "time": "train algorithm=ridge OWN data.split=time data.time=day QUIET",
    "folds": "train algorithm=ridge data=diabetes evaluator=cross_validation evaluator.repeats=2 QUIET",
    "folds_in_processes": "train algorithm=logistic data=wine evaluator=cross_validation compute.slots=2 QUIET",
    "nested": "train algorithm=knn data=iris evaluator=nested_cross_validation QUIET",
    "calibrated": "train algorithm=linear_svm decision.calibrate=sigmoid decision.threshold=f1 QUIET",
    "import": """
        train algorithm=import algorithm.path=my.module:MyEstimator algorithm.params.alpha=2 data=iris QUIET
    """,
    "synthetic": "train algorithm=lda data=synthetic_classification QUIET",
    # fits that iterate
    "mlp": "train algorithm=mlp data=iris fit.max_iterations=20 QUIET",
    "patience": "train algorithm=gradient_boosting fit.patience.checks=3 fit.history=true QUIET",
    "tolerance": "train algorithm=sgd fit.tolerance.min_change=0.01 fit.tolerance.checks=2 QUIET",
    "further": """
        train algorithm=mlp data=iris fit.max_iterations=5 fit.checkpoint.every=5 QUIET
        train --continue latest fit.max_iterations=9
    """,
    "torch": "train algorithm=torch_mlp data=iris algorithm.max_epochs=8 QUIET",
    "torch_image": "train algorithm=torch_cnn data=digits data.sample=300 algorithm.max_epochs=2 QUIET",
    # sweeps
    "grid": "train -m algorithm=logistic,knn seed=1,2 data=iris QUIET ONE",
    "grid_slots": "train -m data=wine algorithm=knn algorithm.n_neighbors=1,3,5,7 compute.slots=2 QUIET",
    "random": "tune algorithm=ridge data=diabetes tuner=random tuner.stop.max_runs=12 QUIET ONE",
    "random_slots": "tune algorithm=ridge data=diabetes tuner=random tuner.stop.max_runs=12 QUIET TWO",
    "tpe": "tune algorithm=logistic,knn data=wine tuner=tpe tuner.stop.max_runs=16 QUIET ONE",
    "tpe_slots": "tune algorithm=logistic,knn data=wine tuner=tpe tuner.stop.max_runs=16 QUIET TWO",
    "qmc": "tune algorithm=ridge data=diabetes tuner=qmc tuner.stop.max_runs=8 QUIET ONE",
    "cmaes": "tune algorithm=elastic_net data=diabetes tuner=cmaes tuner.stop.max_runs=12 QUIET ONE",
    "gp": "tune algorithm=ridge data=diabetes tuner=gp tuner.stop.max_runs=8 QUIET ONE",
    "hyperband": "tune algorithm=sgd data=wine tuner=hyperband tuner.stop.max_runs=8 QUIET ONE",
    "patient": "tune algorithm=knn data=iris tuner=random tuner.stop.patience.runs=5 QUIET ONE",
    "target": "tune algorithm=knn data=iris tuner=random tuner.stop.max_runs=9 tuner.stop.target=0.9 QUIET ONE",
    "repeats": "tune algorithm=ridge data=diabetes tuner=random tuner.repeats=2 tuner.stop.max_runs=8 QUIET ONE",
    "added_key": """
        train -m algorithm=import algorithm.path=my.module:MyEstimator data=iris +algorithm.params.alpha=0.1,1,10 \\
            QUIET ONE
    """,
    "failing": "train -m algorithm=knn data=iris algorithm.n_neighbors=3,100000 QUIET ONE",
    "resume": """
        tune algorithm=ridge data=diabetes tuner=tpe tuner.stop.max_runs=6 QUIET ONE
        resume latest tuner.stop.max_runs=10 ONE
    """,
    # what looks at runs
    "gate": """train algorithm=dummy data=wine 'evaluator.benchmark.metrics=['"'"'test.accuracy >= 0.8'"'"']'""",
    "look_back": """
        train algorithm=logistic data=iris QUIET
        predict latest iris.csv -o out.csv
        runs --where 'test.accuracy > 0.5' --json
        rerun latest
        export -o runs.csv
        compare
        best
        clean
        report latest
        explain latest iris.csv
    """,
    "check": "check algorithm=logistic data=iris",
    "plan": "plan algorithm=ridge,lasso data=diabetes tuner=tpe tuner.stop.max_runs=20",
    "list": """
        list
        describe algorithm=ridge
        plugins
        train --cfg job
    """,
    # mistakes
    "mistakes": """
        train algorithm=nosuch
        train lr=0.1
        train seed=1,2
        train data=csv data.path=missing.csv data.target=y
        train algorithm=logistic algorithm.C=-1
        tune algorithm=ridge tuner=tpe data=diabetes
        tune tuner.stop.max_runs=4o
        show nosuch
        resume nosuch
        train 'trackers=[nosuch]'
        runs --where 'test.accuracy >'
    """,
}


def main() -> int:
    """Record or compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    record_verb = verbs.add_parser("record")
    record_verb.add_argument("folder", type=Path)
    record_verb.add_argument("names", nargs="*", help="only these commands")
    record_verb.add_argument("--jobs", type=int, default=1, help="commands that run at the same time")
    compare_verb = verbs.add_parser("compare")
    compare_verb.add_argument("before", type=Path)
    compare_verb.add_argument("after", type=Path)
    arguments = parser.parse_args()
    if arguments.verb == "compare":
        return compare(arguments.before, arguments.after)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        list(pool.map(lambda name: record(name, arguments.folder), arguments.names or COMMANDS))
    return 0


def record(name: str, folder: Path) -> None:
    """Run the commands of one name in an empty folder, and write down what they produced."""
    with tempfile.TemporaryDirectory() as place:
        lay_out(Path(place))
        codes = [run(words, Path(place)) for words in command_lines(name)]
        content = {"codes": codes, **outputs(Path(place))}
    (folder / f"{name}.json").write_text(json.dumps(content, indent=1, sort_keys=True))
    print(name, codes, flush=True)


def command_lines(name: str) -> list[list[str]]:
    """Return the command lines of one name, as words."""
    text = COMMANDS[name].replace("\\\n", "")  # a line may be continued, as in a shell
    lines = [line for line in text.splitlines() if line.strip()]
    for short, words in SHORT.items():
        lines = [re.sub(rf"\b{short}\b", words, line) for line in lines]
    return [shlex.split(line) for line in lines]


def run(words: list[str], place: Path) -> int:
    """Return the exit code of one command line."""
    command = [sys.executable, "-c", "from runtree.cli.main import main; raise SystemExit(main())", *words]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=900)
    if os.environ.get("VERBOSE"):
        print(done.stdout[-1500:], done.stderr[-1500:])
    return done.returncode


def lay_out(place: Path) -> None:
    """Write the tables and the estimator that the commands name."""
    rng = np.random.default_rng(0)
    area = rng.normal(100, 30, 240).round(1)
    side = rng.choice(["north", "south", "east", "west", "centre"], 240)
    day = pd.date_range("2024-01-01", periods=240, freq="D")
    price = area * 1000 + (side == "north") * 20_000 + rng.normal(0, 9000, 240)
    sold = np.where(rng.random(240) < 1 / (1 + np.exp((price - price.mean()) / 20_000)), "yes", "no")
    area[rng.choice(240, 12)] = np.nan
    rows = pd.DataFrame({"area": area, "side": side, "day": day, "sold": sold, "price": price.round()})
    rows.to_csv(place / "rows.csv", index=False)
    from sklearn.datasets import load_iris

    load_iris(as_frame=True).data.head(20).to_csv(place / "iris.csv", index=False)
    (place / "my").mkdir()
    (place / "my" / "module.py").write_text(
        "from sklearn.linear_model import RidgeClassifier\n\n\nclass MyEstimator(RidgeClassifier):\n    pass\n"
    )


def outputs(place: Path) -> dict[str, Any]:
    """Return what the output tree below a folder holds, less times and names; in the order in which runs were made."""
    runs, sweeps = [], []
    for file in sorted(place.glob("outputs/**/run.json"), key=lambda file: (file.stat().st_ctime_ns, file)):
        sweeps_run = file.parent.parent.name == "runs"
        runs.append({"sweep_run": file.parent.name if sweeps_run else None, **run_content(file.parent)})
    # Runs of a sweep on several slots end in any order: their numbers order them.
    runs.sort(key=lambda content: content["sweep_run"] or "")
    for file in sorted(place.glob("outputs/*/*/stop.json")):
        sweeps.append(sweep_content(file.parent))
    written = {name: digest(place / name) for name in ("out.csv",) if (place / name).exists()}
    return {"runs": runs, "sweeps": sweeps, "written": written}


def run_content(folder: Path) -> dict[str, Any]:
    """Return what a run's folder tells that is the same each time."""
    kept = json.loads((folder / "run.json").read_text())
    content: dict[str, Any] = {"state": kept.get("state"), "metrics": None, "predictions": None, "history": None}
    if (folder / "metrics.json").exists():
        content["metrics"] = json.loads((folder / "metrics.json").read_text())
    if (folder / "predictions.parquet").exists():
        content["predictions"] = frame_digest(pd.read_parquet(folder / "predictions.parquet"))
    if (folder / "history.jsonl").exists():
        lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
        content["history"] = [{key: value for key, value in line.items() if "seconds" not in key} for line in lines]
    return content


def sweep_content(folder: Path) -> dict[str, Any]:
    """Return the ranking of a sweep and why it ended."""
    stop = json.loads((folder / "stop.json").read_text())
    with (folder / "leaderboard.csv").open() as file:
        ranking = [[value for key, value in row.items() if key and "second" not in key] for row in csv.DictReader(file)]
    return {"criterion": stop.get("criterion"), "value": number(stop.get("value")), "ranking": ranking}


def number(value: Any) -> Any:
    """Return a count or a text; a number with a fraction may be seconds."""
    return None if isinstance(value, float) else value


def digest(file: Path) -> str:
    """Return the hash of a file's bytes."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def frame_digest(frame: pd.DataFrame) -> str:
    """Return the hash of a table's values, whatever its columns are called."""
    values = [hashlib.sha256(frame[name].astype(str).str.cat(sep="\n").encode()).hexdigest() for name in frame]
    return hashlib.sha256("".join(values).encode()).hexdigest()


def compare(before: Path, after: Path) -> int:
    """Print the differences between two records."""
    differences = 0
    for name in COMMANDS:
        files = [folder / f"{name}.json" for folder in (before, after)]
        if not all(file.exists() for file in files):
            print(f"{name}: not in both records")
            differences += 1
            continue
        first, second = (json.loads(file.read_text()) for file in files)
        for path, old, new in unequal(first, second, name):
            differences += 1
            print(f"{path}: {str(old)[:100]} | {str(new)[:100]}")
    print(f"{differences} differences in {len(COMMANDS)} groups of commands")
    return 1 if differences else 0


def unequal(first: Any, second: Any, path: str) -> list[tuple[str, Any, Any]]:
    """Return path and values of every difference between two JSON values."""
    if isinstance(first, dict) and isinstance(second, dict):
        keys = sorted({*first, *second})
        return [row for key in keys for row in unequal(first.get(key), second.get(key), f"{path}.{key}")]
    if isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        pairs = enumerate(zip(first, second, strict=True))
        return [row for place, (old, new) in pairs for row in unequal(old, new, f"{path}[{place}]")]
    same = first == second or (first != first and second != second)
    return [] if same else [(path, first, second)]


if __name__ == "__main__":
    sys.exit(main())
