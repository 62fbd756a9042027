"""The folder of trained weights: when several processes want the same at once, and when nothing can be kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nas.encoders.cache import Weights, trained

PROGRAM = """
import logging, sys, time
import numpy as np
from nas.encoders.cache import trained

logging.basicConfig(level=logging.INFO)
seconds = float(sys.argv[1])

def train():
    time.sleep(seconds)
    return {"weight": np.full(3, float(sys.argv[2]))}

print("ready", flush=True)
sys.stdin.readline()
print(trained("shared", train)["weight"].tolist())
"""


def start(cache: Path, seconds: float, value: int, before: str = "") -> subprocess.Popen[str]:
    """A process that waits for a line, then wants the weights; training them takes `seconds` and gives `value`."""
    process = subprocess.Popen(
        [sys.executable, "-c", before + PROGRAM, str(seconds), str(value)],
        env={**os.environ, "NAS_CACHE_DIR": str(cache)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_of_several_processes_one_trains_and_the_others_get_its_weights(tmp_path: Path) -> None:
    processes = [start(tmp_path, 0.5, value) for value in range(3)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * 3
    training = [value for value, (_, told) in enumerate(answers) if "training the encoder once" in told]
    assert len(training) == 1
    assert {weights for weights, _ in answers} == {f"{[float(training[0])] * 3}\n"}
    assert sorted(path.name for path in (tmp_path / "encoders").iterdir()) == ["shared.lock", "shared.safetensors"]


def test_the_death_of_the_process_that_trains_leaves_it_to_the_next(tmp_path: Path) -> None:
    first, second = start(tmp_path, 1000, 1), start(tmp_path, 0, 2)
    assert first.stdin is not None
    assert first.stderr is not None
    first.stdin.write("\n")
    first.stdin.flush()
    assert "training the encoder once" in first.stderr.readline()  # it holds the lock
    second.stdin.write("\n")  # type: ignore[union-attr]
    second.stdin.flush()  # type: ignore[union-attr]
    first.kill()
    first.communicate()
    weights, told = second.communicate(timeout=60)
    assert weights == "[2.0, 2.0, 2.0]\n"
    assert "training the encoder once" in told


def weights() -> Weights:
    return {"weight": np.full(3, 7.0)}


def refuse() -> Weights:
    raise AssertionError("it is there already")


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def test_a_folder_that_cannot_be_made_costs_a_warning(tmp_path, monkeypatch, caplog) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NAS_CACHE_DIR", str(tmp_path / "file" / "cache"))
    assert trained("mine", weights)["weight"].tolist() == [7.0] * 3
    [told] = warnings(caplog)
    assert told.startswith(f"the trained encoder cannot be kept in {tmp_path}/file/cache/encoders (Not a directory)")
    assert "set NAS_CACHE_DIR to a folder that can be written" in told


def test_what_is_there_is_read_where_nothing_can_be_locked(tmp_path, monkeypatch, caplog) -> None:
    monkeypatch.setenv("NAS_CACHE_DIR", str(tmp_path))
    trained("mine", weights)
    (tmp_path / "encoders" / "mine.lock").unlink()
    for name in ("mine", "other"):
        (tmp_path / "encoders" / f"{name}.lock").mkdir()  # no file that could be locked
    assert trained("mine", refuse)["weight"].tolist() == [7.0] * 3
    assert not warnings(caplog)
    assert trained("other", weights)["weight"].tolist() == [7.0] * 3
    [told] = warnings(caplog)
    assert "NAS_CACHE_DIR" in told
    assert not (tmp_path / "encoders" / "other.safetensors").exists()


def test_a_full_disk_costs_a_warning_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    """A limit on the size of files stands for it: the same error at the same call."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
    process = start(tmp_path, 0, 3, before=limit)
    answer, told = process.communicate("\n")
    assert answer == "[3.0, 3.0, 3.0]\n"
    assert told.count("WARNING") == 1
    assert "cannot be kept" in told
    assert "NAS_CACHE_DIR" in told
    assert [path.name for path in (tmp_path / "encoders").iterdir()] == ["shared.lock"]


def test_others_may_read_what_one_has_stored(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("NAS_CACHE_DIR", str(tmp_path))
    trained("mine", weights)
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "encoders" / "mine.safetensors").stat().st_mode & 0o777 == 0o666 & ~umask


def test_what_goes_wrong_in_training_is_no_fault_of_the_cache(tmp_path, monkeypatch, caplog) -> None:
    monkeypatch.setenv("NAS_CACHE_DIR", str(tmp_path))

    def fail() -> Weights:
        raise OSError("no such device")

    with pytest.raises(OSError, match="no such device"):
        trained("mine", fail)
    assert not warnings(caplog)
    assert trained("mine", weights)["weight"].tolist() == [7.0] * 3  # the lock was given back
