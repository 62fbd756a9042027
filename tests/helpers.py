"""What several tests need: small tables that the tests make, the program as a user runs it, and its results."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from copy import deepcopy
from functools import cache
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas._config import composed, config_folder
from nas.benchmarks import benchmark_of
from nas.encoders import FeatureEncoder
from nas.graphs import ABSENT, FIRST_OPERATION, OUTPUT
from nas.spaces import NB101, NB201
from nas.types import Space

CONF = Path(config_folder())
SWEEP_BUDGET = 30  # of the runs in `sweep`
SMALL_ENCODER = ["estimator.encoder.cells=256", "estimator.encoder.epochs=2", "estimator.encoder.device=cpu"]


def accuracy(space: Space, archs: NDArray[np.uint8]) -> NDArray[np.float64]:
    """A made-up accuracy: convolutions and depth help, up to noise that is a function of the key."""
    one_hot = space.one_hot(archs)
    weights = np.random.default_rng(7).normal(size=one_hot.shape[1])
    noise = np.array([np.random.default_rng(int(key)).normal() for key in space.keys(archs)])
    return 0.9 + 0.01 * (np.tanh(one_hot @ weights / 3) + 0.3 * noise)


class Mirror(FeatureEncoder):
    """The canonical genes in one-hot encoding: an embedding that can be decoded exactly."""

    def __init__(self, space: NB101) -> None:
        super().__init__(space, features=["one_hot"])

    def decode(self, embeddings: NDArray[np.float32]) -> NDArray[np.uint8]:
        columns = np.cumsum(np.where(self.space.cardinalities == 2, 1, self.space.cardinalities))
        genes = np.split(embeddings, columns[:-1], axis=1)
        chosen = [gene[:, 0] > 0.5 if gene.shape[1] == 1 else gene.argmax(axis=1) for gene in genes]
        return np.stack(chosen, axis=1).astype(np.uint8)


def table_arrays(space: NB101, archs: NDArray[np.uint8], *, validated: bool = False) -> dict[str, NDArray]:
    """The compact format of NAS-Bench-101 for some cells, with `accuracy` as their test accuracy."""
    graphs = space.graphs(archs)
    n, v = graphs.labels.shape
    bits = np.zeros(n, dtype=np.uint32)
    for y in range(1, v):
        for x in range(y):
            bits |= graphs.adjacency[:, x, y].astype(np.uint32) << np.uint32(x + y * (y - 1) // 2)
    ops = np.full((n, 7), 255, dtype=np.uint8)
    inner = graphs.labels >= FIRST_OPERATION
    ops[:, :v] = np.where(inner, graphs.labels - FIRST_OPERATION, np.where(graphs.labels == ABSENT, 255, 3))
    ops[:, :v][graphs.labels == OUTPUT] = 4
    test = accuracy(space, archs)
    rows = np.arange(n if validated else min(n, 20), dtype=np.int32)
    return {
        "num_vertices": (graphs.labels != ABSENT).sum(axis=1).astype(np.uint8),
        "adj_bits": bits,
        "ops": ops,
        "op_names": np.array(["conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3", "input", "output"]),
        "params": np.arange(n, dtype=np.int32),
        "test_acc_108": test.astype(np.float32),
        "val_row": rows,
        "val_epochs": np.array([4, 12, 36, 108]),
        "val_acc_1run": np.repeat(test[rows, None] - 0.02, 4, axis=1).astype(np.float32),
        "train_time_108_1run": np.full(len(rows), 100.0, dtype=np.float32),
        "md5": np.array([list(bytes.fromhex(digest)) for digest in benchmark_of(space).names(archs)], dtype=np.uint8),
    }


def nb201_arrays(space: NB201) -> dict[str, NDArray]:
    """The compact format of NAS-Bench-201 with all three data sets: `accuracy`, lower by data set, and by row noise."""
    ops = space.from_indices(np.arange(15_625))
    networks = space.enumerate()
    rows = np.searchsorted(space.keys(networks), space.keys(ops))
    noise = np.random.default_rng(0).normal(size=(len(ops), 3))
    test = 100 * accuracy(space, networks)[rows, None] - [0, 20, 45] + 0.1 * noise
    return {
        "ops": ops,
        "op_names": np.array(["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]),
        "datasets": np.array(["cifar10", "cifar100", "ImageNet16-120"]),
        "test_acc_200": test.astype(np.float32),
        "val_acc_200": (test - 2).astype(np.float32),
        "train_time_200": (1000 + 100 * noise).astype(np.float32),
        "params_m": np.full((len(ops), 3), 0.5, dtype=np.float32),
    }


def run_search(*options: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m nas.search` in `cwd` as a user would; `environment` adds to this process's."""
    return subprocess.run(
        [sys.executable, "-m", "nas.search", *options],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def result(folder: Path) -> dict[str, Any]:
    """What a run recorded at its end."""
    return json.loads((folder / "result.json").read_text())


def write_run(folder: Path, content: dict[str, Any]) -> Path:
    """Make a folder of a run with this result."""
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps(content))
    return folder


def changed(content: dict[str, Any], **options: Any) -> dict[str, Any]:
    """A result as of a run with other options."""
    return {**content, "config": {**content["config"], **options}}


def distinct(group: str) -> list[str]:
    """One option of a group for each choice of classes; others differ in numbers and names only."""
    found: dict[frozenset[str], str] = {}
    for name in options(group):
        found.setdefault(frozenset(_classes(node(group, name))), name)
    return list(found.values())


def _classes(node: Any) -> list[str]:
    if not isinstance(node, dict):
        return []
    inner = [name for part in node.values() for name in _classes(part)]
    return [*([node["_target_"]] if "_target_" in node else []), *inner]


def options(group: str) -> list[str]:
    """The names of a group's options."""
    names = sorted(path.stem for path in (CONF / group).glob("*.yaml"))
    assert names
    return names


def node(group: str, name: str, *overrides: str) -> dict:
    """What an option of a group is composed to, its encoders and its training made small."""
    return deepcopy(_composed(group, f"{group}={name}", *overrides))


def strategy_node(name: str, *overrides: str) -> dict:
    """A strategy, or the pool of one, with a small encoder of its own where it takes one."""
    made = node("strategy", name, *overrides)
    part = made.get("pool", made)
    module, _, target = part["_target_"].rpartition(".")
    if "encoder" in signature(getattr(import_module(module), target)).parameters:
        part["encoder"] = node("estimator", "emprox")["encoder"]
    return made


@cache
def _composed(group: str, *overrides: str) -> dict:
    config = composed(["table=cifar10", *overrides])[group]
    shrink(config)
    return config


def shrink(config: dict) -> None:
    """Make a part's encoders and training small."""
    most = {
        "cells": 256,
        "epochs": 1,
        "steps": 40,
        "burn_in": 10,
        "keep": 5,
        "trees": 20,
        "n_estimators": 20,
        "draws": 3,
        "samples": 10,
    }
    for name, value in config.items():
        if isinstance(value, dict):
            shrink(value)
        elif name == "epochs" and "metric" in config:
            continue  # those of a learning curve are few as they are
        elif name in most and value:
            several = isinstance(value, list)  # a range to be tuned in
            config[name] = [min(one, most[name]) for one in value] if several else min(value, most[name])
        elif name == "device":
            config[name] = "cpu"
