"""Which device of its machine a training gets."""

from __future__ import annotations

import getpass
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from platform import node
from tempfile import gettempdir

from nas.errors import OptionError, UserError

_NAME = re.compile(r"auto|cpu|cuda(:\d+)?")
_PLACES = 16  # trainings on one device whose number is known; beyond them they are spread as it comes


def check_names(device: str, devices: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of `devices`, or that of `device` for None; whether they exist is not looked at.

    Raises:
        OptionError: a name is none of a device, `auto` is one of several, or there are devices of several kinds.
    """
    names = (device,) if devices is None else tuple(devices)
    for name in names:
        if not _NAME.fullmatch(name):
            text = f"is {name!r}, must be auto, cpu, cuda or one CUDA device such as cuda:1"
            raise OptionError("device" if devices is None else "devices", text)
    if not names:
        raise OptionError("devices", "is [], must name one device or more, or be null")
    if len(names) > 1 and "auto" in names:
        raise OptionError("devices", f"is {list(names)}, must name each device: auto is one")
    if len(kinds := sorted({kind(name) for name in names})) != 1:
        text = f"must be of one kind: what is trained on {' and '.join(kinds)} cannot be compared"
        raise OptionError("devices", f"is {list(names)}, {text}")
    return names


def kind(name: str) -> str:
    """`cpu`, `cuda` or `auto`."""
    return name.partition(":")[0]


def existing(name: str) -> str:
    """Return the device on this machine; `auto` is CUDA where there is one.

    Raises:
        UserError: there is no such device.
    """
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return "cuda" if count else "cpu"
    if name != "cpu" and int(name.partition(":")[2] or 0) >= count:
        there = {0: "no CUDA device", 1: "one CUDA device, cuda:0"}.get(count, f"cuda:0 to cuda:{count - 1}")
        raise UserError(f"device {name!r} does not exist: PyTorch sees {there} on {node()}; cpu and auto always work")
    return name


@contextmanager
def lease(names: Sequence[str], preferred: str | None = None) -> Iterator[str]:
    """Give one of the devices: one with the fewest leases of this user on this machine, and not counted twice.

    The leases are locks on files, which the system gives back for a process that dies. A device that is named twice is
    two devices.

    Args:
        names: the devices, one at least.
        preferred: taken where no other has fewer leases.
    """
    if len(names) == 1:
        yield names[0]
        return
    from filelock import FileLock, Timeout

    folder = Path(gettempdir()) / f"nas-devices-{os.getuid() if hasattr(os, 'getuid') else getpass.getuser()}"
    folder.mkdir(mode=0o700, exist_ok=True)

    def taken(path: Path) -> FileLock | None:
        lock = FileLock(path, thread_local=False)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return None
        return lock

    times: Counter[str] = Counter()
    free: list[list[FileLock]] = []
    with FileLock(folder / "lock"):
        for name in names:
            stem = f"{name.replace(':', '-')}.{times[name]}"
            times[name] += 1
            locks = (taken(folder / f"{stem}.{place}") for place in range(_PLACES))
            free.append([lock for lock in locks if lock is not None])
        chosen = max(range(len(names)), key=lambda index: (len(free[index]), names[index] == preferred))
        kept = free[chosen][:1]
        for lock in (lock for row in free for lock in row if lock not in kept):
            lock.release()
    try:
        yield names[chosen]
    finally:
        for lock in kept:
            lock.release()
