"""EmProx: proximity-weighted means of known networks in the embedding of an encoder-decoder."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

import numpy as np
from annotated_types import MinLen
from numpy.typing import NDArray

from nas.encoders import Encoder, parted
from nas.errors import OptionError
from nas.estimators.base import NetworkEstimator
from nas.estimators.hearing import Hearing
from nas.estimators.kriging import Kriging
from nas.estimators.listening import Listening
from nas.estimators.memory import Memory
from nas.estimators.prior import Prior, likeliest
from nas.estimators.target import RankNormal
from nas.networks import LogSize
from nas.options import NonNegative, Positive, PositiveInt, validated
from nas.types import Batch, Keys, Prediction, Space, Values

_SAMPLE = 256  # architectures drawn anywhere in the space
_EVEN = 0.3  # share of evenly spaced scores where networks are heard
_PART_OF = 10  # of the known networks, beyond `points` of them, one part more before all is fitted anew


@dataclass(frozen=True)
class _Fit:
    """Known networks `(n,)`, and what follows from them."""

    keys: Keys
    values: Values
    target: RankNormal
    kriging: Kriging | Hearing

    def begins(self, keys: Keys, values: Values) -> bool:
        """Whether others begin with these."""
        n = len(self.keys)
        return np.array_equal(keys[:n], self.keys) and np.array_equal(values[:n], self.values)


@validated
class EmProx(NetworkEstimator):
    """Weighted nearest neighbours in an embedding (Franken, Singh and Vanschoren 2022), weighted by kriging.

    Where the paper weighs a neighbour by the inverse of its distance alone, here weights follow from the proximities to
    the query and among the neighbours, so that ten in one corner do not count ten times, and a linear trend over the
    embedding tells what no neighbour knows. The estimate is made of normal scores of the values and mapped back.

    Up to `points` known networks are all neighbours of a query. Of more, the `k` nearest are, which FAISS finds, and
    `points` inducing points, which FAISS chooses by k-means, carry what is far (`nas.estimators.kriging`); networks
    that become known then join their neighbours, and all is fitted anew when they are a tenth more.

    The standard deviation is of a value not seen yet, noise included; its scale is such that of the leave-one-out
    errors about 68 % are within one and 95 % within two. A known network gets its known value and 0.

    Args:
        space: the search space.
        encoder: maps architectures of the space to vectors of mean squared length about 1; trained without labels. Of
            several (`nas.encoders.Joined`), those that observe a network at a price, such as its early accuracy, are
            listened to: each number is one more coordinate, smoothed over the embedding or as it is, with a trend of
            its own (`nas.estimators.hearing`). A network of which it could not be observed, NaN, counts, too.
        k: how many of the nearest known networks count where not all do, at least 1.
        points: up to how many known networks all count, and how many inducing points there are beyond, at least 1.
            What a fit costs grows with their cube.
        length: at which distance proximity begins to fall, each above 0; each fit takes the likeliest.
        linear: prior variance of the trend, at least 0, the proximities' being 1.
        size: how much higher a score is expected to be, before any value is known, of a network whose log parameters
            are a deviation above the mean of the space (`nas.networks.LogSize`), at least 0; 0: sizes do not count.
        doubt: standard deviation of that expectation, at least 0: each fit takes the posterior mean of `size`, which
            follows the known values the more, the larger this is; 0: `size` as it is.
        noise: prior variances of what a value does not share with its neighbours, each above 0; each fit takes the
            likeliest. The best cells of a search differ by little more than noise, where cells
            from anywhere differ by what the embedding tells.
        rank: where all count, how many directions of their covariance the standard deviation takes into account, at
            least 1.
        weights: of the coordinates that are observed, each at least 0; estimates are averaged over them, and over
            lengths and noises, as likely as they are; of several encoders the likeliest of all but the last is taken.
        trend: prior variance of the trend along each number that is observed, at least 0.

    Raises:
        UserError: a number is out of its range, or the encoder only observes; from `fit`, fewer than 2 networks are
            known.
    """

    gives_std = True

    def __init__(
        self,
        space: Space,
        encoder: Encoder,
        *,
        k: PositiveInt = 512,
        points: PositiveInt = 2048,
        length: Annotated[Sequence[Positive], MinLen(1)] = (1.4, 2.0),
        linear: NonNegative = 0.1,
        size: NonNegative = 0.5,
        doubt: NonNegative = 0.2,
        noise: Annotated[Sequence[Positive], MinLen(1)] = (0.01, 0.03, 0.1, 0.3, 1.0),
        rank: PositiveInt = 64,
        weights: Annotated[Sequence[NonNegative], MinLen(1)] = (0.0, 0.5, 1.0, 2.0, 4.0),
        trend: NonNegative = 1.0,
    ) -> None:
        super().__init__(space, min_trials=2)
        self.encoder = encoder
        graph, self._observers = parted(encoder)
        if graph is None:
            text = "only observes, must also give an embedding of the graph, such as encoder=[graph,early]"
            raise OptionError("encoder", text)
        self._graph = graph
        self.points, self._numbers = points, {"points": points, "k": k, "rank": rank}
        self.priors, self.noise = [Prior(one, linear, noise[0]) for one in length], noise
        self.size, self.doubt, self.weights, self.trend = size, doubt, weights, trend
        self._slope = size  # as the last fit found it
        self._whole: _Fit | None = None
        self._known: _Fit | None = None  # the same, and networks that joined since; or all, with what was observed
        self._anywhere: NDArray[np.float64] | None = None
        log_size = LogSize(space)
        self._embeddings = Memory(partial(self._embed, graph))
        self._sizes = Memory(lambda batch: log_size(batch).astype(np.float32))

    def prepare(self) -> None:
        """Train the encoder for this space, or read it from the user's cache; embed a sample of the space."""
        if self._anywhere is None:
            super().prepare()
            sample = self.space.batch(self.space.sample(_SAMPLE, np.random.default_rng(0)))
            self._anywhere = self._embed(self._graph, sample).astype(np.float64)

    def _fit(self, batch: Batch, values: Values) -> None:
        self.prepare()
        embedded, sizes = self._embeddings.known(batch), self._sizes.known(batch)
        if self._observers:
            self._known = self._hear(batch, embedded, sizes, values)
            return
        whole = _fitted_anew(len(batch), self.points)
        if self._whole is None or len(self._whole.keys) != whole or not self._whole.begins(batch.keys, values):
            some = slice(whole)
            self._whole = self._fit_anew(batch.take(some), embedded[some], sizes[some], values[some])
            self._known = self._whole
        known = self._known
        if known is None or not known.begins(batch.keys, values):
            known = self._whole
        more = slice(len(known.keys), None)
        assert isinstance(known.kriging, Kriging)
        scores = known.target.forward(values[more]) - self._slope * sizes[more]
        self._known = _Fit(batch.keys, values, known.target, known.kriging.joined_by(embedded[more], scores))

    def _fit_anew(
        self, batch: Batch, embedded: NDArray[np.float32], sizes: NDArray[np.float32], values: Values
    ) -> _Fit:
        assert self._anywhere is not None
        target = RankNormal(values)
        self._slope = self._likeliest_slope(embedded, target.scores, sizes)
        scores = target.scores - self._slope * sizes
        prior, _ = likeliest(self.priors, self.noise, embedded, scores)
        kriging = Kriging(prior, embedded, scores, **self._numbers, anywhere=self._anywhere)
        return _Fit(batch.keys, values, target, kriging)

    def _hear(self, batch: Batch, embedded: NDArray[np.float32], sizes: NDArray[np.float32], values: Values) -> _Fit:
        """Observe known networks; what their numbers tell depends on those of the networks that are asked for."""
        assert self._anywhere is not None
        target = RankNormal(values, _EVEN)
        self._slope = self.size
        heard = [
            Listening(self.priors[0], self.noise, embedded, self._embed(observer, batch))
            for observer in self._observers
        ]
        scores = target.scores - self.size * sizes
        beliefs = (self.priors, self.noise, self.weights, self.trend)
        hearing = Hearing(*beliefs, heard, embedded, self.doubt * sizes, scores, self._anywhere, self._numbers)
        return _Fit(batch.keys, values, target, hearing)

    def _likeliest_slope(self, points: NDArray[np.float32], scores: Values, sizes: NDArray[np.float32]) -> float:
        """How much a score is higher for each deviation of size."""
        if not self.size or not self.doubt:
            return self.size
        prior, _ = likeliest(self.priors, self.noise, points, scores - self.size * sizes)
        return prior.slope(points, scores, sizes, self.size, self.doubt)

    def posterior(self, batch: Batch) -> Prediction:
        """Estimate values without their noise, of known architectures, too; deviations are those of further values."""
        return self._once(batch, self._estimate)

    def smoother(self, noise: float) -> EmProx:
        """One in the same embedding, not fitted yet, which believes in so much noise and observes nothing."""
        made, self._seconds = copy(self), 0.0  # what was observed is charged once
        made.noise, made.priors = [noise], [replace(prior, noise=noise) for prior in self.priors]
        made._numbers = {**self._numbers, "rank": 1}  # its deviations are all but those of the noise
        made._observers, made._fitted, made._whole, made._known = [], None, None, None
        return made

    def _predict(self, batch: Batch) -> Prediction:
        assert self._known is not None
        made, known = self._estimate(batch), self._known
        _, here, there = np.intersect1d(batch.keys, known.keys, assume_unique=True, return_indices=True)
        assert made.std is not None
        made.mean[here], made.std[here] = known.values[there], 0
        return made

    def _estimate(self, batch: Batch) -> Prediction:
        assert self._known is not None
        target, queries, sizes = self._known.target, self._embeddings.asked(batch), self._sizes.asked(batch)
        if isinstance(self._known.kriging, Hearing):
            observed = [self._embed(observer, batch) for observer in self._observers]
            scores, deviation = self._known.kriging.estimate(queries, self.doubt * sizes, observed)
        else:
            scores, deviation = self._known.kriging.estimate(queries)
        scores += self._slope * sizes
        return Prediction(target.inverse(scores), target.spread(scores, deviation))


def _fitted_anew(known: int, points: int) -> int:
    """To how many of so many known networks all is fitted; the others join them.

    It follows from their number alone, so that a search that is continued goes on as it would have.
    """
    if known <= points:
        return known
    whole = points
    while (more := whole + max(1, whole // _PART_OF)) <= known:
        whole = more
    return whole
