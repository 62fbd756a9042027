"""A user's text in a figure, and a figure that fails."""

from __future__ import annotations

import json
import logging
import warnings
from pathlib import Path

import numpy as np
import pytest
from comparable import run_of

from nas._drawing import attempt, drawable
from nas.compare.__main__ import main as compare
from nas.compare.figures import draw_comparison
from nas.graphs import Graphs
from nas.search.__main__ import main as search
from nas.search.plots import draw_cell, draw_progress

NAMES = [
    "cost_$10_to_$20_", r"$\frac$ and $", "a\0b\x07", "two\nlines\tand", "\udcff", "日本語", "w" * 400, "_hidden", "%",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_drawn_as_it_is_written_and_without_a_warning(name: str, tmp_path: Path, caplog) -> None:
    curve = np.array([0.5, 0.6])
    run = run_of(curve, folder=tmp_path, choices={"signal": name})
    cell = Graphs(np.array([[[0, 1, 0], [0, 0, 1], [0, 0, 0]]], dtype=bool), np.array([[0, 2, 1]]), (name,))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures = [
            attempt("progress", lambda: draw_progress(curve, curve, {"signal": name, "table": name})),
            attempt("comparison", lambda: draw_comparison({name: [run], f"{name}.": [run]}, {"value": 100}, "mean")),
        ]
        for figure in figures:
            for kind in ("png", "svg"):
                attempt(kind, lambda kind=kind: figure.savefig(tmp_path / f"figure.{kind}"))  # noqa: B023
        attempt("cell", lambda: draw_cell(tmp_path / "cell.png", cell, name))
    assert caplog.text == ""
    assert (tmp_path / "cell.png").stat().st_size > 1000
    texts = {text.get_text() for text in figures[1].legends[0].get_texts()}
    assert texts >= {drawable(name), drawable(f"{name}.")}
    assert figures[0].axes[0].get_title() == drawable(name)


def test_what_can_be_drawn_is_left_as_it_is_and_a_long_text_keeps_both_ends() -> None:
    assert drawable("größe $x$ ~ 5 %") == "größe $x$ ~ 5 %"
    assert drawable("a\nb\0c") == "a b\ufffdc"
    assert drawable("x" * 60) == "x" * 60
    long = drawable("start" + "x" * 100 + "end")
    assert (len(long), long[:5], long[-3:]) == (60, "start", "end")


def test_a_search_whose_table_has_dollars_in_its_name_ends_with_a_result(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    rows = ["kernel,width,acc", "3,16,0.8", "3,32,0.9", "5,16,0.7", "5,32,0.6"]
    (tmp_path / "cost_$10_to_$20_.csv").write_text("\n".join(rows) + "\n")
    options = ["space=custom", "space.path=cost_$10_to_$20_.csv", "space.value=acc", "estimator=none"]
    assert search([*options, "budget=4", "initial=4", "hydra.run.dir=run"]) == 0
    assert json.loads((tmp_path / "run/result.json").read_text())["best"]["value"] == 0.9
    assert (tmp_path / "run/progress.png").stat().st_size > 1000
    assert "be drawn" not in capsys.readouterr().out


def test_a_figure_that_fails_is_a_warning_and_costs_nothing(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    for run in ("run0", "run1"):
        for name in ("progress.png", "best_cell.png"):
            (tmp_path / run / name).mkdir(parents=True)
        options = ["table=digits", "estimator=none", "budget=5", "initial=5", f"seed={run[-1]}"]
        assert search([*options, f"hydra.run.dir={run}"]) == 0
        told = capsys.readouterr()
        for name in ("progress.png", "best_cell.png"):
            assert told.out.count(f"WARNING: {name} could not be drawn: IsADirectoryError: ") == 1
        assert json.loads((tmp_path / run / "result.json").read_text())["budget"] == 5
    (tmp_path / "out/comparison.png").mkdir(parents=True)
    assert compare(["run0", "run1", "--out", "out"]) == 0
    assert json.loads((tmp_path / "out/comparison.json").read_text())["budget"] == 5
    assert "<table" in (page := (tmp_path / "out/comparison.html").read_text())
    assert "<figure>" not in page


def test_the_reason_is_told_in_one_line(caplog) -> None:
    def fail() -> None:
        raise ValueError("\nfirst\nsecond")

    with caplog.at_level(logging.WARNING):
        assert attempt("figure.png", fail) is None
        assert attempt("figure.png", lambda: 5) == 5
    assert [record.getMessage() for record in caplog.records] == ["figure.png could not be drawn: ValueError: first"]
