"""The journal that keeps trials, and the result that reads them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from journals import VALUE, candidate, made, write, written

from nas.errors import UserError
from nas.search.journal import Journal, read_lines, read_trials, write_whole
from nas.spaces import NB101
from nas.types import Outcome


class TestJournal:
    def test_what_is_recorded_is_read_again(self, journal: Journal, small_space: NB101, caplog) -> None:
        trials = made(small_space, [0.5, None, 0.75], latency=[1.0, 0.0, 2.0])
        trials.append(
            candidate(small_space, 3, std=0.5), Outcome({VALUE: 1.0}, None, 3, details={"curve": [0.5]}, partial=True)
        )
        told = [replace(trial, warm=trial.step == 0) for trial in trials]
        for trial in told:
            journal.record(trial)
        read, unfinished = journal.read(small_space, VALUE)
        assert [*read] == told
        assert (read.charged, read.failures, read.value_name) == (3, 1, VALUE)
        assert unfinished == []
        assert not caplog.messages

    def test_a_line_holds_what_is_known_and_no_more(self, journal: Journal, small_space: NB101) -> None:
        line = written(journal, made(small_space, [0.5]))[0]
        assert [*line] == ["step", "key", "genes", "values", "seconds", "predicted_mean", "predicted_std",
                           "proposed_by", "epochs", "estimate_seconds"]  # fmt: skip

    def test_what_could_not_be_read_again_is_not_written(self, journal: Journal, small_space: NB101) -> None:
        with pytest.raises(ValueError, match="not JSON compliant"):
            journal.note_pending([candidate(small_space, 0, mean=float("nan"))])
        with pytest.raises(ValueError, match="not JSON compliant"):
            journal.record(replace(made(small_space, [0.5])[0], seconds=float("inf")))
        trials, unfinished = journal.read(small_space, VALUE)
        assert (len(trials), unfinished) == (0, [])

    def test_lines_are_on_the_disk_a_tenth_of_a_second_later(
        self, tmp_path: Path, small_space: NB101, monkeypatch
    ) -> None:
        now, synced = [100.0], []
        monkeypatch.setattr("nas.search.journal.monotonic", lambda: now[0])
        monkeypatch.setattr("nas.search.journal.os.fsync", lambda _: synced.append(now[0]))
        with Journal(tmp_path) as journal:
            for trial in made(small_space, [0.5] * 6):
                journal.record(trial)
                now[0] += 1 / 16
        assert synced == [100.125, 100.25, 100.375]  # the last one when it is closed

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
        assert caplog.messages == [f"{journal.path} ends in half a line: that evaluation is done again"]
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
            {"partial": 3}, {"bracket": -1}, {"bracket": 0.5}, {"clock": "x"}, {"unknown": 1},
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

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"step": -1}, "its step is -1, its bracket 0, its genes are .1, 0, "),
            ({"key": "zz"}, "its key is 'zz'"),
            ({"warm": 1}, "warm is 1, partial is False"),
            ({"details": [1]}, r"its details are \[1\]"),
            ({"values": 0.5}, "its values are 0.5, its error None"),
            ({"epochs": float("inf")}, "it has the number inf"),
        ],
        ids=str,
    )
    def test_what_was_changed_in_a_line_is_said(
        self, change: dict, message: str, journal: Journal, small_space: NB101
    ) -> None:
        lines = written(journal, made(small_space, [0.5, 0.75]))
        write(journal, [lines[0], {**lines[1], **change}])
        with pytest.raises(UserError, match=rf"^line 2 of .*history\.jsonl is not a trial \({message}.*\): the"):
            journal.read(small_space, VALUE)

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
            ([0, 2], r"line 2 of .*history\.jsonl is step 2, not 1: lines are missing"),
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
        succeeded = {**lines[1], "values": {VALUE: 1.0, "latency": 3.0}, "error": None, "partial": True, "epochs": 8}
        write(journal, [*lines, failed_again, succeeded])
        trials, _ = journal.read(small_space, VALUE)
        assert len(trials) == 3
        assert (trials[1].values, trials[1].error, trials[1].seconds) == ({VALUE: 1.0, "latency": 3.0}, None, 6.0)
        assert (trials[1].partial, trials[1].epochs, trials.best.step, trials.failures) == (True, 8, 2, 0)
        write(journal, [*lines, {**succeeded, "key": lines[0]["key"], "genes": lines[0]["genes"]}])
        with pytest.raises(UserError, match="line 4 of .* is step 1, not 3"):
            journal.read(small_space, VALUE)

    def test_what_comes_after_repetitions_is_read_as_well(self, journal: Journal, small_space: NB101) -> None:
        lines = written(journal, made(small_space, [None, None, 0.5, 0.75]))
        again = [{**line, "values": {VALUE: 1.0}, "error": None, "details": {"curve": [1]}} for line in lines[:2]]
        write(journal, [*lines[:3], *again, lines[3]])
        trials, _ = journal.read(small_space, VALUE)
        assert trials.value.tolist() == [1.0, 1.0, 0.5, 0.75]
        assert trials.detail("curve") == [[1], [1], None, None]
        assert trials.events.outcomes[0].tolist() == [0, 1, 2, 0, 1, 3]

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
        assert [one.key for one in unfinished] == [noted[place].key for place in (0, 2, 4)]
        assert [one.step for one in unfinished] == [None, 2, None]
        first = unfinished[0]
        assert (first.origin, first.mean, first.std, first.seconds) == ("mutation", 0.5, 0.25, 2.0)
        journal.note_pending([])
        assert journal.read(small_space, VALUE)[1] == []

    def test_the_first_trial_may_be_pending_again(self, journal: Journal, small_space: NB101) -> None:
        written(journal, made(small_space, [None, 0.5]))
        journal.note_pending([candidate(small_space, 0, step=0)])
        assert [one.step for one in journal.read(small_space, VALUE)[1]] == [0]

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"step": 9}, "it repeats step 9, which is no trial of this network"),
            ({"step": 2}, "it repeats step 2"),
            ({"step": -1}, "it repeats step -1"),
            ({"step": 0}, "it repeats step 0"),
            ({"step": "x"}, "invalid literal"),
            ({"seconds": None}, "seconds is None"),
            ({"mean": "x"}, "mean is 'x'"),
            ({"std": float("nan")}, "std is nan"),
            ({"genes": [9] * 13}, "architecture"),
        ],
        ids=str,
    )
    def test_pending_candidates_that_cannot_be_are_refused(
        self, change: dict, message: str, journal: Journal, small_space: NB101
    ) -> None:
        written(journal, made(small_space, [0.5, None]))
        journal.note_pending([candidate(small_space, 1, step=1)])
        path = journal.path.with_name("pending.json")
        entries = json.loads(path.read_text())
        path.write_text(json.dumps([{**entries[0], **change}]))
        with pytest.raises(UserError, match=rf"pending\.json is damaged .*{message}.*: remove it, and lose what was"):
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
