"""EmProx: proximity-weighted means of known networks in the embedding of an encoder-decoder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Annotated

import numpy as np
from annotated_types import MinLen
from numpy.typing import NDArray

from nas.encoders import Encoder, parted
from nas.errors import OptionError
from nas.estimators.base import NetworkEstimator
from nas.estimators.kriging import AllKnown, Kriging, NearestKnown, Prior, likeliest
from nas.estimators.listening import Listening
from nas.estimators.target import RankNormal
from nas.options import NonNegative, Positive, PositiveInt, validated
from nas.types import Batch, Keys, Prediction, Space, Values

_SHARED = 1 << 18  # proximities at once, so that they stay in the processor's cache
_FEW = 4  # batches that are done before threads would be ready
_SAMPLE = 256  # architectures drawn anywhere in the space


@validated
class EmProx(NetworkEstimator):
    """Weighted nearest neighbours in an embedding (Franken, Singh and Vanschoren 2022), weighted by kriging.

    Where the paper weighs a neighbour by the inverse of its distance alone, here weights follow from the proximities to
    the query and among the neighbours, so that ten in one corner do not count ten times, and a linear trend over the
    embedding tells what no neighbour knows. The estimate is made of normal scores of the values and mapped back.

    The standard deviation is of a value not seen yet, noise included; its scale is such that of the leave-one-out
    errors about 68 % are within one and 95 % within two. A known network gets its known value and 0.

    Args:
        space: the search space.
        encoder: maps architectures of the space to vectors of mean squared length about 1; trained without labels. Of
            several (`nas.encoders.Joined`), those that observe a network at a price, such as its early accuracy, are
            listened to: each number is one more coordinate, smoothed over the embedding or as it is, whichever is
            likelier (`nas.estimators.listening`). A network of which it could not be observed, NaN, counts, too.
        k: how many of the nearest known networks count, at least 1; None: all. All give the best estimates and, up to
            a few thousand, the fastest: one set of weights serves all queries. Beyond, the time grows with their cube.
        length: at which distance proximity begins to fall, above 0.
        linear: prior variance of the trend, at least 0, the proximities' being 1.
        noise: prior variances of what a value does not share with its neighbours, each above 0; each fit takes the
            likeliest. The best cells of a search differ by little more than noise, where cells
            from anywhere differ by what the embedding tells.
        rank: where all count, how many directions of their covariance the standard deviation takes into account, at
            least 1.
        weights: of the coordinates that are observed, each at least 0; each fit takes the likeliest, for one encoder
            after the other.

    Raises:
        UserError: a number is out of its range, or the encoder only observes; from `fit`, fewer than `k` networks are
            known, or than 2.
    """

    gives_std = True

    def __init__(
        self,
        space: Space,
        encoder: Encoder,
        *,
        k: PositiveInt | None = None,
        length: Positive = 1.4,
        linear: NonNegative = 0.1,
        noise: Annotated[Sequence[Positive], MinLen(1)] = (0.03, 0.1, 0.3, 1.0),
        rank: PositiveInt = 64,
        weights: Annotated[Sequence[NonNegative], MinLen(1)] = (0.0, 0.5, 1.0, 2.0, 4.0),
    ) -> None:
        super().__init__(space, min_trials=max(2, k or 0))
        self.encoder = encoder
        graph, self._observers = parted(encoder)
        if graph is None:
            text = "only observes, must also give an embedding of the graph, such as encoder=[graph,early]"
            raise OptionError("encoder", text)
        self._graph = graph
        self.k, self.rank = k, rank
        self.prior, self.noise = Prior(length, linear, noise[0]), noise
        self.weights = weights
        self._heard: list[tuple[Listening, int, float]] = []  # of each observer: which coordinates, and their weight
        self._known: tuple[Keys, Values, RankNormal, float, Kriging] | None = None
        self._anywhere: NDArray[np.float64] | None = None
        self._remembered: list[tuple[Keys, NDArray[np.float32]]] = []  # by ascending keys: known, and asked for before
        self._asked: list[tuple[Keys, NDArray[np.float32]]] = []  # since the last fit

    def prepare(self) -> None:
        """Train the encoder for this space, or read it from the user's cache; embed a sample of the space."""
        if self._anywhere is None:
            super().prepare()
            sample = self.space.batch(self.space.sample(_SAMPLE, np.random.default_rng(0)))
            self._anywhere = self._embed(self._graph, sample).astype(np.float64)

    def _fit(self, batch: Batch, values: Values) -> None:
        self.prepare()
        assert self._anywhere is not None
        embedded = self._embedded(batch)
        order = np.argsort(batch.keys)
        self._remembered, self._asked = [(batch.keys[order], embedded[order]), *self._asked], []
        target = RankNormal(values)
        anywhere = self._anywhere
        points, self._heard = embedded, []
        for observer in self._observers:
            listening = Listening(self.prior, self.noise, embedded, self._embed(observer, batch))
            form, weight = self._likeliest_form(points, listening.known, target.scores)
            self._heard.append((listening, form, weight))
            heard = weight * listening.known[form]
            points = np.hstack([points, heard])
            anywhere = np.hstack([anywhere, heard[np.arange(len(anywhere)) % len(heard)]])  # for a sample nobody pays
        prior, _ = likeliest(self.prior, self.noise, points, target.scores)
        kriging: Kriging
        if self.k is None or self.k == len(batch):
            kriging = AllKnown(prior, points, target.scores, self.rank, anywhere)
            self._batch = max(1, _SHARED // len(batch))
        else:
            kriging = NearestKnown(prior, points, target.scores, self.k)
            self._batch = max(1, _SHARED // self.k**2)
        self._known = batch.keys, values, target, prior.noise, kriging

    def _likeliest_form(
        self, points: NDArray[np.float32], forms: NDArray[np.float32], scores: Values
    ) -> tuple[int, float]:
        """Which of several forms of the same coordinates, and with which weight."""

        def surprise(choice: tuple[int, float]) -> float:
            form, weight = choice
            return likeliest(self.prior, self.noise, np.hstack([points, weight * forms[form]]), scores)[1]

        return min(product(range(len(forms)), self.weights), key=surprise)

    def _predict(self, batch: Batch) -> Prediction:
        assert self._known is not None
        known, values, target, noise, kriging = self._known
        queries = self._embedded(batch)
        self._asked.append((batch.keys, queries))
        heard = [
            weight * listening.coordinates(queries, self._embed(observer, batch))[form]
            for observer, (listening, form, weight) in zip(self._observers, self._heard, strict=True)
        ]
        queries = np.hstack([queries, *heard]) if heard else queries
        scores, variance = np.empty(len(queries)), np.empty(len(queries))

        def estimate(start: int) -> None:
            rows = slice(start, start + self._batch)
            scores[rows], variance[rows] = kriging.estimate(queries[rows])

        starts = range(0, len(queries), self._batch)
        if len(starts) < _FEW:
            for start in starts:
                estimate(start)
        else:
            with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
                list(pool.map(estimate, starts))
        deviation = kriging.scale * np.sqrt(np.maximum(variance, noise))
        mean, std = target.inverse(scores), target.spread(scores, deviation)
        _, here, there = np.intersect1d(batch.keys, known, assume_unique=True, return_indices=True)
        mean[here], std[here] = values[there], 0
        return Prediction(mean, std)

    def _embedded(self, batch: Batch) -> NDArray[np.float32]:
        """`(n, width)`: embeddings; those of what is known, and of what was asked for lately, are not made again.

        What a search evaluates it has asked for before, and one that ranks the whole space asks every round for all
        that is left.
        """
        parts: list[tuple[NDArray[np.intp], NDArray[np.float32]]] = []
        left = np.arange(len(batch))
        for keys, rows in [*self._remembered, *self._asked]:
            place = np.minimum(np.searchsorted(keys, batch.keys[left]), len(keys) - 1)
            here = keys[place] == batch.keys[left]
            parts.append((left[here], rows[place[here]]))
            left = left[~here]
        if len(left):
            parts.append((left, self._embed(self._graph, batch.take(left))))
        embedded: NDArray[np.float32] = np.empty((len(batch), parts[0][1].shape[1]), dtype=np.float32)
        for rows_of_batch, found in parts:
            embedded[rows_of_batch] = found
        return embedded
