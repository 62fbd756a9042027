"""What a run has left, read as an object."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from journals import made, written

from nas.errors import UserError
from nas.search import load
from nas.search.journal import Journal
from nas.spaces import NB101


class TestResult:
    @pytest.fixture
    def folder(self, journal: Journal, small_space: NB101) -> Path:
        written(journal, made(small_space, [0.5, None, 0.75], latency=[1.0, 0.0, 2.0]))
        folder = journal.path.parent
        (folder / "config.yaml").write_text("budget: 5\n")
        return folder

    def test_the_trials_of_a_run_that_was_stopped_are_there(self, folder: Path, small_space: NB101) -> None:
        result = load(folder)
        assert not result.finished
        assert [*result.trials] == [*made(small_space, [0.5, None, 0.75], latency=[1.0, 0.0, 2.0])]
        assert (result.best.step, [trial.step for trial in result.top(5)]) == (2, [2, 0])
        assert result.test_accuracy is None

    @pytest.mark.parametrize("change", [{"genes": [1, 2]}, {"genes": [300] * 13}, {"step": 5}, {"key": "x"}], ids=str)
    def test_a_damaged_history_is_one_line(self, change: dict, folder: Path) -> None:
        path = folder / "history.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        lines[1].update(change)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        with pytest.raises(UserError, match=r"history\.jsonl") as raised:
            _ = load(folder).trials
        assert "\n" not in str(raised.value)

    def test_where_there_is_no_trial_it_says_so(self, folder: Path) -> None:
        (folder / "history.jsonl").write_text("")
        with pytest.raises(UserError, match="holds no trial"):
            _ = load(folder).trials
        (folder / "history.jsonl").unlink()
        with pytest.raises(UserError, match="holds no trial"):
            _ = load(folder).best

    def test_a_run_in_which_all_failed_has_no_best(self, tmp_path: Path, small_space: NB101) -> None:
        with Journal(tmp_path) as journal:
            written(journal, made(small_space, [None, None]))
        (tmp_path / "config.yaml").write_text("budget: 5\n")
        with pytest.raises(UserError, match="all 2 evaluations in .* failed"):
            _ = load(tmp_path).best

    @pytest.mark.parametrize("content", ["{", "[1]", "5", ""])
    def test_a_damaged_result_is_one_line(self, content: str, folder: Path) -> None:
        (folder / "result.json").write_text(content)
        with pytest.raises(UserError, match=r"result\.json is damaged"):
            load(folder)

    def test_where_there_is_no_run_it_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="holds no run"):
            load(tmp_path)
