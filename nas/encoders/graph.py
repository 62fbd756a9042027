"""The encoder-decoder of EmProx here: from what the graph does to a vector, and from the vector back to the genes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from importlib.metadata import version
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import MinLen
from numpy.typing import NDArray

from nas.encoders.cache import Weights, trained
from nas.encoders.device import device_kind, torch_device
from nas.encoders.features import FeatureEncoder, FeatureSet
from nas.encoders.fingerprint import NO_FILE, fingerprint
from nas.options import Natural, Positive, PositiveInt, validated
from nas.types import Architectures, Batch, Features, Space

if TYPE_CHECKING:
    import torch

_BATCH = 1 << 12  # architectures embedded at once, so that memory stays small


_WEIGHTS: Mapping[FeatureSet, float] = MappingProxyType({"graph": 1.0, "walk": 1.0, "signal": 2.5, "one_hot": 0.2})


@validated
class GraphEncoder:
    """Auto-encoder over graph features: linear encoder, decoder of one hidden layer, trained without labels.

    The encoder is the linear one of least squared reconstruction error (principal components) of sets of features, each
    column scaled to unit deviation times the weight of its set, so that distances in the embedding are, but for what
    the dropped components hold, distances between weighted features. The decoder learns by cross-entropy to give back
    the canonical genes. Trained once per space and setting on architectures sampled from the space, and kept in the
    user's cache.

    Args:
        space: the search space.
        weights: the sets of features (see `FeatureEncoder`), and the weight of each, above 0. `one_hot` must be among
            them for the decoder to be exact: different networks may share all other features.
        width: dimension of the embedding, at least 1; less where there are fewer features.
        cells: how many architectures to train on, drawn uniformly; at least 1.
        hidden: width of the decoder's hidden layer, at least 1.
        epochs: passes of the decoder over the cells, at least 1.
        batch: architectures per step, at least 1.
        learning_rate: highest of Adam, reached after 30 % of the steps (one cycle, Smith and Topin 2019); above 0.
        seed: of the training's random numbers, 0 or more; not the search's seed, so that searches share the encoder.
        device: for training the decoder: `auto` (a GPU where there is one), or a torch device.

    Raises:
        UserError: an option is out of its range, or the space cannot be described so.
    """

    def __init__(
        self,
        space: Space,
        *,
        weights: Annotated[Mapping[FeatureSet, Positive], MinLen(1)] = _WEIGHTS,
        width: PositiveInt = 96,
        cells: PositiveInt = 100_000,
        hidden: PositiveInt = 512,
        epochs: PositiveInt = 6,
        batch: PositiveInt = 512,
        learning_rate: Positive = 0.002,
        seed: Natural = 0,
        device: str = "auto",
    ) -> None:
        self.space = space
        self.weights = dict(weights)
        self.width, self.cells, self.hidden, self.epochs, self.batch = width, cells, hidden, epochs, batch
        self.learning_rate, self.seed, self.device = learning_rate, seed, device
        self._features = FeatureEncoder(space, features=list(weights))
        self._weights: Weights | None = None

    def prepare(self) -> float:
        """Train for the space, or read the weights from the cache; does nothing the second time.

        Raises:
            UserError: it must be trained, and the device does not exist.
        """
        if self._weights is None:
            self._weights = trained(self._fingerprint, self._train)
        return 0.0

    def identity(self) -> str:
        """Name the file in the cache: it follows from the settings, the space, the device and the code."""
        return self._fingerprint or NO_FILE

    @cached_property
    def _fingerprint(self) -> str | None:
        settings = (self.weights, self.width, self.cells, self.hidden, self.epochs, self.batch)
        more = (self.learning_rate, self.seed, device_kind(self.device), version("torch"))
        return fingerprint(self, self.space, settings, more)

    def _train(self) -> Weights:
        device = torch_device(self.device)
        rng = np.random.default_rng(self.seed)
        batch = self.space.batch(self.space.sample(self.cells, rng))
        blocks = self._features.blocks(batch)
        weight = np.repeat(list(self.weights.values()), [block.shape[1] for block in blocks])
        raw = np.concatenate(blocks, axis=1)
        mean, projection = _principal_components(raw, weight, self.width)
        embedded = (raw - mean) @ projection
        scale = np.maximum(embedded.std(axis=0), 1e-6)
        decoder = self._train_decoder(embedded / scale, batch.canonical, rng, device)
        return {"mean": mean, "projection": projection, "scale": scale, **decoder}

    def _train_decoder(
        self, inputs: NDArray[np.float32], genes: Architectures, rng: np.random.Generator, device: torch.device
    ) -> Weights:
        import torch
        from torch.nn.functional import cross_entropy

        x, y = torch.from_numpy(inputs).to(device), torch.from_numpy(genes).long().to(device)
        choices = int(self.space.cardinalities.max())
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(self.seed)
            hidden = torch.nn.Linear(x.shape[1], self.hidden).to(device)
            output = torch.nn.Linear(self.hidden, y.shape[1] * choices).to(device)
        parameters = [*hidden.parameters(), *output.parameters()]
        optimiser = torch.optim.Adam(parameters, self.learning_rate)
        batches = -(-len(x) // self.batch)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, self.learning_rate, batches * self.epochs)
        for _ in range(self.epochs):
            for rows in torch.split(torch.from_numpy(rng.permutation(len(x))).to(device), self.batch):
                scores = output(torch.relu(hidden(x[rows]))).view(-1, choices)
                loss = cross_entropy(scores, y[rows].flatten())
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()
        state = {"hidden": hidden, "output": output}
        return {
            f"{name}.{key}": value.detach().cpu().numpy()
            for name, layer in state.items()
            for key, value in layer.state_dict().items()
        }

    def embed(self, batch: Batch) -> Features:
        """`(n, width)`: embeddings, of mean 0 and mean squared length 1.

        The same network has the same, alone or among others: in double precision, what the order of a sum changes is
        lost when it is rounded.
        """
        self.prepare()
        assert self._weights is not None
        mean, projection = (self._weights[name].astype(np.float64) for name in ("mean", "projection"))
        parts = [(self._features.raw(part) - mean) @ projection for part in batch.split(_BATCH)]
        return Features.free(np.concatenate(parts, dtype=np.float32, casting="same_kind"))

    def decode(self, embeddings: NDArray[np.float32]) -> Architectures:
        """`(n, genes)`: the most likely genes at points of the embedding `(n, width)`.

        At the embedding of an architecture they are its canonical form, nearly always; elsewhere they need not be an
        architecture of the space: ask `space.valid`.
        """
        self.prepare()
        assert self._weights is not None
        weights = self._weights
        inputs = np.asarray(embeddings, dtype=np.float32) / weights["scale"]
        hidden = np.maximum(inputs @ weights["hidden.weight"].T + weights["hidden.bias"], 0)
        scores = hidden @ weights["output.weight"].T + weights["output.bias"]
        choices = int(self.space.cardinalities.max())
        genes = scores.reshape(len(scores), len(self.space.cardinalities), choices).argmax(axis=2)
        decoded: Architectures = genes.astype(np.uint8)
        return decoded


def _principal_components(
    raw: NDArray[np.float32], weight: NDArray[np.float64], width: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean `(columns,)` and projection `(columns, width)`; columns that never vary count for nothing."""
    mean, deviation = raw.mean(axis=0, dtype=np.float64), raw.std(axis=0, dtype=np.float64)
    scale = np.divide(weight, deviation, out=np.zeros_like(weight), where=deviation > 1e-6)
    scale /= np.sqrt((scale**2 * deviation**2).sum())  # mean squared length 1
    scaled = (raw - mean) * scale
    _, vectors = np.linalg.eigh(scaled.T @ scaled)  # ascending
    projection = scale[:, None] * vectors[:, ::-1][:, :width]
    return mean.astype(np.float32), np.ascontiguousarray(projection, dtype=np.float32)
