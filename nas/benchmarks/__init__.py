"""Benchmarks: table files, their formats, and what they say of the architectures of a search space.

`benchmark_of(space)` tells which tables there are for a space and how the field calls its architectures; `read_table`
reads and checks one. `Custom` is the space that a table of the user's own makes. Where published files are fetched,
converted and verified is `nas.benchmarks.published`.
"""

from nas.benchmarks.base import Benchmark, benchmark_of
from nas.benchmarks.find import find_table
from nas.benchmarks.nb101 import NASBench101
from nas.benchmarks.nb201 import NASBench201
from nas.benchmarks.own import Custom
from nas.benchmarks.rows import Runs, TableColumns, Training
from nas.benchmarks.table import Table, read_table

__all__ = [
    "Benchmark",
    "Custom",
    "NASBench101",
    "NASBench201",
    "Runs",
    "Table",
    "TableColumns",
    "Training",
    "benchmark_of",
    "find_table",
    "read_table",
]
