from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nas.encoders import SequenceEncoder
from nas.encoders.network import reconstruction_loss
from nas.errors import UserError
from nas.spaces import NB101

OPTIONS = {
    "width": 16, "cells": 300, "epochs": 2, "batch": 50, "learning_rate": 1e-3, "weight_decay": 1e-4, "dropout": 0.1,
    "clip": 5.0, "seed": 0, "device": "cpu",
}  # fmt: skip


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAS_CACHE_DIR", str(tmp_path))
    return tmp_path / "encoders"


def stored(cache: Path) -> list[Path]:
    return sorted(cache.glob("*.safetensors"))


def test_embeddings_are_of_unit_length_and_equal_for_isomorphic_cells(cache, small_space: NB101) -> None:
    encoder = SequenceEncoder(small_space, **OPTIONS)
    batch = small_space.batch(small_space.enumerate()[::10])
    embedded = encoder.embed(batch).values
    assert embedded.shape == (len(batch), 16)
    assert np.linalg.norm(embedded, axis=1) == pytest.approx(1, abs=1e-5)
    assert (encoder.embed(batch).values == embedded).all()  # no dropout


def test_a_network_has_the_same_embedding_alone_and_among_others(cache, small_space) -> None:
    encoder = SequenceEncoder(small_space, epochs=0)
    batch = small_space.batch(small_space.sample(30, np.random.default_rng(2)))
    together = encoder.embed(batch).values
    for row in range(len(batch)):
        assert (encoder.embed(batch.take(slice(row, row + 1))).values == together[row]).all()


def test_the_encoder_is_trained_once_and_read_afterwards(cache, small_space, caplog) -> None:
    batch = small_space.batch(small_space.enumerate()[:100])
    caplog.set_level("INFO", logger="nas")
    first = SequenceEncoder(small_space, **OPTIONS).embed(batch).values
    again = SequenceEncoder(small_space, **OPTIONS).embed(batch).values
    assert (first == again).all()
    assert caplog.text.count("training the encoder") == 1
    assert not list(cache.glob("*.part"))


def test_training_is_a_function_of_its_settings(cache, small_space) -> None:
    batch = small_space.batch(small_space.enumerate()[:100])
    first = SequenceEncoder(small_space, **OPTIONS).embed(batch).values
    stored(cache)[0].unlink()
    torch.manual_seed(99)  # the encoder neither reads nor moves the global state
    before = torch.random.get_rng_state()
    assert (SequenceEncoder(small_space, **OPTIONS).embed(batch).values == first).all()
    assert (torch.random.get_rng_state() == before).all()


@pytest.mark.parametrize("change", [{"seed": 1}, {"epochs": 1}, {"dropout": 0.2}, {"width": 8}])
def test_other_settings_are_another_encoder(change, cache, small_space) -> None:
    SequenceEncoder(small_space, **OPTIONS).prepare()
    SequenceEncoder(small_space, **{**OPTIONS, **change}).prepare()
    assert len(stored(cache)) == 2


def test_another_space_is_another_encoder(cache, small_space) -> None:
    SequenceEncoder(small_space, **OPTIONS).prepare()
    SequenceEncoder(NB101(max_vertices=5, max_edges=6), **OPTIONS).prepare()
    assert len(stored(cache)) == 2


@pytest.mark.parametrize(
    "damage", [lambda content: content[: len(content) // 2], lambda content: b"", lambda _: b"x" * 99]
)
def test_a_damaged_file_is_trained_anew(damage, cache, small_space, caplog) -> None:
    batch = small_space.batch(small_space.enumerate()[:100])
    first = SequenceEncoder(small_space, **OPTIONS).embed(batch).values
    [path] = stored(cache)
    path.write_bytes(damage(path.read_bytes()))
    assert (SequenceEncoder(small_space, **OPTIONS).embed(batch).values == first).all()
    assert "is damaged" in caplog.text
    caplog.clear()
    SequenceEncoder(small_space, **OPTIONS).prepare()
    assert "is damaged" not in caplog.text


def test_training_lowers_the_reconstruction_loss(cache, small_space) -> None:
    """On cells that were not trained on, against the same network untrained: with its decoder, learnt anew."""
    seen, archs = (small_space.sample(n, np.random.default_rng(n)) for n in (300, 200))
    tokens = torch.from_numpy(small_space.graphs(archs).tokens()).long()

    class Spied(SequenceEncoder):
        def _networks(self, device):
            self.pair = super()._networks(device)
            return self.pair

    losses = []
    for epochs in (0, 40):
        encoder = Spied(small_space, **{**OPTIONS, "epochs": epochs, "learning_rate": 5e-3})
        encoder.learn(small_space.batch(seen))
        network, beside = encoder.pair
        losses.append(float(reconstruction_loss(beside["decoder"].eval(), tokens, network(tokens)).detach()))
    assert losses[1] < 0.6 * losses[0]


def test_a_head_learns_what_it_is_told(cache, small_space) -> None:
    archs = small_space.sample(400, np.random.default_rng(0))
    depth = (small_space.graphs(archs).labels != 0).mean(axis=1)
    encoder = SequenceEncoder(small_space, **{**OPTIONS, "epochs": 30, "learning_rate": 5e-3})
    encoder.learn(small_space.batch(archs[:300]), depth[:300], share=0.9)
    assert np.corrcoef(encoder.regress(small_space.batch(archs[300:])), depth[300:])[0, 1] > 0.8
    assert not stored(cache)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0}, "^width is 0"),
        ({"dropout": 1.0}, "^dropout is 1.0"),
        ({"device": "abacus"}, "^device is 'abacus'"),
    ],
)
def test_settings_out_of_range_are_refused(change, message, cache, small_space) -> None:
    with pytest.raises(UserError, match=message):
        SequenceEncoder(small_space, **{**OPTIONS, **change}).prepare()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_embeddings_too(cache, small_space) -> None:
    encoder = SequenceEncoder(small_space, **{**OPTIONS, "device": "cuda"})
    embedded = encoder.embed(small_space.batch(small_space.enumerate()[:50])).values
    assert np.linalg.norm(embedded, axis=1) == pytest.approx(1, abs=1e-5)
