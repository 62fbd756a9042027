"""What a user gets wrong is answered with one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import run_search


@pytest.fixture
def data(small_table: Path) -> dict[str, str]:
    return {"NAS_DATA_DIR": str(small_table.parent)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["estimator.encoder=5"], "estimator.encoder is 5, must be chosen from its group, estimator/encoder=5"),
        (["hydra.run.dir=damaged.npz/run"], "damaged.npz/run: Not a directory"),
        (["hydra.run.dir=${foo}"], "hydra.run.dir: Interpolation key 'foo' not found: write \\${{...}} where it is a"),
        (["budgett=3"], "budgett is unknown, allowed: space, strategy, estimator, encoder, acquisition, evaluator"),
        (["+budgett=3"], "budgett is unknown, the options are space, strategy"),
        (["space=nb999"], "space=nb999 is unknown, allowed: custom, nb101, nb201"),
        (["space=5"], "space=5 names nothing, allowed: custom, nb101, nb201; or leave it out"),
        (["-m", "space=5,nb101"], "space=5,nb101 names nothing, allowed: custom, nb101, nb201"),
        (
            ["encoder=[graph,5]"],
            "encoder=[graph,5] names nothing, allowed: early, features, graph, history, published, zero_cost",
        ),
        (
            ["encoder=null"],
            "encoder=null names nothing, allowed: early, features, graph, history, published, zero_cost",
        ),
        (["experiment=nb101/magic"], "experiment=nb101/magic is unknown, allowed: nb101/bananas, nb101/emprox, "),
        (["experiment=rea"], "experiment=rea is unknown, allowed: nb101/bananas, nb101/emprox, "),
        (["estimator=magic"], "estimator=magic is unknown, allowed: bananas, bayesian_linear, "),
        (["estimator.kk=3"], "estimator.kk is unknown, allowed: encoder, k, points"),
        (["+estimator.kk=3"], "estimator.kk is unknown, allowed: encoder, k, points"),
        (["strategy=random", "strategy.population=3"], "strategy.population is unknown, allowed: no options"),
        (["budget=abc"], "budget is 'abc', must be a number of evaluations of at least 1, such as 150, or epochs:4000"),
        (["budget=1.5"], "budget is 1.5, must be a number of evaluations of at least 1"),
        (["budget=epochs:7"], "budget is 'epochs:7', but how many epochs an evaluation takes is unknown here"),
        (["budget=minutes:7"], "budget is 'minutes:7', must be a number of evaluations of at least 1"),
        (
            ["table=digits", "scheduler=asha", "scheduler.first=9"],
            "scheduler.first is 9, must be one of the fidelities below the last, 1, 2, 3, 4, 5, 6, 7",
        ),
        (["estimator.k=abc"], "estimator.k is 'abc', must be a whole number"),
        (["estimator.encoder.width=x"], "estimator.encoder.width is 'x'"),
        (["budget=[1"], "'budget=[1' is no override, expected NAME=VALUE"),
        (["budget=0"], "budget is 0, must be a number of evaluations of at least 1"),
        (["budget=3000"], "budget is 3000, must be at most 2532"),
        (["seed=-1"], "seed is -1, must be at least 0"),
        (["pool=4", "batch=5"], "pool is 4, must be at least 5 (batch)"),
        (["estimator=knn_graph", "estimator.k=21", "initial=20"], "initial is 20, must be at least 21"),
        (["estimator.k=0"], "estimator.k is 0, must be at least 1"),
        (
            ["acquisition=ucb", "estimator=ridge"],
            "acquisition is UpperConfidenceBound, which needs standard deviations",
        ),
        (["strategy=evolution", "strategy.tournament=21"], "strategy.tournament is 21, must be 1..20"),
        (
            ["evaluator.path=nowhere.npz"],
            "no benchmark table at {cwd}/nowhere.npz: name an .npz file with evaluator.path=FILE",
        ),
        (["evaluator.path=damaged.npz"], "is truncated, damaged or no NumPy archive"),
        (["evaluator.sha256=00"], "expected 00: obtain the file again"),
        (["evaluator.signal=validation"], "only test_mean"),
        (["space.max_vertices=4"], "has 5 vertices, the space at most 4"),
        (["resume=nowhere"], "resume is 'nowhere', which holds no run"),
        (["estimator._target_=nas.Nothing"], "estimator._target_ cannot be imported"),
        (["~estimator"], "estimator"),
        (["estimator.encoder.device=abacus", "budget=21"], "device is 'abacus', cannot be used"),
    ],
)
def test_bad_input_is_answered_with_one_line(
    options: list[str], message: str, refused, tmp_path: Path, data, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "damaged.npz").write_bytes(b"PK\x03\x04 but nothing more")
    for name, value in data.items():
        monkeypatch.setenv(name, value)
    space = [] if any(option.startswith("space") for option in options) else ["space.max_vertices=5"]
    assert message.format(cwd=tmp_path) in refused(*space, *options)


def test_a_process_answers_bad_input_with_one_line_and_exit_code_1(tmp_path: Path, data) -> None:
    done = run_search("budget=0", cwd=tmp_path, **data)
    allowed = "a number of evaluations of at least 1, such as 150, or epochs:4000, or seconds:3600"
    assert (done.returncode, done.stderr) == (1, f"error: budget is 0, must be {allowed}\n")
    assert not list(tmp_path.iterdir())


def test_without_a_table_the_program_says_where_it_looked(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    done = run_search("table=cifar10", cwd=tmp_path, NAS_DATA_DIR=str(tmp_path), NAS_CACHE_DIR=str(cache))
    assert done.returncode == 1
    assert f"error: no benchmark table nasbench101.npz in {tmp_path} or {cache}: name the file" in done.stderr
