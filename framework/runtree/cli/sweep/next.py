"""What to type when a sweep has ended."""

from typing import TYPE_CHECKING

from runtree.cli.sweep.words import sweep_name
from runtree.cli.words import command

if TYPE_CHECKING:
    from runtree.app.preflight import SweepPlan
    from runtree.cli.sweep.standing import Standing
    from runtree.sweeps.loop import Driver
    from runtree.sweeps.options import StopRules
    from runtree.sweeps.state import RunState, Trial


def best_entry(driver: "Driver", standing: "Standing") -> "tuple[Trial, RunState] | None":
    """Return the best configuration and the run that stands for it: the one that was kept."""
    if standing.best is None or not standing.comparable:
        return None
    entries = driver.book.entries(standing.best[0])
    completed = [entry for entry in entries if entry.state == "completed"]
    return standing.best[0], next((entry for entry in completed if entry.kept), completed[0])


def suggestions(plan: "SweepPlan", driver: "Driver", standing: "Standing", criterion: str) -> list[str]:
    """Return what to type next."""
    assert plan.folder is not None
    outputs = str(plan.config.outputs)
    name = sweep_name(plan.folder, outputs)
    found = best_entry(driver, standing)
    on = further(name, criterion, driver.progress.rules, outputs)
    commands = [on] if criterion == "interrupted" and on else []
    if found is not None:
        run = f"{name}/{found[1].number:04d}" if name == plan.folder.path.name else f"{name}/runs/{found[1].number:04d}"
        commands.append(command("show", run, outputs=outputs))
        if found[1].kept:
            commands.append(command("predict", run, "ROWS.csv", "-o", "OUT.csv", outputs=outputs))
    if on and on not in commands:
        commands.append(on)
    if name == plan.folder.path.name:
        commands.append(command("runs", "--where", f"id~{name}", outputs=outputs))
    return commands


def further(name: str, criterion: str, rules: "StopRules", outputs: str | None = None) -> str | None:
    """Return the command that goes on with a sweep that ended so; None where nothing is left to try."""
    more = {
        "max_runs": f"max_runs={2 * (rules.max_runs or 1)}",
        "max_seconds": f"max_seconds={2 * (rules.max_seconds or 1):g}",
        "patience": f"patience.runs={2 * (rules.patience.runs or 1)}",
        "target": "target=null",
        "convergence": "convergence.window=null",
        "failures": "failures={}",
    }
    if criterion == "space_exhausted":
        return None
    if criterion == "on_failure":
        return command("resume", name, "tuner.on_failure=continue", outputs=outputs)
    words = [f"tuner.stop.{more[criterion]}"] if criterion in more else []
    return command("resume", name, *words, outputs=outputs)
