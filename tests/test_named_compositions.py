"""What every composition by name (`experiment=...`) must do: a new YAML is tested without editing a test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers import run_search, shrink
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from nas._config import config_folder, register
from nas.search.compose import Composed
from nas.search.runner import run_composed

FOLDER = Path(config_folder()) / "experiment"
NAMES = sorted(path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.yaml"))


def composed(*overrides: str) -> dict[str, Any]:
    register()
    with initialize_config_dir(config_folder(), version_base="1.3"):
        return OmegaConf.to_container(compose("config", list(overrides)), resolve=True)  # type: ignore[return-value]


@pytest.fixture
def history(request, small_table: Path, tmp_path: Path, monkeypatch) -> list[dict[str, Any]]:
    """The evaluations of a short run on the small table."""
    monkeypatch.setenv("NAS_DATA_DIR", str(small_table.parent))
    options = composed(f"experiment={request.param}", "space.max_vertices=5", "budget=40", "seed=5")
    shrink(options)
    result = run_composed(Composed(options, {}, [], [], tmp_path))
    assert result.content["budget"] == 40
    return [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("history", NAMES, indirect=True)
def test_it_runs_and_each_evaluation_is_another_network(history) -> None:
    assert len({line["key"] for line in history}) == 40
    assert {line["proposed_by"] for line in history[:7]} in ({"random"}, {"spread"})


@pytest.mark.parametrize("history", ["nb101/bananas", "nb101/npenas"], indirect=True)
def test_peers_with_a_predictor_rank_mutants_of_the_best_cell(history) -> None:
    origins = [line["proposed_by"] for line in history[10:]]
    assert sum(origin.startswith("mutation") for origin in origins) >= 20
    assert all(line["predicted_mean"] is not None for line in history[10:])


def test_bananas_chooses_by_thompson_sampling_and_npenas_by_the_estimate() -> None:
    bananas, npenas = composed("experiment=nb101/bananas"), composed("experiment=nb101/npenas")
    assert bananas["acquisition"]["_target_"].endswith("ThompsonSampling")
    assert npenas["acquisition"]["_target_"].endswith("Mean")
    for peer in (bananas, npenas):
        assert (peer["initial"], peer["pool"], peer["batch"]) == (10, 100, 10)
        assert sum(peer["strategy"]["pool"]["mutations"]) == pytest.approx(1)


def test_the_command_line_has_the_last_word() -> None:
    options = composed("experiment=nb101/bananas", "seed=7", "pool=50", "acquisition=mean", "estimator=ridge")
    assert (options["pool"], options["batch"]) == (50, 10)
    assert options["acquisition"]["_target_"].endswith("Mean")
    assert options["estimator"]["_target_"].endswith("Ridge")
    assert composed("experiment=nb101/bananas", "seed=7")["estimator"]["seed"] == 7


def test_a_sweep_over_compositions_records_each(tmp_path: Path, small_table: Path) -> None:
    done = run_search(
        "-m", "experiment=nb101/random,nb101/rea", "seed=range(2)", "budget=12", "space.max_vertices=5",
        "hydra.sweep.dir=sweep", cwd=tmp_path, NAS_DATA_DIR=str(small_table.parent),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    records = [OmegaConf.load(path) for path in sorted((tmp_path / "sweep").glob("*/config.yaml"))]
    found = [(record.strategy["_target_"].rpartition(".")[2], record.seed, record.initial) for record in records]
    strategies = {"RandomSearch": 10, "RegularizedEvolution": 20}
    assert found == [(strategy, seed, initial) for strategy, initial in strategies.items() for seed in range(2)]
