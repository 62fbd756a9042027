"""What a trained encoder depends on, as one short text."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from hashlib import sha256
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec, resolve_name
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any

NO_FILE = "code without a file"
"""The identity of what has no fingerprint."""

_NAS = __name__.partition(".")[0]
_FOLDER = Path(__file__).parents[1]
_PACKAGES = "graphs", "spaces", "encoders"
_INSTALLED = {"site-packages", "dist-packages"}


def fingerprint(encoder: object, space: object, *settings: object) -> str | None:
    """Digest of all that an encoder depends on: the same in every process, and on every machine.

    It depends on the following.

    - The names of the classes of the encoder and the space, `repr(space)`, and the settings. Whoever trains passes the
      version of torch and the kind of device (`nas.encoders.device.device_kind`) among them.
    - The code of `nas.graphs`, `nas.spaces` and `nas.encoders`, each as a whole, and `nas._threads`.
    - The user's modules that define the encoder, the space, or what these hold, be it in lists or mappings, if that is
      an encoder, a space, a function (with what it is bound to) or an object of the user's; the same at any depth. So
      the space within a constrained space counts, and the evaluator that knows what is constrained.
    - The modules that those import, anywhere in their code and at any depth, if they are of the same top-level package
      or not installed (neither of the standard library nor in site-packages).

    It does not depend on the rest of nas, on the standard library, or on installed packages. Of data that a space reads
    its `repr` has to tell.

    Args:
        encoder: the encoder.
        space: the search space.
        settings: whatever else the result depends on, with a `repr` that says it all.

    Returns:
        24 hexadecimal digits; None where code has no file, such as that of a notebook's cells.
    """
    files = _files({_module_of(part) for part in _parts(encoder, space)})
    if None in files:
        return None
    kinds = [type(part).__qualname__ for part in (encoder, space)]
    digest = sha256(repr((kinds, repr(space), settings)).encode())
    files |= {_FOLDER / "_threads.py", *(path for package in _PACKAGES for path in (_FOLDER / package).rglob("*.py"))}
    for content in sorted(sha256(file.read_bytes()).digest() for file in files if file is not None):
        digest.update(content)
    return digest.hexdigest()[:24]


def _parts(*roots: object) -> list[Any]:
    """The objects, and what counts of all that they hold, at any depth."""
    found: dict[int, object] = {}
    queue = list(roots)
    while queue:
        part = queue.pop()
        if id(part) not in found:
            found[id(part)] = part
            queue += [value for value in _flat(_held(part)) if _counts(value)]
    return list(found.values())


def _held(part: Any) -> list[Any]:
    held = [*getattr(part, "__dict__", {}).values()]
    if isinstance(part, MethodType):
        held.append(part.__self__)
    if isinstance(part, partial):
        held += [part.func, part.args, part.keywords]
    if isinstance(part, FunctionType):
        held += [cell.cell_contents for cell in part.__closure__ or ()]
    return held


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    """The values, and what is in those that are collections."""
    for value in values:
        if isinstance(value, Mapping):
            yield from _flat(value.values())
        elif isinstance(value, list | tuple | set | frozenset):
            yield from _flat(value)
        else:
            yield value


def _counts(value: object) -> bool:
    """Whether it is an encoder, a space, code to be called, or of a class of the user's."""
    if isinstance(value, FunctionType | MethodType | partial) or _is_own(_module_of(value)):
        return True
    return any(hasattr(type(value), name) for name in ("embed", "canonical"))


def _module_of(part: Any) -> str:
    owner = part if isinstance(part, FunctionType | MethodType | type) else type(part)
    return str(owner.__module__)


def _files(names: set[str]) -> set[Path | None]:
    """The files of the user's modules among those, and of what they import; None for one that has no file."""
    files: set[Path | None] = set()
    queue = [name for name in names if not _elsewhere(name)]
    known = set(queue)
    while queue:
        name = queue.pop()
        file, package = _found(name)
        if file is None and name in names:
            files.add(None)
        if file is None:
            continue
        files.add(file)
        imported = _imports(file, package) if file.suffix == ".py" else ()
        for other in (*_with_parents([name]), *_with_parents(imported)):
            if other not in known and (_top(other) == _top(package or name) or _is_own(other)):
                known.add(other)
                queue.append(other)
    return files


def _top(name: str) -> str:
    return name.partition(".")[0]


def _elsewhere(name: str) -> bool:
    """Whether a module is of nas, whose code counts by packages, or of the standard library."""
    return _top(name) == _NAS or _top(name) in sys.stdlib_module_names


def _is_own(name: str) -> bool:
    """Whether a module is the user's, and not installed."""
    if _elsewhere(name):
        return False
    spec = _spec(_top(name))
    places = [] if spec is None else [spec.origin or "", *(spec.submodule_search_locations or [])]
    return bool(places) and not any(_INSTALLED & set(Path(place).parts) for place in places)


def _found(name: str) -> tuple[Path | None, str]:
    """The file of a module, or None, and the package that its relative imports start from; nothing is imported."""
    module = sys.modules.get(name)
    if module is not None:
        file, package = getattr(module, "__file__", None), module.__package__ or ""
    else:
        spec = _spec(name)
        file, package = (None, "") if spec is None or not spec.has_location else (spec.origin, spec.parent or "")
    return (Path(file) if file is not None and Path(file).is_file() else None), package


def _spec(name: str) -> ModuleSpec | None:
    parent, _, _ = name.rpartition(".")
    if parent:
        above = _spec(parent)
        places = None if above is None else above.submodule_search_locations
        return None if places is None else PathFinder.find_spec(name, places)
    try:
        return find_spec(name)
    except (ImportError, ValueError):  # a program that is run as a file has none
        return None


def _imports(file: Path, package: str) -> Iterator[str]:
    """What the code of a file imports; of `from a import b` both `a` and `a.b`, which need not be a module."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (package or not node.level):
            base = resolve_name("." * node.level + (node.module or ""), package) if node.level else str(node.module)
            yield from (base, *(f"{base}.{alias.name}" for alias in node.names))


def _with_parents(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        parts = name.split(".")
        yield from (".".join(parts[:length]) for length in range(1, len(parts) + 1))
