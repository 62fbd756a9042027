"""The options of a search, and how they are composed from the YAML tree and the command line."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from nas._config import sources
from nas.budget import Budget
from nas.errors import UserError
from nas.options import Natural, PositiveInt, fitted, hints


@dataclass
class SearchConfig:
    """The groups (see `conf/config.yaml`), each a node with a `_target_`, and the options beside them.

    Attributes:
        encoder: by name what stands in the place of the estimator's own `encoder`, several of them side by side; null:
            nothing. It is moved there by `checked`.
        stop: when a search ends before its budget is spent (see `nas.search.Stop`).
        seed: of all that a search draws, 0 or more.
        scheduler: how long each candidate is trained, and which trainings go on.
        budget: what it may spend: a number of evaluations, `epochs:N` or `seconds:N`; see `nas.budget.Budget`.
        initial: of them before the estimator is first asked; null: 7, and of a budget up to 7 a quarter.
        pool: candidates of a round.
        batch: evaluated of them, at most `pool`.
        table: `cifar10`, `digits`, ...; `auto`: that of the dataset, else the first that is there.
        warm_start: a `history.jsonl` or CSV with trials that are known already and measured on the same.
        resume: folder of an earlier run to continue; with it `budget`, `stop`, `executor`, `evaluator.workers` and
            `retry_failed` may be given.
        retry_failed: with `resume`, evaluate failed trials again.
    """

    space: Any = field(default_factory=dict)
    strategy: Any = field(default_factory=dict)
    estimator: Any = field(default_factory=dict)
    encoder: Any = None
    acquisition: Any = field(default_factory=dict)
    evaluator: Any = field(default_factory=dict)
    dataset: Any = field(default_factory=dict)
    executor: Any = field(default_factory=dict)
    objective: Any = field(default_factory=dict)
    scheduler: Any = field(default_factory=dict)
    stop: Any = field(default_factory=dict)
    seed: Natural = 0
    budget: Any = 150
    initial: PositiveInt | None = None
    pool: PositiveInt = 1000
    batch: PositiveInt = 1
    table: str = "auto"
    warm_start: str | None = None
    resume: str | None = None
    retry_failed: bool = False


def checked(options: dict[str, Any]) -> SearchConfig:
    """Return the options as an object, checked for what no single part can check.

    Raises:
        UserError: an option is unknown or missing, of a wrong type, or a number is out of its range.
    """
    known = SearchConfig.__dataclass_fields__
    for name in [*(set(options) - set(known)), *(set(known) - set(options))][:1]:
        raise UserError(f"{name} is {'unknown' if name in options else 'missing'}, the options are {', '.join(known)}")
    kinds = hints(SearchConfig)
    config = SearchConfig(**{name: fitted(value, kinds[name], name, parse=True) for name, value in options.items()})
    config.budget = Budget.of(config.budget).written
    if config.pool < config.batch:
        raise UserError(f"pool is {config.pool}, must be at least {config.batch} (batch): candidates of a round")
    if config.encoder:
        config.estimator, config.encoder = _with_encoder(config.estimator, config.encoder), None
    return config


def _with_encoder(estimator: Any, encoder: Any) -> dict[str, Any]:
    """The node of an estimator, its encoder replaced by one or several."""
    if not (isinstance(encoder, Mapping) and all(isinstance(node, Mapping) for node in encoder.values())):
        raise UserError(f"encoder is {encoder!r}, must be a list of options, such as encoder=[graph,early]")
    if "encoder" not in estimator:
        kind = str(estimator.get("_target_")).rpartition(".")[2]
        raise UserError(f"encoder is [{','.join(encoder)}], but the estimator, {kind}, has no encoder: leave it out")
    nodes = list(encoder.values())
    joined = {"_target_": "nas.encoders.Joined", "encoders": dict(encoder)}
    return {**estimator, "encoder": nodes[0] if len(nodes) == 1 else joined}


def config_folder() -> str:
    """The YAML tree: inside the installed package, or beside the package in a checkout."""
    package = Path(__file__).parents[1]
    return str(next(folder for folder in (package / "conf", package.parent / "conf") if folder.is_dir()))


def composed(overrides: Sequence[str] = (), config: str = "config", resolve: bool = True) -> dict[str, Any]:
    """The whole configuration as the command line would compose it, plain; for use from Python.

    Args:
        overrides: as on the command line, such as `estimator=ridge` and `seed=3`.
        config: the file that the groups belong to.
        resolve: whether what refers to another option, such as `${seed}`, becomes its value.

    Raises:
        HydraException: an override is not one, or names what is not there.
    """
    from hydra import compose, initialize_config_dir

    register()
    refuse_values(overrides)
    with initialize_config_dir(config_folder(), version_base="1.3"):
        return OmegaConf.to_container(compose(config, list(overrides)), resolve=resolve)  # type: ignore[return-value]


def refuse_values(overrides: Sequence[str]) -> None:
    """Refuse a number, `null` or the like where a name belongs, as in `space=5`; Hydra has no line for it.

    Raises:
        UserError: says what is allowed.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    for text in overrides:
        name, _, value = text.partition("=")
        folder = Path(config_folder()) / name.lstrip("+").partition("@")[0]
        if not value or not name.lstrip("+") or not folder.is_dir():
            continue
        try:
            meant = OverridesParser.create().parse_override(text).value()
        except HydraException:
            continue  # it is told when all is composed
        if any(one is None or isinstance(one, int | float) for one in _flat(meant)):
            allowed = ", ".join(
                sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml"))
            )
            raise UserError(f"{text} names nothing, allowed: {allowed}; or leave it out")


def _flat(meant: Any) -> list[Any]:
    """The values of an override: of a sweep, of a list, or the one."""
    several = getattr(meant, "list", meant)
    return [part for one in several for part in _flat(one)] if isinstance(several, list) else [several]


def register() -> None:
    """Tell Hydra the options and how YAML files are completed, OmegaConf a run's folder and the program's name."""
    sources.register()
    ConfigStore.instance().store(sources.SCHEMA, SearchConfig)
    OmegaConf.register_new_resolver("run_folder", _run_folder, replace=True)
    OmegaConf.register_new_resolver("program", lambda: sys.argv[0], replace=True)


def _run_folder(resume: str | None, fresh: str) -> str:
    if resume is not None and not (Path(resume) / "config.yaml").is_file():
        raise UserError(f"resume is {resume!r}, which holds no run (no config.yaml): name the folder of a run")
    return resume or fresh
