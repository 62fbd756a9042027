from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import nb201_arrays, run_search

from nas.benchmarks.published.verification import verify
from nas.benchmarks.table import read_table
from nas.datasets import Cifar, Digits, NpzFile
from nas.errors import UserError
from nas.evaluators import TableEvaluator
from nas.spaces import NB201

SPACE = NB201()


def short(val: float = 50.0, test: float = 50.0) -> dict[str, np.ndarray]:
    return {"val_acc_12": np.full((15_625, 3), val), "test_acc_12": np.full((15_625, 3), test)}


def seconds(shape: tuple[int, int], value: float = 9.0) -> dict[str, np.ndarray]:
    runs = np.full((15_625, 3, 3), 50.0)
    return {"val_acc_200_runs": runs, "train_time_200_runs": np.full((15_625, *shape), value)}


def devices(names: tuple[object, ...], value: float = 1.0) -> dict[str, np.ndarray]:
    return {"hw_columns": np.array(names), "hw_c10": np.full((15_625, len(names)), value)}


def scores(names: tuple[object, ...], value: float = 1.0) -> dict[str, np.ndarray]:
    return {"zc_columns": np.array(names), "zc_c10": np.full((15_625, len(names)), value)}


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    return nb201_arrays(SPACE)


def write(folder: Path, arrays: dict[str, np.ndarray]) -> Path:
    path = folder / "nasbench201.npz"
    np.savez(path, **arrays)
    return path


def test_a_network_has_the_means_of_its_cells(arrays, tmp_path: Path) -> None:
    path = write(tmp_path, arrays)
    dead = SPACE.from_strings(["|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"])
    rows = (SPACE.keys(arrays["ops"]) == SPACE.keys(dead)).nonzero()[0]
    assert len(rows) > 100
    for place, name in enumerate(("cifar10", "cifar100", "imagenet16-120")):
        evaluator = TableEvaluator(SPACE, name, str(path), None, None)
        assert evaluator.identity()["table"] == name
        assert evaluator.identity()["signal"] == "validation"
        found = evaluator.evaluate(SPACE.batch(dead))
        assert found.value == pytest.approx(arrays["val_acc_200"][rows, place].mean() / 100)
        assert found.seconds == pytest.approx(arrays["train_time_200"][rows, place].mean())
        assert evaluator.test(SPACE.batch(dead)) == pytest.approx(arrays["test_acc_200"][rows, place].mean() / 100)
        assert len(evaluator.reference().test) == 5_044


def test_the_cost_of_cifar10_is_of_the_training_that_was_validated(arrays, tmp_path: Path) -> None:
    path = write(tmp_path, {**arrays, "c10v_train_time_200": np.full(15_625, 7.0, dtype=np.float32)})
    assert (read_table(path, SPACE, name="cifar10").columns.cost == 7).all()
    assert (read_table(path, SPACE, name="cifar100").columns.cost > 100).all()


def test_the_search_may_see_12_epochs_and_the_report_tells_200(arrays, tmp_path: Path) -> None:
    changes = {f"{part}_acc_12": arrays[f"{part}_acc_200"] - 30 for part in ("val", "test")}
    path = str(write(tmp_path, {**arrays, **changes}))
    archs = SPACE.enumerate()
    long, short = (TableEvaluator(SPACE, "cifar10", path, None, None, epochs=epochs) for epochs in (None, 12))
    assert [one.identity()["epochs"] for one in (long, short)] == ["200", "12"]
    assert short.evaluate(SPACE.batch(archs)).value == pytest.approx(long.evaluate(SPACE.batch(archs)).value - 0.3)
    assert np.isnan(short.evaluate(SPACE.batch(archs)).seconds).all()  # no array has the seconds of 12 epochs
    assert (short.test(SPACE.batch(archs)) == long.test(SPACE.batch(archs))).all()
    timed = {"train_time_12": np.full((15_625, 3), 60.0), "c10v_train_time_12": np.full(15_625, 30.0)}
    path = str(write(tmp_path, {**arrays, **changes, **timed}))
    for name, cost in (("cifar10", 30), ("cifar100", 60)):
        assert (
            TableEvaluator(SPACE, name, path, None, None, epochs=12).evaluate(SPACE.batch(archs)).seconds == cost
        ).all()
    with pytest.raises(UserError, match=r"^epochs is 36, but .* has 12, 200"):
        TableEvaluator(SPACE, "cifar10", path, None, None, epochs=36)


def test_one_run_is_drawn_of_those_of_the_canonical_cell(arrays, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    runs, times = rng.uniform(10, 90, size=(15_625, 3, 3)), rng.uniform(500, 900, size=(15_625, 3, 3))
    runs[rng.random(15_625) < 0.4, :, 1:] = np.nan  # as published: some cells were trained once
    path = str(write(tmp_path, {**arrays, "val_acc_200_runs": runs, "train_time_200_runs": times}))
    assert "1 to 3 runs of 200 epochs" in list(verify(Path(path)))
    archs = SPACE.enumerate()
    cells = SPACE.indices(archs)
    drawn = []
    for seed in (0, 0, 1):
        evaluator = TableEvaluator(SPACE, "cifar100", path, None, None, seed=seed)
        assert evaluator.identity()["signal"] == "validation_run"
        seen = evaluator.evaluate(SPACE.batch(archs))
        drawn.append(np.abs(runs[cells, 1] / 100 - seen.value[:, None]).argsort(axis=1)[:, 0])
        assert (runs[cells, 1, drawn[-1]] / 100 == seen.value).all()
        assert (times[cells, 1, drawn[-1]] == seen.seconds).all()
        assert (evaluator.evaluate(SPACE.batch(archs[::-1])).value[::-1] == seen.value).all()
        assert evaluator.test(SPACE.batch(archs)) == pytest.approx(
            read_table(Path(path), SPACE, name="cifar100").columns.test
        )
    assert (drawn[0] == drawn[1]).all()
    assert (drawn[0] != drawn[2]).mean() > 0.3
    once = np.isnan(runs[cells, 1, 1])
    assert (drawn[0][once] == 0).all()
    assert np.bincount(drawn[0][~once]) / (~once).sum() == pytest.approx([1 / 3] * 3, abs=0.05)
    # of cifar10 these seconds are of the training that was tested
    assert np.isnan(TableEvaluator(SPACE, "cifar10", path, None, None).evaluate(SPACE.batch(archs)).seconds).all()
    halves = {"c10v_train_time_200_runs": times[:, 2]}
    path = str(write(tmp_path, {**arrays, "val_acc_200_runs": runs, **halves}))
    cost = TableEvaluator(SPACE, "cifar10", path, None, None, seed=0).evaluate(SPACE.batch(archs)).seconds
    assert (cost[:, None] == times[cells, 2]).any(axis=1).all()


def test_runs_are_not_offered_where_a_network_has_none(arrays, tmp_path: Path) -> None:
    runs = np.full((15_625, 3, 3), 50.0)
    runs[SPACE.indices(SPACE.enumerate()[7:8])] = np.nan
    for changes in ({}, {"val_acc_200_runs": runs}):
        path = str(write(tmp_path, {**arrays, **changes}))
        assert TableEvaluator(SPACE, "cifar10", path, None, None).identity()["signal"] == "validation"
        with pytest.raises(UserError, match="'validation_run', but .* has .* only validation, test_mean"):
            TableEvaluator(SPACE, "cifar10", path, "validation_run", None)


@pytest.mark.parametrize(
    ("changes", "table", "message"),
    [
        ({}, None, "it has no data set None, set dataset to one of: cifar10, cifar100, imagenet16-120"),
        ({"datasets": np.array(["CIFAR10", "b", "c"])}, "cifar100", "no data set 'cifar100'.*: cifar10, b, c"),
        ({"ops": np.zeros((15_625, 6), dtype=np.uint8)}, "cifar10", "15,625 cells in the official order"),
        ({"val_acc_200": np.full((15_625, 3), np.nan)}, "cifar10", "validation of row 0 is nan"),
        (
            {"test_acc_200": np.full((15_625, 3), 101.0)},
            "cifar10",
            "test_acc_200 of row 0 is 101.0, must be 0..100 percent",
        ),
        (
            {"c10v_train_time_200": np.full(15_625, -1.0)},
            "cifar10",
            "c10v_train_time_200 of row 0 is -1.0, must be 0",
        ),
        ({"train_time_200": np.full((15_625, 3), np.inf)}, "cifar10", "train_time_200 of row 0 is inf, must be 0"),
        ({"val_acc_12": np.full((15_625, 3), 50.0)}, "cifar10", "no array 'test_acc_12'"),
        (short(val=np.nan), "cifar10", "validation after 12 epochs of row 0 is nan"),
        (short(test=-0.1), "cifar10", "test_acc_12 of row 0 is -0.1, must be 0..100 percent"),
        (
            {"val_acc_200_runs": np.full((15_625, 3), 50.0)},
            "cifar10",
            r"val_acc_200_runs is .* shape \(15625, 3, n\)",
        ),
        (
            {"val_acc_200_runs": np.full((15_625, 3, 0), 50.0)},
            "cifar10",
            "it has no run after 200 epochs, at least 1",
        ),
        ({"val_acc_200_runs": np.full((15_625, 3, 2), 101.0)}, "cifar10", "val_acc_200_runs of row 0 is 101.0"),
        (
            seconds(shape=(3, 2)),
            "cifar100",
            "cost of a run after 200 epochs has shape .5044, 2., expected .5044, 3.",
        ),
        (seconds(shape=(3, 3), value=-1.0), "cifar100", "train_time_200_runs of row 0 is -1.0, must be 0 or more"),
        ({"params_m": np.ones((7, 3))}, "cifar10", r"params_m is float64 of shape \(7, 3\), must be floats"),
        ({"test_acc_200": np.full((15_625, 3), "x")}, "cifar10", "test_acc_200 is <U1 of shape"),
        ({"params_m": np.full((15_625, 3), np.nan)}, "cifar10", "params_m of row 0 is nan, must be 0 or more"),
        ({"c10v_train_time_200": np.ones(7)}, "cifar10", "c10v_train_time_200 is float64 of shape"),
        ({"val_acc_200": np.ones((15_625, 1))}, "cifar100", "val_acc_200 is float64 of shape"),
        ({"datasets": np.array(["cifar10", "cifar10", "a"])}, "cifar10", "datasets are .*, must be different names"),
        (devices(("a", "a")), "cifar10", r"hw_columns are \['a', 'a'\], must be different names"),
        (devices((1, 2)), "cifar10", r"hw_columns are \[1, 2\], must be different names"),
        (devices(("a", "b"), np.nan), "cifar10", "a of row 0 is nan, must be 0 or more, or -1: unknown"),
        (devices(("a", "b"), -np.inf), "cifar10", "a of row 0 is -inf, must be 0 or more, or -1: unknown"),
        (devices(("a", "b"), -2.0), "cifar10", "a of row 0 is -2.0, must be 0 or more, or -1: unknown"),
        (scores(("a", "a")), "cifar10", r"zc_columns are \['a', 'a'\], must be different names"),
        (scores(("a", "b"), -np.inf), "cifar10", "zero_cost.a of row 0 is -inf, must be finite, or nan: unknown"),
    ],
)
def test_what_does_not_fit_is_refused(arrays, changes, table, message, tmp_path: Path) -> None:
    path = write(tmp_path, {**arrays, **changes})
    with pytest.raises(UserError, match=message):
        read_table(path, SPACE, name=table)


def test_a_published_score_is_the_mean_of_those_that_are_known(arrays, tmp_path: Path) -> None:
    rows = np.flatnonzero(SPACE.keys(arrays["ops"]) == SPACE.keys(SPACE.enumerate()[:1]))
    more = scores(("jacov", "zen"), -3.0)
    more["zc_c10"][rows, 0] = np.nan
    more["zc_c10"][rows[:3], 0] = -5, -1e8, -7  # the second has failed
    more["zc_c10"][rows, 1] = -1e8
    path = write(tmp_path, {**arrays, **more})
    found = read_table(path, SPACE, name="cifar10").columns.objectives
    assert found["zero_cost.jacov"][0] == -6
    assert (found["zero_cost.jacov"][1:] == -3).all()
    assert np.isnan(found["zero_cost.zen"]).tolist() == [True] + [False] * 5_043
    assert not read_table(path, SPACE, name="cifar100").columns.objectives


def test_the_real_table_has_the_published_best(real_nb201: Path) -> None:
    for name, test, validation in (("cifar10", 94.37, 91.61), ("cifar100", 73.51, 73.49)):
        columns = read_table(real_nb201, SPACE, name=name).columns
        assert 100 * columns.test.max() == pytest.approx(test, abs=0.006)
        assert 100 * columns.validation.max() == pytest.approx(validation, abs=0.006)
    with pytest.raises(UserError, match="no data set 'imagenet16-120', set dataset to one of: cifar10, cifar100"):
        read_table(real_nb201, SPACE, name="imagenet16-120")


def test_the_real_table_shows_12_epochs_and_no_runs(real_nb201: Path) -> None:
    path, real = str(real_nb201), np.load(real_nb201)
    alone = np.flatnonzero(np.bincount(SPACE.keys(real["ops"]).astype(np.intp), minlength=15_625) == 1)
    archs = SPACE.enumerate()
    archs = archs[np.isin(SPACE.keys(archs), alone)]
    assert len(archs) > 1000
    rows = SPACE.indices(archs)
    for place, name in enumerate(("cifar10", "cifar100")):
        short = TableEvaluator(SPACE, name, path, None, None, epochs=12)
        assert short.identity()["signal"] == "validation"
        assert short.evaluate(SPACE.batch(archs)).value == pytest.approx(real["val_acc_12"][rows, place] / 100)
        assert short.test(SPACE.batch(archs)) == pytest.approx(real["test_acc_200"][rows, place] / 100)
        with pytest.raises(UserError, match="only validation, test_mean"):
            TableEvaluator(SPACE, name, path, "validation_run", None, epochs=12)


def test_the_data_set_names_the_table(arrays, tmp_path: Path) -> None:
    path = str(write(tmp_path, arrays))
    for dataset in (Cifar(10), Cifar(100), NpzFile("imagenet16-120.npz")):
        assert TableEvaluator(SPACE, "auto", path, None, None, dataset).identity()["table"] == dataset.name
    with pytest.raises(UserError, match=r"no table 'digits', set table \(or dataset\) to auto or one of: cifar10,"):
        TableEvaluator(SPACE, "auto", path, None, None, Digits())
    with pytest.raises(UserError, match="table is 'cifar100', but dataset is 'cifar10': choose one"):
        TableEvaluator(SPACE, "cifar100", path, None, None, Cifar(10))


def test_a_search_on_a_data_set_as_a_user_runs_it(arrays, tmp_path: Path) -> None:
    write(tmp_path, arrays)
    options = ["space=nb201", "evaluator=table", "dataset=cifar100", "estimator=none", "budget=10"]
    refused = run_search(
        *options, "evaluator.signal=validation_run", "hydra.run.dir=no", cwd=tmp_path, NAS_DATA_DIR="."
    )
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith("error: evaluator.signal is 'validation_run', but")
    done = run_search(*options, "hydra.run.dir=run", cwd=tmp_path, NAS_DATA_DIR=".")
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["measured_on"]["table"] == "cifar100"
    assert result["best"]["digest"].startswith("|")
