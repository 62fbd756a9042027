"""A default stands once, in the class, and yet every option is composed with all its values."""

from __future__ import annotations

import json
from importlib import import_module
from inspect import signature
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from helpers import CONF, run_search

from nas._config import build, composed
from nas.errors import OptionError, UserError
from nas.evaluators import TrainingEvaluator
from nas.search.build import shared_encoder
from nas.spaces import NB101

GOLDEN: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "golden" / "options.json").read_text())


def missing(wanted: Any, found: Any, path: str) -> list[str]:
    """What of `wanted` is not in `found`, which may have more."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return [line for key, value in wanted.items() for line in missing(value, found.get(key), f"{path}.{key}")]
    return [] if wanted == found else [f"{path} is {found}, was {wanted}"]


@pytest.mark.parametrize("option", sorted(GOLDEN))
def test_composed_options_are_the_recorded_ones(option: str) -> None:
    """A change of a default is a visible change of the golden file."""
    config = composed([option] if option else [])
    group = option.partition("=")[0]
    node = config
    for part in group.split("/") if group not in ("", "experiment") else []:
        node = node[part]
    assert missing(GOLDEN[option], node, option) == []


def alone() -> list[Path]:
    """The files that say nothing but which class it is."""
    files = [path for path in CONF.glob("*/**/*.yaml") if "experiment" not in path.parts]
    return sorted(path for path in files if list(yaml.safe_load(path.read_text())) == ["_target_"])


@pytest.mark.parametrize("path", alone(), ids=lambda path: path.relative_to(CONF).with_suffix("").as_posix())
def test_a_class_made_in_python_is_the_one_of_its_option(path: Path, small_space: NB101) -> None:
    target = yaml.safe_load(path.read_text())["_target_"]
    module, _, name = target.rpartition(".")
    cls = getattr(import_module(module), name)
    group = path.relative_to(CONF).parts[:-1]
    knows_all = SimpleNamespace(early=lambda *_: None, objective=lambda *_: None)
    parts = {"space": small_space, "budget": 150, "evaluator": knows_all}
    node = composed([f"{'/'.join(group)}={path.stem}"])
    for part in (*group, path.stem) if group == ("encoder",) else group:
        node = node[part]
    assert next(iter(node)) == "_target_"
    needed = {key: part for key, part in parts.items() if key in signature(cls).parameters}
    ours, theirs = cls(**needed), build(node, "part", **parts)
    assert settings(ours) == settings(theirs)


def settings(made: Any) -> dict[str, Any]:
    """What of an object is plain data."""
    found: dict[str, Any] = {}
    for key, value in getattr(made, "__dict__", {}).items():
        try:
            found[key] = json.loads(json.dumps(value))
        except TypeError:
            continue
    return found


def test_a_training_evaluator_in_python_is_that_of_the_command_line(small_space: NB101) -> None:
    node = composed(["evaluator=training"])["evaluator"]
    assert TrainingEvaluator(small_space).identity() == build(node, "evaluator", space=small_space).identity()


def test_yaml_of_the_users_is_completed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_part.py").write_text(
        "from nas.estimators import NearestNeighbours, NoEstimator\n"
        "class Mine(NoEstimator):\n"
        "    def __init__(self, space, rate: float = 0.5, names: list[str] = ('a',), part=None, budget: int = 7):\n"
        "        pass\n"
        "class Nearer(NearestNeighbours):\n"
        "    def __init__(self, space, encoder, k: int = 3, power: float = 2.0):\n"
        "        super().__init__(space, encoder, k, power)\n"
    )
    for name, text in {
        "mine": "_target_: own_part.Mine\n",
        "extends": "defaults: [knn_graph]\n_target_: own_part.Nearer\nk: 4\n",
        "broken": "_target_: nowhere.Nothing\nk: 1\n",
    }.items():
        (tmp_path / "options/estimator").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"options/estimator/{name}.yaml").write_text(text)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[1]}")

    def shown(*options: str) -> dict[str, Any]:
        done = run_search("--config-dir=options", "--cfg", "job", *options, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return yaml.safe_load(done.stdout)["estimator"]

    assert shown("estimator=mine") == {"_target_": "own_part.Mine", "rate": 0.5, "names": ["a"]}
    assert shown("estimator=mine", "estimator.rate=2") == {"_target_": "own_part.Mine", "rate": 2, "names": ["a"]}
    extended = shown("estimator=extends")
    assert (extended["k"], extended["power"], extended["encoder"]["cells"]) == (4, 1.0, 4096)
    assert shown("estimator=broken") == {"_target_": "nowhere.Nothing", "k": 1}
    done = run_search("--config-dir=options", "estimator=broken", cwd=tmp_path)
    assert done.stderr == "error: estimator._target_ cannot be imported: No module named 'nowhere'\n"


def test_an_experiment_lies_over_options_and_is_not_completed(tmp_path: Path) -> None:
    (tmp_path / "options/experiment").mkdir(parents=True)
    (tmp_path / "options/experiment/mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /estimator: knn_graph\n"
        "estimator:\n  encoder:\n    _target_: nas.encoders.FeatureEncoder\n    features: [path]\n"
    )
    done = run_search("--config-dir=options", "--cfg", "job", "experiment=mine", cwd=tmp_path)
    encoder = yaml.safe_load(done.stdout)["estimator"]["encoder"]
    assert (encoder["features"], encoder["cells"]) == (["path"], 4096)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["estimator.encoder.width=0"], "estimator.encoder.width is 0, must be at least 1"),
        (["+encoder@strategy.pool.encoder=graph", "strategy.pool.encoder.width=0"],
         "strategy.pool.encoder.width is 0, must be at least 1"),
        (["strategy.pool.mutations=[0.4,0.7]"], "strategy.pool.mutations is [0.4, 0.7], whose shares sum to 1.1"),
        (["strategy.pool.mutations=[0.4,-1]"], "strategy.pool.mutations[1] is -1, must be at least 0"),
        (["strategy=evolution", "strategy.tournament=21"], "strategy.tournament is 21, must be 1..20 (population)"),
        (["evaluator=training", "evaluator.recipe.batch=1"], "evaluator.recipe.batch is 1, must be at least 2"),
        (["evaluator=training", "evaluator.recipe.batch=961"], "evaluator.recipe.batch is 961, must be at most 960"),
        (["evaluator=training", "evaluator.skeleton.stem=0"], "evaluator.skeleton.stem is 0, must be at least 1"),
        (["evaluator=training", "evaluator.time_limit=nan"], "evaluator.time_limit is nan, must be a finite number"),
    ],
)  # fmt: skip
def test_a_wrong_number_is_told_with_the_path_of_its_option(overrides: list[str], message: str) -> None:
    config = composed(overrides)
    space = NB101(max_vertices=5)
    with pytest.raises(OptionError) as error:  # noqa: PT012
        estimator = build(config["estimator"], "estimator", space=space)
        build(config["strategy"], "strategy", space=space, budget=150, **shared_encoder(estimator))
        build(config["evaluator"], "evaluator", space=space)
    assert str(error.value).startswith(message)


def test_the_encoder_of_a_strategy_is_one_by_default(small_space: NB101) -> None:
    from nas.encoders import GraphEncoder
    from nas.strategies import LatentAscent, SmartPool

    own = GraphEncoder(small_space, width=5)
    made: GraphEncoder = SmartPool(small_space)._latent_space.encoder
    assert settings(made) == settings(GraphEncoder(small_space))
    assert LatentAscent(small_space, own)._latent_space.encoder is own
    assert "encoder" not in composed()["strategy"]["pool"]


def test_estimators_say_which_values_they_accept(small_space: NB101) -> None:
    made = {
        name: build(composed([f"estimator={name}"])["estimator"], "estimator", space=small_space)
        for name in ("ridge", "emprox", "npenas")
    }
    anything = (float("-inf"), float("inf"))
    assert {name: estimator.values_in for name, estimator in made.items()} == {
        "ridge": (0, 1), "emprox": anything, "npenas": anything,
    }  # fmt: skip


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A table in which a gene has 144 choices, and the value is a loss."""
    rows = [f"{number},{number % 3},{number % 5},{5 + number / 100}" for number in range(144)]
    (tmp_path / "many.csv").write_text("\n".join(["id,kind,size,loss", *rows]) + "\n")
    return tmp_path / "many.csv"


@pytest.mark.parametrize(
    "options",
    [
        ("estimator=ridge",), ("estimator=gp_graph",), ("estimator=bananas",), ("estimator=lightgbm",),
        ("estimator=emprox",), ("estimator=none", "strategy=latent"),
        ("estimator=none", "strategy/pool=smart", "strategy.pool.latent=0.1"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_space_that_cannot_be_encoded_is_refused_when_parts_are_made(options: tuple[str, ...], many: Path) -> None:
    config = composed(["space=custom", f"space.path={many}", "space.value=loss", *options])
    space = build(config["space"], "space")
    with pytest.raises(UserError, match="gene 'id' has 144 choices: there are 144"):  # noqa: PT012
        estimator = build(config["estimator"], "estimator", space=space)
        build(config["strategy"], "strategy", space=space, budget=150, **shared_encoder(estimator))


def test_what_needs_no_features_takes_any_space(many: Path) -> None:
    for options in (("estimator=knn_onehot",), ("estimator=none", "strategy/pool=smart"), ("estimator=npenas",)):
        config = composed(["space=custom", f"space.path={many}", "space.value=loss", *options])
        space = build(config["space"], "space")
        estimator = build(config["estimator"], "estimator", space=space)
        build(config["strategy"], "strategy", space=space, budget=150, **shared_encoder(estimator))
