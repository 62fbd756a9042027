"""How the modules of the package hang together, read from their source."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "nas"
PROGRAMS = {"nas.compare", "nas.data", "nas.predict", "nas.retrain", "nas.study"}  # run, not imported from
HEAVY = {"faiss", "hydra", "lightgbm", "matplotlib", "nevergrad", "scipy", "sklearn", "torch"}
LIGHT = ["nas", "nas.spaces", "nas.benchmarks", "nas.benchmarks.published", "nas.graphs", "nas.networks", "nas.types"]
BACK = {"nas.search.result": "nas.search.runner"}  # `Result.resume` makes another, by an import when it is called
MOST_LINES = 300


def _name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
FACES = [name for name, path in MODULES.items() if path.name == "__init__.py"]


def imports(tree: ast.AST) -> Iterator[str]:
    """What a module imports, within functions too, but for what only a type checker sees."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "an import is relative"
            for alias in node.names:
                module = f"{node.module}.{alias.name}"
                yield module if module in MODULES else str(node.module)
        yield from imports(node)


IMPORTS = {name: set(imports(ast.parse(path.read_text(encoding="utf-8")))) for name, path in MODULES.items()}


def test_no_modules_import_each_other() -> None:
    arrows = {name: found & set(MODULES) for name, found in IMPORTS.items()}
    for name, found in BACK.items():
        arrows[name].remove(found)
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' <- '.join(error.args[1])}")


def _within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("nas.types", ("nas.types",)),
        ("nas.errors", ()),
        ("nas.graphs", ("nas.errors", "nas.graphs")),
        ("nas.spaces", ("annotated_types", "nas.errors", "nas.graphs", "nas.options", "nas.spaces", "nas.types")),
    ],
)
def test_the_mathematics_needs_numpy_and_itself_alone(package: str, allowed: tuple[str, ...]) -> None:
    modules = [name for name in MODULES if _within(name, (package,))]
    assert modules
    needed = {(name, module) for name in modules for module in IMPORTS[name]}
    foreign = {
        (name, module)
        for name, module in needed
        if module.partition(".")[0] not in {*sys.stdlib_module_names, "numpy"} and not _within(module, allowed)
    }
    assert not foreign


@pytest.mark.parametrize("name", FACES)
def test_a_package_says_what_lives_there(name: str) -> None:
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    if name not in PROGRAMS:
        targets = [node.targets[0] for node in tree.body if isinstance(node, ast.Assign)]
        assert "__all__" in [ast.unparse(target) for target in targets]


@pytest.mark.parametrize("name", MODULES)
def test_no_file_is_long(name: str) -> None:
    assert len(MODULES[name].read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("name", LIGHT)
def test_an_import_loads_nothing_heavy(name: str, tmp_path: Path) -> None:
    code = f"import sys, {name}; print(*{{module.partition('.')[0] for module in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert not HEAVY & set(done.stdout.split())
