"""Accuracy with shared weights as a feature: a supernet is trained once, and every network is a part of it."""

from __future__ import annotations

from dataclasses import asdict
from functools import cached_property
from importlib.metadata import version
from time import perf_counter
from typing import TYPE_CHECKING, Literal

import numpy as np

from nas._threads import one_thread
from nas.datasets import Dataset, Digits
from nas.datasets.base import Images
from nas.encoders.device import device_kind, torch_device
from nas.encoders.fingerprint import NO_FILE, fingerprint
from nas.encoders.observed import Observed
from nas.errors import OptionError
from nas.graphs import Graphs
from nas.networks import Skeleton, skeleton_of
from nas.options import Natural, validated
from nas.training import SupernetRecipe, shared_accuracy, train_supernet
from nas.types import Batch, Features, Space

if TYPE_CHECKING:
    from nas.networks.supernet import Supernet

_WARM_UP = 2  # steps


@validated
class SharedWeights(Observed):
    """The validation accuracy of each network with the weights of a supernet, which is trained when first needed.

    At each step of its training another cell is drawn, uniform over the distinct networks of the space. A query scores
    all validation images once; batch norm takes their statistics. All that is random comes from the seed, so that
    neither the weights nor an accuracy depend on which networks are asked for, in which order.

    Args:
        space: the search space.
        paths: what is trained at each step: `one`, the cell that was drawn (Li and Talwalkar 2019), or `all`
            operations at once, summed, at each of its vertices (Bender et al. 2018). The edges are drawn in either
            case: on them depend the channels of NAS-Bench-101, and in NAS-Bench-201 `none` is no edge.
        dataset: whose training images it is trained on; None: `Digits()`.
        skeleton: how large to make what surrounds the cells; its kind is the space's, its classes and image channels
            follow from the data set. None: `Skeleton()`.
        recipe: how to train; None: `SupernetRecipe()`.
        seed: of the initial weights, the cells and the images of each step, 0 or more; not the search's seed.
        device: `cpu`, `cuda`, one CUDA device such as `cuda:1`, or `auto`: CUDA where there is one.

    Raises:
        UserError: an option is out of its range, or the architectures of the space are no networks. When it is first
            used: the data set or the device cannot be used, an operation cannot be trained, or the training diverged.
    """

    source = "weight sharing"

    def __init__(
        self,
        space: Space,
        *,
        paths: Literal["one", "all"] = "one",
        dataset: Dataset | None = None,
        skeleton: Skeleton | None = None,
        recipe: SupernetRecipe | None = None,
        seed: Natural = 0,
        device: str = "cpu",
    ) -> None:
        super().__init__()
        self.space, self.paths, self.dataset = space, paths, dataset or Digits()
        self.skeleton, self.recipe = skeleton or Skeleton(), recipe or SupernetRecipe()
        self.seed, self.device = seed, device
        self._kind = skeleton_of(space)
        self._supernet: Supernet | None = None

    def prepare(self) -> float:
        """Train the supernet; the wall seconds that it took, 0 the second time."""
        if self._supernet is not None:
            return 0.0
        with one_thread():
            self._trained(_WARM_UP)  # what is loaded and enumerated when first used is charged to nobody
            start = perf_counter()
            images, _, _ = self._seen
            self._supernet = self._trained(self.recipe.epochs * (len(images.y_train) // self.recipe.batch))
        return perf_counter() - start

    def observe(self, batch: Batch) -> Features:
        """`(n, 1)`: the accuracy, 0..1; and the wall seconds of each query, the first with those of the training."""
        found = [self._score(one.graphs) for one in batch.split(1) if len(one)]
        values, seconds = np.array(found).reshape(-1, 2).T
        return Features(values[:, None].astype(np.float32), seconds)

    def _score(self, graph: Graphs) -> tuple[float, float]:
        spent = self.prepare()
        assert self._supernet is not None
        images, _, _ = self._seen
        start = perf_counter()
        with one_thread():
            accuracy = shared_accuracy(self._supernet, graph, images.x_valid, images.y_valid)
        return accuracy, spent + perf_counter() - start

    def _trained(self, steps: int) -> Supernet:
        import torch

        images, skeleton, _ = self._seen
        cells, weights, order = np.random.SeedSequence(self.seed).generate_state(3, np.uint64).tolist()
        graphs = self.space.batch(self.space.sample(steps, np.random.default_rng(cells))).graphs
        supernet = skeleton.supernet(graphs, torch.Generator().manual_seed(weights)).to(torch_device(self.device))
        generator = torch.Generator().manual_seed(order)
        train_supernet(supernet, graphs, images.x_train, images.y_train, self.recipe, self.paths == "all", generator)
        return supernet

    @cached_property
    def _seen(self) -> tuple[Images, Skeleton, str]:
        """The images, the skeleton that fits them, and the digest of the data set."""
        images = self.dataset.load()
        if self.recipe.batch > len(images.y_train):
            text = f"is {self.recipe.batch}, must be at most {len(images.y_train)}: there are no more training images"
            raise OptionError("recipe.batch", text)
        numbers = {**asdict(self.skeleton), "classes": images.classes, "image_channels": images.x_train.shape[1]}
        return images, self._kind(**numbers), images.digest

    def identity(self) -> str:
        """Say which paths are trained, and by a digest in which networks, on which images, how and by which code."""
        _, skeleton, digest = self._seen
        settings = (self.paths, digest, repr(skeleton), repr(self.recipe), self.seed)
        made_by = fingerprint(self, self.space, settings, device_kind(self.device), version("torch"))
        return f"shared weights, {self.paths} {made_by or NO_FILE}"
