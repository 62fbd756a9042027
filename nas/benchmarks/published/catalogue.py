"""What is known of the published benchmark files: where they are, and what is in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nas._paths import table_folders


@dataclass(frozen=True)
class Source:
    """A file as its publisher offers it.

    Attributes:
        name: of the file.
        url: where it is.
        sha256: of its content, hexadecimal.
        most: bytes that it has at most.
        contains: what is in it, in words.
    """

    name: str
    url: str
    sha256: str
    most: int
    contains: str


@dataclass(frozen=True)
class Published:
    """A benchmark table.

    Attributes:
        name: what the user calls it.
        file: its name in the compact format.
        rows: architectures in it.
        networks: different networks among them.
        best: the highest mean test accuracy, 0..1, to six digits; None: it depends on the data set.
        obtain: what the user does to get it.
        sources: the published files that it can be made of, by what to call them.
    """

    name: str
    file: str
    rows: int
    networks: int
    best: float | None
    obtain: str
    sources: Mapping[str, Source] = field(default_factory=dict)


_BUCKET = "https://storage.googleapis.com/nasbench/"

TABLES = (
    Published(
        "nb101",
        "nasbench101.npz",
        423_624,
        423_624,
        0.943176,
        "python -m nas.data fetch nb101",
        {
            "108": Source(
                "nasbench_only108.tfrecord",
                _BUCKET + "nasbench_only108.tfrecord",
                "4c39c3936e36a85269881d659e44e61a245babcb72cb374eacacf75d0e5f4fd1",
                600_000_000,
                "three runs of 108 epochs",
            ),
            "full": Source(
                "nasbench_full.tfrecord",
                _BUCKET + "nasbench_full.tfrecord",
                "3d64db8180fb1b0207212f9032205064312b6907a3bbc81eabea10db2f5c7e9c",
                2_500_000_000,
                "three runs each of 4, 12, 36 and 108 epochs",
            ),
        },
    ),
    Published("nb101_digits", "nb101_digits.npz", 2_532, 2_532, 0.974550, "it is in this package"),
    Published(
        "nb201",
        "nasbench201.npz",
        15_625,
        5_044,
        None,
        "obtain NATS-tss-v1_0-3ffb9-simple.tar from its publisher, then python -m nas.data convert FILE",
    ),
)


def found(file: str) -> Path | None:
    """Where a search would find a table; None: nowhere."""
    return next((folder / file for folder in table_folders() if (folder / file).is_file()), None)
