"""The order of stages, from `after` and `before`. A loop or an unknown name is an error with the plugin's name."""

from collections.abc import Mapping, Sequence

from runtree.contract.errors import MissingError, unknown
from runtree.contract.protocols import Hooks
from runtree.contract.types import Stage

REPORT = "report"


def stages_before_fit(hooks: Hooks) -> list[Stage]:
    """Return the stages that load, check and split the table, those of plugins among them, in their order."""
    stages = order(list(hooks.contributions("register_stages")))
    return stages[: [stage.name for stage in stages].index("fit")]


def order(stages: Sequence[tuple[str, Stage]]) -> list[Stage]:
    """Return stages in the order they run in; `stages` holds (plugin name, stage) pairs, runtree's own first.

    A plugin's stage stands right after, or right before, the one it names; one that names nothing comes last, but
    before the report, which tells what all of them left. Stages
    with the same wish keep the order of registration.
    """
    owners: dict[str, str] = {}
    for plugin, stage in stages:
        if stage.name in owners:
            raise MissingError(f"stage '{stage.name}' is registered twice: by '{owners[stage.name]}' and by '{plugin}'")
        owners[stage.name] = plugin
    known = {stage.name: stage for _, stage in stages}
    waits = {stage.name: _waits_for(stage, known, owners) for stage in known.values()}
    return _walk(list(known.values()), waits, owners)


def _waits_for(stage: Stage, known: Mapping[str, Stage], owners: Mapping[str, str]) -> set[str]:
    for other in (stage.after, stage.before):
        if other is not None and other not in known:
            raise unknown(
                f"stage in the plugin '{owners[stage.name]}' (stage '{stage.name}'):", other, owners, error=MissingError
            )
    first: set[str | None] = {stage.after}
    if stage.before and not stage.after:  # right before: not earlier than what the other stands after
        first |= {known[stage.before].after} - {stage.name}
    first |= {other.name for other in known.values() if other.before == stage.name}
    return {name for name in first if name is not None}


def _walk(left: list[Stage], waits: Mapping[str, set[str]], owners: Mapping[str, str]) -> list[Stage]:
    done: list[Stage] = []
    own = next(iter(owners.values()), "")
    while left:
        names = {stage.name for stage in done}
        free = [stage for stage in left if waits[stage.name] <= names]
        if not free:
            knot = ", ".join(f"'{stage.name}' of '{owners[stage.name]}'" for stage in left)
            raise MissingError(f"stages wait for each other: {knot}")
        wishing = [stage for stage in free if owners[stage.name] != own and (stage.after or stage.before)]
        chosen = (wishing or sorted(free, key=lambda stage: stage.name == REPORT))[0]
        left.remove(chosen)
        done.append(chosen)
    return done
