from __future__ import annotations

import pytest

from nas.errors import UserError
from nas.study.journal import Journal
from nas.study.measuring import Job
from nas.study.predictors import Predictor

HEAD = {"table": "digits", "networks": "2532"}
JOBS = [Job(Predictor("ridge", {"alpha": 1}, "model", None, [5]), "uniform", 5, split) for split in range(3)]


def test_what_was_measured_is_known_again(tmp_path) -> None:
    with Journal(tmp_path, HEAD) as journal:
        journal.record(JOBS[0], {"tau": 0.5})
        journal.record(JOBS[1], "ValueError: too few")
    with Journal(tmp_path, HEAD) as journal:
        assert journal.found == {JOBS[0].key: {"tau": 0.5}, JOBS[1].key: "ValueError: too few"}


def test_a_line_that_was_cut_off_is_dropped(tmp_path) -> None:
    with Journal(tmp_path, HEAD) as journal:
        journal.record(JOBS[0], {"tau": 0.5})
    path = tmp_path / "journal.jsonl"
    path.write_bytes(path.read_bytes() + b'{"what": "ridge')
    with Journal(tmp_path, HEAD) as journal:
        assert list(journal.found) == [JOBS[0].key]
        journal.record(JOBS[2], {"tau": 0.7})
    with Journal(tmp_path, HEAD) as journal:
        assert list(journal.found) == [JOBS[0].key, JOBS[2].key]


def test_another_table_or_version_is_refused(tmp_path, monkeypatch) -> None:
    with Journal(tmp_path, HEAD):
        pass
    with pytest.raises(UserError, match=r"holds measurements of another networks \(2532; now 7\): name another folder"):
        Journal(tmp_path, {**HEAD, "networks": "7"})
    monkeypatch.setattr("nas.study.journal.__version__", "99")
    with pytest.raises(UserError, match=r"another version"):
        Journal(tmp_path, HEAD)


@pytest.mark.parametrize("text", ["no JSON\n", "[1]\n", '{"version": 1}\n{"found": 2}\n'])
def test_another_file_of_that_name_is_refused(tmp_path, text) -> None:
    (tmp_path / "journal.jsonl").write_text(text)
    with pytest.raises(UserError, match="is no journal of a study"):
        Journal(tmp_path, HEAD)
    assert (tmp_path / "journal.jsonl").read_text() == text


def test_two_do_not_write_at_once(tmp_path) -> None:
    with Journal(tmp_path, HEAD), pytest.raises(UserError, match="being written by another process"):
        Journal(tmp_path, HEAD)


def test_another_configuration_is_another_measurement() -> None:
    other = Predictor("ridge", {"alpha": 2}, "model", None, [5])
    assert Job(other, "uniform", 5, 0).key != JOBS[0].key
