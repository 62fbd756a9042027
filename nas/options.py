"""Options: the type hints of a constructor say their ranges, and one check holds every value against them.

`width: Annotated[int, Ge(1)]`, `rates: list[Annotated[float, Gt(0)]]` and `over: Literal["genes", "latent"]` are hints
of options. Bounds and lengths are those of the package `annotated-types`; every number must be finite.
"""

from __future__ import annotations

import functools
import inspect
import operator
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isfinite
from numbers import Integral, Real
from types import NoneType, SimpleNamespace, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, GroupedMetadata, Gt, Le, Lt, MaxLen, MinLen

from nas.errors import OptionError

Natural = Annotated[int, Ge(0)]
PositiveInt = Annotated[int, Ge(1)]
Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Share = Annotated[float, Gt(0), Le(1)]
"""A part of a whole, which must not be nothing."""

FOLLOWS = "follows from other parts"
"""In an `Annotated` hint: the parameter is no option of a configuration."""

T = TypeVar("T")

_BOUNDS: dict[type, tuple[str, Callable[[Any, Any], bool], str]] = {
    Ge: ("ge", operator.ge, "at least"),
    Gt: ("gt", operator.gt, "above"),
    Le: ("le", operator.le, "at most"),
    Lt: ("lt", operator.lt, "below"),
}
_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
_MANY = {int: "whole numbers", float: "numbers", bool: "true or false", str: "texts"}
_TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def validated(cls: type[T]) -> type[T]:
    """Let the constructor of a class check its arguments against its type hints; a decorator.

    Raises:
        OptionError: from the constructor, a value is not of its type or out of its range; names the parameter.
    """
    init = cls.__init__
    signature = inspect.signature(init)
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    options = [name for name, parameter in signature.parameters.items() if parameter.kind not in variadic]

    kinds = functools.cache(lambda: hints(cls))  # when it is first needed: all that hints name is there by then

    @functools.wraps(init)
    def checked(self: Any, *args: Any, **kwargs: Any) -> None:
        given = signature.bind(self, *args, **kwargs).arguments
        for name in options:
            if name in given:
                fitted(given[name], kinds().get(name, Any), name)
        init(self, *args, **kwargs)

    cls.__init__ = checked  # type: ignore[method-assign]
    return cls


def hints(cls: type[Any]) -> dict[str, Any]:
    """The type hints of a constructor's parameters; Any for one that cannot be resolved while the program runs."""
    init = inspect.unwrap(cls.__init__)
    found = {}
    for name, hint in getattr(init, "__annotations__", {}).items():
        namespaces = [getattr(init, "__globals__", {})]
        if hasattr(cls, "__dataclass_fields__"):  # hints stand in the modules of the class and its bases
            owners = [base for base in cls.__mro__ if name in inspect.get_annotations(base)]
            namespaces = [*(vars(sys.modules[owner.__module__]) for owner in owners[:1]), *namespaces]
        found[name] = next((kind for space in namespaces if (kind := _resolved(hint, space)) is not None), Any)
    return found


def _resolved(hint: Any, namespace: dict[str, Any]) -> Any:
    try:
        holder = SimpleNamespace(__annotations__={"option": hint})
        return get_type_hints(holder, namespace, include_extras=True)["option"]
    except Exception:  # a hint may be any text, and name what is imported for type checkers only
        return None


def fitted(value: Any, hint: Any, name: str, *, parse: bool = False) -> Any:
    """Check a value against a type hint and return it.

    Args:
        value: the value.
        hint: what it must be. A hint that is no number, text, truth value, or list or mapping of such is not checked.
        name: what the user calls the option.
        parse: whether the value was written as text, in YAML or on a command line: "3" is a number then, what is no
            text becomes one where a text is needed, and lists and mappings become plain ones.

    Raises:
        OptionError: the value is of another type or out of its range.
    """
    kinds = list(_kinds(hint))
    null = ", or null" if NoneType in kinds else ""
    if null and value is None:
        return None
    kinds = [kind for kind in kinds if kind is not NoneType] or [Any]
    for parsing in (False, parse) if len(kinds) > 1 else (parse,):  # what is one of several as it is needs no parsing
        for kind in kinds:
            try:
                return _fit(value, kind, name, null, parsing)
            except OptionError as error:
                refused = error
    raise refused


def _fit(value: Any, hint: Any, name: str, null: str, parse: bool) -> Any:
    kind, limits = _bare(hint)
    origin, fit = get_origin(kind) or kind, value
    if kind in _WORDS:
        fit = _scalar(value, kind, name, null, parse)
    elif origin is Literal:
        if value not in get_args(kind):
            raise _wrong(name, value, _either(get_args(kind)) + null)
    elif isinstance(origin, type) and issubclass(origin, Sequence):
        fit = _sequence(value, kind, origin, name, null, parse)
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        fit = _mapping(value, kind, name, null, parse)
    elif parse and kind not in (Any, object) and isinstance(value, bool | int | float | str):
        choice = f"chosen from its group, {name.replace('.', '/')}={value}, or described by options below it"
        raise _wrong(name, value, choice + null)
    _check_limits(fit, value, limits, name, null)
    return fit if parse else value


def _scalar(value: Any, kind: type, name: str, null: str, parse: bool) -> Any:
    found: Any
    if kind is bool:
        found = _TRUTH.get(str(value).lower()) if parse and isinstance(value, int | str) else value
        fits = isinstance(found, bool)
    elif kind is str:
        found = str(value) if parse and isinstance(value, bool | int | float) else value
        fits = isinstance(found, str | os.PathLike)
    else:
        found = _number(value, kind) if parse and isinstance(value, str) else value
        fits = isinstance(found, Integral if kind is int else Real) and not isinstance(found, bool)
    if not fits:
        raise _wrong(name, value, _WORDS[kind] + null)
    if kind is float and not _is_finite(found):
        raise _wrong(name, found, "a finite number" + null)
    return float(found) if kind is float and parse else found


def _number(text: str, kind: type) -> Any:
    try:
        return kind(text)
    except ValueError:
        return text


def _is_finite(number: Any) -> bool:
    try:
        return isfinite(number)
    except OverflowError:  # a whole number above all floats
        return False


def _sequence(value: Any, kind: Any, origin: type, name: str, null: str, parse: bool) -> Any:
    args = get_args(kind)
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence):
        example = f": {name}=[{value}]" if isinstance(value, bool | int | float | str) else ""
        many = _MANY.get(_bare(args[0])[0], "values") if args else "values"
        raise _wrong(name, value, f"a list of {many}{null}{example}")
    if origin is tuple and args and args[-1] is not Ellipsis:
        if len(args) != len(value):
            raise _wrong(name, value, f"a list of {len(args)}{null}")
        each: Sequence[Any] = args
    else:
        each = [args[0] if args else Any] * len(value)
    items = [
        fitted(item, hint, f"{name}[{place}]", parse=parse)
        for place, (item, hint) in enumerate(zip(value, each, strict=True))
    ]
    return tuple(items) if origin is tuple else items


def _mapping(value: Any, kind: Any, name: str, null: str, parse: bool) -> Any:
    if not isinstance(value, Mapping):
        raise _wrong(name, value, f"values by name{null}: {name}={{NAME: VALUE}}")
    keys, values = get_args(kind) or (Any, Any)
    for key in value:
        if get_origin(keys) is Literal and key not in get_args(keys):
            raise OptionError(name, f"has {key!r}, allowed: {', '.join(map(str, get_args(keys)))}")
    return {key: fitted(item, values, f"{name}.{key}", parse=parse) for key, item in value.items()}


def _check_limits(fit: Any, value: Any, limits: Sequence[Any], name: str, null: str) -> None:
    for limit in limits:
        if isinstance(limit, MinLen) and len(fit) < limit.min_length:
            needed = f"be at least {limit.min_length} long" if len(fit) else "not be empty"
            raise OptionError(name, f"is {value!r}, must {needed}{null}")
        if isinstance(limit, MaxLen) and len(fit) > limit.max_length:
            raise _wrong(name, value, f"at most {limit.max_length} long{null}")
    bounds = {type(limit): getattr(limit, _BOUNDS[type(limit)][0]) for limit in limits if type(limit) in _BOUNDS}
    if all(_BOUNDS[kind][1](fit, bound) for kind, bound in bounds.items()):
        return
    if bounds.keys() == {Ge, Le}:
        raise _wrong(name, value, f"{bounds[Ge]}..{bounds[Le]}{null}")
    raise _wrong(name, value, " and ".join(f"{_BOUNDS[kind][2]} {bound}" for kind, bound in bounds.items()) + null)


def is_option(hint: Any) -> bool:
    """Whether a hint is that of an option: a number, text or truth value, or a list or mapping of such, or null."""
    if FOLLOWS in _bare(hint)[1]:
        return False
    kinds = [_bare(kind)[0] for kind in _kinds(hint)]
    plain = (*_WORDS, NoneType)
    return all(
        kind in plain
        or get_origin(kind) is Literal
        or (_holds(kind) and all(is_option(item) for item in get_args(kind) if item is not Ellipsis))
        for kind in kinds
    )


def _holds(kind: Any) -> bool:
    origin = get_origin(kind) or kind
    return isinstance(origin, type) and issubclass(origin, Sequence | Mapping)


def _kinds(hint: Any) -> Iterator[Any]:
    """The alternatives of a union, each with the limits that it has."""
    bare, limits = _bare(hint)
    if get_origin(bare) not in (Union, UnionType):
        yield hint
        return
    for part in get_args(bare):
        for kind in _kinds(part):
            yield Annotated[(kind, *limits)] if limits and kind is not NoneType else kind


def _bare(hint: Any) -> tuple[Any, list[Any]]:
    """A hint without its limits, and these."""
    if get_origin(hint) is not Annotated:
        return hint, []
    kind, *limits = get_args(hint)
    return kind, [one for limit in limits for one in (limit if isinstance(limit, GroupedMetadata) else [limit])]


def _either(choices: Sequence[Any]) -> str:
    *others, last = map(str, choices)
    return f"{', '.join(others)} or {last}" if others else last


def _wrong(name: str, value: Any, needed: str) -> OptionError:
    told = str(value) if isinstance(value, Real) else repr(value)
    return OptionError(name, f"is {told}, must be {needed}")
