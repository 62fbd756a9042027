"""What was computed once is not computed again."""

from __future__ import annotations

import numpy as np
import pytest

from nas.estimators.memory import Memory
from nas.types import Batch


@pytest.fixture
def batch(space) -> Batch:
    archs = space.sample(200, np.random.default_rng(0))
    made = space.batch(archs)
    return made.take(np.unique(made.keys, return_index=True)[1])


@pytest.mark.parametrize("width", [None, 3])
def test_what_is_known_or_was_asked_for_is_computed_once(width: int | None, batch: Batch) -> None:
    computed: list[int] = []

    def compute(some: Batch) -> np.ndarray:
        computed.extend(some.keys.tolist())
        last = (some.keys % 1000).astype(np.float32)
        return last if width is None else np.repeat(last[:, None], width, axis=1)

    memory, rng = Memory(compute), np.random.default_rng(1)
    expected = compute(batch)
    computed.clear()
    known = rng.permutation(100)
    assert (memory.known(batch.take(known)) == expected[known]).all()
    assert (memory.asked(batch.take(slice(50, 150))) == expected[50:150]).all()
    assert (memory.asked(batch.take(slice(120, 160))) == expected[120:160]).all()
    assert (memory.known(batch.take(np.arange(140))) == expected[:140]).all()
    assert sorted(computed) == sorted(batch.keys[:160].tolist())
    computed.clear()
    assert (memory.known(batch.take(np.arange(140))) == expected[:140]).all()  # what was asked for is forgotten
    assert (memory.asked(batch.take(slice(130, 160))) == expected[130:160]).all()
    assert sorted(computed) == sorted(batch.keys[140:160].tolist())


def test_of_what_is_asked_for_again_and_again_the_last_is_remembered(batch: Batch, monkeypatch) -> None:
    monkeypatch.setattr("nas.estimators.memory._ASKED", 60)
    computed: list[int] = []

    def compute(some: Batch) -> np.ndarray:
        computed.extend(some.keys.tolist())
        return (some.keys % 1000).astype(np.float32)

    memory = Memory(compute)
    memory.known(batch.take(slice(10)))
    for start in (20, 50, 80):
        memory.asked(batch.take(slice(start, start + 30)))
    memory.asked(batch.take(slice(60, 110)))
    assert len(computed) == 100  # 60 to 109 were the last
    memory.asked(batch.take(slice(20, 50)))
    memory.asked(batch.take(slice(10)))
    assert computed[100:] == batch.keys[20:50].tolist()
    for _ in range(40):
        memory.asked(batch.take(slice(20, 22)))
    memory.asked(batch.take(slice(23, 24)))
    assert computed[130:] == batch.keys[23:24].tolist()
