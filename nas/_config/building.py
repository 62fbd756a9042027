"""From a composed configuration to objects."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from omegaconf import OmegaConf

from nas.errors import OptionError, UserError
from nas.options import fitted, hints

GIVEN = frozenset({"space", "dataset", "executor", "encoder", "budget", "evaluator"})
"""What a constructor may ask for by name: parts made before, and the budget. Such a parameter is no option."""


def build(node: Any, name: str, **given: Any) -> Any:
    """Make the object that a config node describes.

    The class that `_target_` names gets the node's other entries, checked against the type hints of its constructor
    (see `nas.options`), and whatever of `given` its constructor asks for. Nodes within that have a `_target_` are built
    first.

    Args:
        node: the node, with a `_target_`.
        name: what the user calls it: the path of the node, for messages.
        given: objects that constructors may ask for by name; names of `GIVEN`.

    Raises:
        UserError: the class cannot be imported, or an entry is unknown, missing, of a wrong type or out of its range.
    """
    assert given.keys() <= GIVEN, given.keys()
    node = OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
    if not _is_node(node):
        raise UserError(f"{name} is {node!r}, must name a class with _target_: choose an option of the group")
    entries = dict(node)
    target = _class(entries.pop("_target_"), name)
    parameters, kinds = inspect.signature(target).parameters, hints(target)
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for key, value in entries.items():
        if key not in parameters and not takes_any:
            allowed = ", ".join(option for option in parameters if option not in given)
            raise OptionError(f"{name}.{key}", f"is unknown, allowed: {allowed or 'no options'}")
        if isinstance(value, str) and value == "???":
            raise OptionError(f"{name}.{key}", f"is missing: give it with {name}.{key}=VALUE")
    made = {}
    for key, parameter in parameters.items():
        path = f"{name}.{key}"
        if key in entries:
            value = entries[key]
            if _is_node(value):
                made[key] = _of_kind(build(value, path, **given), kinds.get(key), path)
            elif isinstance(value, Mapping) and any(map(_is_node, value.values())):
                made[key] = {
                    part: None if node is None else build(node, f"{path}.{part}", **given)
                    for part, node in value.items()
                }
            else:
                made[key] = fitted(value, kinds.get(key, Any), path, parse=True)
        elif key in given:
            made[key] = given[key]
        elif parameter.default is parameter.empty and parameter.kind not in _VARIADIC:
            raise OptionError(path, f"is missing: {target.__name__} needs it")
    more = {key: fitted(entries[key], Any, f"{name}.{key}", parse=True) for key in entries.keys() - parameters.keys()}
    try:
        return target(**made, **more)
    except OptionError as error:  # what no single type hint says; the class names its own parameter
        raise error.below(name) from error


_VARIADIC = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)


def _of_kind(part: Any, kind: Any, path: str) -> Any:
    """Refuse a part of another class than its owner works with; a protocol is not checked."""
    if (
        isinstance(kind, type)
        and kind is not Any
        and not getattr(kind, "_is_protocol", False)
        and not isinstance(part, kind)
    ):
        raise OptionError(path, f"is a {type(part).__name__}, must be a {kind.__name__}")
    return part


def _is_node(value: Any) -> bool:
    return isinstance(value, Mapping) and "_target_" in value


def _class(path: Any, name: str) -> type[Any]:
    try:
        target = imported(path)
    except Exception as error:  # the module may be the user's, and fail in any way
        kind = "" if isinstance(error, ImportError | AttributeError | ValueError) else f"{type(error).__name__}: "
        raise UserError(f"{name}._target_ cannot be imported: {kind}{' '.join(str(error).split())}") from error
    if not isinstance(target, type):
        raise UserError(f"{name}._target_ is {path}, which is no class")
    return target


def imported(path: str) -> Any:
    """What a dotted path names; raises whatever its module raises."""
    module, _, attribute = str(path).rpartition(".")
    return getattr(import_module(module), attribute)
