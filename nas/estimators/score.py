"""What is observed of a candidate as its estimate."""

from __future__ import annotations

import numpy as np

from nas.encoders import Encoder
from nas.errors import UserError
from nas.estimators.base import NetworkEstimator
from nas.options import validated
from nas.types import Batch, Prediction, Space, Values


@validated
class Score(NetworkEstimator):
    """One number that is observed of a candidate, such as its training loss after a few epochs; it needs no trial.

    Estimates are in the number's own unit: only their order counts. NaN: it could not be observed.

    Args:
        space: the search space.
        encoder: observes one number, the higher, the better.

    Raises:
        UserError: from `predict`, the encoder observes several numbers.
    """

    def __init__(self, space: Space, encoder: Encoder) -> None:
        super().__init__(space, min_trials=0)
        self.encoder = encoder

    def _fit(self, batch: Batch, values: Values) -> None:
        """Nothing is learnt."""

    def _predict(self, batch: Batch) -> Prediction:
        observed = self._embed(self.encoder, batch)
        if observed.shape[1] != 1:
            raise UserError(f"a score is one number, but the encoder observes {observed.shape[1]}")
        return Prediction(observed[:, 0].astype(np.float64))
