"""Do our zero-cost scores rank as the published ones? `python -m experiments.zero_cost --images FOLDER`.

Random networks of NAS-Bench-201 get all thirteen scores in its skeleton (16 channels, 3 stacks of 5 cells) on one batch
of 32 images of 32x32 pixels, and are held against NAS-Bench-Suite-Zero's scores in the table by Spearman's rank
correlation; that of both with the validation accuracy on CIFAR-10 is told, too, and how well the published scores agree
with themselves: of two cells that are the same network, with as many parameters, but other initial weights. In the
place of CIFAR-10 the images are of Fashion-MNIST (Xiao et al. 2017), from the folder with its `train-*-ubyte.gz` as
Debian's package `dataset-fashion-mnist` has it; without a folder they are scikit-learn's digits, enlarged. Each network
is appended to a journal as it is done; started again, the program goes on. It takes three CPU seconds a network.
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from experiments.build_digits_table import read_journal
from experiments.digits import versions
from nas._threads import one_thread
from nas.benchmarks import benchmark_of, find_table, read_table
from nas.datasets import Digits
from nas.encoders.scores import SCORES, zero_cost
from nas.encoders.zero_cost import PUBLISHED
from nas.networks import ResidualSkeleton
from nas.spaces import NB201

RESULT = Path(__file__).parent / "results" / "zero_cost.json"
SKELETON = ResidualSkeleton(stem=16, stacks=3, cells=5, classes=10, image_channels=3)
BATCH, SIDE = 32, 32
SHOULD = dict.fromkeys(("params", "flops", "zen", "nwot", "synflow", "snip", "grad_norm"), 0.95)
SHOULD |= {"fisher": 0.85, "jacov": 0.85, "epe_nas": 0.7, "grasp": 0.7}


def images_of(folder: Path | None) -> tuple[str, NDArray[np.float32], NDArray[np.int64]]:
    """The name of a data set, and a batch of it: images `(32, 3, 32, 32)` of mean 0 and deviation 1, and labels."""
    rows = np.random.default_rng(0).choice(1000, BATCH, replace=False)
    if folder is None:
        data = Digits().load()
        name, labels = "digits", data.y_train[rows % len(data.y_train)]
        small = torch.from_numpy(data.x_train[rows % len(data.x_train)])
        grey = torch.nn.functional.interpolate(small, size=(SIDE, SIDE), mode="bilinear").numpy()[:, 0]
    else:
        pixels, classes = (
            np.frombuffer(gzip.decompress((folder / f"train-{file}-ubyte.gz").read_bytes()), np.uint8, offset=offset)
            for file, offset in (("images-idx3", 16), ("labels-idx1", 8))
        )
        name, labels = "Fashion-MNIST", classes[rows].astype(np.int64)
        grey = np.pad(pixels.reshape(-1, 28, 28)[rows].astype(np.float64), ((0, 0), (2, 2), (2, 2)))
    scaled = ((grey - grey.mean()) / grey.std()).astype(np.float32)
    return name, np.repeat(scaled[:, None], 3, axis=1), labels


def spearman(one: Any, other: Any) -> float:
    """Rank correlation, over what both know."""
    from scipy.stats import spearmanr

    one, other = np.array(one, dtype=float), np.array(other, dtype=float)
    known = np.isfinite(one) & np.isfinite(other)
    return round(float(spearmanr(one[known], other[known])[0]), 4)


def with_itself(file: Path, space: NB201) -> dict[str, float]:
    """Rank correlation of each published score between two cells that describe the same network."""
    with np.load(file) as table:
        keys, scores, names = space.keys(table["ops"]), table["zc_c10"], table["zc_columns"].tolist()
        parameters = table["params_m"][:, 0]
    rows = np.flatnonzero(np.isfinite(scores).all(axis=1))
    rows = rows[np.lexsort((parameters[rows], keys[rows]))]
    _, first = np.unique(keys[rows], return_index=True)
    first = first[first < len(rows) - 1]
    one, other = rows[first], rows[first + 1]
    same = (keys[one] == keys[other]) & (parameters[one] == parameters[other])
    return {name: spearman(scores[one[same], place], scores[other[same], place]) for place, name in enumerate(names)}


def main() -> None:
    """Score, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, help="folder of Fashion-MNIST")
    parser.add_argument("--cells", type=int, default=200)
    parser.add_argument("--journal", type=Path, default=Path("outputs/zero_cost.jsonl"))
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    space = NB201()
    file = find_table(None, "cifar10", benchmark_of(space).tables)[1]
    columns = read_table(file, space, name="cifar10").columns
    drawn = np.random.default_rng(0).permutation(len(columns.archs))[: options.cells]
    archs = columns.archs[drawn]
    name, images, labels = images_of(options.images)
    header = {"images": name, "batch": BATCH, "skeleton": repr(SKELETON), "versions": versions()}
    done = read_journal(options.journal, header)
    with options.journal.open("a", encoding="utf-8") as journal, one_thread():
        for one, key in zip(space.batch(archs).split(1), space.keys(archs).tolist(), strict=True):
            if key not in done:
                start = process_time()
                scores, _ = zero_cost(one.graphs, images, labels, SKELETON)
                done[key] = {"key": key, "cpu_seconds": process_time() - start, "scores": scores}
                journal.write(json.dumps(done[key]) + "\n")
                journal.flush()
                print(f"{len(done)} of {len(archs)}", flush=True)
    ours = {name: [done[key]["scores"][name] for key in space.keys(archs).tolist()] for name in SCORES}
    assert columns.validation is not None
    validation = columns.validation[drawn]
    found, itself = {}, with_itself(file, space)
    for score in SCORES:
        theirs = columns.objectives[PUBLISHED + score][drawn]
        found[score] = {
            "with_published": spearman(ours[score], theirs),
            "should_be": SHOULD.get(score),
            "published_with_itself": itself[score],
            "with_validation": spearman(ours[score], validation),
            "published_with_validation": spearman(theirs, validation),
        }
    seconds = [done[key]["cpu_seconds"] for key in space.keys(archs).tolist()]
    result = {
        **header,
        "cells": len(archs),
        "cpu_seconds_a_cell": round(float(np.mean(seconds)), 2),
        "failed": {score: int(np.isnan(ours[score]).sum()) for score in SCORES},
        "spearman": found,
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
