from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import run_search

from nas._config import build
from nas.benchmarks import Custom, benchmark_of
from nas.errors import UserError
from nas.evaluators import TableEvaluator, TrainingEvaluator
from nas.objectives import Objective
from nas.spaces import NB101, NB201, Constrained
from nas.strategies import RandomSearch, RegularizedEvolution


@pytest.fixture(scope="module")
def digits() -> TableEvaluator:
    """The embedded table, whose numbers of parameters are those of real networks."""
    return TableEvaluator(NB101(), "digits", None, None, None)


@pytest.mark.parametrize("constraints", [["params"], "params<5", 3])
def test_constraints_that_are_no_limits_by_name_are_refused(constraints) -> None:
    with pytest.raises(UserError, match=r"^objective\.constraints is .*, must be values by name, or null: "):
        build({"_target_": "nas.objectives.Objective", "constraints": constraints}, "objective")


@pytest.mark.parametrize("limit", ["<5000", "<= 4000", ">5000", ">=5e3"])
def test_the_space_is_what_satisfies_the_constraints(digits: TableEvaluator, limit: str) -> None:
    part = Objective({"params": limit}).restrict(digits)
    everything = digits.space.enumerate()
    parameters = digits.objective("params", digits.space.batch(everything))
    number = float(limit.strip("<>= "))
    wanted = everything[
        {"<": parameters < number, ">": parameters > number}[limit[0]] | (("=" in limit) & (parameters == number))
    ]
    assert 0 < len(wanted) < len(everything)
    assert (part.space.enumerate() == wanted).all()
    assert (part.space.valid(everything) == np.isin(digits.space.keys(everything), digits.space.keys(wanted))).all()
    archs = part.space.sample(500, np.random.default_rng(0))
    part.space.check(archs)
    part.space.check(part.space.mutate(part.space.batch(archs), np.random.default_rng(1)).genes)
    assert (part.space.keys(archs) == digits.space.keys(archs)).all()
    assert benchmark_of(part.space).names(archs[:3]) == benchmark_of(digits.space).names(archs[:3])
    outside = everything[~part.space.valid(everything)]
    with pytest.raises(UserError, match="is out of the space: .*, and params"):
        part.space.check(outside)


def test_samples_are_uniform_over_what_satisfies_them(digits: TableEvaluator) -> None:
    for limit in ("<2000", "<4000"):  # few and many: found by enumeration, and by drawing anew
        part = Objective({"params": limit}).restrict(digits)
        keys = part.space.keys(part.space.sample(20_000, np.random.default_rng(0)))
        there = part.space.keys(part.space.enumerate())
        counts = np.array([(keys == key).sum() for key in there])
        expected = len(keys) / len(there)
        assert counts.sum() == len(keys)
        assert ((counts - expected) ** 2 / expected).sum() == pytest.approx(len(there), abs=5 * (2 * len(there)) ** 0.5)


def test_several_constraints_hold_together(digits: TableEvaluator) -> None:
    both = Objective({"params": ">2000"}).restrict(Objective({"params": "<4000"}).restrict(digits))
    parameters = digits.objective("params", both.space.batch(both.space.enumerate()))
    assert ((parameters > 2000) & (parameters < 4000)).all()
    assert len(parameters)


def test_the_report_compares_with_the_best_that_satisfies_them(digits: TableEvaluator) -> None:
    part, batch = Objective({"params": "<3000"}).restrict(digits), digits.space.batch(digits.space.enumerate())
    batch = batch.take(digits.objective("params", batch) < 3000)
    reference, whole = part.reference(), digits.reference()
    assert reference is not None
    assert np.sort(reference.test).tolist() == np.sort(digits.test(batch)).tolist()
    assert reference.test.max() < whole.test.max()
    assert part.identity()["constraints"] == "params <3000"
    assert part.evaluate(batch).value.tolist() == digits.evaluate(batch).value.tolist()


@pytest.mark.parametrize("kind", [RandomSearch, RegularizedEvolution])
def test_no_strategy_proposes_anything_else(kind: type, digits: TableEvaluator) -> None:
    part = Objective({"params": "<2500"}).restrict(digits)
    options = {} if kind is RandomSearch else {"population": 8, "tournament": 4}
    strategy = kind(part.space, **options)
    for round_ in range(12):
        proposal = strategy.ask(12, np.random.default_rng(round_))
        assert (digits.objective("params", proposal.batch) < 2500).all()
        strategy.tell(proposal.batch, part.evaluate(proposal.batch).value)


def test_a_space_without_enough_neighbours_is_still_searched_whole(digits: TableEvaluator) -> None:
    parameters = np.sort(digits.objective("params", digits.space.batch(digits.space.enumerate())))
    part = Objective({"params": f"<={parameters[2]}"}).restrict(digits)
    size = len(part.space.enumerate())
    strategy = RegularizedEvolution(part.space, population=2, tournament=1)
    strategy.tell(part.space.batch(part.space.enumerate()[:1]), np.array([0.5]))
    assert len(strategy.ask(50, np.random.default_rng(0))) == size - 1


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_parent_without_neighbours_mutates_into_any_other_there_is(size: int, small_space: NB101) -> None:
    archs = small_space.enumerate()[[0, 1200, 2531][:size]]
    keys = small_space.keys(archs)
    part = Constrained(small_space, lambda some: np.isin(small_space.keys(some), keys), "a chosen key", "")
    batch = part.batch(archs)
    assert not len(part.neighbours(batch)[0])
    parents = batch.take(np.repeat(np.arange(size), 200))
    children = part.keys(part.mutate(parents, np.random.default_rng(0)).genes)
    assert np.unique(children).tolist() == keys.tolist()
    assert (children == parents.keys).mean() == (size == 1)
    strategy = RegularizedEvolution(part, population=2, tournament=1)
    strategy.tell(batch, np.arange(size, dtype=np.float64))
    assert len(strategy.ask(3, np.random.default_rng(0))) == 0


def test_parameters_are_counted_before_anything_is_trained(small_space: NB101) -> None:
    evaluator = TrainingEvaluator(small_space)
    counts = evaluator.skeleton.parameters(small_space.graphs(small_space.enumerate()[::20]))
    limit = int(np.median(counts))
    part = Objective({"params": f"<{limit}"}).restrict(evaluator)
    archs = part.space.sample(50, np.random.default_rng(0))
    assert (evaluator.skeleton.parameters(small_space.graphs(archs)) < limit).all()
    assert part.reference() is None
    with pytest.raises(UserError, match="names 'latency', but before training only params are known"):
        Objective({"latency": "<1"}).restrict(evaluator)


def test_other_columns_of_a_table_are_limits_too(own_table: Path) -> None:
    evaluator = TableEvaluator(
        Custom(str(own_table), "valid", ["kernel", "width", "act", "depth", "groups"], objectives=["seconds"]),
        "auto", None, None, None,
    )  # fmt: skip
    part = Objective({"seconds": "<40"}).restrict(evaluator)
    assert 0 < len(part.space.enumerate()) < len(evaluator.space.enumerate())
    assert (evaluator.objective("seconds", part.space.batch(part.space.enumerate())) < 40).all()
    with pytest.raises(UserError, match=r"knows nothing of 'params' for objective\.constraints, only of seconds"):
        Objective({"params": "<1"}).restrict(evaluator)
    with pytest.raises(UserError, match="no architecture of the space has seconds <1: relax"):
        Objective({"seconds": "<1"}).restrict(evaluator)


@pytest.mark.parametrize(("dataset", "device"), [("cifar10", "hw_c10"), ("cifar100", "hw_c100")])
def test_the_latency_on_a_device_is_a_limit(dataset: str, device: str, real_nb201: Path) -> None:
    evaluator = TableEvaluator(NB201(), dataset, str(real_nb201), None, None)
    part = Objective({"edgegpu_latency": "<5.5", "params": "<1e6"}).restrict(evaluator)
    arrays = np.load(real_nb201)
    column = arrays["hw_columns"].tolist().index("edgegpu_latency")
    keys, latency = evaluator.space.keys(arrays["ops"]), arrays[device][:, column]
    there = part.space.keys(part.space.enumerate())
    assert 100 < len(there) < 5_044
    for key in there[::50]:
        assert latency[keys == key].mean() < 5.5
    outside = np.setdiff1d(evaluator.space.keys(evaluator.space.enumerate()), there)
    slow = [latency[keys == key].mean() >= 5.5 for key in outside]
    assert 0.9 < np.mean(slow) <= 1  # the others are too large


def test_what_is_unknown_satisfies_nothing(own_table: Path, tmp_path: Path) -> None:
    lines = own_table.read_text().splitlines()
    lines[1] = lines[1].rsplit(",", 1)[0] + ",nan"
    (tmp_path / "a.csv").write_text("\n".join(lines))
    genes = ["kernel", "width", "act", "depth", "groups"]
    space = Custom(str(tmp_path / "a.csv"), "valid", genes, objectives=["seconds"])
    evaluator = TableEvaluator(space, "auto", None, None, None)
    for limit in ("<1e9", ">-1e9"):
        part = Objective({"seconds": limit}).restrict(evaluator)
        assert len(part.space.enumerate()) == len(evaluator.space.enumerate()) - 1


@pytest.mark.parametrize("limit", ["5e6", "<", "< x", "=5", "<nan", "<inf", "", 5, None])
def test_what_is_no_limit_is_refused(limit) -> None:
    with pytest.raises(UserError, match=r"^constraints\.params is .*, must be a (comparison with a number|text)"):
        Objective({"params": limit})


def test_without_constraints_nothing_changes(digits: TableEvaluator) -> None:
    assert Objective().restrict(digits) is digits
    assert Objective({}).restrict(digits) is digits


def test_spaces_of_other_constraints_are_told_apart(digits: TableEvaluator) -> None:
    names = {repr(Objective({"params": limit}).restrict(digits).space) for limit in ("<3000", "<4000", ">3000")}
    assert len(names) == 3


def test_a_search_keeps_to_them(tmp_path: Path) -> None:
    options = ["table=digits", "estimator=ridge", "budget=40", "pool=60", "hydra.run.dir=run"]
    done = run_search(*options, 'objective.constraints={params: "<2500"}', cwd=tmp_path, NAS_DATA_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "run/result.json").read_text())
    assert result["measured_on"]["constraints"] == "params <2500"
    assert result["test_regret"] >= 0
    digits = TableEvaluator(NB101(), "digits", None, None, None)
    genes = [json.loads(line)["genes"] for line in (tmp_path / "run/history.jsonl").read_text().splitlines()]
    batch = digits.space.batch(np.array(genes, dtype=np.uint8))
    assert (digits.objective("params", batch) < 2500).all()
    again = run_search(*options, 'objective.constraints={params: "<2600"}', cwd=tmp_path, NAS_DATA_DIR=str(tmp_path))
    assert again.returncode == 1
    assert "objective.constraints.params (recorded '<2500', now '<2600')" in again.stderr
