"""What a run of a sweep costs with runtree and with its peers, as ratios within one run of this script.

Every contestant does the same work a run: fit a logistic regression (or boosted trees) on the prepared breast cancer
table, predict the train and the validation part, and score both by ROC AUC, with one and the same function: what is
compared is what goes on around that. The contestants take turns (A B C, …); a
sweep's own start is told apart from what it costs a run. "bare, on disk" is the floor: the bare loop that also writes
each run's config, record and metrics as plainly as can be, and a line that the disk confirms.

    python benchmarks/sweep.py [--runs 300] [--rounds 3] [--fit logistic|boosting] [--grow] [--start] [--hydra]
"""

import argparse
import contextlib
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

BOOSTING = ["algorithm=hist_gradient_boosting", "algorithm.max_iter=20"]
SPACES = {
    "logistic": ["algorithm=logistic", "algorithm.C=tag(log,interval(1e-3,1e2))"],
    "boosting": [*BOOSTING, "algorithm.learning_rate=tag(log,interval(0.02,0.5))"],
    "quick": ["algorithm=naive_bayes", "algorithm.var_smoothing=tag(log,interval(1e-12,1e-3))"],
}
COMMON = ["objective.metric=roc_auc", "evaluator.metrics=[roc_auc]", "compute=cpu", "compute.threads=1"]
HYDRA = """
import sys
sys.path.insert(0, {folder!r})
import hydra, sweep
@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(config):
    return sweep.run_one({fit!r}, config.x)
main()
"""


def prepared() -> tuple[object, ...]:
    """Return the data as every contestant has it: prepared rows and targets of the train and validation part."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    x, y = load_breast_cancer(return_X_y=True)
    x, _, y, _ = train_test_split(x, y, test_size=0.2, stratify=y, random_state=0)
    x, valid_x, y, valid_y = train_test_split(x, y, test_size=114, stratify=y, random_state=0)
    scaler = StandardScaler().fit(x)
    return scaler.transform(x), y, scaler.transform(valid_x), valid_y


_DATA: list[tuple[object, ...]] = []


def run_one(fit: str, value: float) -> float:
    """Do the work of one run, bare."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    from runtree.statistics.fast_metrics import roc_auc_once

    if not _DATA:
        _DATA.append(prepared())
    x, y, valid_x, valid_y = _DATA[0]
    if fit == "logistic":
        model = LogisticRegression(C=value, max_iter=1000, random_state=0)
    else:
        model = HistGradientBoostingClassifier(
            learning_rate=value, max_iter=20, max_leaf_nodes=31, early_stopping=False, random_state=0
        )
    model.fit(x, y)
    scores = [roc_auc_once(b == 1, model.predict_proba(a)[:, 1]) for a, b in ((x, y), (valid_x, valid_y))]
    model.predict(x), model.predict(valid_x)
    return scores[1]


def values(fit: str, runs: int) -> list[float]:
    """Return the hyperparameters that are tried."""
    import numpy as np

    low, high = (1e-3, 1e2) if fit == "logistic" else (0.02, 0.5)
    return [float(value) for value in np.exp(np.random.default_rng(0).uniform(np.log(low), np.log(high), runs))]


@contextlib.contextmanager
def clocked(taken: dict[str, float], name: str) -> Iterator[None]:
    """Take the wall seconds of a block."""
    clock = time.perf_counter()
    yield
    taken[name] = time.perf_counter() - clock


def bare(fit: str, runs: int) -> float:
    """Return the seconds of a plain loop."""
    clock = time.perf_counter()
    for value in values(fit, runs):
        run_one(fit, value)
    return time.perf_counter() - clock


def on_disk(fit: str, runs: int, config: object, record: object) -> float:
    """Return the seconds of a plain loop that writes what a run leaves: its config, its record, its metrics, a line."""
    import yaml

    with tempfile.TemporaryDirectory() as place, (Path(place) / "ledger.jsonl").open("ab", buffering=0) as ledger:
        clock = time.perf_counter()
        for number, value in enumerate(values(fit, runs)):
            folder = Path(place) / str(number)
            folder.mkdir()
            (folder / "config.yaml").write_text(yaml.dump(config, Dumper=yaml.CSafeDumper, sort_keys=False))
            found = {"validation": {"roc_auc": run_one(fit, value)}}
            (folder / "metrics.json").write_text(json.dumps(found))
            (folder / "run.json").write_text(json.dumps(record))
            ledger.write(json.dumps({"run": number, "x": value, **found}).encode() + b"\n")
            os.fdatasync(ledger.fileno())
        return time.perf_counter() - clock


def what_a_run_leaves(fit: str) -> tuple[object, object]:
    """Return the config and the record of one run of runtree's."""
    import yaml

    found: list[tuple[object, object]] = []

    def read(folder: Path) -> None:
        run = folder / "runs" / "0000"
        config, record = (run / "config.yaml").read_text(), (run / "run.json").read_text()
        found.append((yaml.safe_load(config), json.loads(record)))

    runtree(fit, 1, "random", 1, read=read)
    return found[0]


def parallel(fit: str, runs: int) -> float:
    """Return the seconds of joblib's loky on two warm workers."""
    from joblib import Parallel, delayed

    with Parallel(n_jobs=2) as pool:
        pool(delayed(run_one)(fit, value) for value in values(fit, 4))
        clock = time.perf_counter()
        pool(delayed(run_one)(fit, value) for value in values(fit, runs))
        return time.perf_counter() - clock


def optuna_alone(fit: str, runs: int, sampler: str) -> float:
    """Return the seconds of Optuna with its study in memory: nothing is on disk."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    low, high = (1e-3, 1e2) if fit == "logistic" else (0.02, 0.5)
    made = {"random": optuna.samplers.RandomSampler, "tpe": optuna.samplers.TPESampler}[sampler](seed=0)
    study = optuna.create_study(direction="maximize", sampler=made)
    clock = time.perf_counter()
    study.optimize(lambda trial: run_one(fit, trial.suggest_float("x", low, high, log=True)), n_trials=runs)
    return time.perf_counter() - clock


def hydra_basic(fit: str, runs: int) -> float:
    """Return the seconds of Hydra's own basic sweeper in a process of its own, its start taken off."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "conf").mkdir()
        (place / "conf" / "config.yaml").write_text("x: 1.0\n")
        (place / "app.py").write_text(HYDRA.format(folder=str(Path(__file__).parent), fit=fit))
        taken = {}
        for count in (1, runs):
            texts = ",".join(str(value) for value in values(fit, count))
            with clocked(taken, str(count)):
                subprocess.run(
                    [sys.executable, "app.py", "-m", f"x={texts}"], cwd=folder, check=True, capture_output=True
                )
        return taken[str(runs)] - taken["1"]


def runtree(
    fit: str, runs: int, tuner: str, slots: int, *more: str, read: Callable[[Path], None] = lambda folder: None
) -> dict[str, float]:
    """Return the seconds of a sweep: from its first run's beginning to its last run's end, and what came before."""
    from runtree.app import App, train
    from runtree.config.hydra_engine import parse_flags
    from runtree.sweeps.loop import Driver

    taken: dict[str, float] = {}
    loop = Driver.run

    def timed(driver: Driver) -> None:
        taken["before"] = time.perf_counter() - clock
        for family in driver.proposer.arms.values():
            own, ask, tell = family.tuner, family.tuner.ask, family.tuner.tell
            own.ask, own.tell = _summed(taken, ask), _summed(taken, tell)
        with clocked(taken, "loop"):
            loop(driver)

    Driver.run = timed
    here = Path.cwd()
    try:
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
            os.chdir(folder)
            words = [*SPACES[fit], *COMMON, f"tuner={tuner}", "tuner.own_space=false", f"tuner.stop.max_runs={runs}"]
            words += [f"compute.slots={slots}", "tuner.plots=false", *more]
            clock = time.perf_counter()
            done = train(App(), parse_flags(["-m", *words]))
            taken["files"] = float(sum(1 for _ in Path(done.folder).rglob("*")))
            told = json.loads((Path(done.folder) / "stop.json").read_text())["counters"]
            if told["completed"] + told["reused"] < runs:
                raise SystemExit(f"not every run completed: {told}")
            read(Path(done.folder))
            os.chdir(here)
    finally:
        Driver.run = loop
    return taken


def _summed(taken: dict[str, float], call: Callable[..., object]) -> Callable[..., object]:
    def timed(*arguments: object) -> object:
        clock = time.perf_counter()
        found = call(*arguments)
        taken["tuner"] = taken.get("tuner", 0.0) + time.perf_counter() - clock
        return found

    return timed


def compare(fit: str, runs: int, rounds: int, with_hydra: bool) -> None:
    """Print milliseconds a run and ratios to the bare loop, medians over rounds."""
    contestants: dict[str, Callable[[], float]] = {
        "bare loop": lambda: bare(fit, runs),
        "bare, on disk": lambda: on_disk(fit, runs, *left),
        "joblib, 2 workers": lambda: parallel(fit, runs),
        "Optuna alone, random": lambda: optuna_alone(fit, runs, "random"),
        "Optuna alone, TPE": lambda: optuna_alone(fit, runs, "tpe"),
        "runtree random, 1 slot": lambda: _loop("random", 1),
        "runtree random, 2 slots": lambda: _loop("random", 2),
        "runtree tpe, 1 slot": lambda: _loop("tpe", 1),
        "runtree tpe, 2 slots": lambda: _loop("tpe", 2),
    }
    thinking: dict[str, list[float]] = {}
    left = what_a_run_leaves(fit)

    def _loop(tuner: str, slots: int) -> float:
        taken = runtree(fit, runs, tuner, slots)
        thinking.setdefault(f"runtree {tuner}, {slots} slot{'s' * (slots > 1)}", []).append(taken.get("tuner", 0.0))
        return taken["loop"]

    if with_hydra:
        contestants["Hydra, basic sweeper"] = lambda: hydra_basic(fit, min(runs, 60)) * runs / max(min(runs, 60) - 1, 1)
    run_one(fit, 0.1)
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            found[name].append(contestant())
    alone = statistics.median(found["bare loop"])
    print(f"\n{runs} runs of {fit}, {rounds} rounds, 1 thread each; bare: {1000 * alone / runs:.2f} ms a run")
    print(f"{'':28}{'ms a run':>10}{'x bare':>8}{'tuner ms':>10}{'own ms':>9}{'x joblib':>10}")
    both = statistics.median(found["joblib, 2 workers"])
    for name, seconds in found.items():
        wall = statistics.median(seconds)
        thought = statistics.median(thinking.get(name, [0.0]))
        own = 1000 * (wall - alone - thought) / runs
        slots = "2" in name.rpartition(",")[2]
        print(
            f"{name:28}{1000 * wall / runs:10.2f}{wall / alone:8.2f}"
            + (f"{1000 * thought / runs:10.2f}" if thought else f"{'':10}")
            + (f"{own:9.2f}" if not slots else f"{'':9}")
            + (f"{both / wall:10.2f}" if slots else "")
        )


def grow() -> None:
    """Print what a run costs as a sweep grows, with a fit of a few milliseconds.

    A machine's own pace changes by more than a tenth within minutes, so each sweep stands beside two short ones, one
    before it and one after.
    """

    def cost(tuner: str, runs: int) -> float:
        return 1000 * runtree("quick", runs, tuner, 1)["loop"] / runs

    print("\ngrowth, algorithm=naive_bayes, 1 slot, in ms a run")
    print(f"{'runs':>8}{'random':>10}{'x 300':>8}{'tpe':>10}{'x 300':>8}")
    for runs in (100, 1000, 3000, 10000):
        cells = []
        for tuner in ("random", "tpe"):
            if tuner == "tpe" and runs > 5000:
                continue
            before, found, after = cost(tuner, 300), cost(tuner, runs), cost(tuner, 300)
            cells.append(f"{found:10.2f}{2 * found / (before + after):8.2f}")
        print(f"{runs:8}{''.join(cells)}", flush=True)


def start() -> None:
    """Print how soon the first run of a sweep begins, beside a whole `runtree train`."""
    front = [sys.executable, "-c", "from runtree.cli.main import main; main()", "train"]
    with tempfile.TemporaryDirectory() as folder:
        seconds: dict[str, list[float]] = {"runtree train": [], "first run of 3,000": []}
        for _ in range(3):
            clock = time.perf_counter()
            subprocess.run(front, cwd=folder, check=True, capture_output=True)
            seconds["runtree train"].append(time.perf_counter() - clock)
            clock = time.perf_counter()
            words = [*front, "-m", "algorithm.random_state=range(0,3000)", "outputs=sweep"]
            process = subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while not list(Path(folder).glob("sweep/*/*/runs/0000/metrics.json")):
                time.sleep(0.005)
            seconds["first run of 3,000"].append(time.perf_counter() - clock)
            process.kill()
            process.wait()
            time.sleep(1)
            subprocess.run(["rm", "-rf", str(Path(folder) / "sweep")], check=True)
    single = statistics.median(seconds["runtree train"])
    first = statistics.median(seconds["first run of 3,000"])
    print(
        f"\nruntree train {single:.2f} s; the first of 3,000 runs has ended after {first:.2f} s: {first / single:.2f} x"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--fit", choices=["logistic", "boosting"], default="logistic")
    parser.add_argument("--grow", action="store_true", help="only: what a run costs from 100 to 10,000 runs")
    parser.add_argument("--start", action="store_true", help="only: how soon the first run begins")
    parser.add_argument("--hydra", action="store_true", help="Hydra's basic sweeper too; it takes long")
    asked = parser.parse_args()
    print(f"load before: {os.getloadavg()[0]:.2f}, {os.cpu_count()} cores")
    if asked.grow:
        grow()
    elif asked.start:
        start()
    else:
        compare(asked.fit, asked.runs, asked.rounds, asked.hydra)
    print(f"peak of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
