import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from runtree.cli.cost_forecast import AlgorithmCost, CostForecast, forecast_cost, with_later_fits
from runtree.cli.format import format_bytes


def keep(name: str, algorithm: str, seconds: float, size: int, heavy: bool = False, **changes) -> None:
    """Write what a forecast reads of an earlier run."""
    path = Path("outputs/e", name)
    (path / "model" if heavy else path).mkdir(parents=True)
    record = {
        "id": name, "experiment": "e", "state": "completed", "started": name, "seconds": seconds,
        "config": {"data.name": "iris", "algorithm.name": algorithm},
    }  # fmt: skip
    (path / "run.json").write_text(json.dumps(record | changes))
    (path / "log.txt").write_bytes(b"x" * (size - (path / "run.json").stat().st_size))


def test_time_and_disk_are_judged_by_earlier_runs(folder):
    for number, seconds in enumerate((1.0, 3.0, 2.0)):
        keep(f"{number}", "knn", seconds, 1000)
    keep("3", "ridge", 6.0, 1000), keep("4", "ridge", 6.0, 5000, heavy=True)
    keep("5", "knn", 99.0, 1000, state="failed"), keep("6", "knn", 99.0, 1000, config={"data.name": "wine"})
    found = forecast_cost(folder / "outputs", ["iris"], ["knn", "ridge", "lasso"], 10, 2, "best")
    assert {name: (one.runs, one.seconds) for name, one in found.costs.items()} == {"knn": (3, 2.0), "ridge": (2, 6.0)}
    assert found.unknown == ("lasso",)
    assert found.seconds == 10 * 4.0 / 2
    assert found.bytes == 9 * 1000 + (1000 + 5000) / 2
    assert forecast_cost(folder / "outputs", ["iris"], ["ridge"], 10, 2, "all").bytes == 10 * 5000
    assert forecast_cost(folder / "outputs", ["iris"], ["ridge"], None, 2, "all").seconds is None
    assert forecast_cost(folder / "nowhere", ["iris"], ["ridge"], 10, 2, "all").costs == {}


@pytest.mark.parametrize(
    ("keep", "refit", "folds", "recheck", "seconds"),
    [
        ("best", True, False, 0, 3.0),
        ("best", True, True, 0, 0.0),
        ("best", False, False, 2, 30.0),
        ("all", True, False, 0, 0.0),
    ],
)
def test_what_is_fitted_after_the_search_is_counted(keep, refit, folds, recheck, seconds):
    base = SimpleNamespace(frozen=SimpleNamespace(config={"fit": {"refit": refit}}))
    plan = SimpleNamespace(
        options=SimpleNamespace(keep=keep, recheck=recheck),
        overrides=SimpleNamespace(composed={}),
        composer=SimpleNamespace(base=lambda options: base),
        preflight=SimpleNamespace(has_folds=folds),
    )
    forecast = with_later_fits(plan, CostForecast({"knn": AlgorithmCost(1, 3.0, None, None)}))
    assert forecast.after == seconds


def test_sizes():
    assert [format_bytes(size) for size in (820, 4500, 45000, 1.2e6, 3e13)] == [
        "820 B",
        "4.5 kB",
        "45 kB",
        "1.2 MB",
        "30 TB",
    ]
