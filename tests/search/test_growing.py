"""Arrays, batches and sets of keys that grow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas._growing import GrowingArray, GrowingBatch, KnownKeys
from nas.spaces import NB101


class TestGrowing:
    @given(st.lists(st.lists(st.integers(0, 2**64 - 1), max_size=200), max_size=12), st.integers(0, 2**64 - 1))
    def test_an_array_is_all_that_was_appended(self, parts: list[list[int]], other: int) -> None:
        array: GrowingArray[np.uint64] = GrowingArray((2,), np.uint64)
        rows: list[list[int]] = []
        for part in parts:
            array.extend(np.array([[key, other] for key in part], dtype=np.uint64).reshape(-1, 2))
            rows += [[key, other] for key in part]
            assert array.view.tolist() == rows
            assert len(array) == len(rows)

    def test_a_view_shows_the_rows_without_a_copy(self) -> None:
        array: GrowingArray[np.float64] = GrowingArray((), np.float64)
        array.extend([1.0, 2.0])
        array.view[0] = 5.0
        assert array.view.tolist() == [5.0, 2.0]
        assert array.view.base is not None

    def test_appending_copies_about_as_many_rows_as_there_are(self, monkeypatch) -> None:
        made: list[int] = []
        empty = np.empty
        monkeypatch.setattr("nas._growing.np.empty", lambda shape, dtype: made.append(shape[0]) or empty(shape, dtype))
        array: GrowingArray[np.float64] = GrowingArray((), np.float64)
        for _ in range(5000):
            array.extend([0.0])
        assert sum(made) < 4 * 5000

    def test_a_batch_grows_with_all_its_columns(self, small_space: NB101) -> None:
        batch = small_space.mutate(small_space.batch(small_space.enumerate()[:300]), np.random.default_rng(0))
        growing = GrowingBatch(small_space)
        for part in batch.split(70):
            growing.extend(part)
        for name in ("genes", "canonical", "keys"):
            assert (getattr(growing.view, name) == getattr(batch, name)).all()
            assert getattr(growing.view, name).dtype == getattr(batch, name).dtype

    KEYS = st.one_of(st.integers(0, 40), st.sampled_from([2**63, 2**64 - 1]))

    @given(st.lists(st.lists(KEYS, max_size=30), max_size=8), st.lists(KEYS, max_size=40))
    def test_known_keys_are_a_set(self, added: list[list[int]], asked: list[int]) -> None:
        known, expected = KnownKeys(), set()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("nas._growing._TAIL", 16)  # so that few are sorted, too
            for keys in added:
                known.add(np.array(keys, dtype=np.uint64))
                expected |= set(keys)
                assert known.holds(np.array(asked, dtype=np.uint64)).tolist() == [key in expected for key in asked]

    def test_many_keys_are_known_one_by_one(self) -> None:
        rng = np.random.default_rng(0)
        keys = rng.integers(0, 2**64 - 1, size=6000, dtype=np.uint64)
        known = KnownKeys()
        for key in keys[:3000]:
            known.add(key[None])
        assert known.holds(keys).tolist() == [True] * 3000 + [False] * 3000

    def test_keys_that_differ_in_their_last_bit_are_told_apart(self) -> None:
        keys = np.arange(2**63, 2**63 + 3000, dtype=np.uint64)
        known = KnownKeys()
        known.add(keys[:20:2])
        assert known.holds(keys[:20]).tolist() == [True, False] * 10
        known.add(keys[20::2])  # so many that they are sorted
        assert known.holds(keys).tolist() == [True, False] * 1500
        known.add(keys[1:20:2])
        assert known.holds(keys[:40]).tolist() == [True] * 20 + [True, False] * 10
