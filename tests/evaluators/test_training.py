from __future__ import annotations

import json
import pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch
from trained import QUICK, make, one

from nas.datasets import Digits, Images, NpzFile
from nas.errors import UserError
from nas.networks import Skeleton
from nas.spaces import NB101
from nas.training import Recipe
from nas.types import Batch, Outcome


@pytest.fixture
def batch(small_space: NB101) -> Batch:
    return small_space.batch(small_space.sample(3, np.random.default_rng(0)))


def test_values_are_the_last_validation_accuracies_and_repeat_bit_for_bit(small_space: NB101, batch) -> None:
    evaluator = make(small_space)
    evaluation = evaluator.evaluate(batch)
    for row, (value, seconds) in enumerate(zip(evaluation.value, evaluation.seconds, strict=True)):
        outcome = one(evaluator, batch, row).result()
        assert (outcome.values, outcome.epochs, outcome.error) == ({"validation": value}, 2, None)
        assert min(outcome.seconds, seconds) > 0
        assert outcome.details is not None
        assert outcome.details["epochs"]["valid_accuracy"][-1] == pytest.approx(value, abs=1e-6)
        assert outcome.details["epochs"]["seconds"][-1] == pytest.approx(outcome.seconds, abs=1e-6)
    again = make(small_space).evaluate(batch.take(slice(None, None, -1)))
    np.testing.assert_array_equal(again.value[::-1], evaluation.value)
    assert (make(small_space, seed=1).evaluate(batch).value != evaluation.value).any()


def test_test_accuracy_is_told_with_the_outcome_where_there_are_test_images(
    small_space: NB101, batch, tmp_path: Path
) -> None:
    accuracy = one(make(small_space), batch).result().details["test_accuracy"]
    assert round(accuracy * (1797 - 114), 2) % 1 == 0  # a count of the 1,683 test images
    images = Digits(64, 50).load()
    parts = {name: getattr(images, name) for name in ("x_train", "y_train", "x_valid", "y_valid")}
    np.savez(tmp_path / "set.npz", **parts)
    evaluator = make(small_space, dataset=NpzFile(str(tmp_path / "set.npz")))
    assert one(evaluator, batch).result().details["test_accuracy"] is None
    assert np.isfinite(evaluator.evaluate(batch.take([0])).value).all()
    assert evaluator.test(batch) is None
    assert evaluator.reference() is None


def test_details_are_plain_and_complete(small_space: NB101, batch) -> None:
    details = one(make(small_space), batch).result().details
    assert json.loads(json.dumps(details, allow_nan=False)) == details
    for name in ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "seconds"):
        assert len(details["epochs"][name]) == QUICK.epochs


def test_divergence_is_an_outcome_with_its_reason(small_space: NB101, batch) -> None:
    evaluator = make(small_space, recipe=replace(QUICK, learning_rate=1e30))
    outcome = one(evaluator, batch).result()
    assert not outcome.values
    assert outcome.error == "the loss became NaN or infinite"
    assert None in outcome.details["epochs"]["valid_loss"]
    json.dumps(outcome.details, allow_nan=False)
    assert np.isnan(evaluator.evaluate(batch.take([0])).value).all()
    assert np.isfinite(evaluator.evaluate(batch.take([0])).seconds).all()
    assert outcome.details["test_accuracy"] is None


@dataclass(frozen=True)
class Broken:
    """Fails as a candidate that is too large would."""

    def load(self) -> Images:
        raise RuntimeError("out of\nmemory")


def test_what_a_candidate_raises_is_its_outcome(small_space: NB101, batch) -> None:
    outcome = replace(make(small_space).training, dataset=Broken()).run(batch.take([0]).graphs)
    assert outcome == Outcome.failed("RuntimeError: out of memory")


def test_a_mistake_of_the_user_is_none_of_the_candidate(small_space: NB101, batch) -> None:
    training = replace(make(small_space).training, dataset=NpzFile("nowhere.npz"))
    with pytest.raises(UserError, match="no data set at"):
        training.run(batch.take([0]).graphs)


@dataclass(frozen=True)
class Incomplete:
    """What a worker meets that lacks a library."""

    def load(self) -> Images:
        raise ImportError("no libcudart")


def test_a_worker_that_cannot_train_anything_is_no_fault_of_the_candidate(small_space: NB101, batch) -> None:
    evaluator = make(small_space)
    evaluator.training = replace(evaluator.training, dataset=Incomplete())
    with pytest.raises(UserError, match="a worker cannot train .ImportError: no libcudart.: mend it, and continue"):
        one(evaluator, batch).result()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_worker_without_the_device_of_the_search_is_refused(small_space: NB101, batch) -> None:
    training = replace(make(small_space).training, devices=("cuda:1",), device_kind="cuda")
    with pytest.raises(
        UserError, match=r"device 'cuda:1' does not exist: PyTorch sees no CUDA device on \S+; cpu and aut"
    ):
        training.run(batch.take([0]).graphs)


def test_a_worker_with_another_kind_of_device_than_the_search_is_refused(small_space: NB101, batch) -> None:
    training = replace(make(small_space).training, devices=("cpu",), device_kind="cuda")
    with pytest.raises(
        UserError, match="a worker would train on cpu, but the search began with cuda: give all workers"
    ):
        training.run(batch.take([0]).graphs)


def test_a_worker_that_finds_another_data_set_is_refused(small_space: NB101, batch) -> None:
    training = replace(make(small_space).training, dataset=Digits(64, 51))
    with pytest.raises(UserError, match=r"Digits\(train=64, valid=51\) was loaded by a worker with SHA-256 .*, by the"):
        training.run(batch.take([0]).graphs)


@pytest.mark.slow
def test_another_process_finds_the_same(small_space: NB101, batch) -> None:
    evaluator = make(small_space)
    assert len(pickle.dumps(evaluator.training)) < 10_000  # the images do not travel
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        outcome = pool.submit(evaluator.training.run, batch.take([0]).graphs).result()
    assert outcome.values["validation"] == evaluator.evaluate(batch.take([0])).value[0]


def test_identity_tells_apart_what_must_not_be_mixed(small_space: NB101) -> None:
    identities = [
        make(small_space, **changes).identity()
        for changes in (
            {},
            {"seed": 1},
            {"dataset": Digits(64, 51)},
            {"recipe": replace(QUICK, epochs=3)},
            {"skeleton": Skeleton(8, 2, 1)},
            {"patience": 1},
        )
    ]
    assert len({tuple(identity.items()) for identity in identities}) == len(identities)
    assert make(small_space).identity() == identities[0]
    platform = make(small_space, threads=2).platform()
    assert (platform["device"], platform["threads"]) == ("cpu", "2")
    assert all(type(value) is str for value in {**identities[0], **platform}.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, r"^seed is -1, must be at least 0"),
        ({"threads": 0}, r"^threads is 0, must be at least 1"),
        ({"device": "tpu"}, r"^device is 'tpu', must be auto, cpu, cuda or one CUDA device such as cuda:1"),
        ({"device": "cuda:99"}, r"device 'cuda:99' does not exist: PyTorch sees"),
        ({"devices": ["cuda:98", "cuda:99"]}, r"device 'cuda:98' does not exist: PyTorch sees"),
        ({"devices": []}, r"^devices is \[\], must name one device or more"),
        (
            {"devices": ["cpu", "cuda"]},
            r"^devices is \['cpu', 'cuda'\], must be of one kind: what is trained on cpu and cuda cannot",
        ),
        ({"devices": ["auto", "cpu"]}, r"^devices is \['auto', 'cpu'\], must name each device: auto is one"),
        ({"recipe": Recipe(batch=65)}, r"recipe\.batch is 65, must be at most 64: there are no more training images"),
        ({"dataset": NpzFile("nowhere.npz")}, r"no data set at nowhere\.npz"),
    ],
)
def test_options_out_of_range_are_refused(small_space: NB101, options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(small_space, **options)


def test_patience_ends_a_training_that_no_longer_gains(small_space: NB101, batch) -> None:
    recipe = replace(QUICK, epochs=30, learning_rate=1e-9)  # learns nothing
    evaluator = make(small_space, recipe=recipe, patience=2)
    epochs = one(evaluator, batch).result().details["epochs"]["valid_loss"]
    assert 3 <= len(epochs) < 30
    assert min(epochs[-2:]) >= min(epochs[:-2])
    assert all(min(epochs[n - 2 : n]) < min(epochs[: n - 2]) for n in range(3, len(epochs)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "^workers is 0, must be at least 1"),
        ({"patience": 0}, "^patience is 0, must be at least 1"),
        ({"time_limit": 0.0}, "^time_limit is 0.0, must be above 0, or null"),
    ],
)
def test_limits_out_of_range_are_refused(options, message, small_space: NB101) -> None:
    with pytest.raises(UserError, match=message):
        make(small_space, **options)
