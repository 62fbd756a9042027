"""What search spaces have to do with files: their benchmark tables, and how the field calls their architectures."""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch
from types import MappingProxyType
from typing import Any, cast

from numpy.typing import NDArray

from nas.benchmarks.rows import TableColumns
from nas.errors import UserError
from nas.spaces import Constrained, Gene
from nas.types import Architectures, Space


class Benchmark:
    """The benchmark of a search space. This one is that of spaces without tables; a subclass says what there is.

    Args:
        space: the search space.
    """

    tables: Mapping[str, str] = MappingProxyType({})
    """The benchmark tables there are for the space: name to file name, the most telling first."""
    space: Space

    def __init__(self, space: Space) -> None:
        self.space = space

    def covered(self, arrays: Mapping[str, NDArray[Any]]) -> Space:
        """Return the part of the space that the arrays of a table are about: all of it, unless a subclass knows better.

        Raises:
            UserError: an array is missing or does not fit.
        """
        return self.space

    def columns(self, arrays: Mapping[str, NDArray[Any]], table: str | None = None) -> TableColumns:
        """Read the arrays of a table.

        Args:
            arrays: what is in the file.
            table: which of `tables` is wanted, for a file that holds several; None: the only one.

        Raises:
            UserError: an array is missing or does not fit, or the space has no table.
        """
        raise UserError(f"{type(self.space).__name__} has no benchmark table: use another evaluator")

    def column(self, signal: str) -> str:
        """What the file calls a signal."""
        return signal

    def names(self, archs: Architectures) -> list[str]:
        """Return how the field calls each network, such as a hash; where it has no names, the choices of the genes."""
        genes: tuple[Gene, ...] = cast(Any, self.space).genes
        return [
            ", ".join(f"{gene.name}={gene.choices[value]}" for gene, value in zip(genes, values, strict=True))
            for values in self.space.canonical(archs).tolist()
        ]


@singledispatch
def benchmark_of(space: Space) -> Benchmark:
    """Return the benchmark of a search space, that of its class: `@benchmark_of.register(MySpace)` gives it one."""
    return Benchmark(space)


@benchmark_of.register(Constrained)
class Restricted(Benchmark):
    """The benchmark of the whole space, without the rows that do not satisfy the constraints."""

    def __init__(self, space: Constrained) -> None:
        super().__init__(space)
        self._whole = benchmark_of(space.whole)
        self.tables = self._whole.tables

    def columns(self, arrays: Mapping[str, NDArray[Any]], table: str | None = None) -> TableColumns:
        """Read the rows of a table of the whole space that are in this part."""
        columns = self._whole.columns(arrays, table)
        return columns.take(self.space.valid(columns.archs).nonzero()[0])

    def names(self, archs: Architectures) -> list[str]:
        """Return how the field calls each network."""
        return self._whole.names(archs)
