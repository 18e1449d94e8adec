"""Every shipped algorithm as a model in ONNX: accepted or refused, and the latency of a row beside the pipeline.

    python benchmarks/onnx_export.py                  # prints the table of docs/packaging.md
    python benchmarks/onnx_export.py ridge lda

Each is trained with its defaults on 3,000 rows with numbers, categories and missing values. The latency is the
median of one thread: a row that lies in memory, until its prediction does.
"""

import statistics
import sys
import tempfile
import time
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
from omegaconf import OmegaConf
from threadpoolctl import threadpool_limits

from runtree.app import App
from runtree.app.export_model import ExportRequest, export_onnx
from runtree.cli.main import main
from runtree.packaging.onnx_parity import make_feeds, make_session
from runtree.records.find import find_run

QUIET = [f"evaluator.{key}=none" for key in ("baselines", "explain", "diagnose")] + ["evaluator.report=false"]
OTHER_ROWS = {
    "torch_cnn",
    "torch_sequence",
    "import",
    "command",
    "container",
}  # of pictures, texts, or of the user's own
ROWS = 3_000


def write_table(file: Path) -> None:
    rng = np.random.default_rng(0)
    age, income = rng.integers(18, 80, ROWS).astype(float), rng.normal(3000, 800, ROWS).round(2)
    city, member = rng.choice(["Bonn", "Köln", "Ulm", "Trier"], ROWS), rng.random(ROWS) < 0.5
    frame = pd.DataFrame({"age": age, "income": income, "city": city, "member": member})
    for place in range(6):
        frame[f"x{place}"] = rng.normal(size=ROWS).round(4)
    frame["churn"] = np.where(age + rng.normal(0, 8, ROWS) + 10 * member > 50, "yes", "no")
    frame["value"] = income / 100 + 5 * member + age / 10 + rng.gamma(2, 1, ROWS)
    frame.loc[::11, "age"] = np.nan
    frame.to_csv(file, index=False)


def median_ms(work, count: int) -> float:
    work()
    times = []
    for _ in range(count):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return 1e3 * statistics.median(times)


def measure(app: App, name: str, task: str) -> str:
    target, other = ("churn", "value") if task == "classification" else ("value", "churn")
    words = [f"algorithm={name}", "data=csv", "data.path=rows.csv", f"data.target={target}", f"data.drop=[{other}]"]
    words += ["algorithm.categorical_features=null"] if name == "hist_gradient_boosting" else []
    said = StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        if main(["train", *words, *QUIET]):
            return f"| {name} | {task} | not trained | | | |"
    record = find_run(Path("outputs"), "latest", needs="model")
    result = export_onnx(app, ExportRequest(record, Path("model.onnx")))
    if result.refused:
        return f"| {name} | {task} | refused: {result.refused[0]} | | | |"
    last = result.content["tried"][-1]
    predictor = app.load_predictor(record)
    row = predictor.select_columns(pd.read_csv("rows.csv").iloc[[5]])
    session = make_session(Path("model.onnx").read_bytes())
    feeds = make_feeds(result.content["inputs"], row, result.content["dates"])
    model = predictor.model
    predict = model.predict_proba if predictor.classes and hasattr(model, "predict_proba") else model.predict
    own, onnx = median_ms(lambda: predict(row), 50), median_ms(lambda: session.run(None, feeds), 1000)
    difference = "labels alone" if last["difference"] is None else f"{last['difference']:.1g}"
    return f"| {name} | {task} | {last['precision']} | {difference} | {own:.2f} | {onnx:.3f} |"


def run() -> None:
    app, asked = App(), set(sys.argv[1:])
    print("| algorithm | task | in ONNX | largest difference | pipeline, ms | ONNX, ms |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder, chdir(folder), threadpool_limits(1):
        write_table(Path("rows.csv"))
        for option, keys in app.catalogue.readable("algorithm"):
            node = OmegaConf.to_container(OmegaConf.create(keys))
            if option.name in OTHER_ROWS or (asked and option.name not in asked):
                continue
            for task in node["_target_"]:
                print(measure(app, option.name, task), flush=True)


if __name__ == "__main__":
    run()
