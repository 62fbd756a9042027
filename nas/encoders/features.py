"""Encoders that learn nothing: plain encodings of the graph, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import MinLen
from numpy.typing import NDArray

from nas.encoders.fingerprint import NO_FILE, fingerprint
from nas.errors import OptionError, UserError
from nas.graphs.features import graph_features
from nas.graphs.subtrees import subtree_features
from nas.graphs.walks import signal_features, walk_features
from nas.options import Natural, validated
from nas.types import Batch, Features, Space

FeatureSet = Literal["graph", "walk", "signal", "subtree", "path", "one_hot"]

_SETS: dict[FeatureSet, Callable[[Batch], NDArray[np.float32]]] = {
    "graph": lambda batch: graph_features(batch.graphs.contracted()),
    "walk": lambda batch: walk_features(batch.graphs.contracted()),
    "signal": lambda batch: signal_features(batch.graphs.contracted()),
    "subtree": lambda batch: subtree_features(batch.graphs),
    "path": lambda batch: batch.graphs.paths().astype(np.float32),
    "one_hot": lambda batch: batch.one_hot(),
}


@validated
class FeatureEncoder:
    """Sets of features, one after the other.

    Args:
        space: the search space.
        features: names of the sets: `graph` (`nas.graphs.features`), `walk` and `signal` (`nas.graphs.walks`),
            `subtree` (`nas.graphs.subtrees`), `path` (which sequences of operations lead from input to output),
            `one_hot` (the canonical genes).
        cells: if not 0, every column gets mean 0 and deviation 1 over as many architectures, drawn uniformly; columns
            that are constant among them are dropped.
        seed: of that sample, 0 or more; not the search's seed.

    Raises:
        UserError: a set is unknown, none is named, `cells` is negative or 1, or the space cannot be described so.
    """

    def __init__(
        self,
        space: Space,
        *,
        features: Annotated[Sequence[FeatureSet], MinLen(1)],
        cells: Natural = 0,
        seed: Natural = 0,
    ) -> None:
        if cells == 1:
            raise OptionError("cells", "is 1, must be 0 (no scaling) or at least 2")
        self.space = space
        self.features = list(features)
        self.cells = cells
        self.seed = seed
        self._scaling: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
        check_encodable(space, self.raw)

    def raw(self, batch: Batch) -> NDArray[np.float32]:
        """`(n, columns)`: the features as they are."""
        return np.concatenate(self.blocks(batch), axis=1)

    def blocks(self, batch: Batch) -> list[NDArray[np.float32]]:
        """One array `(n, columns)` for each set: the features as they are."""
        return [_SETS[name](batch) for name in self.features]

    def prepare(self) -> float:
        """Learn the scale of each column from a sample of the space, where scaling is asked for."""
        if self.cells and self._scaling is None:
            drawn = self.space.batch(self.space.sample(self.cells, np.random.default_rng(self.seed)))
            sample = self.raw(drawn).astype(np.float64)
            mean, deviation = sample.mean(axis=0), sample.std(axis=0)
            scale = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 1e-6)
            self._scaling = mean.astype(np.float32), scale.astype(np.float32)
        return 0.0

    def identity(self) -> str:
        """Say which sets of features, and by a digest how they are scaled, in which space and by which code."""
        settings = (self.cells, self.seed) if self.cells else ()
        return f"{'+'.join(self.features)} {fingerprint(self, self.space, self.features, settings) or NO_FILE}"

    def embed(self, batch: Batch) -> Features:
        """`(n, columns)`: the features, scaled if asked for; the same network has the same."""
        self.prepare()
        raw = self.raw(batch)
        if self._scaling is None:
            return Features.free(raw)
        mean, scale = self._scaling
        return Features.free(((raw - mean) * scale)[:, scale > 0])


def check_encodable(space: Space, encode: Callable[[Batch], Any]) -> None:
    """Try an encoding on one architecture, so that a space that it cannot hold is refused before anything is measured.

    Raises:
        UserError: it cannot; names the gene with the most choices.
    """
    try:
        encode(space.batch(space.sample(1, np.random.default_rng(0))))
    except UserError as error:
        widest = int(space.cardinalities.argmax())
        genes: Any = getattr(space, "genes", None)  # what is no `GeneSpace` has no names
        name = repr(genes[widest].name) if genes else f"{widest}"
        raise UserError(f"gene {name} has {space.cardinalities[widest]} choices: {error}") from error
