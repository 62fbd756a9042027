"""What is trained again, on what, and how: from the record of a run and the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nas._config import build, composed, config_folder
from nas.datasets import Dataset, Images
from nas.errors import OptionError, UserError
from nas.evaluators.candidate import load
from nas.networks import SizeOptions, Skeleton, skeleton_of
from nas.search import Result
from nas.search.trial import Trial
from nas.training import Measure, Recipe, RecipeOptions, measure_of
from nas.types import Space


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        space: of the run.
        trials: that are trained, the recommended one first.
        dataset: what is trained on.
        images: of it.
        skeleton: around the cells.
        recipe: how.
        measure: what networks are compared by.
    """

    space: Space
    trials: list[Trial]
    dataset: Dataset
    images: Images
    skeleton: Skeleton
    recipe: Recipe
    measure: Measure

    @classmethod
    def of(cls, result: Result, top: int, epochs: int | None, overrides: Sequence[str] = ()) -> Plan:
        """Make it of a run.

        Args:
            result: of the run.
            top: how many networks.
            epochs: in the place of the recipe's.
            overrides: of `conf/retrain.yaml`.

        Raises:
            UserError: the run's candidates are no networks, or there is nothing to train them on.
        """
        record = result.record
        options = composed([*_dataset(record, overrides), *overrides], "retrain")
        evaluator = record.get("evaluator") or {}
        space = _space(record, evaluator)
        own = options.get("dataset") is None
        dataset: Dataset = build(record["dataset"] if own else options["dataset"], "dataset")
        images = load(dataset)  # once with the evaluator of the run
        asked: RecipeOptions = build(options["recipe"], "recipe")
        recipe = asked.following(len(images.y_train), min(images.x_train.shape[2:]))
        if epochs is not None:
            recipe = replace(recipe, epochs=epochs)
        if len(images.y_train) < recipe.batch:
            text = f"is {recipe.batch}, must be at most {len(images.y_train)}: there are no more training images"
            raise OptionError("recipe.batch", text)
        sizes = _sizes(evaluator, min(images.x_train.shape[2:]))
        sizes |= {name: number for name, number in options["skeleton"].items() if number is not None}
        try:
            skeleton = skeleton_of(space)(**sizes, classes=images.outputs, image_channels=images.x_train.shape[1])
        except OptionError as error:
            raise error.below("skeleton") from error
        measure = measure_of(images.target, evaluator.get("measure") if own else None)
        return cls(space, _best_first(result, top), dataset, images, skeleton, recipe, measure)


def _space(record: dict[str, Any], evaluator: dict[str, Any]) -> Space:
    """The space of the run: that of its table may be a part of the configured one."""
    given = {name: build(record[name], name) for name in ("space", "dataset") if record.get(name)}
    here = {name: value for name, value in evaluator.items() if name not in ("device", "devices")}
    made: Space = build(here, "evaluator", **given).space
    return made


def _best_first(result: Result, top: int) -> list[Trial]:
    """The recommended trial, and those of the highest values."""
    first = result.recommended
    return [first, *(trial for trial in result.top(top) if trial.step != first.step)][:top]


def _sizes(evaluator: dict[str, Any], side: int) -> dict[str, int]:
    """Those of the run's candidates; for a run on a table, those of a first run on such images."""
    node = evaluator.get("skeleton")
    made: SizeOptions | Skeleton = SizeOptions() if node is None else build(node, "skeleton")
    return made.following(side)


def _dataset(record: dict[str, Any], overrides: Sequence[str]) -> list[str]:
    """The override that names the images of a run on a table, where those have its name."""
    measured = record.get("measured_on") or {}
    if record.get("dataset") or any(one.partition("=")[0] == "dataset" for one in overrides):
        return []
    if "function" in measured:
        raise UserError("the run called a function: its candidates are no networks that could be trained")
    table = str(measured.get("table", "digits"))  # a run that trained without naming a data set trained on these
    known = sorted(path.stem for path in (Path(config_folder()) / "dataset").glob("*.yaml"))
    if table not in known:
        told = ", ".join(known)
        raise UserError(f"there are no images of the run's table, {table}: name what to train on with dataset=, {told}")
    return [f"dataset={table}"]
