from __future__ import annotations

import numpy as np
import pytest

from nas.spaces import NB101
from nas.types import Batch, Candidate, Evaluation, Outcome, Prediction, Proposal


def test_top_is_best_first_and_keeps_the_order_of_ties_and_missing_estimates() -> None:
    prediction = Prediction(np.array([0.1, np.nan, 0.5, np.nan, 0.5]))
    assert prediction.top(5).tolist() == [2, 4, 0, 1, 3]
    assert Prediction(np.full(4, np.nan)).top(2).tolist() == [0, 1]


def test_take_keeps_mean_std_and_seconds_together() -> None:
    taken = Prediction(np.arange(3.0), np.arange(3.0) / 10, seconds=2.0).take(np.array([2, 0]))
    assert (taken.mean.tolist(), taken.std.tolist(), taken.seconds) == ([2.0, 0.0], [0.2, 0.0], 2.0)


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        Prediction(np.zeros(3), np.zeros(2))
    with pytest.raises(ValueError, match="one shape"):
        Evaluation(np.zeros((3, 1)), np.zeros((3, 1)))


def test_a_prediction_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Prediction(np.zeros(1)).mean = np.ones(1)  # type: ignore[misc]


def test_predictions_are_joined_with_their_deviations_and_seconds() -> None:
    one, two = Prediction(np.zeros(2), np.ones(2), seconds=1.0), Prediction(np.ones(1), np.zeros(1), seconds=0.5)
    whole = Prediction.join([one, two])
    assert (whole.mean.tolist(), whole.std.tolist(), whole.seconds) == ([0.0, 0.0, 1.0], [1.0, 1.0, 0.0], 1.5)
    assert Prediction.join([Prediction(np.zeros(2)), Prediction(np.ones(1))]).std is None


def test_a_proposal_takes_rows_with_their_origins_and_estimates(small_space: NB101) -> None:
    batch = small_space.batch(small_space.enumerate()[:3])
    proposal = Proposal(batch, np.array(["a", "b", "c"]), Prediction(np.arange(3.0)))
    taken = proposal.take(np.array([2]))
    assert (taken.origin.tolist(), taken.prediction.mean.tolist()) == (["c"], [2.0])
    assert (taken.batch.genes == batch.genes[[2]]).all()
    assert len(proposal) == 3


def test_a_batch_is_cut_and_joined_without_a_change(small_space: NB101) -> None:
    parents = small_space.batch(small_space.sample(25, np.random.default_rng(0)))
    batch = small_space.mutate(parents, np.random.default_rng(1))
    parts = batch.split(10)
    assert [len(part) for part in parts] == [10, 10, 5]
    whole = Batch.join(parts)
    for name in ("genes", "canonical", "keys"):
        assert (getattr(whole, name) == getattr(batch, name)).all()
    assert (whole.graphs.tokens() == small_space.graphs(batch.genes).tokens()).all()
    assert [len(part) for part in batch.take(slice(0)).split(10)] == [0]


def test_a_batch_is_brought_to_canonical_form_once(small_space: NB101, monkeypatch) -> None:
    batch = small_space.batch(small_space.sample(25, np.random.default_rng(0)))
    expected = small_space.graphs(batch.genes), small_space.one_hot(batch.genes)
    monkeypatch.setattr(NB101, "canonical", None)
    assert (batch.graphs.tokens() == expected[0].tokens()).all()
    assert batch.graphs is batch.graphs
    assert (batch.take(slice(5)).one_hot() == expected[1][:5]).all()


def test_a_candidate_tells_its_genes_and_its_key(small_space: NB101) -> None:
    batch = small_space.batch(small_space.enumerate()[[7]])
    candidate = Candidate(batch, "random")
    assert (candidate.genes == batch.genes[0]).all()
    assert int(candidate.key, 16) == batch.keys[0]
    assert len(candidate.key) == 16


class TestOutcome:
    def test_numbers_of_any_kind_become_plain(self) -> None:
        outcome = Outcome({"a": np.float32(0.5), "b": True, "c": np.int64(3)}, np.float64(2.0), np.int32(12))
        assert dict(outcome.values) == {"a": 0.5, "b": 1.0, "c": 3.0}
        assert {type(number) for number in outcome.values.values()} == {float}
        assert (type(outcome.seconds), outcome.seconds, type(outcome.epochs)) == (float, 2.0, int)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, np.float32("nan"), "good", None, [0.5], 1j])
    def test_what_is_no_finite_number_is_refused(self, value) -> None:
        with pytest.raises(ValueError, match="validation is .*, must be"):
            Outcome({"validation": value})
        if value is not None:
            with pytest.raises(ValueError, match="seconds is .*, must be"):
                Outcome({"validation": 0.5}, value)

    def test_neither_a_value_nor_an_error_is_refused(self) -> None:
        with pytest.raises(ValueError, match="neither a value nor an error"):
            Outcome({})
        failed = Outcome.failed("too large", 3.0, {"stage": 1})
        assert (dict(failed.values), failed.error, failed.seconds, failed.details) == (
            {},
            "too large",
            3.0,
            {"stage": 1},
        )

    def test_details_become_what_json_holds(self) -> None:
        curve = np.array([0.5, np.nan], dtype=np.float32)
        outcome = Outcome(
            {"v": 0.5}, details={"curve": curve, 3: (np.int64(1), np.inf), "text": None, "deep": {"b": [True]}}
        )
        assert outcome.details == {"curve": [0.5, None], "3": [1, None], "text": None, "deep": {"b": [True]}}
        with pytest.raises(TypeError, match=r"details\.a\[1\] is a object, must be numbers"):
            Outcome({"v": 0.5}, details={"a": [1, object()]})

    def test_it_cannot_be_changed(self) -> None:
        given = {"v": 0.5}
        outcome = Outcome(given)
        given["v"] = 0.7
        assert outcome.values["v"] == 0.5
        with pytest.raises(TypeError):
            outcome.values["v"] = 0.7  # type: ignore[index]
