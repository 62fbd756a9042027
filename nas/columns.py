"""The rows of a benchmark table in the project's terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Runs:
    """Every training of `n` architectures for one number of epochs.

    Attributes:
        validation: `(n, runs)` validation accuracy, 0..1.
        test: `(n, runs)` test accuracy, 0..1.
        cost: `(n, runs)` training seconds.
    """

    validation: NDArray[np.float64]
    test: NDArray[np.float64]
    cost: NDArray[np.float64]


@dataclass(frozen=True)
class TableColumns:
    """The rows of a benchmark table in the project's terms; see `nas.tables`.

    Attributes:
        archs: `(n, genes)` the architectures.
        test: `(n,)` mean test accuracy, 0..1; of the longest training, where there are several.
        validation: `(n,)` validation accuracy, 0..1, or None where the table lacks it for some architecture.
        cost: `(n,)` training seconds behind `validation`, NaN where the table lacks them.
        parameters: `(n,)` trainable parameters; 0: unknown.
        digests: what the file says each row's published hash is, `(n, bytes)` uint8, or None.
        runs: every run by the epochs it was trained for, where the table tells the runs apart.
        objectives: `(n,)` each: further numbers by name, such as the latency on a device; NaN: unknown.
        bounds: the least and the greatest that `test` and `validation` may be.
    """

    archs: NDArray[np.uint8]
    test: NDArray[np.float64]
    validation: NDArray[np.float64] | None
    cost: NDArray[np.float64]
    parameters: NDArray[np.int64]
    digests: NDArray[np.uint8] | None = None
    runs: Mapping[int, Runs] = field(default_factory=dict)
    objectives: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    bounds: tuple[float, float] = (0.0, 1.0)

    @classmethod
    def of_runs(
        cls,
        archs: NDArray[np.uint8],
        runs: Mapping[int, Runs],
        parameters: NDArray[np.int64],
        digests: NDArray[np.uint8] | None,
    ) -> TableColumns:
        """Make the columns of a table that tells the runs apart: means over those trained longest, their total cost."""
        longest = runs[max(runs)]
        means = longest.test.mean(axis=1), longest.validation.mean(axis=1)
        return cls(archs, *means, longest.cost.sum(axis=1), parameters, digests, runs)
