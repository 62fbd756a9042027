"""The encoder-decoder of EmProx as torch modules."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize


class SequenceEncoderNetwork(nn.Module):
    """Token sequence to embedding: bidirectional LSTM, linear, residual, normalised per step, mean over steps.

    Args:
        vocabulary: number of distinct tokens.
        width: dimension of the embedding.
        dropout: share of the token embedding's entries dropped in training.
    """

    def __init__(self, vocabulary: int, width: int, dropout: float) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.dropout = nn.Dropout(dropout)
        self.lstm = nn.LSTM(width, width, batch_first=True, bidirectional=True)
        self.linear = nn.Linear(2 * width, width)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Map `(n, steps)` int64 to the states of every step `(n, steps, width)` and the embedding `(n, width)`."""
        embedded = self.dropout(self.tokens(tokens))
        states = normalize(self.linear(self.lstm(embedded)[0]) + embedded, dim=-1)
        return states, normalize(states.mean(dim=1), dim=-1)


class SequenceDecoderNetwork(nn.Module):
    """Embedding back to tokens: LSTM started from the embedding, dot-product attention over the encoder's steps."""

    def __init__(self, vocabulary: int, width: int, dropout: float) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.dropout = nn.Dropout(dropout)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.combine = nn.Linear(2 * width, width)
        self.output = nn.Linear(width, vocabulary)

    def forward(self, previous: Tensor, states: Tensor, embedding: Tensor) -> Tensor:
        """Score each next token `(n, steps, vocabulary)` given those before it `(n, steps)`."""
        start = embedding[None].contiguous()
        hidden, _ = self.lstm(self.dropout(self.tokens(previous)), (start, start))
        attention = torch.softmax(hidden @ states.transpose(1, 2), dim=-1)
        return self.output(torch.tanh(self.combine(torch.cat([hidden, attention @ states], dim=-1))))  # type: ignore[no-any-return]


class RegressionHead(nn.Sequential):
    """Embedding `(n, width)` to a number in 0..1, `(n, 1)`: one hidden layer (NAO, Luo et al. 2018, section 3.2)."""

    def __init__(self, width: int) -> None:
        super().__init__(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1), nn.Sigmoid())


def reconstruction_loss(decoder: nn.Module, tokens: Tensor, encoded: tuple[Tensor, Tensor]) -> Tensor:
    """Cross-entropy of the tokens, given what the encoder made of them, by teacher forcing; token 0 starts."""
    previous = torch.cat([torch.zeros_like(tokens[:, :1]), tokens[:, :-1]], dim=1)
    return cross_entropy(decoder(previous, *encoded).flatten(0, 1), tokens.flatten())
