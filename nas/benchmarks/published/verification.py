"""Everything a table says that can be checked without training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from nas.benchmarks.base import benchmark_of
from nas.benchmarks.flat_files import read_arrays
from nas.benchmarks.published.catalogue import TABLES
from nas.benchmarks.rows import Training
from nas.benchmarks.table import Table, read_table
from nas.errors import UserError
from nas.spaces import NB101, NB201
from nas.types import Space

_BATCH = 1 << 11

Report = Callable[[int, int], None]
"""Is told, now and then, how many of how many hashes are done."""


def table_spaces(file: str | None = None) -> list[Space]:
    """The search spaces that have published tables, or one of this file name, each in its full size."""
    spaces: list[Space] = [NB101(), NB201()]
    return [space for space in spaces if file is None or file in benchmark_of(space).tables.values()]


def read_any(path: Path, spaces: Sequence[Space]) -> dict[str, Table]:
    """Read the tables of a file, by name, as the first of some spaces that can.

    Raises:
        UserError: none can, or a table is not valid.
    """
    refusals = []
    for space in spaces:
        try:
            return {name: read_table(path, space, None, name) for name in _names(path, space)}
        except UserError as error:
            refusals.append(error)
    if len(refusals) == 1 or not path.is_file():
        raise refusals[0]
    told = "; ".join(f"{type(one).__name__}: {error}" for one, error in zip(spaces, refusals, strict=True))
    raise UserError(f"no search space can read {path}: {told}")


def _names(path: Path, space: Space) -> list[str]:
    """Which of a space's tables are in a file: one that holds several names them in `datasets`."""
    try:
        arrays = read_arrays(path, path.read_bytes())
    except OSError as error:
        raise UserError(f"cannot read the benchmark table {path}: {error.strerror}") from error
    named = [str(name).lower() for name in arrays["datasets"].ravel()] if "datasets" in arrays else []
    tables = benchmark_of(space).tables
    there = [name for name, file in tables.items() if file == path.name] or list(tables)
    return [name for name in there if name in named] or there[:1]


def verify(path: Path, space: Space | None = None, report: Report = lambda done, total: None) -> Iterator[str]:
    """Check the tables of a file, and say in a line each what was found right.

    Args:
        path: the file.
        space: the search space; None: the one whose table it is, by its name, or else any that can read it.
        report: told the progress of recomputing hashes.

    Raises:
        UserError: something is wrong.
    """
    spaces = [space] if space is not None else table_spaces(path.name) or table_spaces()
    for name, table in read_any(path, spaces).items():
        yield f"table {name}, SHA-256 {table.sha256}"
        yield from _verify(table, report)


def _verify(table: Table, report: Report) -> Iterator[str]:
    columns, path = table.columns, table.path
    yield f"{len(table):,} rows: all of the space, all different networks, all numbers within their range"
    yield _coverage(table)
    if columns.digests is not None:
        _check_digests(table, report)
        yield f"{len(table):,} published hashes recomputed: all right"
    for epochs, training in columns.trainings.items():
        yield f"{_number_of_runs(training)} of {epochs} epochs"
    yield f"a search may see {', '.join(table.signals(None, 0))}"
    best = int(columns.test.argmax())
    digest = benchmark_of(table.space).names(columns.archs[best : best + 1])[0]
    yield f"best mean test accuracy {columns.test[best]:.6f} (row {best}, {digest})"
    for known in TABLES:
        if path.name == known.file:
            if len(table) != known.networks:
                raise UserError(f"{path} has {len(table):,} networks, the published table has {known.networks:,}")
            if known.best is not None and round(float(columns.test[best]), 6) != known.best:
                raise UserError(f"{path} has the best {columns.test[best]:.6f}, the published table {known.best:.6f}")
            yield "networks as published" if known.best is None else "networks and best as published"


def _number_of_runs(training: Training) -> str:
    if training.runs is None:
        return "means over the runs"
    numbers = np.isfinite(training.runs.validation).sum(axis=1)
    fewest, most = int(numbers.min()), int(numbers.max())
    return f"{most} runs" if fewest == most else f"{fewest} to {most} runs"


def _coverage(table: Table) -> str:
    try:
        there = np.unique(table.space.keys(table.space.enumerate()))
    except UserError as error:
        return f"not compared with the whole space: {error}"
    known = int(np.isin(there, table.space.keys(table.columns.archs)).sum())
    if known == len(there):
        return f"all {known:,} networks of the space are there"
    return f"{known:,} of the {len(there):,} networks of the space are there"


def _check_digests(table: Table, report: Report) -> None:
    archs, stated, benchmark = table.columns.archs, table.columns.digests, benchmark_of(table.space)
    if stated is None:
        return
    for start in range(0, len(archs), _BATCH):
        computed = benchmark.names(archs[start : start + _BATCH])
        for row, digest in enumerate(computed, start):
            if stated[row].tobytes().hex() != digest:
                raise UserError(
                    f"{table.path}: row {row} is said to hash to {stated[row].tobytes().hex()}, but hashes to {digest}"
                )
        report(min(start + _BATCH, len(archs)), len(archs))
