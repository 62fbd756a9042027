"""`python -m nas.data` as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import run_search, table_arrays
from records import write_official

from nas.benchmarks import Benchmark, benchmark_of, find_table
from nas.benchmarks.published.nasbench101 import read_official
from nas.benchmarks.published.verification import verify
from nas.data.__main__ import main
from nas.errors import UserError
from nas.spaces import NB101

SPACE = NB101(max_vertices=4)
CUSTOM = str(Path(__file__).parents[2] / "conf/space/custom.yaml")


def run(*arguments: object, cache: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "NAS_DATA_DIR"}
    return subprocess.run(
        [sys.executable, "-m", "nas.data", *map(str, arguments)],
        env={**environment, "NAS_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("official") / "nasbench_full.tfrecord"
    return write_official(path, SPACE, SPACE.enumerate(), (12, 108))


def test_a_converted_file_is_found_by_a_search(official: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    done = run("convert", official, cache=cache)
    assert done.returncode == 1
    assert "has 91 architectures, the published table 423,624: obtain the file again" in done.stderr
    assert not (cache / "nasbench101.npz").exists()
    done = run("convert", official, "--force", cache=cache)
    assert done.returncode == 0, done.stderr
    assert f"{cache / 'nasbench101.npz'}: 91 architectures, " in done.stdout
    assert "the published table has 423624 architectures" in done.stderr
    assert [path.name for path in cache.iterdir()] == ["nasbench101.npz"]
    options = ["strategy=random", "estimator=none", "budget=8", "initial=8", "pool=8", "evaluator.epochs=12"]
    environment = {"NAS_CACHE_DIR": str(cache), "NAS_DATA_DIR": str(tmp_path)}
    searched = run_search(*options, "table=cifar10", cwd=tmp_path, **environment)
    assert searched.returncode == 0, searched.stderr
    assert "signal validation_run, epochs 12" in searched.stdout
    umask = os.umask(0)
    os.umask(umask)
    assert (cache / "nasbench101.npz").stat().st_mode & 0o777 == 0o666 & ~umask
    again = run("convert", official, "--out", cache / "nasbench101.npz", cache=cache)
    assert again.returncode == 1
    assert "is there already: replace it with --force" in again.stderr
    assert run("convert", official, "--force", cache=cache).returncode == 0


def test_a_table_that_another_hides_is_told_of(official: Path, tmp_path: Path, monkeypatch, caplog) -> None:
    for name in ("NAS_DATA_DIR", "NAS_CACHE_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    convert = ["convert", str(official), "--force"]
    assert main(convert) == 0
    assert "found before" not in caplog.text
    older = tmp_path / "NAS_DATA_DIR/nasbench101.npz"
    assert main([*convert, "--out", str(older)]) == 0
    assert "found before" not in caplog.text
    assert main(convert) == 0
    assert f"a search takes {older}, which is found before it" in caplog.messages[-1]
    assert find_table(None, "cifar10", benchmark_of(SPACE).tables)[1] == older


def test_the_list_says_what_is_there_and_what_to_do_for_the_rest(tmp_path: Path) -> None:
    done = run("list", cache=tmp_path)
    assert "nb101           423,624 architectures  not here: python -m nas.data fetch nb101" in done.stdout
    assert "nb101_digits.npz" in done.stdout
    (tmp_path / "nasbench101.npz").write_bytes(b"")
    assert f"architectures  {tmp_path / 'nasbench101.npz'}" in run("list", cache=tmp_path).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fetch", "nb301"], "'nb301' cannot be fetched, allowed: nb101"),
        (["fetch", "nb101", "--out", "table.csv"], "table.csv does not end in .npz"),
        (["convert", "nowhere"], "there is no nowhere"),
        (["convert", __file__], "is of no known format: expected NAS-Bench-101 records"),
        (["verify", "--space", CUSTOM], "space.path is missing: give it with space.path=VALUE"),
        (["verify", "nowhere.npz"], "cannot read the benchmark table nowhere.npz: No such file or directory"),
        (["verify", __file__], "no NumPy archive"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setenv("NAS_CACHE_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert message in line


def test_a_conversion_that_fails_leaves_nothing(official: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.tfrecord"
    damaged.write_bytes(official.read_bytes()[:-3])
    done = run("convert", damaged, "--out", tmp_path / "out" / "a.npz", cache=tmp_path)
    assert done.returncode == 1
    assert "is cut off" in done.stderr
    assert not (tmp_path / "out" / "a.npz").exists()
    wrong_hash = tmp_path / "wrong.tfrecord"
    cells = SPACE.enumerate()[:6]

    class Wrong(NB101):
        """Whose cells are known by other hashes."""

    @benchmark_of.register(Wrong)
    class WrongNames(Benchmark):
        def names(self, archs):
            return [f"{row:032x}" for row in range(len(archs))]

    write_official(wrong_hash, Wrong(max_vertices=4), cells, (108,))
    done = run("convert", wrong_hash, "--out", tmp_path / "out" / "a.npz", cache=tmp_path)
    assert done.stderr.startswith(f"error: {wrong_hash} cannot be converted: ")
    assert "is said to hash to" in done.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_the_embedded_table_is_right(tmp_path: Path) -> None:
    done = run("verify", cache=tmp_path)
    assert done.returncode == 0, done.stderr
    for line in (
        "2,532 rows: all of the space",
        "all 2,532 networks of the space are there",
        "2,532 published hashes recomputed: all right",
        "a search may see validation, test_mean",
        "best mean test accuracy 0.974550",
        "networks and best as published",
    ):
        assert line in done.stdout


def test_a_part_of_the_space_and_its_runs_are_told(official: Path, tmp_path: Path) -> None:
    arrays = read_official(official)
    per_row = {name: array[:40] if len(array) == 91 else array for name, array in arrays.items()}
    np.savez(tmp_path / "part.npz", **per_row)
    lines = list(verify(tmp_path / "part.npz"))
    assert "40 of the 91 networks of the space are there" in lines
    assert "3 runs of 12 epochs" in lines
    assert "a search may see validation_run, validation, test_mean" in lines


def test_a_hash_that_reading_does_not_look_at_is_found_wrong(small_space: NB101, tmp_path: Path) -> None:
    arrays = table_arrays(small_space, small_space.enumerate())
    arrays["md5"][1] ^= 1
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(UserError, match=r"row 1 is said to hash to [0-9a-f]{32}, but hashes to"):
        list(verify(tmp_path / "a.npz"))


def test_a_table_that_is_not_the_published_one_does_not_pass_under_its_name(small_table: Path) -> None:
    with pytest.raises(UserError, match="has 2,532 networks, the published table has 423,624"):
        list(verify(small_table))


@pytest.mark.slow
def test_the_real_table_is_as_published(real_table: Path) -> None:
    lines = list(verify(real_table))
    assert "423,624 published hashes recomputed: all right" in lines
    assert "all 423,624 networks of the space are there" in lines
    assert "networks and best as published" in lines
