"""The parts of a search, made of its configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas._config import SearchConfig, build, checked
from nas.benchmarks import benchmark_of
from nas.budget import Budget
from nas.encoders import Joined, observers
from nas.errors import OptionError, UserError
from nas.search.compose import composed_run
from nas.search.phases import Phases
from nas.search.schedule import Schedule
from nas.search.search import Search
from nas.search.stop import Stop
from nas.types import Acquisition, Estimator, Evaluator, Space, Strategy

if TYPE_CHECKING:
    from nas.search.runner import Function

_OF_RUNS = (
    "stop",
    "resume",
    "warm_start",
    "retry_failed",
    "scheduler",
)  # options that a composed search has no use for
_INITIAL = 7  # trials before the surrogate is asked, where the budget is larger


@dataclass(frozen=True)
class Parts:
    """What a configuration describes, made."""

    evaluator: Evaluator
    estimator: Estimator
    strategy: Strategy
    acquisition: Acquisition
    schedule: Schedule
    stop: Stop

    @property
    def space(self) -> Space:
        """The architectures that can be measured."""
        return self.evaluator.space

    @property
    def platform(self) -> dict[str, str]:
        """Where candidates are measured: a run goes on elsewhere, but not exactly as it would have."""
        return self.evaluator.platform()

    @property
    def measured_on(self) -> dict[str, str]:
        """What is measured, on what, and where."""
        return {**self.evaluator.identity(), **self.platform}

    def check(self, config: SearchConfig) -> None:
        """Refuse, before an evaluation is spent, what these parts cannot do together.

        Raises:
            UserError: says what does not fit.
        """
        estimator = self.estimator
        _check_together(estimator, self.acquisition, config)
        assert config.initial is not None
        if self.stop.improvement is not None and not estimator.gives_std:
            raise UserError(
                f"stop.improvement is {self.stop.improvement:g}, which needs standard deviations, but "
                f"{type(estimator).__name__} gives none: choose another estimator, or stop.patience"
            )
        _refuse_gaps(self.evaluator, estimator)
        budget = Budget.of(config.budget)
        self._check_budget(budget)
        reference = self.evaluator.reference()
        if reference is None:
            return
        evaluations = budget.evaluations
        if evaluations is not None and evaluations > len(reference.signal):
            raise UserError(f"budget is {evaluations}, must be at most {len(reference.signal)}: the table has no more")
        (least, most), signal = estimator.values_in, reference.signal
        if (evaluations is None or evaluations > config.initial) and not (
            least <= signal.min() and signal.max() <= most
        ):
            column = benchmark_of(self.space).column(self.evaluator.value)
            raise UserError(
                f"column {column!r} holds {signal.min():g}..{signal.max():g} (of losses, the sign is turned), "
                f"{type(estimator).__name__} needs values in {least:g}..{most:g}: choose another estimator"
            )

    def _check_budget(self, budget: Budget) -> None:
        """Refuse a budget in what the evaluator does not tell, or that is not enough for anything."""
        rungs, estimator = self.schedule.rungs, self.estimator
        if budget.unit == "epochs":
            if not rungs:
                raise UserError(
                    f"budget is {budget.written!r}, but how many epochs an evaluation takes is unknown here: give a "
                    f"number of evaluations"
                )
            if budget.amount < rungs[-1]:
                raise UserError(
                    f"budget is {budget.written!r}, must be at least epochs:{rungs[-1]}: one whole training takes that"
                )
            if any(encoder.partial for encoder in observers(estimator)):
                raise UserError(
                    f"budget is {budget.written!r}, but {type(estimator).__name__} trains for epochs of its own, which "
                    f"are charged in seconds: use budget=seconds:N"
                )
        if budget.unit == "seconds" and not getattr(self.evaluator, "tells_seconds", True):
            raise UserError(
                f"budget is {budget.written!r}, but the table does not tell training seconds: give a number of "
                f"evaluations, or epochs:N where it knows several fidelities"
            )

    def search(self, config: SearchConfig, phases: Phases) -> Search:
        """Return the search, which knows no trial yet."""
        parts = self.estimator, self.strategy, self.acquisition
        more = {"budget": config.budget, "value": self.evaluator.value, "schedule": self.schedule}
        return _search(config, self.space, parts, phases=phases, **more)


def build_parts(config: SearchConfig, function: Function | None = None) -> Parts:
    """Make the parts of a search.

    Args:
        config: what to make.
        function: evaluates, in the place of the configured evaluator.

    Raises:
        UserError: a part cannot be made.
    """
    nodes: dict[str, Any] = {name: getattr(config, name) for name in ("space", "dataset", "executor")}
    given = {name: build(node, name) for name, node in nodes.items() if node or name != "dataset"}
    if function is None:
        evaluator = build(config.evaluator, "evaluator", **given)
    else:
        from nas.evaluators.function import FunctionEvaluator

        evaluator = FunctionEvaluator(given["space"], function)
    evaluator = build(config.objective, "objective").restrict(evaluator)
    seen = {name: part for name, part in given.items() if name == "dataset"}
    try:
        schedule = Schedule.of(build(config.scheduler, "scheduler"), evaluator)
    except OptionError as error:
        raise error if error.option.startswith("scheduler.") else error.below("scheduler") from error
    proposing = _proposing(config, evaluator.space, evaluator=evaluator, **seen)
    return Parts(evaluator, *proposing, schedule, build(config.stop, "stop"))


def compose_search(*overrides: str, space: Space | None = None, value: str = "value") -> Search:
    """Make a search of configured parts, to be driven by `ask` and `tell`; its budget has no end.

    Args:
        overrides: as on the command line, such as `space=nb201`, `estimator=ridge` and `seed=3`; what they say of
            evaluators is not used.
        space: of one's own, in the place of the configured one.
        value: the name of the value that the search sees, such as `validation`, where trials of a run are added.

    Raises:
        UserError: a part cannot be made, they do not fit together, or an option is of a run in a folder.
    """
    made = composed_run(overrides)
    for name in made.changed:
        if name.partition(".")[0] in _OF_RUNS:
            raise UserError(f"{name} is of a run, not of a search that is driven by ask and tell: leave it out")
    config = checked(made.options)
    space = build(config.space, "space") if space is None else space
    estimator, strategy, acquisition = _proposing(config, space)
    _check_together(estimator, acquisition, config)
    return _search(config, space, (estimator, strategy, acquisition), value=value)


def _search(config: SearchConfig, space: Space, parts: tuple[Estimator, Strategy, Acquisition], **more: Any) -> Search:
    estimator, strategy, acquisition = parts
    numbers = {name: getattr(config, name) for name in ("seed", "initial", "pool", "batch")}
    return Search(space, strategy, estimator, acquisition, **numbers, **more)


def _proposing(config: SearchConfig, space: Space, **given: Any) -> tuple[Estimator, Strategy, Acquisition]:
    estimator: Estimator = build(config.estimator, "estimator", space=space, **given)
    budget = Budget.of(config.budget).evaluations
    strategy = build(config.strategy, "strategy", space=space, budget=budget, **shared_encoder(estimator))
    if config.initial is None:  # it follows the budget, and is at least what the surrogate needs
        follows = _INITIAL if budget is None or budget > _INITIAL else max(budget // 4, 1)
        config.initial = max(follows, estimator.min_trials)
    return estimator, strategy, build(config.acquisition, "acquisition")


def _refuse_gaps(evaluator: Evaluator, estimator: Estimator) -> None:
    """Refuse a table that knows learning curves of some architectures only, where a search would ask for others'."""
    table = getattr(evaluator, "table", None)
    if table is None or (curves := table.columns.curves) is None:
        return
    for encoder in observers(estimator):
        if encoder.partial and not (known := curves.known(encoder.epochs)).all():
            raise UserError(
                f"{table.path} has learning curves up to epoch {encoder.epochs} of {known.sum():,} of {len(known):,} "
                f"architectures, a search that sees them needs all: choose another table, or an estimator or encoder "
                f"that sees none"
            )


def _check_together(estimator: Estimator, acquisition: Acquisition, config: SearchConfig) -> None:
    if acquisition.needs_std and not estimator.gives_std:
        raise UserError(
            f"acquisition is {type(acquisition).__name__}, which needs standard deviations, "
            f"but {type(estimator).__name__} gives none: choose acquisition=mean or another estimator"
        )
    assert config.initial is not None
    budget = Budget.of(config.budget).evaluations
    if (budget is None or budget > config.initial) and config.initial < estimator.min_trials:
        raise UserError(
            f"initial is {config.initial}, must be at least {estimator.min_trials}: "
            f"the estimator needs as many known architectures (estimator.k neighbours, where it has k)"
        )


def shared_encoder(estimator: Estimator) -> dict[str, Any]:
    """What a strategy is given, so that both search in one embedding: the estimator's encoder, where it can decode."""
    encoder = getattr(estimator, "encoder", None)
    parts = encoder.encoders.values() if isinstance(encoder, Joined) else [encoder]
    return next(({"encoder": part} for part in parts if hasattr(part, "decode")), {})
