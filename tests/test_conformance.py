"""What every option of every config group must do: a new YAML is tested without editing a test."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import yaml
from helpers import CONF, accuracy, nb201_arrays, node, options, strategy_node

from nas._config import build
from nas.benchmarks import benchmark_of
from nas.errors import UserError
from nas.graphs import Graphs
from nas.spaces import NB101, NB201
from nas.types import Batch, Candidate


@pytest.fixture(params=options("space"), scope="module")
def make_space(request, own_table: Path, tmp_path_factory: pytest.TempPathFactory):
    """Makes the space anew; what must be given is that of a table with columns for genes and one value."""
    path = tmp_path_factory.mktemp("own") / "mine.csv"
    path.write_text("\n".join(line.rsplit(",", 2)[0] for line in own_table.read_text().splitlines()))
    given = {"path": str(path), "value": "valid"}
    config = {key: given[key] if value == "???" else value for key, value in node("space", request.param).items()}
    return lambda: build(config, "space")


@pytest.fixture(scope="module")
def space(make_space):
    return make_space()


@pytest.fixture(params=options("strategy"))
def strategy(request, space):
    return build(strategy_node(request.param), "strategy", space=space, budget=150)


class Seen:
    """An evaluator whose learning curves follow from the network's key."""

    def identity(self) -> dict[str, str]:
        return {"curves": "of keys"}

    def early(self, batch: Batch, metric: str, epochs: int) -> tuple[np.ndarray, np.ndarray]:
        last = batch.keys.astype(np.float64) % 997 / 997
        return last[:, None] ** (1 / np.arange(1, epochs + 1)), np.full(len(batch), float(epochs))

    def curve_epochs(self, metric: str) -> np.ndarray:
        return np.arange(1, 9)


@pytest.fixture(params=options("estimator"))
def make_estimator(request, space):
    config = node("estimator", request.param)

    def make():
        try:
            return build(config, "estimator", space=space, evaluator=Seen())
        except UserError as error:
            if "are no networks" in str(error):
                pytest.skip("rows of a table are no networks")
            raise

    return make


@pytest.fixture(params=[name for name in options("space") if "???" not in node("space", name).values()], scope="module")
def part(request, tmp_path_factory: pytest.TempPathFactory, small_space: NB101, small_table: Path):
    """A space, small where it can be, and the folder of its table."""
    folder = tmp_path_factory.mktemp("nb201")
    np.savez(folder / "nasbench201.npz", **nb201_arrays(NB201()))
    return {"nb101": (small_space, small_table.parent), "nb201": (NB201(), folder)}[request.param]


@pytest.fixture(params=options("evaluator"))
def any_evaluator(request, part, monkeypatch):
    monkeypatch.setenv("NAS_DATA_DIR", str(part[1]))
    return build(node("evaluator", request.param), "evaluator", space=part[0])


@pytest.fixture(scope="module")
def cells(space):
    archs = space.unique(space.sample(260, np.random.default_rng(0)))
    return archs[np.random.default_rng(1).permutation(len(archs))]


def test_every_option_is_documented_by_its_class_and_loads_as_yaml() -> None:
    for path in CONF.glob("*/*.yaml"):
        text = path.read_text()
        assert "_target_" in yaml.safe_load(text) or text.startswith("# @package _global_"), path  # it lies over others


class TestSpace:
    def test_samples_are_valid_canonical_and_a_function_of_the_generator(self, space) -> None:
        archs = space.sample(200, np.random.default_rng(0))
        assert space.check(archs) is archs
        assert archs.shape == (200, len(space.cardinalities))
        assert (space.canonical(archs) == archs).all()
        assert (space.sample(200, np.random.default_rng(0)) == archs).all()
        assert (space.sample(200, np.random.default_rng(1)) != archs).any()

    def test_mutants_are_valid_other_networks_and_parents_stay(self, space) -> None:
        archs = space.sample(100, np.random.default_rng(0))
        before = archs.copy()
        batch = space.batch(archs)
        mutants = space.mutate(batch, np.random.default_rng(1))
        assert space.check(mutants.genes) is mutants.genes
        assert (archs == before).all()
        assert (space.keys(mutants.genes) != space.keys(archs)).all()
        assert (space.mutate(batch, np.random.default_rng(1)).genes == mutants.genes).all()

    def test_keys_encodings_and_graphs_are_those_of_the_canonical_form(self, space) -> None:
        raw = space.mutate(space.batch(space.sample(100, np.random.default_rng(0))), np.random.default_rng(1)).genes
        canonical = space.canonical(raw)
        assert (space.keys(raw) == space.keys(canonical)).all()
        assert (space.one_hot(raw) == space.one_hot(canonical)).all()
        graphs: Graphs = space.graphs(raw)
        assert (graphs.tokens() == space.graphs(canonical).tokens()).all()
        assert graphs.tokens().max() < graphs.vocabulary
        assert not np.tril(graphs.adjacency).any()
        assert benchmark_of(space).names(raw) == benchmark_of(space).names(canonical)

    def test_an_empty_batch_is_a_batch(self, space) -> None:
        empty = space.sample(0, np.random.default_rng(0))
        assert len(space.keys(empty)) == len(space.graphs(empty)) == len(space.one_hot(empty)) == 0
        mutants = space.mutate(space.batch(empty), np.random.default_rng(0))
        assert mutants.genes.shape == mutants.canonical.shape == empty.shape

    def test_a_batch_holds_what_the_space_says_of_its_architectures(self, space) -> None:
        parents = space.batch(space.sample(60, np.random.default_rng(0)))
        mutants = space.mutate(parents, np.random.default_rng(1))
        neighbours, rows = space.neighbours(parents.take(slice(3)))
        assert set(rows.tolist()) <= {0, 1, 2}
        assert len(neighbours)
        for batch in (parents, mutants, neighbours, mutants.take(np.array([5, 3])), Batch.join([parents, mutants])):
            assert (batch.canonical == space.canonical(batch.genes)).all()
            assert (batch.keys == space.keys(batch.genes)).all()
            assert (batch.one_hot() == space.one_hot(batch.genes)).all()
            assert (batch.graphs.tokens() == space.graphs(batch.genes).tokens()).all()
            assert (Batch.join(batch.split(50)).keys == batch.keys).all()

    def test_spaces_that_differ_are_told_apart_by_their_repr(self, make_space) -> None:
        assert repr(make_space()) == repr(make_space())
        assert "0x" not in repr(make_space())


class TestStrategy:
    def test_proposals_are_new_distinct_and_valid(self, strategy, space) -> None:
        known: set[int] = set()
        for round_ in range(6):
            proposal = strategy.ask(30, np.random.default_rng(round_))
            space.check(proposal.batch.genes)
            keys = set(space.keys(proposal.batch.genes).tolist())
            assert keys == set(proposal.batch.keys.tolist())
            assert len(keys) == len(proposal) == len(proposal.origin)
            assert 0 < len(keys) <= 30
            assert not keys & known
            told = proposal.batch.take(slice(10))
            strategy.tell(told, accuracy(space, told.genes))
            known |= set(space.keys(told.genes).tolist())

    def test_state_is_what_was_told(self, strategy, space, cells) -> None:
        """Told in one piece or in several, and asked in between or not: the next proposal is the same."""
        import copy

        other = copy.deepcopy(strategy)
        values = accuracy(space, cells[:40])
        strategy.tell(space.batch(cells[:40]), values)
        other.ask(7, np.random.default_rng(5))
        other.tell(space.batch(cells[:15]), values[:15])
        other.ask(7, np.random.default_rng(6))
        other.tell(space.batch(cells[15:40]), values[15:])
        ours, theirs = (each.ask(20, np.random.default_rng(9)) for each in (strategy, other))
        assert (ours.batch.genes == theirs.batch.genes).all()
        assert (ours.origin == theirs.origin).all()


class TestEstimator:
    def test_predictions_have_the_shape_of_the_query_and_are_repeatable(self, make_estimator, space, cells) -> None:
        values = accuracy(space, cells[:100])
        first, second = make_estimator(), make_estimator()
        for estimator in (first, second):
            estimator.prepare()
            estimator.fit(space.batch(cells[:100]), values)
        one, two = (estimator.predict(space.batch(cells[100:])) for estimator in (first, second))
        assert one.mean.shape == (len(cells) - 100,)
        assert np.array_equal(one.mean, two.mean, equal_nan=True)
        assert (one.std is not None) == first.gives_std
        assert one.std is None or (one.std >= 0).all()
        assert one.seconds >= 0
        assert first.predict(space.batch(cells[100:])).seconds == 0  # what is paid for is known
        assert len(first.predict(space.batch(cells[:0])).mean) == 0

    def test_isomorphic_cells_get_the_same_estimate(self, make_estimator, space, cells) -> None:
        estimator = make_estimator()
        estimator.fit(space.batch(cells[:100]), accuracy(space, cells[:100]))
        mutants = space.mutate(space.batch(cells[100:]), np.random.default_rng(0)).genes
        query = np.concatenate([mutants, space.canonical(mutants)[::-1]])
        prediction = estimator.predict(space.batch(query))
        for column in (prediction.mean, prediction.std):
            if column is not None:
                half = len(mutants)
                assert np.array_equal(column[:half], column[half:][::-1], equal_nan=True)

    def test_a_network_that_is_told_twice_counts_once(self, make_estimator, space, cells) -> None:
        values = accuracy(space, cells[:60])
        once, twice = make_estimator(), make_estimator()
        once.fit(space.batch(cells[:60]), values)
        twice.fit(space.batch(np.concatenate([cells[:60], cells[:60]])), np.concatenate([values, values]))
        one, two = (estimator.predict(space.batch(cells[60:])) for estimator in (once, twice))
        assert np.array_equal(one.mean, two.mean, equal_nan=True)

    def test_too_few_trials_are_refused(self, make_estimator, space, cells) -> None:
        estimator = make_estimator()
        if estimator.min_trials > 0:
            few = space.batch(cells[: estimator.min_trials - 1])
            with pytest.raises(UserError, match=f"needs {estimator.min_trials} known architectures"):
                estimator.fit(few, np.full(len(few), 0.9))
            with pytest.raises(UserError, match="finite"):
                estimator.fit(space.batch(cells[:30]), np.full(30, np.nan))
            with pytest.raises(RuntimeError, match=r"without calling fit\(\)"):
                estimator.predict(space.batch(cells))


class TestEvaluator:
    def test_values_are_repeatable_and_in_range(self, any_evaluator) -> None:
        space = any_evaluator.space
        batch = space.batch(space.sample(6, np.random.default_rng(0)))
        first, again = any_evaluator.evaluate(batch), any_evaluator.evaluate(batch.take(slice(None, None, -1)))
        assert (first.value == again.value[::-1]).all()
        assert ((first.value >= 0) & (first.value <= 1)).all()
        assert ((first.seconds >= 0) | np.isnan(first.seconds)).all()

    def test_the_same_network_has_the_same_value(self, any_evaluator) -> None:
        space = any_evaluator.space
        mutants = space.mutate(space.batch(space.sample(4, np.random.default_rng(0))), np.random.default_rng(1))
        canonical = space.batch(mutants.canonical)
        assert (any_evaluator.evaluate(mutants).value == any_evaluator.evaluate(canonical).value).all()

    def test_its_identity_says_what_is_measured(self, any_evaluator) -> None:
        identity = any_evaluator.identity()
        assert identity
        assert all(isinstance(value, str) and value for value in identity.values())

    def test_one_at_a_time_is_the_same_as_a_batch(self, any_evaluator) -> None:
        space = any_evaluator.space
        batch = space.batch(space.sample(3, np.random.default_rng(0)))
        whole = any_evaluator.evaluate(batch)
        outcomes = [any_evaluator.submit(Candidate(one, "random")).result() for one in batch.split(1)]
        assert [outcome.values[any_evaluator.value] for outcome in outcomes] == whole.value.tolist()
        assert all(outcome.error is None for outcome in outcomes)
        any_evaluator.close()


@pytest.mark.parametrize("name", options("dataset"))
class TestDataset:
    def test_it_is_small_hashable_and_survives_a_pickle(self, name: str) -> None:
        config = {key: "file" if value == "???" else value for key, value in node("dataset", name).items()}
        dataset = build(config, "dataset")
        content = pickle.dumps(dataset)
        assert len(content) < 1000
        assert {dataset: 1}[pickle.loads(content)] == 1

    def test_what_must_be_given_is_asked_for_by_name(self, name: str) -> None:
        config = node("dataset", name)
        if "???" in config.values():
            with pytest.raises(UserError, match=r"dataset\.path is missing: give it with dataset\.path=VALUE"):
                build(config, "dataset")
