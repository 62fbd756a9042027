"""From a composed configuration to objects, with every mistake in one line."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, make_dataclass
from importlib import import_module
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nas.errors import UserError

_PLAIN = (int, float, str, bool)
_MANY = {int: "whole numbers", float: "numbers", str: "texts"}


@dataclass
class SearchConfig:
    """The seven groups and the options beside them; see `conf/config.yaml`."""

    space: Any = field(default_factory=dict)
    strategy: Any = field(default_factory=dict)
    estimator: Any = field(default_factory=dict)
    acquisition: Any = field(default_factory=dict)
    evaluator: Any = field(default_factory=dict)
    dataset: Any = field(default_factory=dict)
    executor: Any = field(default_factory=dict)
    objective: Any = field(default_factory=dict)
    seed: int = 0
    budget: int = 150
    initial: int = 20
    pool: int = 1000
    batch: int = 1
    table: str = "auto"
    resume: str | None = None


def checked(options: dict[str, Any]) -> SearchConfig:
    """Return the options as an object, checked for what no single part can check.

    Raises:
        UserError: an option is unknown or missing, or a number is out of its range.
    """
    known = SearchConfig.__dataclass_fields__
    for name in [*(set(options) - set(known)), *(set(known) - set(options))][:1]:
        raise UserError(f"{name} is {'unknown' if name in options else 'missing'}, the options are {', '.join(known)}")
    config = SearchConfig(**options)
    for name, least in {"seed": 0, "budget": 1, "initial": 1, "pool": 1, "batch": 1}.items():
        if (value := getattr(config, name)) < least:
            raise UserError(f"{name} is {value}, must be at least {least}")
    if config.pool < config.batch:
        raise UserError(f"pool is {config.pool}, must be at least {config.batch} (batch): candidates of a round")
    return config


def config_folder() -> str:
    """The YAML tree: inside the installed package, or beside the package in a checkout."""
    package = Path(__file__).parent
    return str(next(folder for folder in (package / "conf", package.parent / "conf") if folder.is_dir()))


def composed(overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The whole configuration as the command line would compose it, plain; for use from Python.

    Args:
        overrides: as on the command line, such as `estimator=ridge` and `seed=3`.

    Raises:
        HydraException: an override is not one, or names what is not there.
    """
    from hydra import compose, initialize_config_dir

    register()
    with initialize_config_dir(config_folder(), version_base="1.3"):
        return OmegaConf.to_container(compose("config", list(overrides)), resolve=True)  # type: ignore[return-value]


def register() -> None:
    """Tell Hydra the types of the top-level options, and OmegaConf how to name a run's folder and the program."""
    ConfigStore.instance().store("search_options", SearchConfig)
    OmegaConf.register_new_resolver("run_folder", _run_folder, replace=True)
    OmegaConf.register_new_resolver("program", lambda: sys.argv[0], replace=True)


def _run_folder(resume: str | None, fresh: str) -> str:
    if resume is not None and not (Path(resume) / "config.yaml").is_file():
        raise UserError(f"resume is {resume!r}, which holds no run (no config.yaml): name the folder of an earlier run")
    return resume or fresh


def build(node: Any, name: str, **given: Any) -> Any:
    """Make the object that a config node describes.

    The class that `_target_` names gets the node's other entries, checked against the type hints of its constructor,
    and whatever of `given` its constructor asks for. Nodes within that have a `_target_` are built first.

    Args:
        node: the node, with a `_target_`.
        name: what the user calls it, for messages.
        given: objects that constructors may ask for by name.

    Raises:
        UserError: the class cannot be imported, or an entry is unknown, missing or of a wrong type.
    """
    if not isinstance(node, Mapping | DictConfig) or "_target_" not in node:
        raise UserError(f"{name} is {node!r}, must name a class with _target_: choose an option of the group")
    entries = dict(node)
    target = _class(entries.pop("_target_"), name)
    parameters = inspect.signature(target).parameters
    hints = get_type_hints(target.__init__)
    for key in entries:
        if key not in parameters:
            allowed = ", ".join(option for option in parameters if option not in given)
            raise UserError(f"{name}.{key} is unknown, allowed: {allowed or 'no options'}")
        if isinstance(entries[key], str) and entries[key] == "???":
            raise UserError(f"{name}.{key} is missing: give it with {name}.{key}=VALUE")
    for key, parameter in parameters.items():
        if key in entries and isinstance(entries[key], Mapping | DictConfig) and "_target_" in entries[key]:
            entries[key] = build(entries[key], f"{name}.{key}", **given)
        elif key in entries:
            entries[key] = _typed(entries[key], hints.get(key, Any), f"{name}.{key}")
        elif key in given:
            entries[key] = given[key]
        elif parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_KEYWORD,
            parameter.VAR_POSITIONAL,
        ):
            raise UserError(f"{name}.{key} is missing: {target.__name__} needs it")
    return target(**entries)


def check_recorded(node: Any, name: str) -> None:
    """Refuse what a run recorded if it would make anything but parts of a search.

    A record may have been written elsewhere: it is data, while the configuration of a new run is the user's own.

    Raises:
        UserError: a `_target_` is no class of this package, and derives from none.
    """
    if not isinstance(node, Mapping):
        return
    if (path := node.get("_target_")) is not None:
        bases = {base.__module__.partition(".")[0] for base in _class(path, name).__mro__}
        if __name__.partition(".")[0] not in bases:
            raise UserError(
                f"{name}._target_ is {path}, in a record it must be a class that derives from one of nas "
                f"(such as nas.types.Evaluator)"
            )
    for key, entry in node.items():
        check_recorded(entry, f"{name}.{key}")


def _class(path: str, name: str) -> type[Any]:
    try:
        module, _, attribute = path.rpartition(".")
        target = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"{name}._target_ cannot be imported: {error}") from error
    if not isinstance(target, type):
        raise UserError(f"{name}._target_ is {path}, which is no class")
    return target


def _typed(value: Any, hint: Any, name: str) -> Any:
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    lists = [option for option in options if get_origin(option) is list]
    if lists and not (value is None and type(None) in options):
        (item,) = get_args(lists[0])
        if not isinstance(value, list | tuple | ListConfig):
            example = f": {name}=[{value}]" if isinstance(value, _PLAIN) else ""
            raise UserError(f"{name} is {value!r}, must be a list of {_MANY.get(item, 'values')}{example}")
        return [_typed(entry, item, f"{name}[{place}]") for place, entry in enumerate(value)]
    if hint not in _PLAIN and not (set(get_args(hint)) & set(_PLAIN)):
        by_name = any(get_origin(option) is dict for option in options)  # entries that their class knows
        if hint is not Any and not by_name and isinstance(value, _PLAIN):
            raise UserError(f"{name} is {value!r}, must be described by options below it, with a _target_")
        return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
    try:
        schema = OmegaConf.structured(make_dataclass("Options", [("value", hint, field(default=MISSING))]))
        return OmegaConf.merge(schema, {"value": value}).value
    except OmegaConfBaseException as error:
        raise UserError(f"{name} is {value!r}: {_first_line(error)}") from error


def differences(recorded: Any, current: Any, prefix: str = "") -> list[str]:
    """Keys in which two plain configurations differ, each with both values."""
    if not (isinstance(recorded, dict) and isinstance(current, dict)):
        return [] if recorded == current else [f"{prefix} (recorded {recorded!r}, now {current!r})"]
    keys = sorted({*recorded, *current})
    return [
        line
        for key in keys
        for line in differences(recorded.get(key), current.get(key), f"{prefix}.{key}" if prefix else str(key))
    ]


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


def explain(error: HydraException | OmegaConfBaseException) -> str:
    """Say in one line what Hydra refused and what is allowed."""
    if isinstance(error, MissingConfigException) and error.options is not None:
        file, options = str(error.missing_cfg_file), list(error.options)
        group, _, option = file.rpartition("/")
        if not options:  # they lie deeper: experiment=nb101/rea
            group, _, option = file.partition("/")
            folder = Path(config_folder()) / group
            options = [path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml")]
        return f"{group}={option} is unknown, allowed: {', '.join(sorted(options))}"
    if isinstance(error, OverrideParseException):
        return f"{error.override!r} is no override, expected NAME=VALUE: {_first_line(error)}"
    chain: list[BaseException] = [error]
    while chain[-1].__context__ is not None:
        chain.append(chain[-1].__context__)
    for cause in chain:
        if isinstance(cause, UserError):
            return str(cause)
    for cause in chain:
        if isinstance(cause, OmegaConfBaseException) and cause.full_key:
            parent = cause.parent_node
            if isinstance(parent, DictConfig) and cause.key not in parent:
                allowed = ", ".join(str(key) for key in parent if key not in ("_target_", "hydra"))
                return f"{cause.full_key} is unknown, allowed: {allowed or 'no options'}"
            return f"{cause.full_key}: {_first_line(cause)}"
    return _first_line(error)
