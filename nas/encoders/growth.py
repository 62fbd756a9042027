"""Growth curves: what a learning curve becomes with further epochs (Domhan, Springenberg and Hutter 2015, section 3).

Of their eleven families these are the four that White et al. 2021 kept. `t` is the logarithm of the epoch. Scales are
given by their logarithms, and bounds are wide: all that they exclude is overflow and accuracies far from 0..1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.types import Values

Parameters = NDArray[np.float64]

_NOISE = 0.05  # residuals beyond it count less than by their square
_CLOSE = 1e-5  # relative: a fit that gains less has ended
_WALKERS = 50
_SPREAD = 0.05  # of the walkers at the beginning, as a share of the bounds' width
_MARGIN = 1e-3  # of the same: that far within the bounds they begin
_BURN_IN = 0.625  # share of the samples that is not kept: 500 of 800


@dataclass(frozen=True)
class Family:
    """A parametric curve.

    Attributes:
        curve: `(..., m)` from `t` `(m,)` and parameters `(..., p)`.
        low, start, high: `(p,)` the least, a usual one and the greatest of each parameter.
    """

    curve: Callable[[Values, Parameters], NDArray[np.float64]]
    low: tuple[float, ...]
    start: tuple[float, ...]
    high: tuple[float, ...]


def _columns(parameters: Parameters) -> list[Parameters]:
    return [parameters[..., place, None] for place in range(parameters.shape[-1])]


def _loglog_linear(t: Values, parameters: Parameters) -> NDArray[np.float64]:
    slope, offset = _columns(parameters)
    return np.log(slope * t + offset)


def _log_power(t: Values, parameters: Parameters) -> NDArray[np.float64]:
    most, middle, power = _columns(parameters)
    return most * _logistic(-power * (t - middle))


def _mmf(t: Values, parameters: Parameters) -> NDArray[np.float64]:
    most, least, scale, power = _columns(parameters)
    return least + (most - least) * _logistic(power * (t + scale))


def _hill3(t: Values, parameters: Parameters) -> NDArray[np.float64]:
    most, power, middle = _columns(parameters)
    return most * _logistic(power * (t - middle))


def _logistic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    share: NDArray[np.float64] = 1 / (1 + np.exp(-x))
    return share


FAMILIES = {
    "loglog_linear": Family(_loglog_linear, (0.0, 1.0), (0.1, 1.5), (1.0, np.e)),
    "log_power": Family(_log_power, (0.0, -10.0, -5.0), (0.9, 0.0, -1.0), (1.0, 10.0, 5.0)),
    "mmf": Family(_mmf, (0.0, 0.0, -10.0, 0.0), (0.9, 0.1, -0.7, 1.0), (1.0, 1.0, 10.0, 5.0)),
    "hill3": Family(_hill3, (0.0, 0.0, -10.0), (0.9, 1.0, 0.0), (1.0, 5.0, 10.0)),
}
"""By name. Hill3 is the log-power curve that never falls: both are there, as in the study."""

_SIZES = [len(family.low) for family in FAMILIES.values()]
_LOW, _USUAL, _HIGH = (  # weights, the logarithm of the noise, and the parameters of each family
    np.concatenate(
        [[weight] * len(FAMILIES), [np.log(noise)], *(getattr(family, name) for family in FAMILIES.values())]
    )
    for name, weight, noise in (("low", 0.0, 0.005), ("start", 0.5, 0.02), ("high", 1.0, 0.1))
)


def least_squares(epochs: Values, curve: Values, final: float) -> float:
    """The mean, over the families, of the best fit's value after `final` epochs.

    Args:
        epochs: `(m,)` at least 1, ascending.
        curve: `(m,)` accuracies in 0..1, finite.
        final: at least 1.
    """
    t, end = np.log(epochs), np.log([final])
    return float(np.mean([family.curve(end, _fit(family, t, curve)) for family in FAMILIES.values()]))


def posterior_mean(epochs: Values, curve: Values, final: float, samples: int, seed: int) -> float:
    """The mean over Domhan's posterior of a weighted combination of the families, after `final` epochs.

    Flat priors within the bounds, normal noise of unknown deviation, and the last point above the first. 50 walkers
    (Goodman and Weare 2010) begin around the best fits; the first five eighths of the samples are not kept.

    Args:
        epochs, curve, final: as for `least_squares`.
        samples: of each walker.
        seed: 0 or more.
    """
    from emcee import EnsembleSampler, State

    t, end = np.log(epochs), np.log([final])
    fits = [_fit(family, t, curve) for family in FAMILIES.values()]
    middle = np.concatenate([_USUAL[: len(FAMILIES) + 1], *fits])
    random = np.random.RandomState(seed)

    def around(centre: Parameters) -> Parameters:
        drawn = centre + _SPREAD * (_HIGH - _LOW) * random.normal(size=(_WALKERS, len(centre)))
        margin = _MARGIN * (_HIGH - _LOW)
        within: Parameters = np.clip(drawn, _LOW + margin, _HIGH - margin)
        return within

    def likelihood(walkers: Parameters) -> Values:
        inside = np.all((walkers > _LOW) & (walkers < _HIGH), axis=1)
        expected = _combined(t, np.where(inside[:, None], walkers, middle))
        noise = walkers[:, len(FAMILIES), None]
        found = -len(t) * noise[:, 0] - (((curve - expected) / np.exp(noise)) ** 2).sum(axis=1) / 2
        likely: Values = np.where(inside & (expected[:, -1] > expected[:, 0]), found, -np.inf)
        return likely

    start, rising = around(middle), around(_USUAL)
    falls = np.isneginf(likelihood(start))  # as the curve that was seen does: no walker may begin so
    start[falls] = rising[falls]
    sampler = EnsembleSampler(_WALKERS, len(middle), likelihood, vectorize=True)
    with np.errstate(invalid="ignore"):  # where two walkers are impossible, neither moves
        sampler.run_mcmc(State(start, random_state=random.get_state()), samples)
    return float(_combined(end, sampler.get_chain(discard=int(_BURN_IN * samples), flat=True)).mean())


def _fit(family: Family, t: Values, curve: Values) -> Parameters:
    from scipy import optimize

    found: Parameters = optimize.least_squares(
        lambda parameters: family.curve(t, parameters) - curve,
        family.start,
        bounds=(family.low, family.high),
        loss="soft_l1",
        f_scale=_NOISE,
        ftol=_CLOSE,
        xtol=_CLOSE,
        gtol=_CLOSE,
    ).x
    return found


def _combined(t: Values, walkers: Parameters) -> NDArray[np.float64]:
    """`(n, m)`: the weighted mean of the families."""
    weights, parameters = walkers[:, : len(FAMILIES)], walkers[:, len(FAMILIES) + 1 :]
    parts = np.split(parameters, np.cumsum(_SIZES)[:-1], axis=1)
    curves = [family.curve(t, part) for family, part in zip(FAMILIES.values(), parts, strict=True)]
    total: NDArray[np.float64] = np.einsum("nk,knm->nm", weights, np.stack(curves)) / weights.sum(axis=1)[:, None]
    return total
