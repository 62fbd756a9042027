"""The folder of trained weights, when several processes want the same at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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


def start(cache: Path, seconds: float, value: int) -> subprocess.Popen[str]:
    """A process that waits for a line, then wants the weights; training them takes `seconds` and gives `value`."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(seconds), str(value)],
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
    trained = [value for value, (_, told) in enumerate(answers) if "training the encoder once" in told]
    assert len(trained) == 1
    assert {weights for weights, _ in answers} == {f"{[float(trained[0])] * 3}\n"}
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
