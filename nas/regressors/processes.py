"""Gaussian processes whose cost does not grow with the cube of the known values: inducing points (extra `gp`)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nas._threads import one_thread
from nas.errors import UserError
from nas.options import Natural, Positive, PositiveInt, validated
from nas.regressors.training import generator
from nas.types import Values

Features = NDArray[Any]


@validated
class InducingProcess:
    """A Gaussian process seen through a few inducing points, which begin at known ones.

    Covariance: squared exponential, one length scale, in a plane of standardised features.

    Args:
        points: inducing points, at least 1; with fewer known values, all of them.
        variational: whether the values at the points have a posterior of their own (Hensman et al. 2013), or follow
            from the known ones (Titsias 2009).
        steps: of Adam on the marginal likelihood's bound, at least 1.
        learning_rate: of Adam, above 0.
        random_state: 0 or more.

    Raises:
        UserError: gpytorch is not installed.
    """

    def __init__(
        self,
        points: PositiveInt = 10,
        variational: bool = False,
        steps: PositiveInt = 200,
        learning_rate: Positive = 0.05,
        random_state: Natural = 0,
    ) -> None:
        try:
            import gpytorch  # noqa: F401
        except ImportError as error:
            raise UserError("this estimator needs gpytorch: pip install -e '.[gp]'") from error
        self.points, self.variational, self.steps = points, variational, steps
        self.learning_rate, self.random_state = learning_rate, random_state

    def fit(self, x: Features, y: Values) -> InducingProcess:
        """Learn from features `(n, columns)` and targets `(n,)`."""
        with torch.random.fork_rng(devices=[]), one_thread():
            torch.set_rng_state(generator(self.random_state, len(y)).get_state())  # where a posterior begins
            self._fit(torch.from_numpy(np.asarray(x, dtype=np.float64)), torch.from_numpy(y))
        return self

    def _fit(self, inputs: torch.Tensor, targets: torch.Tensor) -> None:
        import gpytorch

        from nas.regressors._processes import Exact, Variational

        chosen = torch.randperm(len(targets))[: self.points]
        self._noise = gpytorch.likelihoods.GaussianLikelihood().double()
        start = inputs[chosen.sort().values].clone()
        bound: Any
        if self.variational:
            self._process: Any = Variational(start).double()
            bound = gpytorch.mlls.VariationalELBO(self._noise, self._process, len(targets))
            parameters = [*self._process.parameters(), *self._noise.parameters()]
        else:
            self._process = Exact(inputs, targets, self._noise, start).double()
            bound = gpytorch.mlls.ExactMarginalLogLikelihood(self._noise, self._process)
            parameters = [*self._process.parameters()]
        self._process.train()
        self._noise.train()
        optimiser = torch.optim.Adam(parameters, self.learning_rate)
        for _ in range(self.steps):
            optimiser.zero_grad()
            loss = -bound(self._process(inputs), targets)
            loss.backward()
            optimiser.step()
        self._process.eval()
        self._noise.eval()

    def predict(self, x: Features, return_std: bool = False) -> Any:
        """Estimate `(n,)`, and the deviations, noise included."""
        with torch.no_grad(), one_thread():
            posterior = self._noise(self._process(torch.from_numpy(np.asarray(x, dtype=np.float64))))
            mean, std = posterior.mean.numpy(), posterior.stddev.numpy()
        return (mean, std) if return_std else mean
