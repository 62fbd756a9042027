"""From a run to a model: long trainings, the choice among them, the test, and the folder."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from nas.errors import UserError
from nas.evaluators.devices import existing
from nas.models import Model
from nas.options import Natural, PositiveInt, validated
from nas.retrain.export import Choice, export
from nas.retrain.plan import Plan
from nas.retrain.training import Seen, Trained, Trainer
from nas.search import Result

_log = logging.getLogger("nas.retrain")


@validated
@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        top: how many networks are trained, the recommended one first.
        epochs: in the place of the recipe's.
        seeds: how often each is trained.
        on: `train`: the validation images choose among networks and seeds; `train+valid`: what was chosen by them is
            trained once more on both, and the first seed is taken.
        device: `cpu`, `cuda`, one CUDA device, or `auto`.
        threads: PyTorch's, on the CPU; None: as many as it takes by itself.
    """

    top: PositiveInt = 1
    epochs: PositiveInt | None = None
    seeds: PositiveInt = 3
    on: Literal["train", "train+valid"] = "train"
    device: str = "auto"
    threads: Natural | None = None


def retrain(
    run: str | Path,
    request: Request | None = None,
    folder: str | Path | None = None,
    overrides: Sequence[str] = (),
    told: Callable[[str], None] = print,
    seen: Seen = lambda name, curves: None,
    epochs: Callable[[int, int], None] = lambda trainings, epochs: None,
) -> Model:
    """Train the networks that a run recommends, and leave the best as a model; what was done before is not done again.

    Args:
        run: its folder.
        request: how many networks, how often, and where.
        folder: of the model; None: `model` in that of the run. Checkpoints lie beside it until it is there.
        overrides: of `conf/retrain.yaml`, such as `recipe.flip=true` and `skeleton.stem=32`.
        told: gets each line that is to be told.
        seen: is called after each epoch with the name of the training and what was seen of it.
        epochs: is called once, with how many trainings there will be, and of how many epochs each.

    Raises:
        UserError: there is no such run, its networks cannot be trained, or the model cannot be written.
    """
    request = request or Request()
    result = _finished(Path(run))
    place = Path(run) / "model" if folder is None else Path(folder)
    plan = Plan.of(result, request.top, request.epochs, overrides)
    again = request.on == "train+valid"
    compared = len(plan.trials) > 1 or not again
    epochs(len(plan.trials) * compared + again, plan.recipe.epochs)
    work = _work(place)
    trainer = Trainer(plan, range(request.seeds), work, existing(request.device), request.threads or None, seen)
    batch = plan.space.batch(np.array([trial.genes for trial in plan.trials], dtype=np.uint8))
    trained: list[Trained] = []
    for row, trial in enumerate(plan.trials):
        graph = batch.take(slice(row, row + 1)).graphs
        if compared:
            trained.append(trainer.train(trial.key, graph, plan.images, trial.key))
            told(_line(trained[-1], plan))
    row = int(np.argmax([one.values.mean() for one in trained])) if compared else 0
    images = plan.images
    if again:
        images = images.with_validation()
        graph = batch.take(slice(row, row + 1)).graphs
        final = trainer.train(plan.trials[row].key, graph, images, f"{plan.trials[row].key}-joined")
        seed = 0
    else:
        final, seed = trained[row], int(np.argmax(trained[row].values))
    final = trainer.tested(final, images)
    choice = Choice(plan.trials[row], final, seed, images, trained)
    export(place, Path(run), plan, request.on, choice)
    for line in _ends(choice, plan):
        told(line)
    shutil.rmtree(work)
    return Model(place)


def _finished(run: Path) -> Result:
    from nas.search import load

    result = load(run)
    if "recommended" not in result.content:
        _log.warning("%s is unfinished: the network of its best value so far is trained", run)
    return result


def _work(folder: Path) -> Path:
    """The folder of the checkpoints."""
    work = folder.with_name(f"{folder.name}.training")
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{work} cannot be made ({error.strerror}): name another folder with --out") from error
    return work


def _line(trained: Trained, plan: Plan) -> str:
    values = trained.values
    error = f" ± {values.std(ddof=1) / np.sqrt(len(values)):.4f}" if len(values) > 1 else ""
    each = ", ".join(f"{value:.4f}" for value in values)
    seconds = float(trained.curves.seconds[-1])
    return (
        f"network {trained.key}: validation {plan.measure} {values.mean():.4f}{error} ({each}), "
        f"{trained.curves.parameters:,} parameters, {seconds:.0f} s"
    )


def _ends(choice: Choice, plan: Plan) -> list[str]:
    tested = choice.trained.curves.test_value
    if np.isnan(tested).all():
        return ["there is no test part: nothing tells how good the model is on images it was not chosen by"]
    chosen = f"test {plan.measure} of the model: {tested[choice.seed]:.4f}"
    every = f"; mean of {len(tested)} seeds: {tested.mean():.4f}" if len(tested) > 1 else ""
    return [chosen + every, *choice.doubts(plan.measure)]
