"""The encoder of EmProx: reads an architecture as a sequence of tokens, learns by reconstructing it."""

from __future__ import annotations

from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge, Lt
from numpy.typing import NDArray

from nas.encoders.cache import Weights, trained
from nas.encoders.device import device_kind, torch_device
from nas.encoders.fingerprint import NO_FILE, fingerprint
from nas.options import Natural, NonNegative, Positive, PositiveInt, validated
from nas.types import Batch, Features, Space, Values

if TYPE_CHECKING:
    import torch

    from nas.encoders.network import SequenceEncoderNetwork


@validated
class SequenceEncoder:
    """LSTM encoder-decoder over tokens (Franken et al. 2022, section 3.1; the network of NAO, Luo et al. 2018).

    Trained once per space and setting on architectures sampled from the space, without labels, and kept in the user's
    cache; or, by `learn`, on given architectures. Embeddings come from the final encoder in evaluation mode.

    Args:
        space: the search space.
        width: dimension of the embedding, at least 1.
        epochs: passes over the architectures, at least 0; 0 leaves the network as it was drawn.
        batch: architectures per step, at least 1.
        learning_rate: of Adam, above 0.
        weight_decay: of Adam, at least 0.
        dropout: on token embeddings, at least 0 and below 1, in training only.
        clip: largest norm of the gradient, above 0.
        seed: of the training's random numbers, 0 or more; not the search's seed, so that searches share the encoder.
        device: `auto` (a GPU where there is one), or a torch device.
        cells: how many architectures to train on, drawn uniformly, at least 1; `learn` does without.

    Raises:
        OptionError: a number is out of its range.
    """

    def __init__(
        self,
        space: Space,
        *,
        width: PositiveInt = 32,
        epochs: Natural = 50,
        batch: PositiveInt = 100,
        learning_rate: Positive = 0.001,
        weight_decay: NonNegative = 0.0001,
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.1,
        clip: Positive = 5.0,
        seed: Natural = 0,
        device: str = "auto",
        cells: PositiveInt = 20_000,
    ) -> None:
        self.space = space
        self._settings = (width, cells, epochs, batch, learning_rate, weight_decay, dropout, clip, seed)
        self.width, self.cells, self.epochs, self.batch = width, cells, epochs, batch
        self.learning_rate, self.weight_decay, self.dropout, self.clip = learning_rate, weight_decay, dropout, clip
        self.seed = seed
        self.device = device
        self._network: SequenceEncoderNetwork | None = None
        self._head: torch.nn.Module | None = None

    def prepare(self) -> float:
        """Train for the space, or read the weights from the cache; does nothing the second time.

        Raises:
            UserError: the device does not exist.
        """
        if self._network is None:
            import torch

            device = torch_device(self.device)
            rng = np.random.default_rng(self.seed)
            network, _ = self._networks(device)
            weights = trained(
                self._fingerprint,
                lambda: self._weights(self.space.batch(self.space.sample(self.cells, rng)), rng, device),
            )
            network.load_state_dict({key: torch.from_numpy(value) for key, value in weights.items()})
            self._network = network.eval().requires_grad_(False)
        return 0.0

    def identity(self) -> str:
        """Name the file in the cache: it follows from the settings, the space, the device and the code."""
        return self._fingerprint or NO_FILE

    @cached_property
    def _fingerprint(self) -> str | None:
        return fingerprint(self, self.space, self._settings, device_kind(self.device), version("torch"))

    def learn(self, batch: Batch, targets: Values | None = None, share: float = 0.0) -> None:
        """Train anew on these architectures alone; nothing is cached.

        Args:
            batch: `n` architectures.
            targets: `(n,)` in 0..1, what `regress` is to give, by mean squared error (NAO, Luo et al. 2018).
            share: 0..1, of that error in the loss; the rest is reconstruction's.

        Raises:
            UserError: the device does not exist.
        """
        device = torch_device(self.device)
        rng = np.random.default_rng(self.seed)
        self._network, self._head = self._trained(batch, rng, device, targets, share)

    def regress(self, batch: Batch) -> NDArray[np.float64]:
        """`(n,)`: what the regression head says, 0..1; `learn` with targets comes first."""
        import torch

        assert self._head is not None
        embedded = torch.from_numpy(self.embed(batch).values).to(next(self._head.parameters()).device)
        with torch.inference_mode():
            return self._head(embedded)[:, 0].double().cpu().numpy()  # type: ignore[no-any-return]

    def _networks(self, device: torch.device) -> tuple[SequenceEncoderNetwork, torch.nn.ModuleDict]:
        """The encoder, and beside it the decoder and the regression head, as they are drawn."""
        import torch

        from nas.encoders.network import RegressionHead, SequenceDecoderNetwork, SequenceEncoderNetwork

        vocabulary = self.space.graphs(self.space.sample(1, np.random.default_rng(self.seed))).vocabulary
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(self.seed)
            network = SequenceEncoderNetwork(vocabulary, self.width, self.dropout)
            decoder = SequenceDecoderNetwork(vocabulary, self.width, self.dropout)
            beside = torch.nn.ModuleDict({"decoder": decoder, "head": RegressionHead(self.width)})
        return network.to(device), beside.to(device)

    def _weights(self, batch: Batch, rng: np.random.Generator, device: torch.device) -> Weights:
        network, _ = self._trained(batch, rng, device)
        return {key: value.cpu().numpy() for key, value in network.state_dict().items()}

    def _trained(
        self,
        batch: Batch,
        rng: np.random.Generator,
        device: torch.device,
        targets: Values | None = None,
        share: float = 0.0,
    ) -> tuple[SequenceEncoderNetwork, torch.nn.Module]:
        import torch

        from nas.encoders.network import reconstruction_loss

        network, beside = self._networks(device)
        tokens = torch.from_numpy(batch.graphs.tokens()).long().to(device)
        truth = None if targets is None else torch.from_numpy(targets).float().to(device)
        parameters = [*network.parameters(), *beside.parameters()]
        optimiser = torch.optim.Adam(parameters, self.learning_rate, weight_decay=self.weight_decay)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(self.seed)  # dropout's
            for _ in range(self.epochs):
                for rows in torch.split(torch.from_numpy(rng.permutation(len(tokens))).to(device), self.batch):
                    encoded = network(tokens[rows])
                    loss = reconstruction_loss(beside["decoder"], tokens[rows], encoded)
                    if truth is not None:
                        error = (beside["head"](encoded[1])[:, 0] - truth[rows]).square().mean()
                        loss = (1 - share) * loss + share * error
                    optimiser.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]
                    torch.nn.utils.clip_grad_norm_(parameters, self.clip)
                    optimiser.step()
        return network.eval().requires_grad_(False), beside["head"].eval().requires_grad_(False)

    def embed(self, batch: Batch) -> Features:
        """`(n, width)`: embeddings of unit length; the same network has the same."""
        import torch

        self.prepare()
        assert self._network is not None
        device = next(self._network.parameters()).device
        tokens = torch.from_numpy(batch.graphs.tokens()).long()
        with torch.inference_mode():
            # one more row: a product with a single row is rounded otherwise than one with several
            parts = [self._network(torch.cat([p, p[:1]]).to(device))[1][:-1].cpu() for p in torch.split(tokens, 4096)]
        return Features.free(torch.cat(parts).numpy())
