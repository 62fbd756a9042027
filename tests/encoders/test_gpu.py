"""Encoders on a GPU agree with themselves on a CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from nas.datasets import Digits
from nas.encoders import GraphEncoder, SequenceEncoder, SharedWeights, ZeroCost
from nas.encoders.scores import SCORES
from nas.networks import Skeleton
from nas.spaces import NB101, NB201
from nas.training import SupernetRecipe
from nas.types import Batch, Space

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

SPACES = {"nb101": NB101(max_vertices=5), "nb201": NB201()}


@pytest.fixture(params=SPACES)
def batch(request: pytest.FixtureRequest, tmp_path, monkeypatch: pytest.MonkeyPatch) -> Batch:
    monkeypatch.setenv("NAS_CACHE_DIR", str(tmp_path))
    space: Space = SPACES[request.param]
    return space.batch(space.sample(40, np.random.default_rng(0)))


def test_zero_cost_scores_are_the_same(batch: Batch) -> None:
    cpu, gpu = (ZeroCost(batch.space, scores=list(SCORES), device=device).embed(batch) for device in ("cpu", "cuda"))
    for column, name in enumerate(SCORES):
        one, other = cpu.values[:, column], gpu.values[:, column]
        assert spearmanr(one, other).statistic > (0.9 if name == "grasp" else 0.98), name
    assert (gpu.seconds[:1] > 0).all()


@pytest.mark.parametrize("paths", ["one", "all"])
def test_a_supernet_learns(batch: Batch, paths: str) -> None:
    """Not the same weights: sums are rounded otherwise, and many steps carry that on."""
    options = {"paths": paths, "recipe": SupernetRecipe(epochs=30, learning_rate=0.05), "skeleton": Skeleton(8, 2, 1)}
    found = SharedWeights(batch.space, dataset=Digits(), device="cuda", **options)
    assert found.prepare() > 0
    accuracies = found.embed(batch).values
    assert accuracies.max() > 0.25  # chance is 0.1
    assert len(np.unique(accuracies)) > 5


def test_shared_weights_score_as_on_a_cpu(batch: Batch) -> None:
    encoder = SharedWeights(batch.space, dataset=Digits(256, 100), recipe=SupernetRecipe(epochs=20), device="cuda")
    there = encoder.embed(batch).values
    assert encoder._supernet is not None
    encoder._supernet.to("cpu")
    again = np.array([encoder._score(one.graphs)[0] for one in batch.split(1)])[:, None]
    assert np.abs(there - again).max() < 0.03  # of 100 images


def test_trained_encoders_embed_alike(batch: Batch) -> None:
    cells = batch.space.batch(batch.space.sample(300, np.random.default_rng(1)))
    settings = {"cells": 1000, "epochs": 5}
    graph = [GraphEncoder(batch.space, **settings, device=device) for device in ("cpu", "cuda")]
    one, other = (encoder.embed(cells).values for encoder in graph)
    assert one == pytest.approx(other, abs=1e-4)  # no network is between; only its decoder is trained
    decoded = [(encoder.decode(one) == cells.canonical).mean() for encoder in graph]
    assert decoded[1] == pytest.approx(decoded[0], abs=0.02)
    sequence = SequenceEncoder(batch.space, **settings, device="cuda")
    embedded = sequence.embed(cells).values
    assert np.linalg.norm(embedded, axis=1) == pytest.approx(1, abs=1e-4)
    assert (sequence.embed(cells).values == embedded).all()
