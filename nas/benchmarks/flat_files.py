"""Tables in CSV and Parquet files: columns of numbers or texts, and every damage one line."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from decimal import Decimal
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.benchmarks.archives import LARGEST, Arrays
from nas.errors import UserError

_NUMBER = re.compile(r"[+-]?(0|[1-9]\d*)?(\.\d*)?(e[+-]?\d+)?|[+-]?(inf|infinity)|nan", re.IGNORECASE | re.ASCII)
"""What is a number and no name: `01` and `1_1` are names, though Python would take them for numbers."""

_ROWS = 1 << 12  # of a Parquet file, unpacked at once
_CHARACTER = 4  # bytes; in an array every text takes as much as the longest


def read_arrays(path: Path, content: bytes) -> Mapping[str, NDArray[Any]]:
    """Read the arrays of a file: columns of a `.csv` or `.parquet`, else those of an `.npz`.

    Columns are `(rows,)`: int64 where all are whole numbers, else float64 where all are numbers or empty, which is NaN,
    else text.

    Raises:
        UserError: the file is damaged, or no such file.
    """
    read = {".csv": _read_csv, ".parquet": _read_parquet}.get(path.suffix.lower())
    if read is None:
        return Arrays(path, content)
    columns = read(path, content)
    try:
        return Arrays.of(path, {name: _typed(values) for name, values in columns.items()})
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error


def _read_csv(path: Path, content: bytes) -> dict[str, list[Any]]:
    try:
        lines = csv.reader(StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        header = next(lines, [])
        columns: list[list[str]] = [[] for _ in header]
        for row in lines:
            if row and len(row) != len(header):
                raise ValueError(f"line {lines.line_num} has {len(row)} fields, the header has {len(header)}")
            for column, field in zip(columns, row, strict=False):
                column.append(field)
    except (ValueError, csv.Error) as error:
        raise UserError(f"{path} is no table of comma-separated values: {error}") from error
    if len(set(header)) != len(header) or not all(header):
        raise UserError(f"{path} starts with {', '.join(map(repr, header))}: every column needs a name of its own")
    return dict(zip(header, columns, strict=True))


def _read_parquet(path: Path, content: bytes) -> dict[str, list[Any]]:
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise UserError(f"{path} needs the package pyarrow: install it with pip install -e '.[parquet]'") from error
    try:
        file = ParquetFile(BytesIO(content), page_checksum_verification=True)
        _check_size(file.metadata)
        names = file.schema_arrow.names
        if len(set(names)) != len(names):
            raise ValueError("two columns have the same name")
        columns: dict[str, list[Any]] = {name: [] for name in names}
        size = 0
        for batch in file.iter_batches(_ROWS):
            size += batch.nbytes
            if size > LARGEST:  # a page may name the same long text many times
                raise ValueError(f"it would unpack to more than {LARGEST:,} bytes")
            for name, column in zip(names, batch.columns, strict=True):
                columns[name] += column.to_pylist()
        return columns
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        raise UserError(f"{path} is damaged or no Parquet file: {' '.join(str(error).split())}") from error


def _check_size(metadata: Any) -> None:
    """Raise ValueError for a file that would unpack to very much: to what its pages hold, or to so many numbers."""
    pages = sum(metadata.row_group(place).total_byte_size for place in range(metadata.num_row_groups))
    if max(pages, 8 * metadata.num_rows * metadata.num_columns) > LARGEST:
        raise ValueError(f"it would unpack to more than {LARGEST:,} bytes")


def _typed(values: list[Any]) -> NDArray[Any]:
    for kind in (np.int64, np.float64):
        try:
            return np.array([_exact(value, kind) for value in values], dtype=kind)
        except (ValueError, OverflowError):
            continue
    texts = ["" if value is None else str(value) for value in values]
    if _CHARACTER * len(texts) * max(map(len, texts)) > LARGEST:
        raise ValueError(
            f"{len(texts):,} texts of which the longest has {max(map(len, texts)):,} characters are too much"
        )
    return np.array(texts, dtype=np.str_)


def _exact(value: Any, kind: type[Any]) -> Any:
    """The value as an int or a float; a float is no int, even where it is whole. Raises ValueError for a text."""
    if kind is np.float64:
        return number(value)
    if not isinstance(value, bool | int | str):
        raise ValueError("no whole number")
    whole = int(value)
    if isinstance(value, str) and str(whole) != value.strip():
        raise ValueError("a text, such as 01 or 1_1")
    return whole


def number(value: Any) -> float:
    """The number that a field says; NaN where it is empty. Raises ValueError for anything else."""
    field = value.strip() if isinstance(value, str) else value
    if field is None or field == "":
        return float("nan")
    if _NUMBER.fullmatch(field) if isinstance(field, str) else isinstance(field, bool | int | float | Decimal):
        return float(field)
    raise ValueError("no number")
