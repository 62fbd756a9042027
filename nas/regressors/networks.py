"""Neural regressors on features."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nas._threads import one_thread
from nas.options import Natural, NonNegative, Positive, PositiveInt, validated
from nas.regressors.training import Training, generator
from nas.types import Values

Features = NDArray[Any]


def perceptron(sizes: list[int], activation: type[nn.Module]) -> nn.Sequential:
    """Linear layers of these sizes, the activation between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), activation()]
    return nn.Sequential(*layers[:-1])


@validated
class DNGO:
    """Bayesian linear regression on the last hidden layer of a perceptron (Snoek et al. 2015).

    The perceptron is trained by Adam on the mean squared error; weight and noise precisions of the regression are the
    likeliest (scikit-learn's `BayesianRidge`).

    Args:
        layers: hidden ones, at least 1.
        width: of each, at least 1.
        epochs: passes over the known values, at least 1.
        batch: known values a step, at least 1.
        learning_rate: of Adam, above 0.
        random_state: 0 or more.
    """

    def __init__(
        self,
        layers: PositiveInt = 3,
        width: PositiveInt = 50,
        epochs: PositiveInt = 500,
        batch: PositiveInt = 10,
        learning_rate: Positive = 0.01,
        random_state: Natural = 0,
    ) -> None:
        self.layers, self.width, self.random_state = layers, width, random_state
        self._training = Training(epochs, batch, learning_rate)

    def fit(self, x: Features, y: Values) -> DNGO:
        """Learn from features `(n, columns)` and targets `(n,)`."""
        from sklearn.linear_model import BayesianRidge

        sizes = [x.shape[1], *[self.width] * self.layers, 1]
        network = self._training.fit(
            lambda: perceptron(sizes, nn.Tanh), [_tensor(x)], y, nn.functional.mse_loss, self.random_state
        )
        self._hidden = network[:-1]
        self._linear = BayesianRidge().fit(self._basis(x), y)
        return self

    def _basis(self, x: Features) -> Features:
        with torch.inference_mode():
            basis: Features = self._hidden(_tensor(x)).double().numpy()
        return basis

    def predict(self, x: Features, return_std: bool = False) -> Any:
        """Estimate `(n,)`, and the deviations, noise included."""
        return self._linear.predict(self._basis(x), return_std=return_std)


@validated
class BOHAMIANN:
    """Perceptrons drawn from their posterior by stochastic gradient Hamiltonian Monte Carlo (Springenberg et al. 2016).

    A perceptron and the logarithm of the noise's variance are one state. Mass and friction adapt while the chain burns
    in (section 4.2). Estimates are the mean over the networks kept; deviations have their spread and the mean noise.

    Args:
        layers: hidden ones, at least 1.
        width: of each, at least 1.
        steps: of the chain, at least 1.
        burn_in: of them before a network is kept, 0 or more.
        keep: every how many steps a network is kept, at least 1.
        batch: known values a step, at least 1.
        learning_rate: of a step, above 0.
        friction: 0 or more.
        random_state: 0 or more.
    """

    def __init__(
        self,
        layers: PositiveInt = 3,
        width: PositiveInt = 50,
        steps: PositiveInt = 2000,
        burn_in: Natural = 1000,
        keep: PositiveInt = 50,
        batch: PositiveInt = 20,
        learning_rate: Positive = 0.01,
        friction: NonNegative = 0.05,
        random_state: Natural = 0,
    ) -> None:
        self.layers, self.width, self.steps, self.burn_in, self.keep = layers, width, steps, burn_in, keep
        self.batch, self.learning_rate, self.friction = batch, learning_rate, friction
        self.random_state = random_state

    def fit(self, x: Features, y: Values) -> BOHAMIANN:
        """Learn from features `(n, columns)` and targets `(n,)`."""
        random = generator(self.random_state, len(y))
        inputs, targets = _tensor(x), torch.from_numpy(y).float()
        with torch.random.fork_rng(devices=[]), one_thread():
            torch.set_rng_state(random.get_state())
            self._network = perceptron([x.shape[1], *[self.width] * self.layers, 1], nn.Tanh)
            log_noise = nn.Parameter(torch.tensor([-3.0]))
            chain = _Chain([*self._network.parameters(), log_noise], len(y), self.learning_rate, self.friction)
            self._kept: list[tuple[dict[str, Tensor], float]] = []
            for step in range(self.steps):
                rows = torch.randint(len(y), (min(self.batch, len(y)),))
                errors = self._network(inputs[rows])[:, 0] - targets[rows]
                likelihood = (errors.square() / (2 * log_noise.exp()) + log_noise / 2).mean()
                prior = sum(weight.square().sum() for weight in self._network.parameters()) / 2
                chain.step(likelihood + (prior + (log_noise + 3).square().sum() / 0.02) / len(y), step < self.burn_in)
                if step >= self.burn_in and (step - self.burn_in) % self.keep == 0:
                    state = {name: weight.clone() for name, weight in self._network.state_dict().items()}
                    self._kept.append((state, float(log_noise.detach().exp())))
        if not self._kept:
            raise ValueError(f"no network is kept: burn_in is {self.burn_in}, must be below steps ({self.steps})")
        return self

    def predict(self, x: Features, return_std: bool = False) -> Any:
        """Estimate `(n,)`, and the deviations, noise included."""
        inputs, estimates = _tensor(x), []
        with torch.inference_mode():
            for state, _ in self._kept:
                estimates.append(torch.func.functional_call(self._network, state, inputs)[:, 0].double().numpy())
        mean = np.mean(estimates, axis=0)
        if not return_std:
            return mean
        return mean, np.sqrt(np.var(estimates, axis=0) + np.mean([noise for _, noise in self._kept]))


class _Chain:
    """The adaptive sampler (Springenberg et al. 2016, section 4.2; Chen et al. 2014, equation 15)."""

    def __init__(self, state: list[Tensor], known: int, rate: float, friction: float) -> None:
        self._state, self._rate, self._friction = state, rate, friction
        self._scaled = rate / known**0.5
        self._memory = [[torch.ones_like(one) for one in state] for _ in range(3)]  # window, mean, mean square
        self._momentum = [torch.zeros_like(one) for one in state]

    def step(self, energy: Tensor, adapts: bool) -> None:
        gradients = torch.autograd.grad(energy, self._state)
        with torch.no_grad():
            for part, gradient, momentum, window, mean, square in zip(
                self._state, gradients, self._momentum, *self._memory, strict=True
            ):
                if adapts:
                    share = 1 / (window + 1)
                    window += 1 - window * mean * mean / square
                    square += share * (gradient.square() - square)
                    mean += share * (gradient - mean)
                mass = 1 / (square + 1e-16).sqrt()
                variance = (2 * self._scaled**2 * self._friction * mass - self._scaled**4).clamp(min=1e-16)
                drift = -(self._rate**2) * mass * gradient - self._friction * momentum
                momentum += drift + variance.sqrt() * torch.randn_like(part)
                part += momentum


def _tensor(x: Features) -> Tensor:
    return torch.from_numpy(np.asarray(x, dtype=np.float32))
