"""What is seen of a training before its end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import table_arrays

import nas
from nas.encoders import EarlyCurve
from nas.errors import UserError
from nas.evaluators import TableEvaluator, TrainingEvaluator
from nas.evaluators.function import FunctionEvaluator
from nas.spaces import NB101
from nas.training import Recipe
from nas.types import Candidate

DIGITS = Path(nas.__file__).parent / "data" / "nb101_digits.npz"


@pytest.fixture(scope="module")
def table() -> TableEvaluator:
    return TableEvaluator(NB101(max_vertices=5), "digits", seed=3)


def test_curves_are_those_of_one_run_of_the_table(table: TableEvaluator) -> None:
    space = table.space
    with np.load(DIGITS) as arrays:
        archs = space.from_published(arrays["num_vertices"], arrays["adj_bits"].astype(np.uint32), arrays["ops"])
        losses, correct = arrays["train_loss"].astype(float), arrays["valid_correct"] / arrays["images"][1]
        seconds = arrays["cpu_seconds"]
    rows = np.random.default_rng(0).permutation(len(archs))[:200]
    batch = space.batch(archs[rows])
    loss, spent = table.early(batch, "train_loss", 5)
    accuracy, _ = table.early(batch, "valid_accuracy", 8)
    runs = [
        int(np.flatnonzero((losses[row, :, :5] == seen).all(axis=1))[0]) for row, seen in zip(rows, loss, strict=True)
    ]
    assert np.bincount(runs).min() > 40  # each run as likely
    assert spent == pytest.approx(seconds[rows] / 3 * 5 / 8)
    for row, run, seen in zip(rows, runs, accuracy, strict=True):  # of the same run
        assert seen == pytest.approx(correct[row, run])
    assert (table.early(batch, "train_loss", 5)[0] == loss).all()


def test_summaries_are_of_the_curve_and_losses_have_their_sign_turned(table: TableEvaluator) -> None:
    batch = table.space.batch(table.space.enumerate()[::100])
    losses, spent = table.early(batch, "train_loss", 4)

    def seen(summary: str) -> np.ndarray:
        encoder = EarlyCurve(table.space, table, metric="train_loss", epochs=4, summary=summary)
        found, again = encoder.embed(batch), encoder.embed(batch)
        assert found.seconds == pytest.approx(spent)
        assert not again.seconds.any()
        assert (again.values == found.values).all()
        return found.values

    assert seen("last") == pytest.approx(-losses[:, -1:], rel=1e-6)
    assert seen("sum") == pytest.approx(-losses.sum(axis=1, keepdims=True), rel=1e-6)
    assert seen("curve") == pytest.approx(-losses, rel=1e-6)
    first, second = np.diff(-losses, axis=1), np.diff(-losses, 2, axis=1)
    expected = [part for one in (-losses, first, second) for part in (one.mean(axis=1), one.std(axis=1))]
    assert seen("moments") == pytest.approx(np.array(expected).T, rel=1e-4, abs=1e-6)


def test_what_the_table_does_not_have_is_refused(table: TableEvaluator, evaluator: TableEvaluator) -> None:
    batch = table.space.batch(table.space.enumerate()[:2])
    with pytest.raises(UserError, match=r"epochs is 9, but .* has learning curves at epochs 1, 2, 3, 4, 5, 6, 7, 8"):
        table.early(batch, "train_loss", 9)
    with pytest.raises(UserError, match=r"has learning curves of train_accuracy, valid_accuracy, .* only"):
        table.early(batch, "magic", 3)
    with pytest.raises(
        UserError, match="epochs is 2, must be the third or a later point of a learning curve, which has"
    ):
        EarlyCurve(table.space, table, epochs=2, summary="moments")
    with pytest.raises(UserError, match="epochs is 12, must be the third or a later point .* at 4, 12, 36, 108"):
        EarlyCurve(evaluator.space, evaluator, epochs=12, summary="moments")
    with pytest.raises(UserError, match="a function has no learning curve"):
        FunctionEvaluator(table.space, len).early(batch, "train_loss", 1)


def test_what_ranks_best_is_seen_of_what_there_is(table: TableEvaluator, evaluator: TableEvaluator) -> None:
    assert EarlyCurve(table.space, table).identity() == EarlyCurve(table.space, table, metric="train_loss").identity()
    with pytest.raises(UserError, match="has learning curves of .* only"):
        EarlyCurve(evaluator.space, evaluator, metric="train_loss", epochs=12)
    seen = EarlyCurve(evaluator.space, evaluator, epochs=12)
    assert seen.identity() == EarlyCurve(evaluator.space, evaluator, metric="valid_accuracy", epochs=12).identity()
    with pytest.raises(UserError, match="a function has no learning curve"):
        EarlyCurve(table.space, FunctionEvaluator(table.space, len))


def test_training_begins_as_the_whole_one_does() -> None:
    space = NB101(max_vertices=4)
    trainer = TrainingEvaluator(space, recipe=Recipe(epochs=3), seed=5, device="cpu")
    batch = space.batch(space.sample(2, np.random.default_rng(0)))
    losses, seconds = trainer.early(batch, "train_loss", 2)
    whole = [trainer.submit(Candidate(part, "x")).result() for part in batch.split(1)]
    assert losses.tolist() == [outcome.details["epochs"]["train_loss"][:2] for outcome in whole]
    assert (seconds > 0).all()
    nothing = batch.take(slice(0))
    assert EarlyCurve(space, trainer, epochs=2).embed(nothing).values.shape == (0, 1)
    assert trainer.early(nothing, "train_loss", 2)[0].shape == (0, 2)
    assert trainer.evaluate(nothing).value.shape == (0,)
    with pytest.raises(UserError, match="epochs is 4, must be at most 3, the recipe's"):
        trainer.early(batch, "train_loss", 4)


def test_a_search_is_charged_for_what_its_estimator_saw(tmp_path: Path) -> None:
    options = ["space.max_vertices=5", "table=digits", "strategy=bayesian", "strategy/pool=random", "pool=20"]
    run = nas.run(*options, "estimator=sotl_e", "budget=30", "initial=10", folder=tmp_path)
    table = TableEvaluator(NB101(max_vertices=5), "digits")
    own = table.evaluate(table.space.batch(run.trials.genes)).seconds.sum()
    seen = run.trials.estimate_seconds
    assert (seen[:10] == 0).all()
    assert (seen[10:] > 0).all()
    assert run.content["cumulative_cost_seconds"][-1] == pytest.approx(own + seen.sum(), abs=0.01)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"val_epochs": np.array([4, 4, 36, 108])}, "val_epochs are .*, must be 1 or more in ascending order"),
        ({"val_epochs": np.array([0, 12, 36, 108])}, "val_epochs are .*, must be 1 or more"),
        ({"val_epochs": np.array([4, 12, 36])}, "val_epochs"),
        ({"val_acc_1run": np.full((20, 4), 1.5)}, "valid_accuracy of a learning curve of row "),
    ],
)
def test_curves_that_cannot_be_are_refused(change, message: str, small_space: NB101, tmp_path: Path) -> None:
    arrays = table_arrays(small_space, small_space.enumerate())
    np.savez(tmp_path / "table.npz", **{**arrays, **change})
    with pytest.raises(UserError, match=message):
        TableEvaluator(small_space, "cifar10", str(tmp_path / "table.npz"))
