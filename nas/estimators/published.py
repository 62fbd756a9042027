"""Published estimators that train a sequence encoder on the labelled architectures at each fit: references to beat."""

from __future__ import annotations

import numpy as np

from nas.encoders import SequenceEncoder
from nas.estimators.base import NetworkEstimator
from nas.estimators.neighbours import NearestNeighbours
from nas.options import NonNegative, Positive, PositiveInt, Share, validated
from nas.types import Batch, Prediction, Space, Values


@validated
class PublishedEmProx(NearestNeighbours):
    """EmProx as published (Franken, Singh and Vanschoren 2022, section 3).

    At each fit the encoder-decoder is trained anew, by reconstruction, on the labelled architectures alone. Unlike in
    the authors' code, each labelled architecture is embedded once, by the final encoder without dropout.

    Args:
        space: the search space.
        encoder: the network and how it is trained.
        k: number of neighbours, at least 1.
        power: weights are distance ** -power, at least 0; 1 as published.

    Raises:
        OptionError: a number is out of its range.
    """

    encoder: SequenceEncoder

    def __init__(self, space: Space, encoder: SequenceEncoder, k: PositiveInt = 10, power: NonNegative = 1.0) -> None:
        super().__init__(space, encoder, k, power)

    def prepare(self) -> None:
        """Do nothing: the encoder needs the labelled architectures."""

    def _fit(self, batch: Batch, values: Values) -> None:
        self.encoder.learn(batch)
        self._keys = batch.keys[:0]  # what is there is of another encoder
        super()._fit(batch, values)


@validated
class NAO(NetworkEstimator):
    """The performance predictor of NAO (Luo et al. 2018, section 3.2).

    At each fit the encoder-decoder and a regression head on the embedding are trained anew on the labelled
    architectures: mean squared error of the values, scaled to 0..1 by the least and the largest, and reconstruction.

    Args:
        space: the search space.
        encoder: the network and how it is trained.
        share: of the regression's error in the loss, above 0 and at most 1; the rest is reconstruction's.

    Raises:
        OptionError: `share` is out of its range.
    """

    def __init__(self, space: Space, encoder: SequenceEncoder, share: Share = 0.9) -> None:
        super().__init__(space, min_trials=2)
        self.encoder = encoder
        self.share = share
        self._range = 0.0, 1.0

    def prepare(self) -> None:
        """Do nothing: the encoder needs the labelled architectures."""

    def _fit(self, batch: Batch, values: Values) -> None:
        low, high = float(values.min()), float(values.max())
        self._range = low, (high - low) or 1.0
        self.encoder.learn(batch, (values - low) / self._range[1], self.share)

    def _predict(self, batch: Batch) -> Prediction:
        low, width = self._range
        return Prediction(low + width * self.encoder.regress(batch))


@validated
class SemiNAS(NAO):
    """SemiNAS (Luo et al. 2020, section 3): NAO, trained again with its own estimates of networks that nobody measured.

    The second training sees every labelled architecture `copies` times, and as many others, drawn from the space, as
    there are labelled ones, with the first training's estimates as their values. Unlike there, it starts anew.

    Args:
        space: the search space.
        encoder: the network and how it is trained.
        share: of the regression's error in the loss, above 0 and at most 1; the rest is reconstruction's.
        copies: how often a labelled architecture counts, at least 1.
        factor: unlabelled architectures for each labelled one, above 0.

    Raises:
        OptionError: a number is out of its range.
    """

    def __init__(
        self,
        space: Space,
        encoder: SequenceEncoder,
        share: Share = 0.8,
        copies: PositiveInt = 10,
        factor: Positive = 1.0,
    ) -> None:
        super().__init__(space, encoder, share)
        self.copies, self.factor = copies, factor

    def _fit(self, batch: Batch, values: Values) -> None:
        super()._fit(batch, values)
        rng = np.random.default_rng([self.encoder.seed, len(batch)])
        others = self.space.batch(self.space.sample(max(1, round(self.factor * len(batch))), rng))
        low, width = self._range
        targets = np.concatenate([np.tile((values - low) / width, self.copies), self.encoder.regress(others)])
        self.encoder.learn(Batch.join([*[batch] * self.copies, others]), targets, self.share)
