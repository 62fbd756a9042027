from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nas.encoders import FeatureEncoder, GraphEncoder
from nas.errors import UserError
from nas.spaces import NB101

OPTIONS = {
    "weights": {"graph": 1.0, "one_hot": 0.3}, "width": 60, "cells": 1500, "hidden": 128, "epochs": 12, "batch": 64,
    "learning_rate": 5e-3, "seed": 0, "device": "cpu",
}  # fmt: skip


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAS_CACHE_DIR", str(tmp_path))
    return tmp_path / "encoders"


def test_distances_are_those_between_weighted_features(cache, small_space: NB101) -> None:
    """With no component dropped, up to one factor, and of mean squared length 1."""
    archs = small_space.batch(small_space.enumerate())
    embedded = GraphEncoder(small_space, **{**OPTIONS, "width": 1000}).embed(archs).values
    assert (embedded**2).sum(axis=1).mean() == pytest.approx(1, abs=0.05)
    sample = small_space.batch(small_space.sample(1500, np.random.default_rng(0)))
    expected = []
    for name, weight in OPTIONS["weights"].items():
        encoder = FeatureEncoder(small_space, features=[name])
        raw, some = (encoder.embed(batch).values.astype(float) for batch in (archs, sample))
        deviation = some.std(axis=0)
        expected.append(weight * raw[:, deviation > 1e-6] / deviation[deviation > 1e-6])
    features = np.hstack(expected)
    pairs = np.random.default_rng(1).integers(len(archs), size=(2, 300))
    ours, theirs = (np.linalg.norm(space[pairs[0]] - space[pairs[1]], axis=1) for space in (embedded, features))
    ratio = ours[theirs > 0] / theirs[theirs > 0]
    assert ratio == pytest.approx(ratio.mean(), rel=1e-3)


def test_unseen_cells_are_decoded_to_their_canonical_form(cache, small_space: NB101) -> None:
    encoder = GraphEncoder(small_space, **OPTIONS)
    seen = small_space.keys(small_space.sample(OPTIONS["cells"], np.random.default_rng(OPTIONS["seed"])))
    archs = small_space.enumerate()
    unseen = archs[~np.isin(small_space.keys(archs), seen)]
    assert len(unseen) > 1000
    exact = (encoder.decode(encoder.embed(small_space.batch(unseen)).values) == unseen).all(axis=1)
    assert exact.mean() >= 0.97
    assert encoder.decode(encoder.embed(small_space.batch(unseen[:0])).values).shape == (0, unseen.shape[1])


def test_training_is_a_function_of_its_settings_and_done_once(cache, small_space, caplog) -> None:
    caplog.set_level("INFO", logger="nas")
    batch = small_space.batch(small_space.enumerate()[:50])
    first = GraphEncoder(small_space, **OPTIONS)
    embedded, decoded = first.embed(batch).values, first.decode(first.embed(batch).values + 0.01)
    assert (GraphEncoder(small_space, **OPTIONS).embed(batch).values == embedded).all()
    assert caplog.text.count("training the encoder") == 1
    next(cache.glob("*.safetensors")).unlink()
    torch.manual_seed(99)
    before = torch.random.get_rng_state()
    again = GraphEncoder(small_space, **OPTIONS)
    assert (again.embed(batch).values == embedded).all()
    assert (again.decode(embedded + np.float32(0.01)) == decoded).all()
    assert (torch.random.get_rng_state() == before).all()


@pytest.mark.parametrize("change", [{"seed": 1}, {"width": 8}, {"weights": {"graph": 1.0, "one_hot": 0.4}}])
def test_other_settings_are_another_encoder(change, cache, small_space) -> None:
    for options in (OPTIONS, {**OPTIONS, **change}):
        GraphEncoder(small_space, **{**options, "epochs": 1}).prepare()
    assert len(list(cache.glob("*.safetensors"))) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0}, "^width is 0"),
        ({"weights": {"graph": 0.0}}, "^weights.graph is 0.0"),
        ({"weights": {"magic": 1.0}}, "^weights has 'magic', allowed: graph, walk, signal, subtree, path, one_hot$"),
        ({"device": "abacus"}, "^device is 'abacus'"),
    ],
)
def test_settings_out_of_range_are_refused(change, message, cache, small_space) -> None:
    with pytest.raises(UserError, match=message):
        GraphEncoder(small_space, **{**OPTIONS, **change}).prepare()
