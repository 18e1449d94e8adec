"""What advice is drawn from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from runtree.contract.search import Dimension
from runtree.records.layout import SweepFolder
from runtree.sweeps.book import Book, Entry, Trial
from runtree.sweeps.judgement import Judge
from runtree.sweeps.leaderboard import ranked


@dataclass(frozen=True)
class Facts:
    """A sweep that has ended, by one objective.

    Attributes
    ----------
    spaces
        What was searched, by family.
    stop
        What `stop.json` says.
    startup
        How many runs of a family the tuner draws at random before it learns from any.
    name
        By which the sweep is named in commands.
    """

    book: Book
    judge: Judge
    spaces: Mapping[str, Sequence[Dimension]]
    stop: Mapping[str, Any]
    folder: SweepFolder
    startup: int = 0

    @property
    def name(self) -> str:
        """By which the sweep is named in commands."""
        return self.folder.path.name

    @property
    def maximize(self) -> bool:
        """Tell whether more is better."""
        return self.judge.objectives[0][1] == "maximize"

    @property
    def metric(self) -> str:
        """The metric that the sweep is judged by."""
        return self.judge.objectives[0][0]

    @cached_property
    def scored(self) -> list[tuple[Trial, float]]:
        """The configurations that came to a value and keep every bound, the best first."""
        found = ((trial, score) for trial, score in ranked(self.book, self.judge) if score is not None)
        return [(trial, score[0]) for trial, score in found if self.judge.feasible(self.book.entries(trial))]

    @cached_property
    def in_order(self) -> list[tuple[Entry, float]]:
        """The runs that completed, in the order in which they ended, each with its value."""
        entries = (self.book.runs[number] for number in self.book.ended)
        return [(one, one.objectives[0]) for one in entries if one.state == "completed" and one.objectives]

    def better(self, one: float, other: float) -> bool:
        """Tell whether one value is better than another."""
        return one > other if self.maximize else one < other
