"""Zero-cost scores as features: computed on untrained networks, or read where they were published."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import cached_property
from importlib.metadata import version
from typing import Annotated

import numpy as np
from annotated_types import Ge, MinLen
from numpy.typing import NDArray

from nas._threads import one_thread
from nas.datasets import Dataset, Digits
from nas.encoders.device import device_kind, torch_device
from nas.encoders.fingerprint import NO_FILE, fingerprint
from nas.encoders.observed import Observed
from nas.encoders.scores import Score, zero_cost
from nas.errors import OptionError, UserError
from nas.networks import Skeleton, skeleton_of
from nas.options import Natural, NonNegative, validated
from nas.types import Batch, Evaluator, Features, Space

FAILED = -1e8
"""The score of a network that has none, such as one whose output does not depend on its input: as published by
NAS-Bench-Suite-Zero (Krishnakumar et al. 2022), below what networks have that do."""
PUBLISHED = "zero_cost."
"""Starts the names of published scores among the objectives of a table."""

_WARM_UP = 8  # images
_USUAL: tuple[Score, ...] = ("jacov", "nwot", "synflow", "snip", "zen", "flops", "params")

Scores = Annotated[Sequence[Score], MinLen(1)]


@validated
class ZeroCost(Observed):
    """Scores of the untrained network on one batch of training images, at the price of the seconds they take.

    Every network gets its initial weights from the same seed, and the same images, so that its scores do not depend on
    which others are asked for, in which order. One that has no finite score gets `FAILED`.

    Args:
        space: the search space.
        scores: which, see `nas.encoders.scores.zero_cost`; one column each, in this order.
        dataset: whose training images are seen; None: `Digits()`.
        skeleton: how large to make what surrounds the cells; its kind is the space's, its classes and image channels
            follow from the data set. None: `Skeleton()`.
        batch: how many images, at least 2.
        log: whether a column is `sign(s) log(1 + |s|)` in place of the score s itself: the order is the same, and
            outliers, failures among them, do not make all others alike.
        seed: of the initial weights and the choice of images, 0 or more; not the search's seed.
        device: `cpu`, `cuda`, one CUDA device such as `cuda:1`, or `auto`: CUDA where there is one.

    Raises:
        UserError: an option is out of its range, or the architectures of the space are no networks. When it is first
            used: the data set or the device cannot be used, or an operation cannot be trained.
    """

    source = "zero-cost"

    def __init__(
        self,
        space: Space,
        *,
        scores: Scores = _USUAL,
        dataset: Dataset | None = None,
        skeleton: Skeleton | None = None,
        batch: Annotated[int, Ge(2)] = 64,
        log: bool = True,
        seed: Natural = 0,
        device: str = "cpu",
    ) -> None:
        super().__init__()
        self.space, self.dataset, self.skeleton = space, dataset or Digits(), skeleton or Skeleton()
        self.scores, self.batch, self.log, self.seed, self.device = list(scores), batch, log, seed, device
        self._kind = skeleton_of(space)
        self._warm = False

    def prepare(self) -> float:
        """Load the images, and score one network, as PyTorch loads much of itself when it is first used."""
        if not self._warm:
            drawn = self.space.batch(self.space.sample(1, np.random.default_rng(self.seed)))
            self._score(drawn, _WARM_UP)
            self._warm = True
        return 0.0

    def observe(self, batch: Batch) -> Features:
        """`(n, scores)`, and the wall seconds of each network."""
        self.prepare()
        found = [self._score(one, self.batch) for one in batch.split(1) if len(one)]
        values = np.array([scores for scores, _ in found]).reshape(len(batch), len(self.scores))
        return Features(_columns(values, self.log), np.array([seconds for _, seconds in found]))

    def _score(self, one: Batch, images: int) -> tuple[list[float], float]:
        (x, y), skeleton, _ = self._seen
        with one_thread():
            found, seconds = zero_cost(
                one.graphs, x[:images], y[:images], skeleton, self.scores, self.seed, torch_device(self.device)
            )
        return [found[name] for name in self.scores], seconds

    @cached_property
    def _seen(self) -> tuple[tuple[NDArray[np.float32], NDArray[np.int64]], Skeleton, str]:
        """The images with their labels, the skeleton that fits them, and the digest of the data set."""
        images = self.dataset.load()
        if self.batch > len(images.y_train):
            text = f"is {self.batch}, must be at most {len(images.y_train)}: there are no more training images"
            raise OptionError("batch", text)
        rows = np.random.default_rng(self.seed).choice(len(images.y_train), self.batch, replace=False)
        numbers = {**asdict(self.skeleton), "classes": images.classes, "image_channels": images.x_train.shape[1]}
        return (images.x_train[rows], images.y_train[rows]), self._kind(**numbers), images.digest

    def identity(self) -> str:
        """Say which scores, and by a digest of which networks, on which images, and by which code."""
        _, skeleton, digest = self._seen
        settings = (self.scores, digest, repr(skeleton), self.batch, self.log, self.seed)
        made_by = fingerprint(self, self.space, settings, device_kind(self.device), version("torch"))
        return f"{'+'.join(self.scores)} {made_by or NO_FILE}"


@validated
class PublishedScores(Observed):
    """Zero-cost scores that a table holds, such as those of NAS-Bench-Suite-Zero for NAS-Bench-201 on CIFAR-10.

    Args:
        space: the search space.
        evaluator: knows them, as objectives whose names begin with `zero_cost.`; `params` by its own name, too, for
            nothing.
        scores: which; one column each, in this order.
        log: as for `ZeroCost`.
        seconds: that the scores of one network cost, 0 or more: the table does not tell. By default 0.7 for each:
            NAS-Bench-Suite-Zero took 0.2 (`l2_norm`) to 1.3 (`grasp`) on NAS-Bench-201, most scores 0.7.

    Raises:
        OptionError: the evaluator lacks a score.
    """

    source = "zero-cost"
    measured = False

    def __init__(
        self,
        space: Space,
        evaluator: Evaluator,
        *,
        scores: Scores = _USUAL,
        log: bool = True,
        seconds: NonNegative | None = None,
    ) -> None:
        super().__init__()
        self.space, self.evaluator, self.scores, self.log = space, evaluator, list(scores), log
        self._objectives = [self._objective(name) for name in self.scores]
        published = sum(name.startswith(PUBLISHED) for name in self._objectives)
        self.seconds = 0.7 * published if seconds is None else seconds

    def observe(self, batch: Batch) -> Features:
        """`(n, scores)`, and for each network the same seconds; `FAILED` also where nothing was published."""
        columns = [self.evaluator.objective(name, batch) for name in self._objectives]
        return Features(_columns(np.stack(columns, axis=1), self.log), np.full(len(batch), float(self.seconds)))

    def _objective(self, score: str) -> str:
        """What the evaluator calls a score; parameters are known without anybody's scores."""
        nothing = self.space.batch(np.empty((0, len(self.space.cardinalities)), dtype=np.uint8))
        for name in (PUBLISHED + score, *(["params"] if score == "params" else [])):
            with suppress(UserError):
                self.evaluator.objective(name, nothing)
                return name
        text = f"names {score!r}, which the evaluator has no published scores of: compute it (encoder=zero_cost)"
        raise OptionError("scores", text)

    def identity(self) -> str:
        """Say which scores, and by a digest of which table."""
        settings = (self.scores, self.log, self.seconds, self.evaluator.identity())
        return f"published {'+'.join(self.scores)} {fingerprint(self, self.space, settings) or NO_FILE}"


def _columns(values: NDArray[np.float64], log: bool) -> NDArray[np.float32]:
    known = np.where(np.isnan(values), FAILED, values)
    columns = np.sign(known) * np.log1p(np.abs(known)) if log else known
    result: NDArray[np.float32] = columns.astype(np.float32)
    return result
