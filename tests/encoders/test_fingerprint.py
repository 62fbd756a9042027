"""What an encoder in the cache depends on: the code that makes embeddings, the user's too, and nothing else."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

import nas
from nas.encoders import Encoder, FeatureEncoder, GraphEncoder, SequenceEncoder
from nas.encoders.fingerprint import fingerprint
from nas.spaces import NB101, NB201
from nas.spaces.constrained import Constrained
from nas.types import Space

GRAPH = {
    "weights": {"graph": 1.0}, "width": 4, "cells": 100, "hidden": 8, "epochs": 1, "batch": 50, "learning_rate": 1e-3,
    "seed": 0, "device": "cpu",
}  # fmt: skip
SEQUENCE = {
    "width": 4, "cells": 100, "epochs": 1, "batch": 50, "learning_rate": 1e-3, "weight_decay": 0.0, "dropout": 0.1,
    "clip": 5.0, "seed": 0, "device": "cpu",
}  # fmt: skip
ENCODERS: dict[str, Callable[[Space], Encoder]] = {
    "graph": lambda space: GraphEncoder(space, **GRAPH),
    "sequence": lambda space: SequenceEncoder(space, **SEQUENCE),
    "features": lambda space: FeatureEncoder(space, features=["graph", "path"], cells=100),
}
MODULES = {
    "mine/__init__.py": "",
    "mine/space.py": """
        import json
        import helper_of_mine
        import installed
        from nas.spaces import NB201
        from mine import search
        from .forms import first
        from mine.encoders import MyEncoder

        class MySpace(NB201):
            def canonical(self, archs):
                from mine.deep import canonical
                return canonical(super().canonical(archs))
    """,
    "mine/forms.py": "from .more import first",
    "mine/more.py": "first = 1",
    "mine/deep.py": "def canonical(archs): return archs\nclass Rule: pass",
    "mine/search.py": "from mine import space",  # a circle
    "mine/encoders.py": """
        from nas.encoders import FeatureEncoder

        class MyEncoder(FeatureEncoder):
            pass

        class Other(FeatureEncoder):
            pass

        class Wrapper:
            def __init__(self, space, encoder):
                self.space, self.encoder = space, encoder
            def embed(self, archs):
                return self.encoder.embed(archs)
    """,
    "mine/unused.py": "",
    "helper_of_mine.py": "",
    "site-packages/installed.py": "import installed_too",
    "site-packages/installed_too.py": "",
}


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of the user's, a module beside it, and what it has installed."""
    for name, text in MODULES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        lines = text.splitlines()
        path.write_text("\n".join(line.removeprefix(" " * 8) for line in lines) + "\n")
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] in ("mine", "helper_of_mine", "installed")]:
        del sys.modules[name]


def change(path: Path) -> None:
    path.write_text(path.read_text() + "\n# changed\n")


@pytest.mark.parametrize(
    ("kind", "file", "counts"),
    [
        ("sequence", "mine/deep.py", True),
        ("features", "mine/deep.py", True),
        ("graph", "mine/space.py", True),
        ("graph", "mine/__init__.py", True),
        ("graph", "mine/forms.py", True),
        ("graph", "mine/more.py", True),  # imported by what is imported
        ("graph", "mine/deep.py", True),  # imported within a function
        ("graph", "helper_of_mine.py", True),
        ("graph", "mine/unused.py", False),
        ("graph", "site-packages/installed.py", False),
        ("graph", "site-packages/installed_too.py", False),
    ],
)
def test_code_of_the_users_space_counts_and_what_is_installed_does_not(kind, file, counts, mine: Path) -> None:
    space = importlib.import_module("mine.space").MySpace()
    part = Constrained(space, lambda archs: np.ones(len(archs), dtype=np.bool_), "all", "nothing")
    before = [ENCODERS[kind](some).identity() for some in (space, part)]
    assert before == [ENCODERS[kind](some).identity() for some in (space, part)]
    change(mine / file)
    after = [ENCODERS[kind](some).identity() for some in (space, part)]
    assert [old != new for old, new in zip(before, after, strict=True)] == [counts, counts]


def test_code_of_the_users_encoder_counts_also_within_another(mine: Path) -> None:
    module = importlib.import_module("mine.encoders")
    encoder = module.MyEncoder(NB201(), features=["graph"])
    within = GraphEncoder(NB201(), **GRAPH)
    within.user = encoder
    before = encoder.identity(), fingerprint(within, NB201())
    change(mine / "mine" / "encoders.py")
    after = encoder.identity(), fingerprint(within, NB201())
    assert all(old != new for old, new in zip(before, after, strict=True))
    assert module.Other(NB201(), features=["graph"]).identity() != after[0]  # of the same file


def test_the_constraint_counts_as_code(mine: Path) -> None:
    module = importlib.import_module("mine.deep")
    space = NB201()
    part = Constrained(space, lambda archs: np.ones(len(archs), dtype=np.bool_), "all", "nothing")
    encoders = [GraphEncoder(some, **GRAPH) for some in (space, part)]
    part._satisfied = module.canonical
    before = [one.identity() for one in encoders]
    change(mine / "mine" / "deep.py")
    for encoder in encoders:
        vars(encoder).pop("_fingerprint")
    after = [one.identity() for one in encoders]
    assert before[0] == after[0]
    assert before[1] != after[1]


@pytest.mark.parametrize("how", ["list", "mapping", "partial", "closure", "method", "object"])
def test_code_counts_however_a_space_holds_it(how: str, mine: Path) -> None:
    module = importlib.import_module("mine.deep")
    rule = module.canonical
    held = {
        "list": lambda: [1, (rule,)],
        "mapping": lambda: {"rules": {"first": rule}},
        "partial": lambda: partial(len, rule),
        "closure": lambda: lambda archs: rule(archs),
        "method": lambda: Wrapper(rule).apply,
        "object": lambda: module.Rule(),
    }[how]()
    space = NB201()
    space.rules = held
    before = fingerprint(None, space), fingerprint(None, NB201())
    change(mine / "mine" / "deep.py")
    assert fingerprint(None, space) != before[0]
    assert fingerprint(None, NB201()) == before[1]


class Wrapper:
    def __init__(self, rule: Callable) -> None:
        self.rule = rule

    def apply(self) -> None:
        pass


PROGRAM = """
import sys
from pathlib import Path
import nas
from nas.encoders import FeatureEncoder, GraphEncoder, SequenceEncoder
from nas.spaces import NB201

def identities():
    encoders = GraphEncoder(NB201(), **{graph}), SequenceEncoder(NB201(), **{sequence})
    return [one.identity() for one in (*encoders, FeatureEncoder(NB201(), features=["graph"]))]

if __name__ == "__main__":
    before = identities()
    print(*before)
    for name in sys.argv[1:]:
        path = Path(nas.__file__).parent / name
        text = path.read_text()
        path.write_text(text + "# changed")
        print(name, *(old != new for old, new in zip(before, identities())))
        path.write_text(text)
"""


def test_code_of_the_encoding_counts_and_code_of_the_search_does_not(tmp_path: Path) -> None:
    shutil.copytree(Path(nas.__file__).parent, tmp_path / "nas", ignore=shutil.ignore_patterns("__pycache__", "data"))
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(graph=GRAPH, sequence=SEQUENCE))
    inside = "spaces/nb201_forms.py", "spaces/nb201.py", "graphs/features.py", "encoders/network.py", "_threads.py"
    outside = "search/loop.py", "strategies/local.py", "errors.py"

    def run(*command: str, seed: str) -> list[str]:
        environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, *command], env=environment, cwd=tmp_path, text=True, capture_output=True, check=True
        )
        return done.stdout.splitlines()

    identities, *changes = run(str(program), *inside, *outside, seed="1")
    assert changes == [f"{name} {counts} {counts} {counts}" for names, counts in ((inside, True), (outside, False))
                       for name in names]  # fmt: skip
    assert run("-c", "import program; print(*program.identities())", seed="2") == [identities]


def test_a_program_and_the_same_code_imported_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from nas.encoders import FeatureEncoder\nfrom nas.spaces import NB201\nclass My(NB201): pass\n"
        "print(FeatureEncoder(My(), features=['graph']).identity())\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(nas.__file__).parents[1])])}
    answers = {
        subprocess.run([sys.executable, *command], env=environment, text=True, capture_output=True, check=True).stdout
        for command in ([str(tmp_path / "mine.py")], ["-m", "mine"], ["-c", "import mine"])
    }
    assert len(answers) == 1


def test_code_without_a_file_is_not_kept(tmp_path, monkeypatch, caplog) -> None:
    """As in a notebook, where a class may be changed and defined again."""
    monkeypatch.setenv("NAS_CACHE_DIR", str(tmp_path))
    cell = ModuleType("cell")
    monkeypatch.setitem(sys.modules, "cell", cell)
    exec("from nas.spaces import NB101\nclass My(NB101): pass", cell.__dict__)
    encoder = GraphEncoder(cell.My(max_vertices=4), **GRAPH)
    assert encoder.identity() == "code without a file"
    encoder.prepare()
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "the code of the encoder or the space has no file: the encoder is trained for this process alone"
    ]
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(torch.cuda.is_available(), reason="auto is a GPU")
@pytest.mark.parametrize(("kind", "options"), [(GraphEncoder, GRAPH), (SequenceEncoder, SEQUENCE)])
def test_auto_is_the_device_that_it_stands_for(kind, options) -> None:
    named = [kind(NB201(), **{**options, "device": name}).identity() for name in ("auto", "cpu", "cuda", "cuda:1")]
    assert named[0] == named[1] != named[2] == named[3]  # what the second GPU trains is what the first does


def test_the_space_and_the_settings_count() -> None:
    encoders = [
        *(GraphEncoder(space, **GRAPH) for space in (NB201(), NB101(), NB101(max_vertices=5))),
        GraphEncoder(NB201(), **{**GRAPH, "seed": 1}),
        *(FeatureEncoder(NB201(), features=names, cells=cells) for names in (["walk"], ["path"]) for cells in (0, 9)),
    ]
    assert len({encoder.identity() for encoder in encoders}) == len(encoders)
    assert encoders[-1].identity().startswith("path ")
