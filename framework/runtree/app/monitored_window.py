"""One window: what is tested of it, its figures by name, and a sentence for each alarm."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtree.app.monitored_rows import NewRows
from runtree.contract.expression import Expression, RowsExpression
from runtree.lifecycle.labelled_rows import encode_known
from runtree.lifecycle.target import as_text
from runtree.monitoring.drift import DriftMonitor, DriftResult, segment_texts
from runtree.monitoring.options import AUTO, NONE, MonitorOptions
from runtree.monitoring.quality import QualityReference, estimate_quality, measure_quality
from runtree.monitoring.reference import PREDICTION
from runtree.monitoring.stream import LONGEST, OVER_TIME, SHORTEST, cut_blocks, earlier_means, row_figures
from runtree.monitoring.windows import Window, measure_kpis, measure_traffic
from runtree.tables.schema import ERROR, TableSchema

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

MAX_SHOWN_ALARMS = 3  # columns in one sentence
SCHEMA = "schema"  # the detector of columns that are missing or of another type


@dataclass(frozen=True)
class WindowWatch:
    """All that a window is compared with; `schema` is the declared one that the model was trained with."""

    options: MonitorOptions
    drift: DriftMonitor
    quality: QualityReference | None
    kpis: Mapping[str, RowsExpression]
    require: list[Expression]
    schema: TableSchema | None = None

    def look(
        self,
        window: Window,
        rows: NewRows,
        kpi_rows: "pd.DataFrame",
        earlier: Sequence[Mapping[str, Any]] = (),
        looks: int = 0,
    ) -> dict[str, Any]:
        """Return the content of `monitor.json` about one window.

        Parameters
        ----------
        earlier
            The windows before it, in order of time.
        looks
            How often the window was tested before it was closed.
        """
        options, count = self.options, len(window.rows)
        labelled = window.rows[rows.labelled[window.rows]]
        small = count < options.window.minimum
        tests_quality = options.quality != NONE and len(labelled) >= options.window.minimum and self.quality is not None
        # both families of tests share the budget
        budget = (
            options.budget * budget_share(window.closed, looks) / (2 if tests_quality and self.drift.detectors else 1)
        )
        drift: list[DriftResult] = []
        quality = estimate = None
        stream, sequences = self.blocks(window, rows, earlier)
        if not small:
            watched = rows.watched(window.rows, self.drift.reference.inputs.columns)
            drift = self.drift.compare(watched, budget, sequences)
        if not small and self.quality is not None and options.quality != NONE:
            if tests_quality:
                segments = {name: segment_texts(rows.raw[name]).to_numpy()[labelled] for name in options.segments}
                own = rows.predictions.take(labelled)
                quality = measure_quality(self.quality, own, budget, segments, options.window.minimum)
            elif options.quality == AUTO:
                estimate = estimate_quality(self.quality, rows.predictions.take(window.rows))
        found: dict[str, Any] = {
            "window": {
                "name": window.name,
                "begin": window.begin,
                "end": window.end,
                "closed": window.closed,
                "looks": looks if window.closed or small else looks + 1,
            },
            "rows": count,
            "tested": 0 if small else count,
            "labelled": len(labelled),
            "schema_rules": None if self.schema is None else check_rules(self.schema, rows, window.rows),
            "drift": [result.to_dict() for result in drift],
            "quality": quality,
            "estimate": estimate,
            "stream": stream,
            "kpis": measure_kpis(self.kpis, kpi_rows.iloc[window.rows], options.segments),
            "traffic": None
            if rows.traffic is None or window.traffic is None
            else measure_traffic(rows.traffic.iloc[window.traffic]),
            "overrides": count_overrides(rows, window.rows),
        }
        found["figures"] = figures_of(found)
        alarms = [] if small else list(describe_alarms(found))
        # a service that only fails has too few rows to be tested, and its errors are to be seen
        served = found["traffic"] is not None and found["traffic"]["rows"] >= options.window.minimum
        require = [one for one in self.require if not small or (served and all(map(is_of_traffic, one.names)))]
        missed, unchecked = check_requirements(require, found["figures"])
        unchecked += [] if small else self.untested(found, tests_quality)
        alarms += missed
        state = "alarm" if alarms else "small" if small else "ok"
        return {**found, "state": state, "alarms": alarms, "unchecked": unchecked}

    def untested(self, found: Mapping[str, Any], tests_quality: bool) -> Iterator[str]:
        """Yield what was asked for and could not be tested, since too few rows are there."""
        minimum, labelled = self.options.window.minimum, found["labelled"]
        if labelled and not tests_quality and self.quality is not None and self.options.quality != NONE:
            yield f"quality: {labelled:,} of {found['rows']:,} rows have a label, {minimum:,} are needed"
        for name in self.options.segments if self.drift.detectors else ():
            if not any(one["segment"].startswith(f"{name}=") for one in found["drift"]):
                yield f"drift by {name}: no value of it has {minimum:,} rows here and in the table of the run"

    def blocks(
        self, window: Window, rows: NewRows, earlier: Sequence[Mapping[str, Any]]
    ) -> "tuple[dict[str, Any], dict[str, tuple[Array, Array]]]":
        """Return the blocks of a window, and each sequence that is long enough; none for rows without a time."""
        import numpy as np

        stream: dict[str, Any] = {}
        sequences: dict[str, tuple[Array, Array]] = {}
        if window.begin is None or self.quality is None:
            return {}, {}
        held_out = self.quality.predictions
        there = row_figures(held_out, np.arange(len(held_out.y_true)))
        known = rows.labelled[window.rows]
        for name, values in row_figures(rows.predictions.take(window.rows), np.flatnonzero(known)).items():
            if name not in self.options.stream or name not in there:
                continue
            size, before = earlier_means(earlier, name)
            stream[name] = cut_blocks(values, size)
            means, spread = [*before, *stream[name]["means"]][-LONGEST:], float(there[name].std()) or 1.0
            if len(means) >= SHORTEST and stream[name]["means"]:
                reference = np.array(cut_blocks(there[name], stream[name]["size"])["means"])
                sequences[name] = (reference / spread, np.array(means) / spread)
        return stream, sequences


def count_overrides(rows: NewRows, chosen: "Array") -> dict[str, Any] | None:
    """Return how many predictions people have looked at, and how many they changed, by predicted class.

    None for rows that are not of a log.
    """
    if rows.overrides is None:
        return None
    every, decided = rows.predictions.take(chosen), rows.overrides.iloc[chosen]
    known = decided.notna().to_numpy()
    by_class = {}
    if not every.classes:
        changed = known & (decided.astype(float).to_numpy() != every.y_pred)
    else:
        changed = known & (encode_known(decided, every.classes) != every.y_pred)
        for code, label in enumerate(every.classes):
            here = every.y_pred == code
            counts = {"rows": here, "reviewed": here & known, "changed": here & changed}
            by_class[as_text(label)] = {name: int(found.sum()) for name, found in counts.items()}
    reviewed, count = int(known.sum()), int(changed.sum())
    return {"reviewed": reviewed, "changed": count, "share": count / max(len(chosen), 1), "by_class": by_class}


def budget_share(closed: bool, looks: int) -> float:
    """Return the share of the budget of false alarms that a look at a window has.

    A window that grows is looked at again and again, and each look could raise a false alarm. So all looks before it is
    closed share one half, 1/2 + 1/6 + 1/12 + … = 1 of it, and the last one has the other; it has all if it is the only.
    """
    if closed:
        return 0.5 if looks else 1.0
    return 0.5 / ((looks + 1) * (looks + 2))


def is_of_traffic(figure: str) -> bool:
    """Return whether a figure is one of all answers of a service, those that are errors among them."""
    return figure.startswith(("seconds.", "errors."))


def check_rules(schema: TableSchema, rows: NewRows, places: "Array") -> list[dict[str, Any]]:
    """Return what the inputs of some rows hold against the declared schema, by the checks that a training makes."""
    import pandas as pd

    named = rows.raw[schema.id].iloc[places] if schema.id in rows.raw else pd.Series(places + 1, name="row")
    faults = schema.validate(rows.inputs.iloc[places], whole=False, labels=named)
    return [{"rule": one.what, "rows": one.count, "severity": one.severity, "says": one.says} for one in faults]


def describe_alarms(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for broken rules, drift, the column with the largest shift first, and quality of a window."""
    rules = [one["says"] for one in found["schema_rules"] or () if one["severity"] == ERROR]
    rules += [result["note"] for result in found["drift"] if result["alarm"] and result["detector"] == SCHEMA]
    if rules:
        more = f" and {len(rules) - MAX_SHOWN_ALARMS} more" if len(rules) > MAX_SHOWN_ALARMS else ""
        yield f"schema: {'; '.join(rules[:MAX_SHOWN_ALARMS])}{more}"
    alarms = [result for result in found["drift"] if result["alarm"] and result["detector"] != SCHEMA]
    if alarms:
        by_place: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for result in sorted(alarms, key=lambda item: -1.0 if item["adjusted"] is None else item["adjusted"]):
            by_place.setdefault((result["column"], result["segment"]), []).append(result)
        places = [
            f"{column_label(column)}{f' where {segment}' if segment else ''} "
            f"({', '.join(_scored(result) for result in results[:2])})"
            for (column, segment), results in by_place.items()
        ]
        more = f" and {len(places) - MAX_SHOWN_ALARMS} more" if len(places) > MAX_SHOWN_ALARMS else ""
        yield f"drift: {'; '.join(places[:MAX_SHOWN_ALARMS])}{more}"
    quality = found["quality"]
    if quality and quality["alarm"]:
        name = quality["metric"]
        here, there = quality["metrics"].get(name), quality["hold_out"][name]
        worse = [f"{name} {here:.4f}, on the rows that the run held out {there:.4f} (p {quality['p']:.2g})"]
        parts = [part for part in quality["segments"] if part["alarm"]]
        worse += [f"where {part['segment']} {part['value']:.4f}, held out {part['hold_out']:.4f}" for part in parts]
        yield f"quality: {'; '.join(worse[:MAX_SHOWN_ALARMS])}"


def column_label(column: str) -> str:
    """Return what a drift is in."""
    if column.endswith(OVER_TIME):
        return f"the {column}"
    return "the predictions" if column == PREDICTION else f"'{column}'" if column else "the rows as a whole"


def _scored(result: Mapping[str, Any]) -> str:
    if result["p"] is None:
        return str(result["note"] or f"{result['detector']} {result['score']:.3g}")
    note = f", {result['note']}" if result["note"] else ""
    return f"{result['detector']} {result['score']:.3g}{note}"


def figures_of(found: Mapping[str, Any]) -> dict[str, float | int | None]:
    """Return the figures of a window by the names that conditions, alerts and triggers call them by."""
    drift = found["drift"]
    of_columns = [one for one in drift if one["column"] and not one["column"].endswith(OVER_TIME)]
    columns = {result["column"] for result in of_columns}
    drifting = {result["column"] for result in of_columns if result["alarm"]}
    figures: dict[str, Any] = {"rows": found["rows"], "labelled": found["labelled"]}
    if columns:
        figures |= {"drift.columns": len(drifting), "drift.share": len(drifting) / len(columns)}
    for kind in ("quality", "estimate"):
        figures |= {f"{kind}.{name}": value for name, value in ((found[kind] or {}).get("metrics") or {}).items()}
    for name, change in ((found["quality"] or {}).get("differences") or {}).items():
        figures[f"change.{name}"] = change["value"]
    if found["schema_rules"] is not None:
        figures["schema.rules"] = sum(one["severity"] == ERROR for one in found["schema_rules"])
    traffic = found["traffic"]
    if traffic:
        figures |= {f"seconds.{name}": value for name, value in traffic["seconds"].items()}
        figures |= {"errors.rows": traffic["errors"], "errors.share": traffic["errors"] / max(traffic["rows"], 1)}
    if overrides := found["overrides"]:
        figures |= {"overrides.rows": overrides["changed"], "overrides.share": overrides["share"]}
    return figures | {f"kpi.{name}": kpi["value"] for name, kpi in found["kpis"].items()}


def check_requirements(require: list[Expression], figures: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return a sentence for each condition that is not met, and the conditions on figures that there are not."""
    missed, unchecked = [], []
    for condition in require:
        if any(figures.get(name) is None for name in condition.names):
            unchecked.append(condition.text)
        elif not condition.evaluate(figures):
            shown = ", ".join(f"{name} is {figures[name]:.4g}" for name in condition.names)
            missed.append(f"require: {condition.text}; {shown}")
    return missed, unchecked
