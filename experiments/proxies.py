"""What do the first epochs of a training tell of its end? `python -m experiments.proxies SPACE DATA`.

200 uniform networks of a space (nb101 or nb201) are trained for 24 epochs on digits or on Fashion-MNIST, with three
seeds. After each epoch, proxies for the accuracy at the end are computed from what was seen up to there, and the CPU
seconds of each part of them are taken. Each network goes to a journal at once.

Proxies, of validation images: `last` (the accuracy that an evaluator measures), `fresh` (the same with batch-norm
statistics computed anew), `ema` and `lawa` (of weights averaged over steps, .95, and over the last three epochs;
fresh), `consensus` and `fresh_consensus` (of the mean of the soft-max outputs of the later half of the epochs; `_all`:
of all), `convex` (of a convex combination of the epochs' fresh soft-max outputs, learned on training images), and of
heads on the fresh penultimate features: `probe` (ridge, last epoch), `mean_ridge` (ridge on the mean of the features),
`stack_ridge` and `stack_logistic` (on the features of several epochs, side by side). `*_nll`: cross-entropy instead.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from experiments.estimators import begun, journal
from nas._config import build, composed
from nas.datasets import Digits, Images
from nas.datasets.base import standardised
from nas.networks import Skeleton, skeleton_of
from nas.networks.classifier import Classifier
from nas.training import Part, Recipe, State, recalibrated, train

SEEDS = (0, 1, 2)
EPOCHS = 24
LOOKS = (1, 2, 3, 4, 6, 8, 12)  # epochs after which weights are averaged and heads fitted
LATER = ("ema", "lawa", "convex", "probe", "mean_ridge", "stack_ridge", "stack_logistic")  # only then
KEPT = Path(__file__).parent / "results" / "proxies"
"""Journals of runs before, packed with gzip: a new one begins with what they know."""
FASHION = Path("/usr/share/datasets/fashion-mnist")
_RIDGE = 1e-2  # of the features' variance
_STACKED = 6  # epochs whose features stand side by side, at most, spread over the history


def fashion(folder: Path = FASHION, seed: int = 0) -> Images:
    """1,000 training, 1,000 validation and 4,000 test images of Fashion-MNIST, their 4x4 pixels averaged."""

    def read(name: str, offset: int) -> NDArray[np.uint8]:
        with gzip.open(folder / f"{name}.gz") as file:
            return np.frombuffer(file.read(), np.uint8, offset=offset)

    rng = np.random.default_rng(seed)
    x = read("train-images-idx3-ubyte", 16).reshape(-1, 7, 4, 7, 4).mean(axis=(2, 4), dtype=np.float32)
    y = read("train-labels-idx1-ubyte", 8)
    _, first = np.unique(x.reshape(len(x), -1), axis=0, return_index=True)
    rows = rng.permutation(first)[:6000]
    parts = np.split(rows, [1000, 2000])
    return Images.of(standardised(*(x[part][:, None] for part in parts)), [y[part].astype(np.int64) for part in parts])


DATA = {"digits": lambda: Digits(960, 300).load(), "fashion": fashion}


class Watcher:
    """Computes all proxies after each epoch; see the module."""

    def __init__(self) -> None:
        self.seconds: list[dict[str, float]] = []
        self._ema: list[Tensor] = []
        self._epochs: list[list[Tensor]] = []  # weights
        self._soft: dict[str, list[Tensor]] = defaultdict(list)  # (n, s, classes) of each epoch
        self._features: dict[str, list[Tensor]] = defaultdict(list)  # (s, n, d) of each epoch

    def after_step(self, network: Classifier) -> None:
        """Average the weights."""
        weights = [parameter.detach() for parameter in network.parameters()]
        if self._ema:
            torch._foreach_lerp_(self._ema, weights, 0.05)
        else:
            self._ema = [weight.clone() for weight in weights]

    def after_epoch(self, network: Classifier, parts: Mapping[str, Part]) -> dict[str, Tensor]:
        """All proxies."""
        seconds: dict[str, float] = defaultdict(float)
        found: dict[str, Tensor] = {}
        labels = parts["valid"].labels
        self._epochs = [*self._epochs, [parameter.detach().clone() for parameter in network.parameters()]][-3:]

        def tell(name: str, soft: Tensor) -> None:
            found[name] = (soft.argmax(dim=2) == labels[:, None]).double().mean(dim=0)
            chosen = soft.gather(2, labels[:, None, None].expand(-1, soft.shape[1], 1))[..., 0]
            found[f"{name}_nll"] = -chosen.clamp_min(1e-12).log().double().mean(dim=0)

        def time(name: str) -> Any:
            return timed(seconds, name)

        with time("valid"):
            self._soft["last"].append(outputs(network, parts["valid"])[0])
        with time("recompute"):
            fresh = recalibrated(network, parts["train"])
            fresh.__enter__()
        with time("fresh_valid"):
            soft, valid = outputs(network, parts["valid"])
        with time("fresh_train"):
            train_soft, features = outputs(network, parts["train"])
        fresh.__exit__(None, None, None)
        self._soft["fresh"].append(soft)
        self._soft["train"].append(train_soft)
        self._features["train"].append(features)
        self._features["valid"].append(valid)
        done = len(self._soft["fresh"])
        tell("last", self._soft["last"][-1])
        tell("fresh", soft)
        for name, history in (("consensus", self._soft["last"]), ("fresh_consensus", self._soft["fresh"])):
            tell(f"{name}_all", torch.stack(history).mean(dim=0))
            tell(name, torch.stack(history[done // 2 :]).mean(dim=0))
        if done in LOOKS:
            for name, weights in (("ema", self._ema), ("lawa", mean_of(self._epochs))):
                with time(name), swapped(network, weights), recalibrated(network, parts["train"]):
                    tell(name, outputs(network, parts["valid"])[0])
            with time("convex"):
                tell("convex", self._convex(parts["train"].labels))
            self._heads(parts, time, tell)
        else:  # the same names after every epoch
            for name in LATER:
                found[name] = found[f"{name}_nll"] = torch.full((network.copies,), torch.nan)
        self.seconds.append({name: round(number, 5) for name, number in seconds.items()})
        return found

    def _convex(self, labels: Tensor) -> Tensor:
        """Weights of the epochs, one for each copy, of the least cross-entropy on training images."""
        chosen = labels[None, :, None, None].expand(len(self._soft["train"]), -1, self._soft["train"][0].shape[1], 1)
        right = torch.stack(self._soft["train"]).gather(3, chosen)[..., 0]  # (epochs, n, s)
        logits = torch.zeros(right.shape[0], right.shape[2], requires_grad=True)
        descend([logits], lambda: -(logits.softmax(0)[:, None] * right).sum(0).clamp_min(1e-12).log().mean(0).sum())
        return (logits.detach().softmax(0)[:, None, :, None] * torch.stack(self._soft["fresh"])).sum(0)

    def _heads(self, parts: Mapping[str, Part], time: Any, tell: Any) -> None:
        labels, done = parts["train"].labels, len(self._features["train"])
        hot = torch.nn.functional.one_hot(labels).float()
        spread = sorted({round(place) for place in np.linspace(0, done - 1, min(done, _STACKED))})
        inputs = {
            "probe": [self._features[part][-1] for part in ("train", "valid")],
            "mean_ridge": [torch.stack(self._features[part]).mean(0) for part in ("train", "valid")],
            "stack_ridge": [torch.cat([self._features[p][e] for e in spread], dim=2) for p in ("train", "valid")],
        }
        for name, (known, asked) in inputs.items():
            with time(name):
                known, asked = scaled(known, asked)
                gram = known.mT @ known + _RIDGE * known.shape[1] * torch.eye(known.shape[2])
                scores = asked @ torch.linalg.solve(gram, known.mT @ (hot - hot.mean(0))) + hot.mean(0)
                tell(name, (8 * scores).softmax(2).transpose(0, 1))
        with time("stack_logistic"):
            known, asked = scaled(*inputs["stack_ridge"])
            weight = torch.zeros(len(known), known.shape[2] + 1, hot.shape[1], requires_grad=True)

            def loss() -> Tensor:
                scores = known @ weight[:, 1:] + weight[:, :1]
                nll = torch.nn.functional.cross_entropy(scores.flatten(0, 1), labels.repeat(len(known)))
                return len(known) * nll + 0.5e-3 * weight.square().sum()

            descend([weight], loss)
            tell("stack_logistic", (asked @ weight[:, 1:] + weight[:, :1]).detach().softmax(2).transpose(0, 1))

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Nothing: a network is trained at once."""
        return {}

    def restore(self, state: State) -> None:
        """Nothing: a network is trained at once."""


@contextmanager
def timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Add the CPU seconds of what happens meanwhile."""
    start = process_time()
    yield
    seconds[name] += process_time() - start


def outputs(network: Classifier, part: Part) -> tuple[Tensor, Tensor]:
    """Soft-max outputs `(n, s, classes)` and penultimate features `(s, n, d)`, in evaluation mode."""
    network.eval()
    soft, features = [], []
    with torch.no_grad():
        for first in range(0, len(part), 256):
            images, _ = part.rows(slice(first, first + 256), network.copies)
            pooled = network.features(images.contiguous(memory_format=torch.channels_last)).mean(
                dim=(2, 3), keepdim=True
            )
            soft.append(network.dense(pooled).flatten(1).unflatten(1, (network.copies, -1)).softmax(2))
            features.append(pooled.flatten(1).unflatten(1, (network.copies, -1)).transpose(0, 1))
    return torch.cat(soft), torch.cat(features, dim=1)


@contextmanager
def swapped(network: Classifier, weights: list[Tensor]) -> Iterator[None]:
    """Give a network other weights for a while."""
    own = [parameter.detach().clone() for parameter in network.parameters()]
    with torch.no_grad():
        for parameter, weight in zip(network.parameters(), weights, strict=True):
            parameter.copy_(weight)
    yield
    with torch.no_grad():
        for parameter, weight in zip(network.parameters(), own, strict=True):
            parameter.copy_(weight)


def mean_of(weights: list[list[Tensor]]) -> list[Tensor]:
    """The mean of several sets of weights."""
    return [torch.stack(same).mean(dim=0) for same in zip(*weights, strict=True)]


def scaled(known: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
    """Features `(s, n, d)` of mean 0 and deviation 1 on the known ones."""
    mean, deviation = known.mean(dim=1, keepdim=True), known.std(dim=1, keepdim=True) + 1e-3
    return (known - mean) / deviation, (asked - mean) / deviation


def descend(parameters: list[Tensor], loss: Any) -> None:
    """Minimise by L-BFGS."""
    optimizer = torch.optim.LBFGS(parameters, max_iter=40, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        value: Tensor = loss()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(closure)


def measured(space: Any, arch: NDArray[np.uint8], images: Images, skeleton: Skeleton) -> dict[str, Any]:
    """Train one network; its curves, proxies and seconds."""
    watcher, start = Watcher(), process_time()
    recipe = Recipe(epochs=EPOCHS, shift=1)
    curves, _ = train(space.graphs(arch[None]), images, skeleton, recipe, SEEDS, observer=watcher)
    whole = process_time() - start
    start = process_time()
    train(space.graphs(arch[None]), images, skeleton, Recipe(epochs=2, shift=1), SEEDS)  # unobserved: an epoch's price
    return {
        "parameters": curves.parameters,
        "test": curves.accuracy("test").round(5).tolist(),
        "train_loss": curves.train_loss.round(5).tolist(),
        "proxies": {name: numbers.round(5).tolist() for name, numbers in curves.observed.items()},
        "seconds": watcher.seconds,
        "epoch_seconds": round((process_time() - start) / 2, 5),
        "whole_seconds": round(whole, 3),
    }


def main() -> None:
    """Train what the journal does not know."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("space", choices=("nb101", "nb201"))
    parser.add_argument("data", choices=DATA)
    parser.add_argument("--networks", type=int, default=200, help="the first of the 200")
    parser.add_argument("--folder", type=Path, default=Path("outputs/experiments/proxies"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    path = begun(options.folder / f"{options.space}_{options.data}.jsonl", KEPT)
    known = journal(path)
    space: Any = build(composed([f"space={options.space}"])["space"], "space")
    images = DATA[options.data]()
    skeleton = skeleton_of(space)(8, 3, 1, 10, 1)
    archs = space.sample(200, np.random.default_rng(7))[: options.networks]
    with path.open("a", encoding="utf-8") as file:
        for arch in archs:
            what = json.dumps(arch.tolist())
            if what not in known:
                known[what] = measured(space, arch, images, skeleton)
                file.write(json.dumps({"what": what, "measures": known[what]}) + "\n")
                file.flush()
                print(what, known[what]["test"], known[what]["epoch_seconds"], known[what]["whole_seconds"], flush=True)


if __name__ == "__main__":
    main()
