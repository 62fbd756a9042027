from __future__ import annotations

import numpy as np
import pytest

from nas.errors import UserError
from nas.evaluators import TableEvaluator
from nas.spaces import NB101
from nas.study.splits import Pool, Split


@pytest.fixture(scope="module")
def pool() -> Pool:
    return Pool.of(TableEvaluator(NB101(), "digits"), [4])


@pytest.mark.parametrize("kind", ["uniform", "mutated"])
def test_nothing_is_learnt_from_that_is_ranked(pool: Pool, kind) -> None:
    for seed in range(5):
        split = Split.draw(pool, kind, seed, 300, 200)
        assert len(np.unique(split.test)) == 200
        assert len(np.unique(split.train)) == len(split.train)
        keys = pool.batch.keys
        assert not np.isin(keys[split.train], keys[split.test]).any()


@pytest.mark.parametrize("kind", ["uniform", "mutated"])
def test_smaller_training_sets_are_the_beginning_of_larger_ones(pool: Pool, kind) -> None:
    small, large = (Split.draw(pool, kind, 3, most, 50) for most in (20, 150))
    assert (small.test == large.test).all()
    assert (small.train == large.train[:20]).all()
    other = Split.draw(pool, kind, 4, 20, 50)
    assert (other.test != small.test).any()


def test_mutations_are_near_and_better_than_what_is_drawn_anywhere(pool: Pool) -> None:
    split = Split.draw(pool, "mutated", 0, 100, 60)
    ranked = pool.batch.take(split.test)
    near, _ = pool.batch.space.neighbours(ranked)
    assert np.isin(pool.batch.keys[split.train], near.keys).all()
    means = [pool.labels[Split.draw(pool, "mutated", seed, 1, 60).test].mean() for seed in range(10)]
    assert np.mean(means) > pool.labels.mean()


def test_a_table_that_is_too_small_is_refused(pool: Pool) -> None:
    with pytest.raises(UserError, match="sizes has 2400 and networks is 200, must be 2532 together at most"):
        Split.draw(pool, "uniform", 0, 2400, 200)


def test_labels_are_what_a_search_is_shown_and_truth_is_the_test_accuracy(pool: Pool) -> None:
    evaluator = TableEvaluator(NB101(), "digits")
    assert (np.diff(pool.batch.keys.astype(object)) > 0).all()
    assert (pool.labels == evaluator.evaluate(pool.batch).value).all()
    assert (pool.truth == evaluator.test(pool.batch)).all()
    assert pool.timed


def test_a_table_of_test_accuracies_is_labelled_by_the_ends_of_its_curves(real_table) -> None:
    pool = Pool.of(TableEvaluator(NB101(), "cifar10", str(real_table)), [12])
    with np.load(real_table) as arrays:
        assert len(pool) == len(arrays["val_row"])
        assert np.sort(pool.labels) == pytest.approx(np.sort(arrays["val_acc_1run"][:, -1]))
        assert pool.seconds.sum() == pytest.approx(arrays["train_time_108_1run"].sum(), rel=1e-6)
    assert "108 epochs" in pool.signal


def test_without_validation_accuracies_nothing_can_be_labelled(small_table, small_space, tmp_path) -> None:
    with np.load(small_table) as arrays:
        few = {**arrays, "val_row": arrays["val_row"][:0], "val_acc_1run": arrays["val_acc_1run"][:0]}
    few["train_time_108_1run"] = few["train_time_108_1run"][:0]
    np.savez(tmp_path / "few.npz", **few)
    with pytest.raises(UserError, match="no validation accuracy to label networks with"):
        Pool.of(TableEvaluator(small_space, path=str(tmp_path / "few.npz")), [])
