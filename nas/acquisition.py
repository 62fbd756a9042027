"""Acquisition: from estimates to the order in which candidates are evaluated.

Each is a function `(prediction, best, rng) -> scores`: the candidates of the highest scores `(n,)` are evaluated, ties
and missing scores (NaN) in their given order. `best` is the highest value known; all are in the unit of the values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.random import Generator

from nas.errors import UserError
from nas.options import NonNegative, validated
from nas.types import Prediction, Values


@dataclass(frozen=True)
class Mean:
    """The estimate itself: no exploration but the estimator's errors."""

    needs_std: ClassVar[bool] = False

    def __call__(self, prediction: Prediction, best: float, rng: Generator) -> Values:
        """`(n,)`: the means."""
        return prediction.mean


@validated
@dataclass(frozen=True)
class UpperConfidenceBound:
    """Mean plus `beta` standard deviations (Srinivas et al. 2010, GP-UCB, with a constant factor).

    Args:
        beta: at least 0; 0 is the mean.

    Raises:
        UserError: `beta` is out of its range; when called, the estimator has no standard deviation.
    """

    needs_std: ClassVar[bool] = True

    beta: NonNegative = 0.5

    def __call__(self, prediction: Prediction, best: float, rng: Generator) -> Values:
        """`(n,)`: the bounds."""
        return prediction.mean + self.beta * _std(prediction)


@validated
@dataclass(frozen=True)
class ExpectedImprovement:
    """Expected improvement on the best known value, the estimate taken as normal (Jones et al. 1998).

    Args:
        margin: improvements count from so much above the best, in the unit of the values.

    Raises:
        UserError: when called, the estimator has no standard deviation.
    """

    needs_std: ClassVar[bool] = True

    margin: float = 0.0

    def __call__(self, prediction: Prediction, best: float, rng: Generator) -> Values:
        """`(n,)`: the expectations, at least 0."""
        return expected_improvement(prediction, best + self.margin)


@dataclass(frozen=True)
class ThompsonSampling:
    """One draw from each estimate, taken as normal and independent of the others (Thompson 1933; as in BANANAS, ITS).

    Raises:
        UserError: when called, the estimator has no standard deviation.
    """

    needs_std: ClassVar[bool] = True

    def __call__(self, prediction: Prediction, best: float, rng: Generator) -> Values:
        """`(n,)`: the draws."""
        return rng.normal(prediction.mean, _std(prediction))


def expected_improvement(prediction: Prediction, best: float | Values) -> Values:
    """`(n,)`: by how much each is expected to exceed one number or `(n,)`, at least 0, its estimate taken as normal.

    Raises:
        UserError: the estimator has no standard deviation.
    """
    from scipy.special import ndtr

    std, gain = _std(prediction), prediction.mean - best
    z = np.divide(gain, std, out=np.copysign(np.full_like(gain, np.inf), gain), where=std > 0)
    result: Values = std * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) + gain * ndtr(z)
    return result


def _std(prediction: Prediction) -> Values:
    if prediction.std is None:
        raise UserError("this acquisition needs standard deviations, which the estimator does not give")
    return prediction.std
