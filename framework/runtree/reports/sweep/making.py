"""For the engineer: what was searched, why it ended, how to go on and to do it again."""

from collections.abc import Mapping
from typing import Any

from runtree.reports.blocks import Block, Code, Fold, Text, table
from runtree.reports.gallery import Gallery
from runtree.reports.numbers import counted, number, seconds
from runtree.reports.reproduce import command, tree
from runtree.reports.sweep.facts import SweepFacts

COUNTS = ("completed", "pruned", "failed", "stopped", "interrupted", "reused")


def ended(facts: SweepFacts, gallery: Gallery) -> list[Block]:
    """Tell why it ended, and what became of its runs."""
    stop = facts.stop
    says = str(stop.get("explanation") or "nobody wrote down why it ended")
    blocks: list[Block] = [Text(f"{says[:1].upper()}{says[1:].rstrip('.')}.")]
    counters = stop.get("counters") or {}
    rows = [[name, number(counters[name])] for name in COUNTS if counters.get(name)]
    rows += [["worked", seconds(stop["seconds"])]] if stop.get("seconds") is not None else []
    rows += [["sum over runs", seconds(stop["run_seconds"])]] if stop.get("run_seconds") is not None else []
    return blocks + table("Runs", ["", "found"], rows)


def space(facts: SweepFacts, gallery: Gallery) -> list[Block]:
    """Tell what was searched."""
    families = (facts.asked.get("identity") or {}).get("families") or {}
    rows = [
        [name, str(path), str(declared)]
        for name, family in families.items()
        for path, declared in (family.get("space") or {}).items()
    ]
    several = len(families) > 1
    shown = rows if several else [row[1:] for row in rows]
    return table(
        "What was searched", [*(["algorithm"] if several else []), "setting", "from"], shown, numeric=frozenset()
    )


def again(facts: SweepFacts, gallery: Gallery) -> list[Block]:
    """Tell what to type to go on, to do it again, and to look at it."""
    where = tree(facts.best.record) if facts.best else []
    overrides = [str(text) for text in facts.asked.get("overrides") or ()]
    verb = ["tune"] if any(text.startswith("tuner=") for text in overrides) else ["train", "-m"]
    lines = [
        ("go on with it", command("resume", facts.name, *further(facts), *where)),
        ("the same search, begun anew", command(*verb, *overrides)),
        ("its runs", command("runs", "--where", f"id~{facts.name}", *where)),
        ("this page, made again from the files", command("report", facts.name, *where)),
    ]
    return [Code(label, line) for label, line in lines]


def further(facts: SweepFacts) -> list[str]:
    """Return what has to be set for a resume to begin more runs."""
    rules = (facts.asked.get("tuner_node") or {}).get("stop") or {}
    criterion = facts.stop.get("criterion")
    value = rules.get(criterion)
    if criterion in ("max_runs", "max_seconds") and isinstance(value, (int, float)):
        return [f"tuner.stop.{criterion}={2 * value:g}"]
    runs = (rules.get("patience") or {}).get("runs")
    return [f"tuner.stop.patience.runs={2 * runs}"] if criterion == "patience" and isinstance(runs, int) else []


def settings(facts: SweepFacts, gallery: Gallery) -> list[Block]:
    """Tell every setting of the search."""
    try:
        return [Fold("sweep.yaml", [Code("", facts.folder.description.read_text(encoding="utf-8"))])]
    except (OSError, UnicodeDecodeError):
        return []


def environment(facts: SweepFacts, gallery: Gallery) -> list[Block]:
    """Tell versions and machine."""
    found = facts.environment
    machine: Mapping[str, Any] = found.get("machine") or {}
    rows = [["Python", str(found["python"])]] if found.get("python") else []
    rows += [[name, str(text)] for name, text in (found.get("packages") or {}).items()]
    rows += [[f"machine: {name.replace('_', ' ')}", str(value)] for name, value in machine.items()]
    return (
        [Fold("Versions and machine", table("Environment", ["", "found"], rows, numeric=frozenset()))] if rows else []
    )


def missing(facts: SweepFacts, gallery: Gallery) -> list[Block]:
    """Tell what is not there."""
    return [Text(line) for line in [*facts.missing, *gallery.left_out]]


def asked(facts: SweepFacts) -> str:
    """Return in one sentence what was asked for."""
    count = counted(len(facts.rows), "configuration")
    objectives = " and ".join(f"the best {name.replace('_', ' ')} ({way})" for name, way in facts.objectives)
    over = (
        ", ".join(facts.families)
        or (facts.best and str(facts.best.record.config.get("algorithm.name")))
        or "one algorithm"
    )
    return f"Search {over} for {objectives} on the validation part, led by {facts.asked.get('tuner')}: {count} tried."
