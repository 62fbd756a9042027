"""The options of a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge, MinLen

from nas._config import composed
from nas.options import Natural, NonNegative, PositiveInt, fitted, hints
from nas.study.splits import Kind


@dataclass(frozen=True, kw_only=True)
class StudyOptions:
    """What is measured; `conf/study.yaml` says more of each.

    Attributes:
        space: its configuration.
        evaluator: its configuration, of a table.
        dataset: its configuration, or None.
        table: which of the space's tables.
        seed: draws the run that is seen of each network.
        predictors: names of estimators (`conf/estimator`).
        sizes: of the training sets.
        epochs: fidelities; None: all that there are.
        tests: kinds of networks.
        networks: to be ranked in each split.
        splits: how many.
        first_split: the first.
        workers: processes that measure.
        limit: CPU seconds, or None.
        folder: for all that is written; None: named after the table.
    """

    space: Any
    evaluator: Any
    dataset: Any = None
    table: str
    seed: Natural
    predictors: Annotated[list[str], MinLen(1)]
    sizes: Annotated[list[PositiveInt], MinLen(1)]
    epochs: list[PositiveInt] | None
    tests: Annotated[list[Kind], MinLen(1)]
    networks: Annotated[int, Ge(20)]
    splits: PositiveInt
    first_split: Natural
    workers: PositiveInt
    limit: NonNegative | None
    folder: str | None

    @classmethod
    def composed(cls, overrides: Sequence[str]) -> StudyOptions:
        """Compose the options as the command line says.

        Raises:
            UserError: an option is of a wrong type or out of its range.
            HydraException: an override is not one, or names what is not there.
        """
        options = composed(overrides, "study")
        kinds = hints(cls)
        return cls(**{name: fitted(value, kinds[name], name, parse=True) for name, value in options.items()})
