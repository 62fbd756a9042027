"""Zero-cost scores: what one batch of images, before any training, tells of a network.

The definitions are those of the code behind NAS-Bench-Suite-Zero (Krishnakumar et al. 2022, section 3), whose published
values `tests/encoders/test_zero_cost.py` and `experiments/zero_cost.py` hold these against. Below, w are the weights of
convolutions and dense layers, L is the cross-entropy, mean over the batch, and the network is in training mode.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import cached_property
from time import perf_counter
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from nas.graphs import Graphs
from nas.networks import Skeleton

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from nas.networks.classifier import Classifier

Score = Literal[
    "jacov", "snip", "synflow", "grad_norm", "fisher", "grasp", "nwot", "zen", "epe_nas", "l2_norm", "plain", "flops",
    "params",
]  # fmt: skip
SCORES: tuple[Score, ...] = get_args(Score)

_INITIAL = math.sqrt(
    1 / 6
)  # from the deviation sqrt(2 / fan-in) of our initial weights to PyTorch's sqrt(1 / (3 fan-in))
_SMALL = 1e-5  # keeps logarithms of correlations finite
_ZEN_STEP = 0.01  # how far a second image is from the first, in deviations
_MANY_CLASSES = 100  # above it, `epe_nas` has another formula


def zero_cost(
    graph: Graphs,
    images: NDArray[np.float32],
    labels: NDArray[np.int64],
    skeleton: Skeleton,
    names: Sequence[Score] = SCORES,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> tuple[dict[Score, float], float]:
    """Scores of one initialised network; what several of them need is computed once.

    Convolutions start with the deviation that PyTorch gives them, as those behind the published scores, `sqrt(1 / (3
    fan-in))`. All that is random (initial weights, the noise of `zen`) comes from the seed. On a CPU the same arguments
    give the same scores bit for bit, given the same number of threads and library versions. The scores are the
    following; higher is meant to be better.

    - `jacov`: how little the images' gradients resemble each other, `-sum (log(v + k) + 1 / (v + k))` over the
      eigenvalues v of the correlations between the rows of d(sum of outputs) / d(images), k = 1e-5 (Mellor et al. 2020,
      version 1).
    - `epe_nas`: `|sum log(|c| + k)|` over those correlations c within each class, summed over classes; above 100
      classes, of their mean the sum of differences between classes, over the number of classes (Lopes et al. 2021).
    - `nwot`: `log |det K|`, `K[i, j]` the number of ReLUs on which images i and j agree (Mellor et al. 2021).
    - `grad_norm`: sum over layers of `||dL/dw||` (Abdelfattah et al. 2021, section 3.2, as the next five).
    - `snip`: `sum |w dL/dw|` (Lee et al. 2019).
    - `plain`: `sum w dL/dw`.
    - `grasp`: `-sum w (H dL/dw)`, H the Hessian of L (Wang et al. 2020); takes as long as all others together.
    - `fisher`: sum over layers and channels of `mean (sum a dL/da)^2 / 2`, where the sum is over the places of a
      channel's output a and the mean over the images, times the weights that the channel has (Theis et al. 2018).
    - `synflow`: `log(1 + sum |w dR/dw|)`, R the sum of outputs for an image of ones, all weights by their absolute
      value, without batch norm, in float64 (Tanaka et al. 2020; the logarithm is Suite-Zero's).
    - `zen`: logarithm of how far the features before pooling move, in sum over a map, when noise of deviation 0.01 is
      added to images that are noise of deviation 1, all weights from N(0, 1), plus that of each batch norm's deviation
      (Lin et al. 2021, algorithm 1).
    - `l2_norm`: sum over layers of `||w||`.
    - `flops`: millions of multiply-adds of convolutions and dense layers for one image.
    - `params`: millions of trainable parameters.

    Args:
        graph: one graph.
        images: `(n, channels, height, width)`, at least 2.
        labels: `(n,)` their classes.
        skeleton: what surrounds the cells; must fit the images.
        names: which scores.
        seed: 0 or more.
        device: a torch device.

    Returns:
        The scores by name, and the wall seconds that they took, the making of the network included. NaN: there is no
        finite score. A network whose output does not depend on its input has no `jacov`, `epe_nas`, `nwot` and `zen`.

    Raises:
        UserError: an operation cannot be trained.
    """
    import torch

    start = perf_counter()
    network = skeleton.network(graph, [torch.Generator().manual_seed(seed)]).to(device).train()
    with torch.no_grad():
        for layer in _layers(network):
            layer.weight *= 1 if layer is network.dense else _INITIAL
    exact = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)  # ten bits of a product are too few for `jacov`
    with exact:
        probe = _Probe(network, images, labels, seed, "grasp" in names)
        scores = {name: _SCORES[name](probe) for name in names}
    return {name: score if math.isfinite(score) else math.nan for name, score in scores.items()}, perf_counter() - start


class _Probe:
    """A network and a batch; what several scores share is computed when it is first asked for."""

    def __init__(
        self, network: Classifier, images: NDArray[np.float32], labels: NDArray[np.int64], seed: int, twice: bool
    ) -> None:
        import torch

        self.network, self.seed, self.twice = network, seed, twice
        device = network.dense.weight.device
        batch = torch.from_numpy(images).to(device).contiguous(memory_format=torch.channels_last)
        self.images = batch.requires_grad_()
        self.labels = torch.from_numpy(labels).to(device)
        self.layers = _layers(network)
        self.weights = [layer.weight for layer in self.layers]

    @cached_property
    def passed(self) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """The outputs `(n, classes)`; what each layer gives; and of each ReLU which units are on, `(n, units)`."""
        from torch import nn

        given: dict[nn.Module, Tensor] = {}
        on: list[Tensor] = []
        hooks = [layer.register_forward_hook(lambda layer, _, out: given.update({layer: out})) for layer in self.layers]
        for module in self.network.modules():
            if isinstance(module, nn.ReLU):
                hooks.append(module.register_forward_hook(lambda module, _, out: on.append(out.flatten(1) > 0)))
        outputs = self.network(self.images).squeeze(1)
        for hook in hooks:
            hook.remove()
        return outputs, [given[layer] for layer in self.layers], on

    @cached_property
    def gradients(self) -> tuple[list[Tensor], list[Tensor]]:
        """Of L by the weights, and by what each layer gives."""
        from torch.nn.functional import cross_entropy

        outputs, given, _ = self.passed
        found = _gradients(cross_entropy(outputs, self.labels), [*self.weights, *given], self.twice)
        return found[: len(given)], found[len(given) :]

    @cached_property
    def jacobian(self) -> Tensor:
        """`(n, pixels)` float64: of the sum of outputs by the images."""
        return _gradients(self.passed[0].sum(), [self.images])[0].flatten(1).double()


def _layers(network: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    from torch import nn

    return [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]


def _sum(weights: list[Tensor], others: list[Tensor], absolute: bool = False) -> float:
    """The sum of the products of weights with as many other numbers, or of their absolute values."""
    products = [(w * other).detach() for w, other in zip(weights, others, strict=True)]
    return float(sum((product.abs() if absolute else product).sum() for product in products))


def _gradients(value: Tensor, by: list[Tensor], twice: bool = False) -> list[Tensor]:
    import torch

    return list(torch.autograd.grad(value, by, retain_graph=True, create_graph=twice, materialize_grads=True))


def _jacov(probe: _Probe) -> float:
    import torch

    correlations = torch.corrcoef(probe.jacobian)
    if not correlations.isfinite().all():
        return math.nan
    values = torch.linalg.eigvalsh(correlations) + _SMALL
    return -float((values.log() + 1 / values).sum())


def _epe_nas(probe: _Probe) -> float:
    import torch

    rows = [probe.jacobian[probe.labels == label] for label in torch.unique(probe.labels)]
    sums = torch.stack([torch.log(torch.corrcoef(one).abs() + _SMALL).sum() for one in rows])
    if probe.passed[0].shape[1] <= _MANY_CLASSES:
        return float(sums.abs().sum())
    sums /= torch.tensor([len(one) for one in rows], device=sums.device)
    return float((sums[:, None] - sums).abs().sum()) / len(rows)


def _nwot(probe: _Probe) -> float:
    import torch

    n = len(probe.labels)
    agreeing = torch.zeros(n, n, dtype=torch.float64, device=probe.labels.device)
    for on in probe.passed[2]:
        both = on.float() @ on.float().T  # whole numbers
        alone = both.diag()
        agreeing += 2 * both - alone - alone[:, None] + on.shape[1]
    return float(torch.linalg.slogdet(agreeing).logabsdet)


def _grasp(probe: _Probe) -> float:
    import torch

    product = torch.stack([(gradient.detach() * gradient).sum() for gradient in probe.gradients[0]]).sum()
    return -_sum(probe.weights, _gradients(product, probe.weights))


def _fisher(probe: _Probe) -> float:
    total = 0.0
    for weight, given, gradient in zip(probe.weights, probe.passed[1], probe.gradients[1], strict=True):
        channels = (given * gradient).detach().reshape(*given.shape[:2], -1).sum(2)
        total += float(channels.square().mean(0).sum() / 2) * weight[0].numel()
    return total


def _synflow(probe: _Probe) -> float:
    import torch
    from torch import nn

    network = deepcopy(probe.network).double()
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, nn.Identity())
    for tensor in network.state_dict().values():
        tensor.abs_()
    weights = [layer.weight for layer in _layers(network)]
    gradients = _gradients(network(torch.ones_like(probe.images[:1], dtype=torch.float64)).sum(), weights)
    return math.log1p(_sum(weights, gradients, absolute=True))


def _zen(probe: _Probe) -> float:
    import torch
    from torch import nn

    network, generator = deepcopy(probe.network), torch.Generator().manual_seed(probe.seed)
    with torch.no_grad():
        for layer in _layers(network):
            layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator))
        norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_parameters()
        images, noise = torch.randn((2, *probe.images.shape), generator=generator).to(probe.images.device)
        moved = network.features(images) - network.features(images + _ZEN_STEP * noise)
        deviations = [norm.running_var.mean().log() / 2 for norm in norms if norm.running_var is not None]
        return float(moved.abs().sum(dim=(1, 2, 3)).mean().log() + sum(deviations))


def _flops(probe: _Probe) -> float:
    pairs = zip(probe.weights, probe.passed[1], strict=True)
    return sum(weight.numel() * given.shape[2:].numel() for weight, given in pairs) / 1e6


_SCORES: dict[Score, Callable[[_Probe], float]] = {
    "jacov": _jacov,
    "snip": lambda probe: _sum(probe.weights, probe.gradients[0], absolute=True),
    "synflow": _synflow,
    "grad_norm": lambda probe: float(sum(gradient.detach().norm() for gradient in probe.gradients[0])),
    "fisher": _fisher,
    "grasp": _grasp,
    "nwot": _nwot,
    "zen": _zen,
    "epe_nas": _epe_nas,
    "l2_norm": lambda probe: float(sum(weight.detach().norm() for weight in probe.weights)),
    "plain": lambda probe: _sum(probe.weights, probe.gradients[0]),
    "flops": _flops,
    "params": lambda probe: sum(parameter.numel() for parameter in probe.network.parameters()) / 1e6,
}
