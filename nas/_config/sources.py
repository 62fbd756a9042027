"""YAML files of options, completed as they are read: what a file leaves out of a node is its class's own default.

So a default stands once, in the class, and yet every option can be overridden, shown, and recorded.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from hydra._internal.core_plugins import file_config_source
from hydra._internal.sources_registry import SourcesRegistry
from hydra.plugins.config_source import ConfigResult
from omegaconf import OmegaConf

from nas._config.building import GIVEN, imported
from nas.options import hints, is_option

SCHEMA = "search_options"
"""The name of the top-level options' types in Hydra's store; a schema is no file that another extends."""


class FileConfigSource(file_config_source.FileConfigSource):  # Hydra lets one of the same name stand for its own
    """Hydra's source of YAML files; nodes with a `_target_` come with the defaults of the class.

    A file that extends another (`defaults: [emprox]`), or lies over others (`# @package _global_`), comes as it is:
    what the others say goes before a class's defaults.
    """

    def load_config(self, config_path: str) -> ConfigResult:
        """Read one file."""
        result = super().load_config(config_path)
        content: Any = OmegaConf.to_container(result.config)
        if isinstance(content, dict) and not config_path.startswith("hydra/") and not _lies_over(result, content):
            parts = {key: value if key == "hydra" else _completed(value) for key, value in content.items()}
            result.config = OmegaConf.create({**parts, **_left_out(parts)})
        return result


def _lies_over(result: ConfigResult, content: Mapping[Any, Any]) -> bool:
    extended = {entry for entry in content.get("defaults") or () if isinstance(entry, str)}
    return bool(result.header.get("package") == "_global_" or extended - {"_self_", SCHEMA})


def register() -> None:
    """Let Hydra read YAML files so, in this process."""
    SourcesRegistry.instance().types[FileConfigSource.scheme()] = FileConfigSource


def _completed(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    parts = {key: _completed(part) for key, part in value.items()}
    return {**parts, **_left_out(parts)}


def _left_out(node: Mapping[Any, Any]) -> dict[str, Any]:
    """The options that the class of a node has and the node has not, with their defaults."""
    if "_target_" not in node:
        return {}
    try:
        defaults = _defaults(imported(node["_target_"]))
    except Exception:  # it may be the user's; `build` tells what is wrong with it, if it is asked for
        return {}
    return {name: value for name, value in defaults.items() if name not in node}


def _defaults(cls: type[Any]) -> dict[str, Any]:
    """The options of a class that have a default, and no part that it is given."""
    kinds = hints(cls)
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(cls).parameters.items()
        if parameter.default is not parameter.empty and name not in GIVEN
    }
    return {name: _plain(value) for name, value in defaults.items() if _is_option(kinds.get(name, Any), value)}


def _is_option(hint: Any, default: Any) -> bool:
    """Without a hint the default tells; but None may stand for a part."""
    return is_option(hint) if hint is not Any else default is not None and is_option(type(default))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, Sequence) and not isinstance(value, str) else value
