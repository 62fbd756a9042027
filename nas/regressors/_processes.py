"""The models of `InducingProcess`, in gpytorch's form."""

from __future__ import annotations

from typing import Any

import gpytorch
from gpytorch.distributions import MultivariateNormal
from gpytorch.kernels import InducingPointKernel, Kernel, RBFKernel, ScaleKernel
from gpytorch.means import ConstantMean
from gpytorch.variational import CholeskyVariationalDistribution, VariationalStrategy
from torch import Tensor


def _kernel(columns: int) -> Kernel:
    kernel = ScaleKernel(RBFKernel())
    kernel.base_kernel.lengthscale = columns**0.5  # the distance of two points at random
    return kernel


class Exact(gpytorch.models.ExactGP):  # type: ignore[misc]
    """Known values, seen through the points."""

    def __init__(self, inputs: Tensor, targets: Tensor, noise: Any, points: Tensor) -> None:
        super().__init__(inputs, targets, noise)
        self.mean_module = ConstantMean()
        self.covar_module = InducingPointKernel(_kernel(inputs.shape[1]), points, noise)

    def forward(self, x: Tensor) -> MultivariateNormal:
        """The prior at points `(n, columns)`."""
        return MultivariateNormal(self.mean_module(x), self.covar_module(x))


class Variational(gpytorch.models.ApproximateGP):  # type: ignore[misc]
    """Values at the points, with a posterior of their own."""

    def __init__(self, points: Tensor) -> None:
        posterior = CholeskyVariationalDistribution(len(points))
        super().__init__(VariationalStrategy(self, points, posterior, learn_inducing_locations=True))
        self.mean_module = ConstantMean()
        self.covar_module = _kernel(points.shape[1])

    def forward(self, x: Tensor) -> MultivariateNormal:
        """The prior at points `(n, columns)`."""
        return MultivariateNormal(self.mean_module(x), self.covar_module(x))
