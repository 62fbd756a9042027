"""Records of runs: they may have been written elsewhere, so they are data, never a program."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from nas._config.composing import SearchConfig, config_folder
from nas.errors import UserError

_LARGEST = 1 << 20  # bytes of a record
_DEEPEST = 32  # levels of a record
_NEVER = "executor"  # the group of which a record must not say what is made
_PARTS = ("encoder",)  # groups that are options of a search, and parts of others
_SHARED = ""  # stands for all groups that are no option of a search


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Plain data only: few levels, no tags, and no aliases, which let a small file describe a huge one."""

    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent) or self.peek_event().tag is not None:
            raise yaml.YAMLError("it has an alias or a tag, which no record has")
        if self._depth == _DEEPEST:
            raise yaml.YAMLError(f"it is more than {_DEEPEST} levels deep")
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def read_record(path: Path) -> dict[str, Any]:
    """Read the record of a run as plain data: nothing in it is resolved, imported or made.

    Raises:
        UserError: it is no YAML, no mapping, too large or too deep.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise UserError(f"{path} is not the record of a run: it has more than {_LARGEST:,} bytes")
    try:
        record = yaml.load(content, _Loader)  # a SafeLoader
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a number or date that is none
        raise UserError(f"{path} is not the record of a run: {' '.join(str(error).split())}") from error
    if not isinstance(record, dict):
        raise UserError(f"{path} is not the record of a run: it has no options")
    return {str(key): value for key, value in record.items()}


def check_recorded(record: Mapping[str, Any], folders: Iterable[str] = ()) -> None:
    """Refuse a record in which a node names a class that no option of its group names; nothing is imported.

    Args:
        record: nodes by group.
        folders: with the user's own YAML files, beside those of this package.

    Raises:
        UserError: a `_target_` is not in the YAML files of its group, or the group is never taken from a record.
    """
    known = _known({config_folder(), *folders})
    for group, node in record.items():
        allowed = set() if group == _NEVER else known[group] | known[_SHARED]
        for path, name in _named(node, group):
            if not isinstance(name, str) or name not in allowed:
                raise UserError(
                    f"{path} is {name}, which no option of {group} names: "
                    f"where it is your own, name the folder of its YAML file with --config-dir=FOLDER"
                )


def _known(folders: Iterable[str]) -> Mapping[str, set[str]]:
    """The `_target_`s in YAML files by group; parts of several groups, such as encoders, under `_SHARED`.

    Of a user's folder only what lies in groups is read: a record may lie in it, too.
    """
    known: dict[str, set[str]] = defaultdict(set)
    package = Path(config_folder())
    for group, node in _content(package / "config.yaml").items():
        known[group].update(name for _, name in _named(node, group))
    for group in [entry.name for entry in package.iterdir() if entry.is_dir()]:
        for file in [file for folder in folders for file in Path(folder, group).rglob("*.yaml")]:
            into = known[_SHARED if group in _PARTS or group not in SearchConfig.__dataclass_fields__ else group]
            into.update(name for _, name in _named(_content(file), group) if isinstance(name, str))
    return known


def _content(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, ValueError, OSError):
        return {}  # Hydra tells what is wrong with it, if it is asked for
    return content if isinstance(content, dict) else {}


def _named(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every `_target_` in a node: where it stands, and what."""
    if isinstance(node, Mapping):
        for key, entry in node.items():
            if key == "_target_":
                yield f"{path}._target_", entry
            yield from _named(entry, f"{path}.{key}")
    elif isinstance(node, list):
        for place, entry in enumerate(node):
            yield from _named(entry, f"{path}[{place}]")


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
