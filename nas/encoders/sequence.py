"""The encoder of EmProx: reads an architecture as a sequence of tokens, learns by reconstructing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nas.encoders.cache import Weights, fingerprint, trained
from nas.encoders.device import torch_device
from nas.errors import UserError
from nas.graphs import Graphs
from nas.types import Architectures, Space

if TYPE_CHECKING:
    import torch

    from nas.encoders.network import SequenceEncoderNetwork


class SequenceEncoder:
    """LSTM encoder-decoder over tokens (Franken et al. 2022, section 3.1; the network of NAO, Luo et al. 2018).

    Trained once per space and setting on architectures sampled from the space, without labels, and kept in the user's
    cache; embeddings come from the final encoder in evaluation mode.

    Args:
        space: the search space.
        width: dimension of the embedding.
        cells: how many architectures to train on, drawn uniformly.
        epochs: passes over them; 0 leaves the network as it was drawn.
        batch: architectures per step.
        learning_rate: of Adam.
        weight_decay: of Adam.
        dropout: on token embeddings, 0..1, in training only.
        clip: largest norm of the gradient.
        seed: of the training's random numbers; not the search's seed, so that searches share the encoder.
        device: `auto` (a GPU where there is one), or a torch device.

    Raises:
        UserError: a number is out of its range.
    """

    def __init__(
        self,
        space: Space,
        *,
        width: int,
        cells: int,
        epochs: int,
        batch: int,
        learning_rate: float,
        weight_decay: float,
        dropout: float,
        clip: float,
        seed: int,
        device: str,
    ) -> None:
        for name, count, least in (
            ("width", width, 1),
            ("cells", cells, 1),
            ("epochs", epochs, 0),
            ("batch", batch, 1),
        ):
            if count < least:
                raise UserError(f"estimator.encoder.{name} is {count}, must be at least {least}")
        if not 0 <= dropout < 1:
            raise UserError(f"estimator.encoder.dropout is {dropout}, must be at least 0 and below 1")
        self.space = space
        self._settings = (width, cells, epochs, batch, learning_rate, weight_decay, dropout, clip, seed)
        self.width, self.cells, self.epochs, self.batch = width, cells, epochs, batch
        self.learning_rate, self.weight_decay, self.dropout, self.clip = learning_rate, weight_decay, dropout, clip
        self.seed = seed
        self.device = device
        self._network: SequenceEncoderNetwork | None = None

    def load(self) -> None:
        """Train for the space, or read the weights from the cache; does nothing the second time.

        Raises:
            UserError: the device does not exist.
        """
        if self._network is None:
            import torch

            from nas.encoders.network import SequenceDecoderNetwork, SequenceEncoderNetwork

            device = torch_device(self.device)
            vocabulary = self.space.graphs(self.space.sample(1, np.random.default_rng(self.seed))).vocabulary
            name = fingerprint(
                self._settings,
                torch.__version__,
                device.type,
                repr(self.space),
                code=[type(self), type(self.space), Graphs, SequenceEncoderNetwork],
            )
            with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
                torch.manual_seed(self.seed)
                network = SequenceEncoderNetwork(vocabulary, self.width, self.dropout).to(device)
                decoder = SequenceDecoderNetwork(vocabulary, self.width, self.dropout).to(device)
                weights = trained(name, lambda: self._train(network, decoder, device))
            network.load_state_dict(weights)
            self._network = network.eval().requires_grad_(False)

    def _train(self, network: torch.nn.Module, decoder: torch.nn.Module, device: torch.device) -> Weights:
        import torch

        from nas.encoders.network import reconstruction_loss

        rng = np.random.default_rng(self.seed)
        tokens = torch.from_numpy(self.space.graphs(self.space.sample(self.cells, rng)).tokens()).long().to(device)
        parameters = [*network.parameters(), *decoder.parameters()]
        optimiser = torch.optim.Adam(parameters, self.learning_rate, weight_decay=self.weight_decay)
        for _ in range(self.epochs):
            for rows in torch.split(torch.from_numpy(rng.permutation(len(tokens))), self.batch):
                loss = reconstruction_loss(network, decoder, tokens[rows.to(device)])
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(parameters, self.clip)
                optimiser.step()
        return {key: value.cpu() for key, value in network.state_dict().items()}

    def embed(self, archs: Architectures) -> NDArray[np.float32]:
        """`(n, width)`: embeddings of unit length; the same network has the same."""
        import torch

        self.load()
        assert self._network is not None
        device = next(self._network.parameters()).device
        tokens = torch.from_numpy(self.space.graphs(archs).tokens()).long()
        with torch.inference_mode():
            parts = [self._network(part.to(device))[1].cpu() for part in torch.split(tokens, 4096)]
        return torch.cat(parts).numpy()
