"""Damaged files of every format: read correctly or refused in one line, never anything else.

Bytes are flipped and files truncated at random places. Where a checksum covers the content, what is read must be what
was written; elsewhere it must at least be within its range.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from formats import FORMATS, make_reduced, table

from nas.benchmarks import Custom
from nas.benchmarks.flat_files import read_arrays
from nas.datasets import Cifar
from nas.errors import UserError


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Up to three changed bytes, a truncation, or both."""
    changed = bytearray(content)
    kind = rng.integers(3)
    if kind != 0:
        for place in rng.integers(len(changed), size=rng.integers(1, 4)):
            changed[place] ^= int(rng.choice([1 << rng.integers(8), rng.integers(1, 256)]))
    if kind != 1:
        del changed[rng.integers(len(changed)) :]
    return bytes(changed)


def attack(name: str, folder: Path, rounds: int) -> Iterator[str]:
    """Damage a file so many times; yield what became of it."""
    make, read, covered = FORMATS[name]
    path = make(folder)
    content, wanted = path.read_bytes(), read(path)
    rng = np.random.default_rng(0)
    for number in range(rounds):
        path.write_bytes(damaged(content, rng))
        try:
            got = read(path)
        except UserError as error:
            yield "refused" if "\n" not in str(error) else f"{number}: {error}"
            continue
        if covered:
            assert got.keys() == wanted.keys(), number
            for key, array in wanted.items():
                np.testing.assert_array_equal(got[key], array, f"{number}")
        yield "read"


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_are_read_right_or_refused(name: str, tmp_path: Path) -> None:
    outcomes = list(attack(name, tmp_path, 60))
    assert set(outcomes) <= {"read", "refused"}
    assert name == "weights" or outcomes.count("refused") > 10


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_files_damaged_in_2000_ways_are_read_right_or_refused(name: str, tmp_path: Path) -> None:
    outcomes = list(attack(name, tmp_path, 2000))
    assert len(outcomes) == 2000
    assert set(outcomes) <= {"read", "refused"}


def test_an_archive_that_would_unpack_to_very_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.benchmarks.archives.LARGEST", 1000)
    with pytest.raises(UserError, match="it would unpack to more than 1,000 bytes"):
        table(make_reduced(tmp_path))
    monkeypatch.setattr("nas.datasets.cifar._LARGEST", 1000)
    (tmp_path / "b.tar.gz").write_bytes(gzip.compress(bytes(1001)))
    with pytest.raises(UserError, match="more than 1,000 bytes"):
        Cifar(10, str(tmp_path / "b.tar.gz")).load()


@pytest.mark.parametrize(
    ("values", "dictionary"), [(np.zeros(100_000), True), (["x" * 1000] * 2000, False)], ids=["many rows", "long texts"]
)
def test_a_parquet_file_that_would_unpack_to_very_much_is_refused(
    values: Any, dictionary: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where rows are alike, very many of them are a small file."""
    pyarrow = pytest.importorskip("pyarrow", reason="needs the package pyarrow")
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    content = pyarrow.table({"a": values, "valid": np.zeros(len(values))})
    parquet.write_table(content, path, use_dictionary=dictionary, compression="zstd")
    assert path.stat().st_size < 5000
    assert len(read_arrays(path, path.read_bytes())["a"]) == len(values)
    monkeypatch.setattr("nas.benchmarks.flat_files.LARGEST", 1_000_000)
    monkeypatch.setattr("pyarrow.parquet.ParquetFile.iter_batches", None)  # is not come to
    with pytest.raises(UserError, match="a.parquet is damaged or .*: it would unpack to more than 1,000,000 bytes"):
        Custom(str(path), "valid")


def test_a_text_that_a_parquet_file_repeats_counts_as_often_as_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="needs the package pyarrow")
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"a": ["x" * 1000] * 20_000, "valid": np.zeros(20_000)}), path)
    assert path.stat().st_size < 10_000
    monkeypatch.setattr("nas.benchmarks.flat_files.LARGEST", 1_000_000)
    with pytest.raises(UserError, match="a.parquet is damaged or .*: it would unpack to more than 1,000,000 bytes"):
        Custom(str(path), "valid")


def test_one_long_text_among_many_rows_is_refused(tmp_path: Path) -> None:
    """An array of texts gives each of them as much room as the longest needs."""
    path = tmp_path / "a.csv"
    path.write_text("a,valid\n" + "x" * 130_000 + ",0\n" + "y,1\n" * 100_000)
    with pytest.raises(UserError, match=r"100,001 texts of which the longest has 130,000 characters are too much"):
        Custom(str(path), "valid")
