"""The pictures of a sweep, drawn by Optuna on matplotlib: an SVG each, with what it shows as JSON beside it."""

import logging
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import combinations
from pathlib import Path

from runtree.contract.search import Dimension
from runtree.records.pictures import DrawnPlot, write_plot
from runtree.sweeps.plots.history import history, importance, intermediate, pace, pareto
from runtree.sweeps.plots.parameters import parallel, slices
from runtree.sweeps.plots.plot_data import SweepPlotData, points
from runtree.sweeps.results import Objectives
from runtree.sweeps.state import SweepState, Trial

log = logging.getLogger(__name__)

FAMILIES = 6  # the best, that have pictures of their own


def draw_sweep_plots(
    book: SweepState,
    judge: Objectives,
    families: Mapping[str, Sequence[Dimension]],
    folder: Path,
    best: Sequence[Trial],
) -> list[str]:
    """Write the pictures of a sweep, and return the names of the files; one that fails is a warning, and left out."""
    written: list[str] = []
    try:
        scene = SweepPlotData(
            points(book, judge), judge, tuple(families), frozenset(trial.runs[0] for trial in best if trial.runs)
        )
        if not scene.completed:
            return written
        folder.mkdir(parents=True, exist_ok=True)
        with _undisturbed():
            for name, picture in _plan(scene, families):
                written += write_plot(folder, _free(name, written), picture)
    except Exception as error:
        log.warning("%s: pictures are left out: %s: %s", folder, type(error).__name__, error)
    return written


def _plan(
    scene: SweepPlotData, families: Mapping[str, Sequence[Dimension]]
) -> Iterator[tuple[str, Callable[[], DrawnPlot | None]]]:
    """Yield the name of each picture, and what draws it; parameters are judged by one objective only."""
    names = [name for name, _ in scene.judge.metrics]
    several = len(names) > 1
    for index, name in enumerate(names):
        yield _file("history", name if several else ""), partial(history, scene, index)
    for one, other in combinations(range(len(names)), 2):
        yield (
            _file("pareto", f"{names[one]}-{names[other]}" if len(names) > 2 else ""),
            partial(pareto, scene, one, other),
        )
    yield "intermediate", partial(intermediate, scene)
    if not several:
        yield "pace", partial(pace, scene)
    for family in scene.leading(FAMILIES) if not several else ():
        part = scene.part(family, families[family])
        suffix = family if len(families) > 1 else ""
        yield _file("importance", suffix), partial(importance, part)
        yield _file("slice", suffix), partial(slices, part)
        yield _file("parallel", suffix), partial(parallel, part)


def _file(kind: str, of: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", of)[:60]
    return f"{kind}-{plain}" if plain else kind


def _free(name: str, written: Sequence[str]) -> str:
    return _free(f"{name}_", written) if f"{name}.svg" in written else name


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let Optuna draw by pyplot, which is the user's: backend, figures and settings are as they were afterwards."""
    import matplotlib
    import optuna
    from matplotlib import pyplot

    backend, verbosity = matplotlib.get_backend(), optuna.logging.get_verbosity()
    # a change of backend may close the user's figures; where there are any, it works already
    switched = backend.lower() != "agg" and not pyplot.get_fignums()
    with warnings.catch_warnings(), pyplot.ioff():
        warnings.simplefilter("ignore")  # Optuna's plots are experimental, and a font may lack a sign
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            if switched:
                pyplot.switch_backend("agg")
            yield
        finally:
            optuna.logging.set_verbosity(verbosity)
            if switched:
                pyplot.switch_backend(backend)
