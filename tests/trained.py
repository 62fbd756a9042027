"""An evaluator that trains quickly."""

from __future__ import annotations

from concurrent.futures import Future

from nas.datasets import Digits
from nas.evaluators import TrainingEvaluator
from nas.networks import Skeleton
from nas.spaces import NB101
from nas.training import Recipe
from nas.types import Batch, Candidate, Outcome

QUICK = Recipe(epochs=2)


def make(space: NB101, **options: object) -> TrainingEvaluator:
    given = {"dataset": Digits(64, 50), "skeleton": Skeleton(4, 2, 1), "recipe": QUICK, "device": "cpu", **options}
    return TrainingEvaluator(space, **given)  # type: ignore[arg-type]


def one(evaluator: TrainingEvaluator, batch: Batch, row: int = 0) -> Future[Outcome]:
    return evaluator.submit(Candidate(batch.take([row]), "test"))
