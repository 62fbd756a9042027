"""The trials of a search and the journal that keeps them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas._growing import GrowingArray, GrowingBatch, KnownKeys
from nas.errors import UserError
from nas.search import Trial, Trials, load
from nas.search.journal import Journal, read_lines, read_trials, write_whole
from nas.spaces import NB101
from nas.types import Candidate, Outcome

VALUE = "validation"


def candidate(space: NB101, row: int, **options: Any) -> Candidate:
    return Candidate(space.batch(space.enumerate()[[row]]), "mutation", **options)


def made(space: NB101, values: list[float | None], **measured: list[float]) -> Trials:
    """Trials of the space's first architectures; None: it failed."""
    trials = Trials(len(space.cardinalities), VALUE)
    for row, value in enumerate(values):
        more = {name: numbers[row] for name, numbers in measured.items()}
        outcome = Outcome.failed("too large", 2.0) if value is None else Outcome({VALUE: value, **more}, 10.0, 12)
        trials.append(candidate(space, row, mean=0.5, seconds=0.25), outcome)
    return trials


class TestGrowing:
    @given(st.lists(st.lists(st.integers(0, 2**64 - 1), max_size=200), max_size=12), st.integers(0, 2**64 - 1))
    def test_an_array_is_all_that_was_appended(self, parts: list[list[int]], other: int) -> None:
        array: GrowingArray[np.uint64] = GrowingArray((2,), np.uint64)
        rows: list[list[int]] = []
        for part in parts:
            array.extend(np.array([[key, other] for key in part], dtype=np.uint64).reshape(-1, 2))
            rows += [[key, other] for key in part]
            assert array.view.tolist() == rows
            assert len(array) == len(rows)

    def test_a_view_shows_the_rows_without_a_copy(self) -> None:
        array: GrowingArray[np.float64] = GrowingArray((), np.float64)
        array.extend([1.0, 2.0])
        array.view[0] = 5.0
        assert array.view.tolist() == [5.0, 2.0]
        assert array.view.base is not None

    def test_appending_copies_about_as_many_rows_as_there_are(self, monkeypatch) -> None:
        made: list[int] = []
        empty = np.empty
        monkeypatch.setattr("nas._growing.np.empty", lambda shape, dtype: made.append(shape[0]) or empty(shape, dtype))
        array: GrowingArray[np.float64] = GrowingArray((), np.float64)
        for _ in range(5000):
            array.extend([0.0])
        assert sum(made) < 4 * 5000

    def test_a_batch_grows_with_all_its_columns(self, small_space: NB101) -> None:
        batch = small_space.mutate(small_space.batch(small_space.enumerate()[:300]), np.random.default_rng(0))
        growing = GrowingBatch(small_space)
        for part in batch.split(70):
            growing.extend(part)
        for name in ("genes", "canonical", "keys"):
            assert (getattr(growing.view, name) == getattr(batch, name)).all()

    KEYS = st.one_of(st.integers(0, 40), st.sampled_from([2**63, 2**64 - 1]))

    @given(st.lists(st.lists(KEYS, max_size=30), max_size=8), st.lists(KEYS, max_size=40))
    def test_known_keys_are_a_set(self, added: list[list[int]], asked: list[int]) -> None:
        known, expected = KnownKeys(), set()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("nas._growing._TAIL", 16)  # so that few are sorted, too
            for keys in added:
                known.add(np.array(keys, dtype=np.uint64))
                expected |= set(keys)
                assert known.holds(np.array(asked, dtype=np.uint64)).tolist() == [key in expected for key in asked]

    def test_many_keys_are_known_one_by_one(self) -> None:
        rng = np.random.default_rng(0)
        keys = rng.integers(0, 2**64 - 1, size=6000, dtype=np.uint64)
        known = KnownKeys()
        for key in keys[:3000]:
            known.add(key[None])
        assert known.holds(keys).tolist() == [True] * 3000 + [False] * 3000


class TestTrials:
    def test_a_trial_is_what_was_asked_and_what_came_of_it(self, small_space: NB101) -> None:
        trials = Trials(len(small_space.cardinalities), VALUE)
        asked = candidate(small_space, 5, mean=0.25, std=0.125, seconds=3.0)
        outcome = Outcome({VALUE: 0.5, "latency": 2.0}, 7.0, 4, details={"curve": [1, 2]}, checkpoint="a.safetensors")
        assert trials.append(asked, outcome) == 0
        expected = Trial(
            step=0, key=asked.key, genes=asked.genes.tolist(), values={VALUE: 0.5, "latency": 2.0}, seconds=7.0,
            predicted_mean=0.25, predicted_std=0.125, proposed_by="mutation", epochs=4, estimate_seconds=3.0,
            warm=False, error=None, details={"curve": [1, 2]}, checkpoint="a.safetensors",
        )  # fmt: skip
        assert [*trials] == [expected]
        assert trials.best == expected
        assert trials[-1] == expected
        with pytest.raises(IndexError):
            trials[1]

    def test_columns_are_those_of_the_trials_however_many(self, small_space: NB101) -> None:
        values = [None if row % 7 == 3 else row / 256 for row in range(200)]
        trials = made(small_space, values)
        assert len(trials) == trials.charged == 200
        assert trials.failures == values.count(None)
        assert np.array_equal(trials.value, np.array(values, dtype=float), equal_nan=True)
        assert trials.known.tolist() == [row for row, value in enumerate(values) if value is not None]
        assert (trials.genes == small_space.enumerate()[:200]).all()
        assert (trials.keys == small_space.keys(trials.genes)).all()
        assert trials.seconds.tolist() == [2.0 if value is None else 10.0 for value in values]
        assert np.array_equal(trials.epochs, [np.nan if v is None else 12 for v in values], equal_nan=True)
        assert trials.estimate_seconds.tolist() == [0.25] * 200
        assert not trials.warm.any()
        assert [trial.error for trial in trials] == ["too large" if value is None else None for value in values]

    def test_a_value_that_comes_late_is_unknown_before(self, small_space: NB101) -> None:
        trials = made(small_space, [0.5, 0.25])
        trials.append(candidate(small_space, 2), Outcome({VALUE: 0.75, "latency": 3.0}))
        assert np.array_equal(trials.values["latency"], [np.nan, np.nan, 3.0], equal_nan=True)
        trials.append(candidate(small_space, 3), Outcome({VALUE: 0.75}))
        assert np.isnan(trials.values["latency"][-1])
        assert trials[0].values == {VALUE: 0.5}

    def test_the_best_is_the_first_of_the_highest_values(self, small_space: NB101) -> None:
        assert Trials(3, VALUE).best is None
        assert made(small_space, [None, None]).best is None
        trials = made(small_space, [None, -3.0, 0.5, 0.25, 0.5])
        assert trials.best.step == 2
        assert [trial.step for trial in trials.top(3)] == [2, 4, 3]
        assert [trial.step for trial in trials.top(9)] == [2, 4, 3, 1]

    def test_a_repetition_takes_the_place_of_what_failed(self, small_space: NB101) -> None:
        trials = made(small_space, [0.5, None, 0.75])
        trials.replace(1, Outcome({VALUE: 0.9}, 5.0, 6, details={"curve": [3]}, checkpoint="b"))
        assert (trials[1].values, trials[1].seconds, trials[1].error) == ({VALUE: 0.9}, 7.0, None)
        assert (trials[1].epochs, trials[1].details, trials[1].checkpoint) == (6, {"curve": [3]}, "b")
        assert (trials.best.step, trials.failures, trials.charged, len(trials)) == (1, 0, 3, 3)

    def test_a_repetition_that_fails_again_stays_failed(self, small_space: NB101) -> None:
        trials = made(small_space, [0.5, None])
        trials.replace(1, Outcome.failed("killed"))
        assert (trials[1].error, trials[1].seconds, trials.failures, trials.best.step) == ("killed", 2.0, 1, 0)

    def test_a_repetition_as_good_as_the_best_is_the_best_where_its_row_comes_first(self, small_space: NB101) -> None:
        """So that a search that goes on knows the same best, whatever the order in which it learns of both."""
        trials = made(small_space, [None, 0.75, None])
        trials.replace(2, Outcome({VALUE: 0.75}))
        assert trials.best.step == 1
        trials.replace(0, Outcome({VALUE: 0.75}))
        assert trials.best.step == 0

    def test_recorded_trials_are_appended_as_they_were(self, small_space: NB101) -> None:
        trials = made(small_space, [0.5, None, 0.75], latency=[1.0, 0.0, 2.0])
        told = [replace(trial, warm=trial.step == 0) for trial in trials]
        again = Trials(len(small_space.cardinalities), VALUE)
        again.extend(told, trials.genes, trials.keys)
        assert [*again] == told
        assert (again.charged, again.failures, again.best.step) == (2, 1, 2)
        assert again.warm.tolist() == [True, False, False]

    def test_details_are_found_by_name(self, small_space: NB101) -> None:
        trials = made(small_space, [0.5, None])
        trials.append(candidate(small_space, 2), Outcome({VALUE: 1.0}, details={"test": 0.25}))
        assert trials.detail("test") == [None, None, 0.25]

    def test_to_pandas_has_a_column_for_each_value(self, small_space: NB101) -> None:
        frame = made(small_space, [0.5, None, 0.75], latency=[1.0, 0.0, 2.0]).to_pandas()
        assert frame.columns[:5].tolist() == ["step", "key", "genes", VALUE, "latency"]
        assert frame["step"].tolist() == [0, 1, 2]
        assert np.array_equal(frame[VALUE], [0.5, np.nan, 0.75], equal_nan=True)
        assert np.array_equal(frame["latency"], [1.0, np.nan, 2.0], equal_nan=True)
        assert frame["error"].isna().tolist() == [True, False, True]
        assert frame["error"][1] == "too large"
        assert frame["genes"].tolist() == small_space.enumerate()[:3].tolist()
        assert frame["seconds"].tolist() == [10.0, 2.0, 10.0]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path) as journal:
        yield journal


def written(journal: Journal, trials: Trials) -> list[dict[str, Any]]:
    """Record trials, and return the lines."""
    for trial in trials:
        journal.record(trial)
    return [json.loads(line) for line in journal.path.read_text().splitlines()]


def write(journal: Journal, lines: list[Any]) -> None:
    journal.path.write_text("".join(json.dumps(line) + "\n" for line in lines))


class TestJournal:
    def test_what_is_recorded_is_read_again(self, journal: Journal, small_space: NB101) -> None:
        trials = made(small_space, [0.5, None, 0.75], latency=[1.0, 0.0, 2.0])
        trials.append(
            candidate(small_space, 3, std=0.5), Outcome({VALUE: 1.0}, None, 3, details={"curve": [0.5]}, checkpoint="c")
        )
        told = [replace(trial, warm=trial.step == 0) for trial in trials]
        for trial in told:
            journal.record(trial)
        read, unfinished = journal.read(small_space, VALUE)
        assert [*read] == told
        assert (read.charged, read.failures, read.value_name) == (3, 1, VALUE)
        assert unfinished == []

    def test_a_line_holds_what_is_known_and_no_more(self, journal: Journal, small_space: NB101) -> None:
        line = written(journal, made(small_space, [0.5]))[0]
        assert [*line] == ["step", "key", "genes", "values", "seconds", "predicted_mean", "predicted_std",
                           "proposed_by", "epochs", "estimate_seconds"]  # fmt: skip

    def test_nothing_recorded_is_no_trial(self, journal: Journal, small_space: NB101) -> None:
        trials, unfinished = journal.read(small_space, VALUE)
        assert (len(trials), unfinished) == (0, [])
        assert read_lines(journal.path.with_name("nothing")) == []

    @pytest.mark.parametrize("torn", ['{"step": 2, "key": "0', "{", '{"step": 2}\x00\x00'])
    def test_half_a_line_is_cut_off(self, torn: str, journal: Journal, small_space: NB101, caplog) -> None:
        trials = made(small_space, [0.5, 0.75])
        written(journal, trials)
        whole = journal.path.read_bytes()
        journal.path.write_bytes(whole + torn.encode())
        assert [*read_trials(journal.path, small_space, VALUE)] == [*trials]  # a reader changes nothing
        assert journal.path.read_bytes() != whole
        assert [*journal.read(small_space, VALUE)[0]] == [*trials]
        assert journal.path.read_bytes() == whole
        assert "ends in half a line: that evaluation is done again" in caplog.text
        later = made(small_space, [0.5, 0.75, 1.0])[2]
        journal.record(later)
        assert [*journal.read(small_space, VALUE)[0]] == [*trials, later]

    @pytest.mark.parametrize(
        "change",
        [
            {"step": "1"}, {"step": None}, {"step": 1.0}, {"step": True}, {"key": 5}, {"key": "zz"}, {"key": "0" * 15},
            {"genes": "0101"}, {"genes": 3}, {"genes": [0.5] * 13}, {"genes": [[0]] * 13}, {"genes": [300] * 13},
            {"genes": [9] * 13}, {"genes": []}, {"genes": None}, {"values": None}, {"values": 0.5}, {"values": {}},
            {"values": {VALUE: "good"}}, {"values": {VALUE: float("nan")}}, {"values": {VALUE: None}, "error": 5},
            {"seconds": "long"}, {"seconds": float("inf")}, {"predicted_mean": []}, {"estimate_seconds": "x"},
            {"epochs": "x"}, {"details": [1]}, {"proposed_by": 3}, {"warm": 1}, {"warm": "no"}, {"error": 3},
            {"checkpoint": 3}, {"unknown": 1},
        ],
        ids=str,
    )  # fmt: skip
    def test_a_line_that_was_changed_is_named(self, change: dict, journal: Journal, small_space: NB101) -> None:
        lines = written(journal, made(small_space, [0.5, 0.75, 1.0]))
        lines[1].update(change)
        write(journal, lines)
        with pytest.raises(UserError, match=r"history\.jsonl") as raised:
            journal.read(small_space, VALUE)
        assert "\n" not in str(raised.value)

    @pytest.mark.parametrize("line", ["", "5", "null", "[]", '"text"', "{", '{"step": 1}', "\xff", "[" * 100_000])
    def test_a_line_that_is_no_trial_is_named(self, line: str, journal: Journal, small_space: NB101) -> None:
        written(journal, made(small_space, [0.5]))
        with journal.path.open("ab") as file:
            file.write(line.encode("latin-1") + b"\n")
        with pytest.raises(UserError, match=r"line 2 of .*history\.jsonl is not a trial"):
            journal.read(small_space, VALUE)

    @pytest.mark.parametrize(
        ("order", "message"),
        [
            ([0, 2], "line 2 of .* is step 2, not 1: lines are missing"),
            ([1, 0], "line 1 of .* is step 1, not 0"),
            ([0, 1, 1, 2], "line 3 of .* is step 1, not 2"),  # it succeeded: no repetition of what failed
            ([0, 1, 2, 0], "line 4 of .* is step 0, not 3"),
        ],
    )
    def test_lines_that_are_missing_or_out_of_order_are_refused(
        self, order: list[int], message: str, journal: Journal, small_space: NB101
    ) -> None:
        lines = written(journal, made(small_space, [0.5, 0.75, 1.0]))
        write(journal, [lines[row] for row in order])
        with pytest.raises(UserError, match=message):
            journal.read(small_space, VALUE)

    def test_the_line_of_a_repetition_takes_the_place_of_the_failed_one(
        self, journal: Journal, small_space: NB101
    ) -> None:
        lines = written(journal, made(small_space, [0.5, None, 0.75]))
        failed_again = {**lines[1], "error": "killed"}
        succeeded = {**lines[1], "values": {VALUE: 1.0, "latency": 3.0}, "error": None, "checkpoint": "d", "epochs": 8}
        write(journal, [*lines, failed_again, succeeded])
        trials, _ = journal.read(small_space, VALUE)
        assert len(trials) == 3
        assert (trials[1].values, trials[1].error, trials[1].seconds) == ({VALUE: 1.0, "latency": 3.0}, None, 6.0)
        assert (trials[1].checkpoint, trials[1].epochs, trials.best.step, trials.failures) == ("d", 8, 1, 0)
        write(journal, [*lines, {**succeeded, "key": lines[0]["key"], "genes": lines[0]["genes"]}])
        with pytest.raises(UserError, match="line 4 of .* is step 1, not 3"):
            journal.read(small_space, VALUE)

    def test_what_failed_with_another_value_may_be_repeated(self, journal: Journal, small_space: NB101) -> None:
        lines = written(journal, made(small_space, [0.5, None]))
        part = {**lines[1], "values": {"latency": 3.0}}
        write(journal, [lines[0], part, {**lines[1], "values": {VALUE: 0.75}, "error": None}])
        trials, _ = journal.read(small_space, VALUE)
        assert trials[1].values == {VALUE: 0.75, "latency": 3.0}

    def test_a_history_of_another_space_is_refused(self, journal: Journal, small_space: NB101, space: NB101) -> None:
        written(journal, made(small_space, [0.5, 0.75]))
        with pytest.raises(UserError, match=r"uint8 array of shape"):
            journal.read(space, VALUE)

    def test_a_key_that_is_not_that_of_the_genes_is_refused(self, journal: Journal, small_space: NB101) -> None:
        lines = written(journal, made(small_space, [0.5, 0.75]))
        lines[1]["key"] = lines[0]["key"]
        write(journal, lines)
        with pytest.raises(UserError, match=r"line 2 of .* is not a trial \(its genes have the key"):
            journal.read(small_space, VALUE)

    def test_pending_candidates_come_back_but_for_those_that_are_recorded(
        self, journal: Journal, small_space: NB101
    ) -> None:
        trials = made(small_space, [0.5, None, None])
        written(journal, trials)
        noted = [
            candidate(small_space, 9, mean=0.5, std=0.25, seconds=2.0),
            candidate(small_space, 0),
            candidate(small_space, 2, step=2),
            candidate(small_space, 1),
            candidate(small_space, 8),
        ]
        journal.note_pending(noted)
        read, unfinished = journal.read(small_space, VALUE)
        assert [*read] == [*trials]
        assert [one.key for one in unfinished] == [noted[place].key for place in (2, 0, 4)]
        assert [one.step for one in unfinished] == [2, None, None]
        first = unfinished[1]
        assert (first.origin, first.mean, first.std, first.seconds) == ("mutation", 0.5, 0.25, 2.0)
        journal.note_pending([])
        assert journal.read(small_space, VALUE)[1] == []

    @pytest.mark.parametrize(
        "change",
        [{"step": 9}, {"step": -1}, {"step": 0}, {"step": "x"}, {"seconds": None}, {"mean": "x"}, {"std": float("nan")},
         {"genes": [9] * 13}],
        ids=str,
    )  # fmt: skip
    def test_pending_candidates_that_cannot_be_are_refused(
        self, change: dict, journal: Journal, small_space: NB101
    ) -> None:
        written(journal, made(small_space, [0.5, None]))
        journal.note_pending([candidate(small_space, 1, step=1)])
        path = journal.path.with_name("pending.json")
        entries = json.loads(path.read_text())
        path.write_text(json.dumps([{**entries[0], **change}]))
        with pytest.raises(UserError, match=r"pending\.json is damaged .*: remove it, and lose what was pending"):
            journal.read(small_space, VALUE)

    @pytest.mark.parametrize("content", ["", "{", "[5]", "5", "null", "\x00", '[{"genes": []}]', '{"a": 1}'])
    def test_a_damaged_file_of_pending_candidates_is_refused(
        self, content: str, journal: Journal, small_space: NB101
    ) -> None:
        journal.path.with_name("pending.json").write_text(content)
        with pytest.raises(UserError, match=r"pending\.json is damaged"):
            journal.read(small_space, VALUE)

    def test_a_file_is_written_whole_or_not_at_all(self, tmp_path: Path) -> None:
        path = tmp_path / "file.json"
        write_whole(path, "one")
        with pytest.raises(UnicodeEncodeError):
            write_whole(path, "two \ud800")
        assert path.read_text() == "one"
        write_whole(path, "three")
        assert path.read_text() == "three"
        assert [one.name for one in tmp_path.iterdir()] == ["file.json"]


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
