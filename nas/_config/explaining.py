"""What Hydra refuses, in one line."""

from __future__ import annotations

import re
from pathlib import Path

from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException

from nas._config.composing import config_folder
from nas.errors import UserError

_NO_GROUP = re.compile(r"Could not override '([\w]+/[\w/]+)'")


def explain(error: HydraException | OmegaConfBaseException) -> str:
    """Say in one line what Hydra refused and what is allowed."""
    if isinstance(error, MissingConfigException) and (error.options is not None or _of_list(error)):
        file, options = str(error.missing_cfg_file), list(error.options or ())
        group, _, option = file.rpartition("/")
        if not options:  # they lie deeper (experiment=nb101/rea), or Hydra does not tell them
            group, _, option = file.partition("/")
            folder = Path(config_folder()) / group
            options = [path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml")]
        return f"{group}={option} is unknown, allowed: {', '.join(sorted(options))}"
    if isinstance(error, ConfigCompositionException) and (found := _NO_GROUP.search(str(error))):
        parent = found[1].partition("/")[0]
        return f"{found[1]} is unknown for the {parent} that was chosen: choose another {parent}, or leave it out"
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
            if isinstance(cause, InterpolationResolutionError):
                return f"{cause.full_key}: {_first_line(cause)}: write \\${{...}} where it is a text"
            if isinstance(parent, DictConfig) and cause.key not in parent:
                allowed = ", ".join(str(key) for key in parent if key not in ("_target_", "hydra"))
                return f"{cause.full_key} is unknown, allowed: {allowed or 'no options'}"
            return f"{cause.full_key}: {_first_line(cause)}"
    return _first_line(error)


def _of_list(error: MissingConfigException) -> bool:
    """Whether the option is one of several of a group, as in `encoder=[graph,early]`."""
    return str(error.missing_cfg_file).startswith("encoder/") and _first_line(error).startswith("In 'config'")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
