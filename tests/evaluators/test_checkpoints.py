"""Trainings that stop, and go on from what they left."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from trained import make

from nas.errors import UserError
from nas.evaluators import TrainingEvaluator
from nas.evaluators.checkpoint import Checkpoint
from nas.spaces import NB101
from nas.training import FreshAccuracy, Part, Recipe, load_state, recalibrated, save_state, score, train
from nas.training.learner import Learner
from nas.types import Batch, Candidate, Outcome

RECIPE = Recipe(epochs=8)
LONG = Recipe(epochs=30)


@pytest.fixture(scope="module")
def batch(small_space: NB101) -> Batch:
    return small_space.batch(small_space.sample(1, np.random.default_rng(0)))


@pytest.fixture
def file(tmp_path: Path, batch: Batch) -> Path:
    """Where the checkpoint of the only network is."""
    return tmp_path / "checkpoints" / f"{Candidate(batch, 'test').key}.safetensors"


@pytest.fixture
def evaluator(small_space: NB101, file: Path) -> TrainingEvaluator:
    evaluator = make(small_space, recipe=RECIPE)
    evaluator.keep_checkpoints(file.parent)
    return evaluator


@pytest.fixture(scope="module")
def whole(small_space: NB101, batch: Batch) -> Outcome:
    """What an unbroken training gives."""
    return make(small_space, recipe=RECIPE).submit(Candidate(batch, "test")).result()


def go(evaluator: TrainingEvaluator, batch: Batch, until: int | None = None, before: Outcome | None = None) -> Outcome:
    """Train, as the next step of a training of which an outcome is recorded."""
    reached = 0 if before is None else before.epochs
    return evaluator.submit(Candidate(batch, "test", until=until, reached=reached)).result()


def told(outcome: Outcome) -> tuple[object, ...]:
    """All that does not depend on the clock."""
    assert outcome.details is not None
    curves = {name: curve for name, curve in outcome.details["epochs"].items() if name != "seconds"}
    details = {**outcome.details, "epochs": curves}
    return dict(outcome.values), outcome.epochs, outcome.error, outcome.partial, details


def test_three_epochs_and_then_eight_are_eight_at_once_bit_for_bit(evaluator, batch, file, whole) -> None:
    assert evaluator.fidelities == (1, 2, 3, 4, 5, 6, 7, 8)
    assert evaluator.continues
    first = go(evaluator, batch, 3)
    assert (first.epochs, first.partial, first.error) == (3, True, None)
    assert first.details["test_accuracy"] is None
    assert load_state(file).epochs == 3
    second = go(evaluator, batch, 8, first)
    assert told(second) == told(whole)
    assert not whole.partial
    assert whole.details["test_accuracy"] is not None
    assert first.details["epochs"]["valid_loss"] == second.details["epochs"]["valid_loss"][:3]
    assert [*file.parent.iterdir()] == [file]  # until the outcome is recorded


def test_each_outcome_has_the_seconds_since_the_one_before(evaluator, batch) -> None:
    outcomes = [go(evaluator, batch, 2)]
    for until in (3, 6, None):
        before = replace(outcomes[-1], seconds=sum(outcome.seconds for outcome in outcomes))
        outcomes.append(go(evaluator, batch, until, before))
    assert [outcome.epochs for outcome in outcomes] == [2, 3, 6, 8]
    curve = outcomes[-1].details["epochs"]["seconds"]
    ends = [curve[epochs - 1] for epochs in (2, 3, 6, 8)]
    np.testing.assert_allclose(np.cumsum([outcome.seconds for outcome in outcomes]), ends, atol=1e-5)


def test_without_a_folder_a_training_begins_anew_and_costs_all_of_it(small_space: NB101, batch, whole) -> None:
    evaluator = make(small_space, recipe=RECIPE)
    first = go(evaluator, batch, 3)
    second = go(evaluator, batch, None, first)
    assert told(second) == told(whole)
    assert second.seconds == pytest.approx(second.details["epochs"]["seconds"][-1], abs=1e-5)


def test_seconds_are_those_of_the_new_training_where_the_file_was_lost(evaluator, batch, file) -> None:
    first = go(evaluator, batch, 3)
    file.unlink()
    second = go(evaluator, batch, 5, first)
    third = go(evaluator, batch, 8, replace(second, seconds=first.seconds + second.seconds))
    curve = third.details["epochs"]["seconds"]
    assert second.seconds == pytest.approx(curve[4], abs=1e-5)
    assert third.seconds == pytest.approx(curve[7] - curve[4], abs=1e-5)


def test_an_early_value_is_the_accuracy_with_statistics_computed_anew(evaluator, batch, file) -> None:
    outcome = go(evaluator, batch, 3)
    training = evaluator.training
    images, state = training.dataset.load(), load_state(file)
    learner = Learner(batch.graphs, training.skeleton, RECIPE, [0], 2, "cpu")
    learner.restore(state)
    parts = {name: Part(*tensors) for name, tensors in images.on("cpu").items()}
    with recalibrated(learner.network, parts["train"]):
        correct = int(score(learner.network, parts["valid"]).correct)
    stale = int(score(learner.network, parts["valid"]).correct)
    assert outcome.values == {"validation": correct / 50}
    assert outcome.details["fresh_accuracy"] == correct / 50
    assert outcome.details["epochs"]["valid_accuracy"][-1] == stale / 50
    assert correct != stale


def test_what_was_saved_but_not_recorded_is_not_trained_again(evaluator, batch, file) -> None:
    first = go(evaluator, batch, 3)
    assert go(evaluator, batch, 3) == first  # its seconds too
    assert load_state(file).epochs == 3


def test_curves_alone_leave_no_checkpoint_and_take_none(evaluator, batch, file, whole) -> None:
    curves, _ = evaluator.early(batch, "valid_accuracy", 3)
    assert curves[0].tolist() == whole.details["epochs"]["valid_accuracy"][:3]
    assert not file.exists()


def held(file: Path, epochs: int) -> int:
    """Wait for a checkpoint of so many epochs; how many it has by then."""
    deadline = time.monotonic() + 120
    while not file.exists() or load_state(file).epochs < epochs:
        assert time.monotonic() < deadline, "no checkpoint is written"
        time.sleep(0.005)
    return load_state(file).epochs


def test_a_worker_that_is_killed_goes_on_from_its_last_epoch(small_space: NB101, batch, file) -> None:
    evaluator = make(small_space, recipe=LONG, workers=2)
    evaluator.keep_checkpoints(file.parent)
    try:
        future = evaluator.submit(Candidate(batch, "test", until=29))
        epochs = held(file, 2)
        seconds = load_state(file).tensors["curves.seconds"][:epochs]
        [child] = multiprocessing.active_children()
        os.kill(child.pid, signal.SIGKILL)
        outcome = future.result()
        assert evaluator.deaths == 1
    finally:
        evaluator.close()
    np.testing.assert_allclose(outcome.details["epochs"]["seconds"][:epochs], seconds, atol=1e-6)
    assert told(outcome) == told(go(make(small_space, recipe=LONG), batch, 29))
    assert load_state(file).epochs == 29


PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from trained import make, one
from nas.spaces import NB101
from nas.training import Recipe

space = NB101(max_vertices=5)
evaluator = make(space, recipe=Recipe(epochs=30))
evaluator.keep_checkpoints(Path(sys.argv[1]))
one(evaluator, space.batch(space.sample(1, np.random.default_rng(0)))).result()
"""


def test_a_whole_training_goes_on_where_the_program_was_killed(small_space: NB101, batch, file) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    program = subprocess.Popen([sys.executable, "-c", PROGRAM, str(file.parent)], env=environment)
    epochs = held(file, 2)
    program.kill()
    program.wait()
    seconds = load_state(file).tensors["curves.seconds"][:epochs]
    Path(f"{file}.part").write_bytes(b"half of it")  # as a kill may leave it
    evaluator = make(small_space, recipe=LONG)
    evaluator.keep_checkpoints(file.parent)
    outcome = go(evaluator, batch)
    np.testing.assert_allclose(outcome.details["epochs"]["seconds"][:epochs], seconds, atol=1e-6)
    assert outcome.seconds == pytest.approx(outcome.details["epochs"]["seconds"][-1], abs=1e-5)
    assert told(outcome) == told(go(make(small_space, recipe=LONG), batch))
    assert [*file.parent.iterdir()] == [file]


def halve(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("damage", [halve, flip, lambda file: file.write_bytes(b"")], ids=["half", "bit", "empty"])
def test_a_damaged_checkpoint_is_begun_anew_with_a_warning(
    damage: Callable[[Path], None], evaluator, batch, file, whole, caplog
) -> None:
    first = go(evaluator, batch, 3)
    damage(file)
    with caplog.at_level(logging.WARNING):
        outcome = go(evaluator, batch, None, first)
    [record] = caplog.records
    assert record.getMessage() == f"checkpoint {file} is damaged: its training begins anew"
    assert told(outcome) == told(whole)
    assert outcome.seconds == pytest.approx(outcome.details["epochs"]["seconds"][-1], abs=1e-5)


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        ({"recipe": replace(RECIPE, epochs=9)}, "the state's recipe.epochs is 8, but that of this training is 9"),
        ({"recipe": RECIPE, "seed": 1}, "the state's seeds is 0, but that of this training is 1"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(
    options: dict, difference: str, evaluator, small_space: NB101, batch, file
) -> None:
    go(evaluator, batch, 3)
    other = make(small_space, **options)
    other.keep_checkpoints(file.parent)
    with pytest.raises(UserError) as caught:
        go(other, batch)
    assert str(caught.value).startswith(f"checkpoint {file} does not fit ({difference}")
    assert str(caught.value).endswith("): remove the file to begin anew")
    assert file.exists()


def test_a_checkpoint_of_another_network_is_refused(evaluator, small_space: NB101, batch, file) -> None:
    go(evaluator, batch, 3)
    other = small_space.batch(small_space.sample(2, np.random.default_rng(0))).take([1])
    file.rename(file.with_name(f"{Candidate(other, 'test').key}.safetensors"))
    with pytest.raises(UserError, match=r"does not fit \(the state's graph is input\(\)"):
        go(evaluator, other, 5)


def test_a_checkpoint_beyond_the_end_is_refused(evaluator, batch, file) -> None:
    go(evaluator, batch, 5)
    with pytest.raises(UserError, match=r"\(it holds 5 epochs, but the training is to stop after 3\): remove the file"):
        go(evaluator, batch, 3)


def test_a_checkpoint_that_passed_the_end_without_a_look_is_refused(evaluator, batch, file) -> None:
    training = evaluator.training
    observer = FreshAccuracy(5)
    _, state = train(batch.graphs, training.dataset.load(), training.skeleton, RECIPE, [0], until=3, observer=observer)
    save_state(file, state)  # as a kill on the way to epoch 5 leaves it
    with pytest.raises(UserError, match=r"\(the state has no fresh_accuracy after epoch 3: start without this state\)"):
        go(evaluator, batch, 3)


@pytest.mark.parametrize(
    ("until", "reached", "message"),
    [
        (0, 0, r"^until is 0, must be 1\.\.8: "),
        (9, 0, r"^until is 9, must be 1\.\.8: "),
        (-1, 0, r"^until is -1, must be 1\.\.8: "),
        (3, 3, "^until is 3, must be above 3, the epochs that are recorded already: let"),
        (2, 5, "^until is 2, must be above 5, "),
        (None, 8, "^until is 8, must be above 8, "),
    ],
)
def test_until_out_of_range_is_refused(until: int | None, reached: int, message: str, evaluator, batch) -> None:
    with pytest.raises(UserError, match=message):
        evaluator.submit(Candidate(batch, "test", until=until, reached=reached))


@pytest.mark.parametrize("until", [12, 25, None])
def test_a_training_that_patience_ends_is_whole(until: int | None, small_space: NB101, batch, file) -> None:
    options = {"recipe": Recipe(epochs=30, learning_rate=1e-9), "patience": 2}  # learns nothing
    alone = go(make(small_space, **options), batch)
    assert alone.epochs < 12
    evaluator = make(small_space, **options)
    evaluator.keep_checkpoints(file.parent)
    assert told(go(evaluator, batch, until)) == told(alone)
    assert not alone.partial
    assert alone.details["test_accuracy"] is not None
    file.unlink()  # as whoever records the outcome does
    exactly = go(evaluator, batch, alone.epochs)  # it would not go on
    assert told(exactly) == told(alone)
    assert file.exists()


def test_a_training_that_diverges_leaves_no_checkpoint(small_space: NB101, batch, file) -> None:
    evaluator = make(small_space, recipe=replace(RECIPE, learning_rate=1e30))
    evaluator.keep_checkpoints(file.parent)
    assert go(evaluator, batch, 3).error == "the loss became NaN or infinite"
    assert not file.exists()


def test_a_training_over_its_time_leaves_no_checkpoint(evaluator, batch, file) -> None:
    go(evaluator, batch, 3)
    training = replace(evaluator.training, time_limit=1e-6)
    outcome = training.run(batch.graphs, 5, checkpoint=Checkpoint(file.parent, file.stem))
    assert outcome == Outcome.failed("TimeoutError: not trained within 1e-06 seconds")
    assert not file.exists()


def test_a_worker_that_does_not_see_the_folder_is_refused(evaluator, batch, file) -> None:
    file.parent.rmdir()
    with pytest.raises(UserError) as caught:
        go(evaluator, batch, 3)
    assert str(caught.value) == (
        f"the folder of checkpoints {file.parent} does not exist where a candidate is trained: "
        f"it must be on a file system that all workers share"
    )


def test_a_folder_that_cannot_be_made_is_refused(evaluator, tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(UserError, match=r"^the folder of checkpoints \S+/taken/here cannot be made: Not a directory$"):
        evaluator.keep_checkpoints(tmp_path / "taken" / "here")
