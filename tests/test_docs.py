"""The examples of the documentation, run as they are written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from records import write_official

from nas.benchmarks.published.conversion import convert
from nas.spaces import NB101

DOCS = Path(__file__).parents[1] / "docs"
_BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def section(title: str) -> list[tuple[str, str, str]]:
    """Language, file name and content of each block of code in a section of docs/data.md."""
    text = (DOCS / "data.md").read_text(encoding="utf-8")
    [found] = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return _BLOCK.findall(found)


def follow(title: str, folder: Path) -> list[subprocess.CompletedProcess[str]]:
    """Write the files and run the commands of a section, in their order."""
    done = []
    for language, name, content in section(title):
        if name:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content, encoding="utf-8")
        elif language == "sh":
            script = f'set -e\npython() {{ "{sys.executable}" "$@"; }}\n{content}'
            environment = {key: value for key, value in os.environ.items() if key != "NAS_DATA_DIR"}
            path = os.pathsep.join(filter(None, [".", os.environ.get("PYTHONPATH")]))
            content = script.replace("PYTHONPATH=.", f"PYTHONPATH={path}")
            done.append(
                subprocess.run(
                    ["bash", "-c", content], cwd=folder, env=environment, capture_output=True, text=True, check=False
                )
            )
            assert done[-1].returncode == 0, done[-1].stderr
    return done


def test_a_table_of_your_own(tmp_path: Path) -> None:
    plain, named = follow("A table of your own", tmp_path)
    assert "signal validation" in plain.stdout
    assert "signal validation" in named.stdout
    assert "8 rows: all of the space" in named.stdout
    assert "all 8 networks of the space are there" in named.stdout


def test_a_search_space_of_your_own(tmp_path: Path) -> None:
    [done] = follow("A search space of your own", tmp_path)
    assert "best after 30 evaluations: 0.8" in done.stdout or "best after 30 evaluations: 0.9" in done.stdout
    assert (
        len((tmp_path / "two_branches.csv").read_text().splitlines()) == 46
    )  # of 81 vectors 45 are different networks


def test_code_for_the_published_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space = NB101(max_vertices=3)
    write_official(tmp_path / "nasbench_full.tfrecord", space, space.enumerate(), (108,))
    convert(tmp_path / "nasbench_full.tfrecord", tmp_path / "nasbench101.npz")
    monkeypatch.chdir(tmp_path)
    [(_, _, code)] = section("Code for the published NAS-Bench-101 library")
    said: dict = {}
    exec(code, said)
    assert 0 <= said["data"]["validation_accuracy"] <= 1
    assert said["data"]["module_adjacency"].sum() == 3


def test_the_formats_are_as_documented(tmp_path: Path) -> None:
    space = NB101(max_vertices=3)
    write_official(tmp_path / "a.tfrecord", space, space.enumerate(), (4, 108))
    arrays = np.load(convert(tmp_path / "a.tfrecord", tmp_path / "a.npz"))
    text = (DOCS / "data.md").read_text(encoding="utf-8")
    for name in arrays.files:
        assert name.replace("halfway_", "final_") in text
        assert arrays[name].shape[1:] in ((), (7,), (16,), (2, 3))


def test_the_examples_of_python_run_from_top_to_bottom(tmp_path: Path) -> None:
    text = (DOCS / "python.md").read_text(encoding="utf-8")
    script = tmp_path / "examples.py"
    script.write_text("\n".join(content for language, _, content in _BLOCK.findall(text) if language == "python"))
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()
    assert "40 trials, went on at 30" in told
    assert "True" in told
    assert [line.split()[0] for line in told[-2:]] == ["10", "20"]
    assert len((tmp_path / "ridge" / "history.jsonl").read_text().splitlines()) == 40
