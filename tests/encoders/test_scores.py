"""Zero-cost scores against computations by hand, and what they must not depend on."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import GRAPH, PIXELS, Pixels, images, regression
from torch import Tensor, nn
from torch.nn.functional import batch_norm, conv2d

from nas.encoders.scores import SCORES, zero_cost
from nas.encoders.zero_cost import PUBLISHED
from nas.networks import ResidualSkeleton
from nas.spaces import NB201

SPACE = NB201()
SMALL = ResidualSkeleton(stem=4, stacks=2, cells=1)
LINEAR = images(train=60)
RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.normal(size=(12, 3, 8, 8)).astype(np.float32), np.arange(12) % 4
CHAIN = SPACE.graphs(SPACE.from_strings(["|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"]))
CELL = SPACE.graphs(
    SPACE.from_strings(
        ["|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|avg_pool_3x3~0|nor_conv_3x3~1|skip_connect~2|"]
    )
)
DEAD = SPACE.graphs(SPACE.from_strings(["|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"]))


def of_cell(names=SCORES, x=IMAGES, y=LABELS, seed=0, graph=CELL, skeleton=SMALL) -> dict[str, float]:
    return zero_cost(graph, x, y, skeleton, names, seed)[0]


def network(graph=CELL, skeleton=SMALL, seed=0) -> nn.Module:
    made = skeleton.network(graph, [torch.Generator().manual_seed(seed)]).train()
    for module in made.features.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data.div_(math.sqrt(6))  # from He's variance 2 / fan-in to 1 / (3 fan-in)
    return made


@pytest.fixture(scope="module")
def linear():
    """Scores of softmax regression; its weights `(classes, pixels + 1)`, the bias last; outputs."""
    dense = network(GRAPH, Pixels()).dense
    weight = np.hstack([dense.weight.detach().numpy()[:, :, 0, 0], dense.bias.detach().numpy()[:, None]]).astype(float)
    outputs = np.hstack([LINEAR.x_train.reshape(60, -1), np.ones((60, 1))]) @ weight.T
    return zero_cost(GRAPH, LINEAR.x_train, LINEAR.y_train, Pixels())[0], weight, outputs


def gradient(weight) -> np.ndarray:
    return regression(weight, LINEAR.x_train, LINEAR.y_train)[2]


def test_scores_of_the_gradient_are_those_by_hand(linear) -> None:
    scores, weight, outputs = linear
    w, g = weight[:, :-1], gradient(weight)[:, :-1]
    assert scores["snip"] == pytest.approx(np.abs(w * g).sum(), rel=1e-4)
    assert scores["plain"] == pytest.approx((w * g).sum(), rel=1e-4)
    assert scores["grad_norm"] == pytest.approx(np.sqrt((g**2).sum()), rel=1e-4)
    assert scores["l2_norm"] == pytest.approx(np.sqrt((w**2).sum()), rel=1e-5)
    likely = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    by_output = (likely - np.eye(3)[LINEAR.y_train]) / 60
    assert scores["fisher"] == pytest.approx(PIXELS * ((outputs * by_output) ** 2).mean(axis=0).sum() / 2, rel=1e-4)


def test_grasp_is_the_change_of_the_gradient_along_itself(linear) -> None:
    scores, weight, _ = linear
    step = gradient(weight)
    step[:, -1] = 0  # the bias is no weight
    change = (gradient(weight + 1e-5 * step) - gradient(weight - 1e-5 * step)) / 2e-5
    assert scores["grasp"] == pytest.approx(-(weight * change)[:, :-1].sum(), rel=1e-3)


def test_sizes_are_counted(linear) -> None:
    scores, weight, _ = linear
    assert scores["params"] == pytest.approx((PIXELS + 1) * 3 / 1e6)
    assert scores["flops"] == pytest.approx(PIXELS * 3 / 1e6)
    assert scores["synflow"] == pytest.approx(math.log1p(np.abs(weight[:, :-1]).sum()))
    found = of_cell(["params", "flops"])
    assert found["params"] == pytest.approx(SMALL.parameters(CELL)[0] / 1e6)
    first, second, block = (9 + 1 + 9) * 16, (9 + 1 + 9) * 64, 9 * 4 * 8 + 9 * 8 * 8 + 4 * 8
    assert found["flops"] == pytest.approx((64 * (27 * 4 + first) + 16 * (block + second) + 80) / 1e6)


def test_what_flows_through_a_chain_is_the_same_in_every_layer() -> None:
    skeleton = ResidualSkeleton(stem=4, stacks=1, cells=1)
    stem, conv, dense = (module.weight.detach().abs() for module in network(CHAIN, skeleton).modules()
                         if isinstance(module, nn.Conv2d))  # fmt: skip
    through = conv2d(conv2d(torch.ones(1, 3, 8, 8), stem, padding=1), conv, padding=1).mean((2, 3), keepdim=True)
    flow = float(conv2d(through, dense).sum())
    assert of_cell(["synflow"], graph=CHAIN, skeleton=skeleton)["synflow"] == pytest.approx(math.log1p(3 * flow))


def normed(value: Tensor) -> Tensor:
    return batch_norm(value, None, None, training=True)


def test_nwot_counts_the_units_on_which_images_agree() -> None:
    skeleton = ResidualSkeleton(stem=4, stacks=1, cells=1)
    stem, conv, _ = (module.weight.detach() for module in network(CHAIN, skeleton).modules()
                     if isinstance(module, nn.Conv2d))  # fmt: skip
    first = normed(conv2d(torch.from_numpy(IMAGES), stem, padding=1))
    second = normed(normed(conv2d(first.relu(), conv, padding=1)))
    on = torch.cat([first.flatten(1), second.flatten(1)], dim=1).numpy() > 0
    agree = (on[:, None] == on[None]).sum(axis=2)
    found = of_cell(["nwot"], graph=CHAIN, skeleton=skeleton)["nwot"]
    assert found == pytest.approx(np.linalg.slogdet(agree)[1], rel=1e-6)


def jacobian(made: nn.Module) -> np.ndarray:
    x = torch.from_numpy(IMAGES).clone().requires_grad_()
    made(x).sum().backward()
    return x.grad.flatten(1).double().numpy()


def test_scores_of_the_jacobian_are_those_by_hand() -> None:
    found, rows = of_cell(["jacov", "epe_nas"]), jacobian(network())
    values = np.linalg.eigvalsh(np.corrcoef(rows))
    assert found["jacov"] == pytest.approx(-np.sum(np.log(values + 1e-5) + 1 / (values + 1e-5)), rel=1e-3)
    sums = [np.log(np.abs(np.corrcoef(rows[label == LABELS])) + 1e-5).sum() for label in range(4)]
    assert found["epe_nas"] == pytest.approx(np.abs(sums).sum(), rel=1e-3)


def test_with_many_classes_epe_nas_compares_them() -> None:
    skeleton = ResidualSkeleton(stem=4, stacks=2, cells=1, classes=101)
    rows = jacobian(network(skeleton=skeleton))
    means = [np.log(np.abs(np.corrcoef(rows[label == LABELS])) + 1e-5).sum() / 3 for label in range(4)]
    expected = np.abs(np.subtract.outer(means, means)).sum() / 4
    assert of_cell(["epe_nas"], skeleton=skeleton)["epe_nas"] == pytest.approx(expected, rel=1e-3)


def test_zen_of_plain_pixels_is_the_size_of_the_noise() -> None:
    x = np.zeros((2000, *LINEAR.x_train.shape[1:]), dtype=np.float32)
    found = zero_cost(GRAPH, x, np.zeros(2000, dtype=np.int64), Pixels(normed=True), ["zen"])[0]["zen"]
    assert found == pytest.approx(math.log(0.01 * PIXELS * math.sqrt(2 / math.pi)), abs=0.02)


@pytest.fixture(scope="module")
def scores() -> dict[str, float]:
    return of_cell()


def test_the_same_seed_gives_the_same_scores_whatever_is_drawn_elsewhere(scores) -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    assert of_cell() == scores
    assert (torch.random.get_rng_state() == before).all()
    assert all(map(math.isfinite, scores.values()))


def test_a_score_does_not_depend_on_which_others_are_computed(scores) -> None:
    for name in SCORES:
        assert of_cell([name])[name] == pytest.approx(scores[name], rel=1e-6), name


def test_the_order_of_the_images_does_not_matter(scores) -> None:
    order = RNG.permutation(12)
    moved = of_cell(x=IMAGES[order], y=LABELS[order])
    assert moved == pytest.approx(scores, rel=1e-3)


def test_each_score_depends_on_what_it_is_of(scores) -> None:
    def unchanged(**changes) -> set[str]:
        found = of_cell(**changes)
        return {name for name in SCORES if found[name] == scores[name]}

    without_images = {"synflow", "zen", "l2_norm", "flops", "params"}
    assert unchanged(x=IMAGES[::-1] + np.float32(0.5) * IMAGES) == without_images
    assert unchanged(y=(LABELS + LABELS // 2) % 4) == {*without_images, "jacov", "nwot"}
    assert unchanged(seed=1) == {"flops", "params"}


def test_what_does_not_depend_on_its_input_has_no_score_of_that() -> None:
    found = of_cell(graph=DEAD)
    assert {name for name, score in found.items() if math.isnan(score)} == {"jacov", "epe_nas", "nwot", "zen"}
    assert found["synflow"] == found["snip"] == 0


@pytest.mark.slow
def test_cheap_scores_rank_as_the_published_ones(real_nb201: Path) -> None:
    """The others are held against them by `experiments/zero_cost.py`."""
    from scipy.stats import spearmanr

    from nas.benchmarks import read_table

    columns = read_table(real_nb201, SPACE, name="cifar10").columns
    drawn = RNG.permutation(len(columns.archs))[:30]
    x, y = np.zeros((2, 3, 32, 32), dtype=np.float32), np.zeros(2, dtype=np.int64)
    skeleton = ResidualSkeleton(16, 3, 5)
    graphs = [SPACE.graphs(columns.archs[[row]]) for row in drawn]
    found = [zero_cost(graph, x, y, skeleton, ["params", "flops", "synflow"])[0] for graph in graphs]
    for name in found[0]:
        published = columns.objectives[PUBLISHED + name][drawn]
        assert spearmanr([scores[name] for scores in found], published)[0] >= 0.95, name
