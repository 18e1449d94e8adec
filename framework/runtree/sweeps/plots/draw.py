"""Drawing the plots of a sweep: an SVG for each, with its data as JSON beside it."""

import logging
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import combinations
from pathlib import Path

from runtree.contract.search import Dimension
from runtree.records.plot_writer import DrawnPlot, write_plot
from runtree.sweeps.plots.history import history, importance, intermediate, pace, pareto
from runtree.sweeps.plots.parameters import parallel, slices
from runtree.sweeps.plots.plot_data import SweepPlotData, points
from runtree.sweeps.results import Objectives
from runtree.sweeps.state import SweepState, Trial

log = logging.getLogger(__name__)

MAX_FAMILIES = 6  # the best algorithms have plots of their own


def draw_sweep_plots(
    state: SweepState,
    objectives: Objectives,
    families: Mapping[str, Sequence[Dimension]],
    folder: Path,
    best: Sequence[Trial],
) -> list[str]:
    """Write the plots of a sweep and return the names of the files. One that fails is left out with a warning."""
    written: list[str] = []
    try:
        data = SweepPlotData(
            points(state, objectives),
            objectives,
            tuple(families),
            frozenset(trial.runs[0] for trial in best if trial.runs),
        )
        if not data.completed:
            return written
        folder.mkdir(parents=True, exist_ok=True)
        with undisturbed():
            for name, picture in _plan(data, families):
                written += write_plot(folder, _free(name, written), picture)
    # plots are made after the results are written: an error in one must not fail a sweep of hours
    except Exception as error:
        log.warning("%s: plots are left out: %s: %s", folder, type(error).__name__, error)
    return written


def _plan(
    data: SweepPlotData, families: Mapping[str, Sequence[Dimension]]
) -> Iterator[tuple[str, Callable[[], DrawnPlot | None]]]:
    """Yield the name of each plot and the function that draws it; plots of parameters need a single objective."""
    names = [name for name, _ in data.objectives.metrics]
    several = len(names) > 1
    for index, name in enumerate(names):
        yield _file("history", name if several else ""), partial(history, data, index)
    for one, other in combinations(range(len(names)), 2):
        yield (
            _file("pareto", f"{names[one]}-{names[other]}" if len(names) > 2 else ""),
            partial(pareto, data, one, other),
        )
    yield "intermediate", partial(intermediate, data)
    if not several:
        yield "pace", partial(pace, data)
    for family in data.leading(MAX_FAMILIES) if not several else ():
        part = data.part(family, families[family])
        suffix = family if len(families) > 1 else ""
        yield _file("importance", suffix), partial(importance, part)
        yield _file("slice", suffix), partial(slices, part)
        yield _file("parallel", suffix), partial(parallel, part)


def _file(kind: str, of: str) -> str:
    # names of metrics and algorithms come from plugins, and may hold a slash
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", of)[:60]
    return f"{kind}-{plain}" if plain else kind


def _free(name: str, written: Sequence[str]) -> str:
    return _free(f"{name}_", written) if f"{name}.svg" in written else name


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let Optuna draw with pyplot, whose backend, figures and settings may be the user's: all are restored."""
    import matplotlib
    import optuna
    from matplotlib import pyplot

    backend, verbosity = matplotlib.get_backend(), optuna.logging.get_verbosity()
    # switching the backend may close the user's figures; if there are any, the backend works
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
