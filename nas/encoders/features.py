"""Encoders that learn nothing: plain encodings of the graph, side by side."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nas.encoders.fingerprint import NO_FILE, fingerprint
from nas.errors import UserError
from nas.graphs import Graphs
from nas.graphs.features import graph_features
from nas.graphs.walks import signal_features, walk_features
from nas.types import Architectures, Space

_SETS: dict[str, Callable[[Space, Architectures, Graphs], NDArray[np.float32]]] = {
    "graph": lambda space, archs, graphs: graph_features(graphs.contracted()),
    "walk": lambda space, archs, graphs: walk_features(graphs.contracted()),
    "signal": lambda space, archs, graphs: signal_features(graphs.contracted()),
    "path": lambda space, archs, graphs: graphs.paths().astype(np.float32),
    "one_hot": lambda space, archs, graphs: space.one_hot(archs),
}


class FeatureEncoder:
    """Sets of features, one after the other.

    Args:
        space: the search space.
        features: names of the sets: `graph` (`nas.graphs.features`), `walk` and `signal` (`nas.graphs.walks`), `path`
            (which sequences of operations lead from input to output), `one_hot` (the canonical genes).
        cells: if not 0, every column gets mean 0 and deviation 1 over as many architectures, drawn uniformly; columns
            that are constant among them are dropped.
        seed: of that sample; not the search's seed.

    Raises:
        UserError: a set is unknown, none is named, or `cells` is negative or 1.
    """

    def __init__(self, space: Space, *, features: list[str], cells: int = 0, seed: int = 0) -> None:
        for name in [features] if isinstance(features, str) else features:
            if name not in _SETS:
                raise UserError(f"features has {name!r}, allowed: {', '.join(_SETS)}, as a list: [graph,path]")
        if not features:
            raise UserError(f"features is empty, must name some of: {', '.join(_SETS)}")
        if cells < 0 or cells == 1:
            raise UserError(f"cells is {cells}, must be 0 (no scaling) or at least 2")
        self.space = space
        self.features = list(features)
        self.cells = cells
        self.seed = seed
        self._scaling: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None

    def raw(self, archs: Architectures) -> NDArray[np.float32]:
        """`(n, columns)`: the features as they are."""
        return np.concatenate(self.blocks(archs), axis=1)

    def blocks(self, archs: Architectures) -> list[NDArray[np.float32]]:
        """One array `(n, columns)` for each set: the features as they are."""
        graphs = self.space.graphs(archs)
        return [_SETS[name](self.space, archs, graphs) for name in self.features]

    def load(self) -> None:
        """Learn the scale of each column from a sample of the space, where scaling is asked for."""
        if self.cells and self._scaling is None:
            sample = self.raw(self.space.sample(self.cells, np.random.default_rng(self.seed))).astype(np.float64)
            mean, deviation = sample.mean(axis=0), sample.std(axis=0)
            scale = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 1e-6)
            self._scaling = mean.astype(np.float32), scale.astype(np.float32)

    def identity(self) -> str:
        """Say which sets of features, and by a digest how they are scaled, in which space and by which code."""
        settings = (self.cells, self.seed) if self.cells else ()
        return f"{'+'.join(self.features)} {fingerprint(self, self.space, self.features, settings) or NO_FILE}"

    def embed(self, archs: Architectures) -> NDArray[np.float32]:
        """`(n, columns)`: the features, scaled if asked for; the same network has the same."""
        self.load()
        raw = self.raw(archs)
        if self._scaling is None:
            return raw
        mean, scale = self._scaling
        return ((raw - mean) * scale)[:, scale > 0]
