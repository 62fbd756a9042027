"""A training that stops and goes on is the one that does not stop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cells import graph
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as save_torch
from tiny import GRAPH, Pixels
from tiny import images as noise

from nas.errors import UserError
from nas.graphs import Graphs
from nas.networks import ResidualSkeleton, Skeleton
from nas.spaces import NB101, NB201
from nas.training import Curves, Recipe, State, load_state, remove_state, save_state, train

RECIPE = Recipe(epochs=8, batch=16, shift=1, noise=0.1, cutout=2, flip=True)
SHORT = Recipe(epochs=3, batch=5)


@pytest.fixture(scope="module")
def state() -> State:
    return train(GRAPH, noise(), Pixels(), SHORT, [0, 1], until=2)[1]


def nb101() -> Graphs:
    space = NB101(max_vertices=5)
    return space.graphs(space.enumerate()[1294:1295])


def nb201(*genes: int) -> Graphs:
    return NB201().graphs(np.array([genes], dtype=np.uint8))


def assert_same(one: tuple[Curves, State], other: tuple[Curves, State]) -> None:
    for name, values in vars(one[0]).items():
        if name != "seconds":
            np.testing.assert_array_equal(values, vars(other[0])[name], err_msg=name)
    assert list(one[1].tensors) == list(other[1].tensors)
    for name, values in one[1].tensors.items():
        if name != "curves.seconds":
            np.testing.assert_array_equal(values, other[1].tensors[name], err_msg=name)
    assert one[1].training == other[1].training


@pytest.mark.parametrize(
    ("graph", "skeleton", "changes", "seeds"),
    [
        (nb101(), Skeleton(4, 2, 1, 10, 1), {}, [3, 4]),
        (nb101(), Skeleton(4, 2, 1, 10, 1), {"momentum": 0.0}, [3]),
        (nb201(3, 2, 1, 4, 3, 2), ResidualSkeleton(4, 2, 1, 10, 1), {}, [3, 4, 5]),
        (nb201(0, 0, 0, 0, 0, 0), ResidualSkeleton(4, 2, 1, 10, 1), {}, [3]),  # nothing depends on the stem
    ],
    ids=["nb101", "plain descent", "nb201", "nothing"],
)
def test_eight_epochs_are_three_and_one_and_four_bit_for_bit(
    graph: Graphs, skeleton: Skeleton, changes: dict[str, Any], seeds: list[int], tmp_path: Path
) -> None:
    images = noise(40, 30, 20, shape=(1, 8, 8), classes=10)
    recipe = replace(RECIPE, **changes)
    whole = train(graph, images, skeleton, recipe, seeds)
    curves, state = train(graph, images, skeleton, recipe, seeds, until=3)
    assert curves.valid_loss.shape == (len(seeds), 3)
    kept = {name: tensor.copy() for name, tensor in state.tensors.items()}
    _, further = train(graph, images, skeleton, recipe, seeds, until=4, state=state)
    for name, tensor in kept.items():
        np.testing.assert_array_equal(state.tensors[name], tensor, err_msg="the state is no longer what it was")
    save_state(tmp_path / "state.safetensors", further)
    read = load_state(tmp_path / "state.safetensors")
    assert_same(whole, train(graph, images, skeleton, recipe, seeds, state=read))


def test_a_state_at_its_end_gives_what_it_holds(state: State) -> None:
    curves, again = train(GRAPH, noise(), Pixels(), SHORT, [0, 1], until=2, state=state)
    assert_same((curves, again), (curves, state))
    np.testing.assert_array_equal(curves.seconds, state.tensors["curves.seconds"])
    assert (state.epochs, state.seconds) == (2, curves.seconds[1])


def test_until_before_the_state_is_refused(state: State) -> None:
    with pytest.raises(UserError, match=r"^until is 1, must be 2\.\.3, the epochs of the state and of the recipe$"):
        train(GRAPH, noise(), Pixels(), SHORT, [0, 1], until=1, state=state)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"recipe": replace(SHORT, weight_decay=0.1)},
            "recipe.weight_decay is 0.0005, but that of this training is 0.1",
        ),
        ({"recipe": replace(SHORT, epochs=2)}, "recipe.epochs is 3, but that of this training is 2"),
        ({"skeleton": Pixels(cells=2)}, "skeleton.cells is 1, but that of this training is 2"),
        ({"seeds": [1, 0]}, "seeds is 0, 1, but that of this training is 1, 0"),
        (
            {"graph": graph([(0, 1), (0, 2), (1, 2)], 0)},
            r"graph is input\(\) conv3x3-bn-relu\(0\) output\(1\), but that of this training is "
            r"input\(\) conv3x3-bn-relu\(0\) output\(0,1\)",
        ),
        (
            {"graph": graph([(0, 1), (1, 2)], 2)},
            r"graph is .*, but that of this training is input\(\) maxpool3x3\(0\) output\(1\)",
        ),
        ({"images": noise(valid=299)}, f"images is {noise().digest}, but that of this training is [0-9a-f]{{64}}"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_state_of_another_training_is_refused(state: State, changes: dict[str, Any], message: str) -> None:
    given = {"graph": GRAPH, "images": noise(), "skeleton": Pixels(), "recipe": SHORT, "seeds": [0, 1], **changes}
    with pytest.raises(
        UserError, match=rf"^the state's {message}: go on from a state of the same training, or start w"
    ):
        train(**given, state=state)


def test_a_skeleton_of_another_kind_or_with_other_fields_is_refused(state: State) -> None:
    known = {name: text for name, text in state.training.items() if name != "recipe.cutout"}
    with pytest.raises(UserError, match="the state's recipe.cutout is None, but that of this training is 0"):
        train(GRAPH, noise(), Pixels(), SHORT, [0, 1], state=replace(state, training=known))
    with pytest.raises(UserError, match="the state's recipe.warm is 3, but that of this training is None"):
        train(
            GRAPH,
            noise(),
            Pixels(),
            SHORT,
            [0, 1],
            state=replace(state, training=state.training | {"recipe.warm": "3"}),
        )
    with pytest.raises(UserError, match="the state's skeleton is Pixels, but that of this training is Skeleton"):
        train(GRAPH, noise(), Skeleton(12, 1, 1, 3, 2), SHORT, [0, 1], state=state)


def test_the_graph_is_that_of_the_vertices_that_are_there(state: State) -> None:
    larger = Graphs(
        np.pad(GRAPH.adjacency, ((0, 0), (0, 2), (0, 2))), np.pad(GRAPH.labels, ((0, 0), (0, 2))), GRAPH.operations
    )
    curves, _ = train(larger, noise(), Pixels(), SHORT, [0, 1], state=state)
    assert curves.valid_loss.shape == (2, 3)


def test_a_state_whose_tensors_are_others_is_refused(state: State) -> None:
    def refused(message: str, **tensors: Any) -> None:
        changed = {name: tensor for name, tensor in (state.tensors | tensors).items() if tensor is not None}
        with pytest.raises(UserError, match=f"^the state's {message}: start without this state$"):
            train(GRAPH, noise(), Pixels(), SHORT, [0, 1], state=State(changed, state.training))

    for name, tensor in state.tensors.items():
        shape = rf"\({', '.join(map(str, tensor.shape))},?\)"
        if not name.startswith("momentum.") and name != "curves.seconds":
            refused(f"{name} is missing, must be {tensor.dtype} {shape}", **{name: None})
        if name != "curves.seconds":
            refused(
                rf"{name} is {tensor.dtype} \(7,\), must be {tensor.dtype} {shape}", **{name: np.ones(7, tensor.dtype)}
            )
        refused(f"{name} is float16 {shape}, must be {tensor.dtype} {shape}", **{name: tensor.astype(np.float16)})


def test_a_file_replaces_the_one_before_and_leaves_nothing_beside(state: State, tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    path.write_bytes(b"older")
    save_state(str(path), state)
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.safetensors"]
    read = load_state(str(path))
    assert read.training == state.training
    assert sorted(read.tensors) == sorted(state.tensors)
    for name, tensor in state.tensors.items():
        assert read.tensors[name].dtype == tensor.dtype
        np.testing.assert_array_equal(read.tensors[name], tensor)


def test_a_file_that_cannot_be_written_is_told(state: State, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"^the state cannot be written to .*/nowhere/state: No such file or directory$"
    ):
        save_state(tmp_path / "nowhere" / "state", state)


def test_damaged_files_are_refused(state: State, tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    save_state(path, state)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    places = [*range(0, 16), *rng.choice(len(content), 100, replace=False).tolist(), len(content) - 1]
    damaged = [content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :] for place in places]
    damaged += [content[:place] for place in (0, 1, 7, 8, 9, 500, len(content) - 1)] + [content + b"\0"]
    for changed in damaged:
        path.write_bytes(changed)
        with pytest.raises(UserError, match=r"is damaged, or no state of a training \([^\n]*\): start without it$"):
            load_state(path)


def test_other_files_are_refused(state: State, tmp_path: Path) -> None:
    path = tmp_path / "other"
    with pytest.raises(UserError, match=r"^no state can be read from .*/other: No such file or directory"):
        load_state(path)
    with pytest.raises(UserError, match=r"^no state can be read from .*: "):
        load_state(tmp_path)
    for metadata in (None, {}, {"sha256": "0" * 64}):
        save_file({"weights": np.ones(3)}, path, metadata=metadata)
        with pytest.raises(UserError, match=r"damaged, or no state of a training \(its digest is another\): start"):
            load_state(path)
    save_torch({"weights": torch.ones(3, dtype=torch.bfloat16)}, path)  # a type that NumPy does not know
    with pytest.raises(UserError, match="its digest is another"):
        load_state(path)
    save_state(path, state)
    save_file(load_file(path), path)  # the tensors alone
    with pytest.raises(UserError, match="its digest is another"):
        load_state(path)


def test_a_removed_file_is_gone_with_what_a_killed_write_left(tmp_path: Path, state: State) -> None:
    save_state(tmp_path / "a.safetensors", state)
    (tmp_path / "a.safetensors.part").touch()
    for _ in range(2):  # it may be missing
        remove_state(tmp_path / "a.safetensors")
        assert not list(tmp_path.iterdir())
    (tmp_path / "b").mkdir()
    with pytest.raises(UserError, match=r"^the state \S+/b cannot be removed: Is a directory$"):
        remove_state(tmp_path / "b")
