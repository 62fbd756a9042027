"""Predictors as compositions: at which fidelity, of which family, and what each needs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from omegaconf import OmegaConf

from nas._config import build, imported
from nas.encoders import Observed, PublishedScores, ZeroCost, encoders_of, observers
from nas.errors import UserError
from nas.evaluators import TableEvaluator
from nas.types import Estimator

MODEL, BOTH = "model", "hybrid"
FAMILIES = (MODEL, "zero-cost", "learning curve", "weight sharing", BOTH)


@dataclass(frozen=True)
class Predictor:
    """An estimator of the study.

    Attributes:
        name: of its composition.
        node: its configuration, with a `_target_`; it may refer to the seed.
        family: one of `FAMILIES`.
        epochs: of partial training that it sees, or None.
        sizes: the training sets that it learns from; `[0]`: it learns nothing.
        observes: what it observes at a price, as the encoders say.
    """

    name: str
    node: Mapping[str, Any]
    family: str
    epochs: int | None
    sizes: list[int]
    observes: tuple[str, ...] = ()

    def make(self, seed: int, evaluator: TableEvaluator, **given: Any) -> Estimator:
        """The estimator.

        Args:
            seed: for what it draws.
            evaluator: of the table.
            given: what else its parts may ask for, such as the data set.

        Raises:
            UserError: it cannot be made for this table.
        """
        composed = OmegaConf.create({"seed": seed, "estimator": self.node})
        parts = {"space": evaluator.space, "evaluator": evaluator, **given}
        estimator: Estimator = build(composed.estimator, "estimator", **parts)
        return estimator

    @property
    def digest(self) -> str:
        """Of the configuration."""
        return sha256(json.dumps(self.node, sort_keys=True).encode()).hexdigest()[:16]


def predictors(
    name: str,
    node: dict[str, Any],
    evaluator: TableEvaluator,
    fidelities: list[int],
    sizes: list[int],
    missing: str,
    **given: Any,
) -> list[Predictor]:
    """A composition at each fidelity, or as it is where it sees no partial training.

    Zero-cost scores that the table has are read there, as its images may not be at hand.

    Args:
        name: of the composition.
        node: its configuration.
        evaluator: of the table.
        fidelities: epochs of partial training.
        sizes: of the training sets.
        missing: why there are no images; empty: there are.
        given: what else its parts may ask for, such as the data set.

    Raises:
        UserError: it cannot be made for this table; says why.
    """
    node = _with_published(node, evaluator)
    sees_curves = any(_sees_curves(part) for part in _nodes(node))
    if sees_curves and not fidelities:
        raise UserError("it needs learning curves, the table has none that end before the training does")
    made, refused = [], ""
    for epochs in fidelities if sees_curves else [None]:
        one = Predictor(name, _at(node, epochs), "", epochs, [])
        try:
            estimator = one.make(0, evaluator, **given)
            few = evaluator.space.batch(evaluator.table.columns.archs[:0])
            for encoder in observers(estimator):
                if missing and hasattr(encoder, "dataset"):
                    raise UserError(missing)
                if not encoder.measured:
                    encoder.embed(few)  # says what the table lacks
        except UserError as error:
            refused = refused or str(error)
            continue
        enough = [size for size in sizes if size >= estimator.min_trials] if estimator.min_trials else [0]
        if not enough:
            raise UserError(f"it needs {estimator.min_trials} labels, sizes has at most {max(sizes)}")
        observes = tuple(encoder.identity() for encoder in observers(estimator))
        made.append(replace(one, family=_family(estimator), sizes=enough, observes=observes))
    if not made:
        raise UserError(refused)
    return made


def _family(estimator: Estimator) -> str:
    sources = {one.source if isinstance(one, Observed) else MODEL for one in encoders_of(estimator)}
    kinds = sources or {MODEL}
    return kinds.pop() if len(kinds) == 1 else BOTH


def _sees_curves(node: dict[str, Any]) -> bool:
    cls = imported(node["_target_"])
    return isinstance(cls, type) and issubclass(cls, Observed) and cls.partial


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "_target_" in node:
            yield node
        for part in node.values():
            yield from _nodes(part)


def _at(node: Any, epochs: int | None) -> Any:
    """The configuration whose learning curves have so many epochs."""
    if not isinstance(node, dict):
        return node
    changed = {key: _at(part, epochs) for key, part in node.items()}
    if "_target_" in node and _sees_curves(node):
        changed["epochs"] = epochs
    return changed


def _with_published(node: Any, evaluator: TableEvaluator) -> Any:
    """The configuration that reads the scores that the table has."""
    if not isinstance(node, dict):
        return node
    cls = imported(node["_target_"]) if "_target_" in node else None
    if isinstance(cls, type) and issubclass(cls, ZeroCost):
        read = {"_target_": f"{PublishedScores.__module__}.{PublishedScores.__name__}", "scores": node["scores"]}
        try:
            build(read, "encoder", space=evaluator.space, evaluator=evaluator)
        except UserError:
            return node
        return read
    return {key: _with_published(part, evaluator) for key, part in node.items()}
