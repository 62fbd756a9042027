"""Files in the wire format of NAS-Bench-101, written independently of the code that reads them."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from nas.benchmarks import benchmark_of
from nas.graphs import ABSENT, FIRST_OPERATION, INPUT, Graphs

_POLYNOMIAL = 0x82F63B78  # CRC-32C, reflected


def crc32c(content: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(content: bytes) -> bytes:
    crc = crc32c(content)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def framed(record: bytes) -> bytes:
    length = struct.pack("<Q", len(record))
    return length + masked(length) + record + masked(record)


def varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def evaluation(epoch: float, seconds: float, train: float, validation: float, test: float, extra: bytes = b"") -> bytes:
    numbers = (epoch, seconds, train, validation, test)
    return b"".join(bytes([place << 3 | 1]) + struct.pack("<d", n) for place, n in enumerate(numbers, 1)) + extra


def metrics(evaluations: Iterable[bytes], parameters: int, extra: bytes = b"") -> bytes:
    parts = b"".join(b"\x0a" + varint(len(one)) + one for one in evaluations)
    return parts + b"\x10" + varint(parameters) + extra + b"\x19" + struct.pack("<d", 3.5)


def record(digest: str, epochs: int, adjacency: str, operations: str, message: bytes) -> bytes:
    return json.dumps([digest, epochs, adjacency, operations, base64.b64encode(message).decode()]).encode()


def described(graphs: Graphs, row: int) -> tuple[str, str]:
    """Adjacency and operations of a graph as the published records have them."""
    there = graphs.labels[row] != ABSENT
    matrix = graphs.adjacency[row][np.ix_(there, there)]
    names = [
        graphs.operations[label - FIRST_OPERATION]
        if label >= FIRST_OPERATION
        else "input"
        if label == INPUT
        else "output"
        for label in graphs.labels[row][there]
    ]
    return "".join("1" if edge else "0" for edge in matrix.ravel()), ",".join(names)


def made_up(cell: int, epochs: int, run: int) -> dict[str, list[float]]:
    """Seconds, train, validation and test accuracy halfway and at the end of a made-up training."""
    rng = np.random.default_rng([cell, epochs, run])
    fractions = rng.integers(1000, 9985, size=(2, 3)) / 9984
    seconds = np.array([[epochs * 8.0], [epochs * 16.0]]) + rng.random((2, 1))
    halfway, final = np.concatenate([seconds, fractions], axis=1).astype(np.float32).astype(float).tolist()
    return {"halfway": halfway, "final": final}


def write_official(
    path: Path, space: Any, archs: Any, budgets: Iterable[int] = (4, 12, 36, 108), runs: int = 3, extra: bytes = b""
) -> Path:
    """Write an official file of some cells; `extra` goes into each message as fields nobody knows."""
    graphs = space.graphs(archs)
    digests = benchmark_of(space).names(archs)
    with path.open("wb") as file:
        for row in sorted(range(len(archs)), key=lambda row: digests[row]):
            for epochs in budgets:
                for run in range(runs):
                    made = made_up(row, epochs, run)
                    points = [
                        evaluation(0.0, 0.0, 0.1, 0.1, 0.1),
                        evaluation(epochs / 2, *made["halfway"], extra),
                        evaluation(epochs, *made["final"], extra),
                    ]
                    message = metrics(points, 1000 + row, extra)
                    file.write(framed(record(digests[row], epochs, *described(graphs, row), message)))
    return path
