"""What to type for a recorded run: its name, the commands about it, and the command that trains its config again."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from runtree.contract.commands import command, display_path
from runtree.contract.commands import override_key as override_key
from runtree.contract.errors import NotFoundError
from runtree.contract.types import RunRecord
from runtree.records.layout import SweepFolder, read_description
from runtree.records.record import sweep_path

SWEEP_GROUPS = ("tuner", "hydra")  # overrides that concern the sweep, not one of its runs
COMPOSING_KEYS = ("hydra.searchpath",)  # of Hydra's keys those without which a config cannot be composed again
MULTIRUN_SOURCES = ("experiment",)  # groups whose options may set `hydra.mode`


def outputs_of(record: RunRecord) -> Path:
    """Return the output folder that contains a run; the one in its config if the user named the folder of the run."""
    # from the place of the folder, since a tree may have been moved after the run
    experiment = (sweep_path(record) or record.folder).parent
    return experiment.parent if experiment.name == record.experiment else Path(str(record.config.get("outputs")))


def run_name(record: RunRecord) -> str:
    """Return what to type for a run: its id, or its path if it lies where no listing finds it."""
    owner = sweep_path(record) or record.folder
    listed = owner.parent.name == record.experiment and (owner == record.folder or owner.name.endswith("-sweep"))
    return record.id if listed else display_path(record.folder)


def run_command(verb: str, record: RunRecord, *words: str) -> str:
    """Return a command about a run, such as ``runtree show ID --log``."""
    return command(verb, run_name(record), *words, outputs=display_path(outputs_of(record)))


def prediction_commands(record: RunRecord) -> list[str]:
    """Return the command that predicts rows with the model of a run; nothing if it cannot predict."""
    if record.config.get("evaluator.name") == "reported":
        return []
    target = str(record.config.get(f"algorithm._target_.{record.task}") or "")
    # a model that is a command runs it
    trust = (
        ("--trust", target) if target.startswith(("runtree.algorithms.command", "runtree.algorithms.container")) else ()
    )
    return [run_command("predict", record, "ROWS.csv", "-o", "OUT.csv", *trust)]


def training_command(record: RunRecord, *more: str) -> str:
    """Return the command that trains the config of a run, from the defaults on; `more` overrides come last."""
    return command("train", *composing_flags(record), *training_overrides(record), *more)


def training_overrides(record: RunRecord) -> list[str]:
    """Return the overrides that lead from the defaults to the config of a run, without those of its sweep."""
    words = [text for text in record.overrides if not is_of_sweep(text)]
    chosen = {override_key(text) for text in words}
    # an experiment, or a config of another name, may make a multirun of what is one run here
    several = sweep_path(record) is not None and (chosen & {*MULTIRUN_SOURCES} or composing_flags(record))
    return [*words, *(["hydra.mode=RUN"] if several else [])]


def tuning_command(record: RunRecord) -> str:
    """Return the command that searches for a better configuration than that of a run.

    Empty if there is nothing to search: the algorithm declares no space, or the evaluator searches it in each run.
    """
    space = [key.removeprefix("algorithm.space.") for key in record.config if key.startswith("algorithm.space.")]
    if not space or record.config.get("evaluator.name") == "nested":
        return ""
    # what is fixed on the command line would not be searched
    names = {part for key in space for part in key.split(".")[:2]}
    kept = [text for text in record.overrides if not is_of_sweep(text)]
    words = [text for text in kept if override_key(text).removeprefix("algorithm.") not in names]
    return command("tune", *composing_flags(record), *words)


def checking_command(record: RunRecord) -> str:
    """Return the command that checks data and pipeline of a run's config."""
    return command("check", *composing_flags(record), *training_overrides(record))


def sweep_verb(verb: str, folder: SweepFolder, *words: str, run: int | None = None) -> str:
    """Return a command about a sweep, or about one of its runs, such as ``runtree resume NAME``."""
    listed = folder.path.name.endswith("-sweep")  # others are found by their path alone
    if run is None:
        name = folder.path.name if listed else display_path(folder.path)
    else:
        name = f"{folder.path.name}/{run:04d}" if listed else display_path(folder.run(run).path)
    return command(verb, name, *words, outputs=display_path(folder.path.parent.parent) if listed else None)


def sweep_command(description: Mapping[str, Any]) -> str:
    """Return the command that starts a sweep again, from its `sweep.yaml`."""
    # a search space that is a function cannot be typed
    if description.get("space"):
        return "rt.tune(…, space=…) from Python, with the function in sweep.yaml"
    return command(
        "train", "-m", *described_flags(description), *(str(text) for text in description.get("overrides") or ())
    )


def composing_flags(record: RunRecord) -> tuple[str, ...]:
    """Return the flags and words of Hydra that composed a run: ``-cn NAME``, ``-cd FOLDER``, its search path."""
    folder = sweep_path(record)
    if folder is None:
        return record.flags
    try:
        return sweep_flags(read_description(SweepFolder(folder)))
    except NotFoundError:  # a multirun of Hydra's own sweeper
        return record.flags


def sweep_flags(description: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the flags and words of Hydra that the runs of a sweep were composed by, from its `sweep.yaml`."""
    words = (str(text) for text in description.get("overrides") or ())
    return (*described_flags(description), *composing_words(words))


def described_flags(description: Mapping[str, Any]) -> tuple[str, ...]:
    """Return Hydra's flags of a sweep, from its `sweep.yaml`."""
    return flags_for(*(description.get(key) for key in ("config_name", "config_dir", "config_path")))


def flags_for(
    config_name: str | None, config_dir: str | None = None, config_path: str | None = None
) -> tuple[str, ...]:
    """Return Hydra's flags for a config that is not the default one."""
    named = config_name if config_name != "config" else None
    values = (("-cp", config_path), ("-cn", named), ("-cd", config_dir))
    return tuple(word for flag, value in values if value for word in (flag, value))


def composing_words(overrides: Iterable[str]) -> tuple[str, ...]:
    """Return those of Hydra's own overrides that a config cannot be composed without."""
    return tuple(text for text in overrides if override_key(text) in COMPOSING_KEYS)


def is_of_sweep(override: str) -> bool:
    """Return whether an override concerns a sweep, or Hydra, and not the config of a run."""
    return override_key(override).partition(".")[0] in SWEEP_GROUPS
