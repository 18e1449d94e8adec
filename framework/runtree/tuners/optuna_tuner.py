"""A tuner on Optuna's samplers and pruners."""

import copy
import hashlib
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, RandomSampler
from optuna.trial import TrialState, create_trial

from runtree.contract.errors import ConfigError, MissingError
from runtree.contract.search import Choice, Dimension, Observation, Proposal, Suggest, Values
from runtree.contract.types import Direction
from runtree.tuners.bounded_study import BoundedStudy
from runtree.tuners.cma_state import attributes_from_json, attributes_to_json
from runtree.tuners.parameters import OptunaParameter, make_parameters, raw_values
from runtree.tuners.sobol import PARAMETERS, Sobol

STUDY_ID = 0  # of the only study in a storage
# Optional packages: (sampler, package, command)
NEEDS = ((CmaEsSampler, "cmaes", "pip install cmaes"), (GPSampler, "torch", "pip install 'runtree[torch]'"))
STATES = {"completed": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


class OptunaTuner:
    """Proposes the suggestions of an Optuna sampler.

    Each trial is stored in the form in which it would be restored from a ledger. So a restored tuner proposes the same
    as one that was never interrupted.

    Parameters
    ----------
    sampler
        Makes the sampler, given a seed; in YAML a `_target_` with ``_partial_: true``.
    pruner
        One of Optuna's pruners, or None.
    memory
        How many finished trials the sampler sees: one quarter the best, the rest the latest. From 100 on, TPE sees the
        same good trials as if it saw all. None: all.
    reseed
        Whether each proposal gets a new sampler, seeded by the sweep's seed and the number of the proposal. A sampler
        that is used again has a state that a restored one lacks.
    own_space
        Whether the `space` of algorithms is searched too.
    """

    def __init__(
        self,
        sampler: Callable[..., Any],
        pruner: Any = None,
        memory: int | None = 400,
        reseed: bool = True,
        own_space: bool = True,
    ) -> None:
        if not callable(sampler):
            raise ConfigError(
                "tuner.sampler: it must be a factory, as each proposal gives it another seed",
                "type: tuner.sampler._partial_=true",
            )
        if memory is not None and memory < 0:
            raise ConfigError(f"tuner.memory must be 0 or more, got {memory}", "for all runs: tuner.memory=null")
        self.sampler = sampler
        self.pruner = pruner
        self.memory = memory
        self.reseed = reseed
        self.own_space = own_space
        self.prunes = pruner is not None

    def begin(self, space: Sequence[Dimension], directions: Sequence[Direction], seed: int) -> None:
        """Start over with an empty study."""
        # Optuna logs to stderr by default, which would disturb the progress display of the sweep
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.parameters_ = make_parameters(space)
        self.seed_ = seed
        sampler = make_sampler(self.sampler, derive_seed(seed, 0))
        check_sampler(sampler, self.prunes, self.parameters_, directions)
        self.storage_ = BoundedStudy(
            [optuna.study.StudyDirection[direction.upper()] for direction in directions], self.memory
        )
        self.study_ = optuna.create_study(
            storage=self.storage_,
            study_name="runtree",  # Hyperband assigns trials to brackets by a hash of it
            directions=list(directions),
            sampler=sampler,
            # a copy: some pruners keep state (Hyperband its brackets), and each algorithm has a study of its own
            pruner=copy.deepcopy(self.pruner) or optuna.pruners.NopPruner(),
        )
        self.study_.set_user_attr(PARAMETERS, [parameter.name for parameter in self.parameters_])

    def ask(self, number: int) -> Proposal:
        """Return the sampler's suggestion."""

        def choose(trial: optuna.Trial) -> Values:
            values: dict[str, Any] = {}
            for parameter in self.parameters_:
                if parameter.dimension.path not in values and parameter.dimension.holds(values):
                    values[parameter.dimension.path] = parameter.suggest(trial)
            return values

        values, memo = self._propose(number, choose, lambda: self.parameters_)
        return Proposal(number, values, memo)

    def suggest(self, number: int, choose: Callable[[Suggest], Values]) -> Proposal:
        """Return the values of a space that is a function; the sampler suggests one parameter at a time."""
        suggested: dict[str, tuple[OptunaParameter, Any]] = {}
        returned: Values = {}

        def choose_each(trial: optuna.Trial) -> Values:
            nonlocal returned

            def value_for(dimension: Dimension) -> Any:
                [parameter] = make_parameters([dimension])
                try:
                    value = parameter.suggest(trial)
                except ValueError as error:  # Optuna refuses, for example, another number of choices under one name
                    raise ConfigError(f"space: {dimension.path}: {error}", "give it another name") from None
                suggested[dimension.path] = parameter, value
                return value

            returned = choose(value_for)
            return {name: value for name, (_, value) in suggested.items()}

        _, memo = self._propose(number, choose_each, lambda: [parameter for parameter, _ in suggested.values()])
        return Proposal(number, returned, memo)

    def _propose(
        self,
        number: int,
        choose: Callable[[optuna.Trial], Values],
        parameters: Callable[[], Sequence[OptunaParameter]],
    ) -> tuple[Values, dict[str, Any]]:
        """Let `choose` ask a new trial for values, and return these with the memo of the proposal."""
        # the state of a sampler that has drawn n times cannot be restored; a new one for each number makes its draws
        # depend on nothing but that number and the trials
        if self.reseed:
            self._reseed(derive_seed(self.seed_, number))
        self.storage_.fill_up_to(STUDY_ID, number)
        before = self.storage_.get_study_system_attrs(STUDY_ID)
        trial = self.study_.ask()
        values = choose(trial)
        memo = self._memo(number, before)
        # the trial is replaced by what a ledger would restore: so an uninterrupted tuner and a restored one see
        # the same
        self._take(number, values, memo, parameters())
        return values, memo

    def _reseed(self, seed: int) -> None:
        sampler = self.study_.sampler
        if type(sampler) is RandomSampler:  # its generator is all of its state; making a new one costs 0.3 ms
            sampler._rng.rng.seed(seed)
        else:
            self.study_.sampler = make_sampler(unwrap_partial(self.sampler), seed)

    def _memo(self, number: int, before: Mapping[str, Any]) -> dict[str, Any]:
        """Return the attributes that the sampler set on the trial and on the study, as JSON."""
        own = self.storage_.get_trial(number).system_attrs
        study = self.storage_.get_study_system_attrs(STUDY_ID)
        # by identity: Optuna sets a new object for each change, and comparing large lists at each proposal would cost
        # more
        changed = {key: value for key, value in study.items() if before.get(key) is not value}
        # `relative_params` holds values drawn together; a condition may have left some of them out of the trial
        kept = attributes_to_json({key: value for key, value in own.items() if "relative_params" not in key})
        return {key: value for key, value in (("trial", kept), ("study", changed)) if value}

    def _take(
        self, number: int, values: Values, memo: Mapping[str, Any], parameters: Sequence[OptunaParameter]
    ) -> None:
        """Store a proposal as a running trial."""
        self.storage_.fill_up_to(STUDY_ID, number + 1)
        for key, value in memo.get("study", {}).items():
            self.storage_.set_study_system_attr(STUDY_ID, key, value)
        raw = raw_values(parameters, values)
        if raw is None:  # from another space: the sampler cannot learn from it
            return
        distributions = {each.name: each.distribution for each in parameters if each.name in raw}
        running = create_trial(
            state=TrialState.RUNNING,
            params=raw,
            distributions=distributions,
            system_attrs=attributes_from_json(memo.get("trial", {})),
        )
        self.storage_.put(number, running)

    def tell(self, observation: Observation) -> None:
        """Learn the result of a proposal; further results of the same proposal are ignored."""
        number = observation.number
        if number >= self.storage_.count:
            named = make_parameters(observation.dimensions) or self.parameters_
            self._take(number, observation.values, observation.memo, named)
        trial = self.storage_.get_trial(number)
        if trial.state != TrialState.RUNNING:
            return
        # reports first: a pruner compares later trials with the intermediate values of this one
        for step, value in observation.reports:
            if step not in trial.intermediate_values:
                self.report(number, step, value)
        if observation.state != "running":
            self._finish(observation)

    def _finish(self, observation: Observation) -> None:
        trial = self.storage_.get_trial(observation.number)
        state, objectives = STATES[observation.state], observation.objectives
        # Optuna rejects NaN, and a sampler must not learn from a value that is missing
        if state == TrialState.COMPLETE and not _usable(objectives, len(self.study_.directions)):
            state = TrialState.FAIL
        ended = create_trial(
            state=state,
            params=trial.params,
            distributions=trial.distributions,
            system_attrs=trial.system_attrs,
            values=objectives if state == TrialState.COMPLETE else None,
            intermediate_values=trial.intermediate_values,
            constraints=_constraints(observation) if state != TrialState.FAIL else None,
        )
        self.storage_.put(observation.number, ended)

    def report(self, number: int, step: int, value: float) -> bool:
        """Store an intermediate value, and return whether to prune."""
        # Optuna's pruners refuse several objectives; a late report of a trial that has ended is dropped
        if len(self.study_.directions) > 1 or self.storage_.get_trial(number).state != TrialState.RUNNING:
            return False
        self.storage_.set_trial_intermediate_value(number, int(step), float(value))
        if not self.prunes:
            return False
        with self.storage_.visible_to_pruner():
            return bool(self.study_.pruner.prune(self.study_, self.storage_.get_trial(number)))


def _usable(objectives: Sequence[float] | None, count: int) -> bool:
    return objectives is not None and len(objectives) == count and not any(math.isnan(value) for value in objectives)


def _constraints(observation: Observation) -> dict[str, float]:
    return {
        # a constraint that could not be measured counts as violated
        str(position): math.inf if math.isnan(value) else value
        for position, value in enumerate(observation.constraints)
    }


def make_sampler(factory: Callable[..., Any], seed: int) -> BaseSampler:
    """Make a sampler with a seed.

    Raises
    ------
    ConfigError
        Settings that the sampler does not have, or a class that is not a sampler.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # the user chose it
            sampler = factory(seed=seed)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"tuner.sampler: {error}") from None
    if not isinstance(sampler, BaseSampler):
        raise ConfigError(f"tuner.sampler: {type(sampler).__name__} is not a sampler", "see: optuna.samplers")
    return sampler


def unwrap_partial(factory: Callable[..., Any]) -> Callable[..., Any]:
    """Return a factory as a plain `functools.partial`.

    The one of the config checks at each call whether its target is on the allow-list, which costs 0.3 ms.
    """
    return partial(factory.func, *factory.args, **factory.keywords) if isinstance(factory, partial) else factory


def derive_seed(seed: int, number: int) -> int:
    """Return the seed of a proposal: 32 bits, independent of those of other proposals."""
    # a hash and not seed + number: the proposals of neighbouring seeds would be the same, shifted by one
    return int.from_bytes(hashlib.blake2b(f"{seed}/{number}".encode(), digest_size=4).digest())


def check_sampler(
    sampler: BaseSampler, prunes: bool, parameters: Sequence[OptunaParameter], directions: Sequence[Direction]
) -> None:
    """Refuse a space or objectives that the sampler or the pruner cannot handle, and a missing package."""
    name = type(sampler).__name__
    for kind, package, cure in NEEDS:
        if isinstance(sampler, kind) and find_spec(package) is None:
            raise MissingError(f"tuner.sampler: {name} needs the package '{package}', which is not installed", cure)
    several = len(directions) > 1
    if several and prunes:
        raise ConfigError("tuner.pruner: runs of several objectives cannot be pruned", "type: tuner.pruner=null")
    # a space that is a function has no parameters yet
    if isinstance(sampler, Sobol) and not parameters:
        raise ConfigError(
            "tuner: a Sobol sequence has to know all parameters before, and a function tells of them one by one",
            "possible: tuner=random, tuner=tpe",
        )
    if not isinstance(sampler, CmaEsSampler) or not parameters:
        return
    if several:
        raise ConfigError(
            f"tuner: {name} has one objective, not {len(directions)}", "possible: tuner=nsga, tuner=tpe, tuner=random"
        )
    # CMA-ES draws choices at random, so without a number it would be random search under another name
    if all(isinstance(each.dimension.domain, Choice) or each.distribution.single() for each in parameters):
        raise ConfigError(f"tuner: {name} searches numbers, and the space has none", "possible: tuner=tpe, tuner=grid")
