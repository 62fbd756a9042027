from __future__ import annotations

import tarfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from nas.datasets import Cifar
from nas.errors import UserError


def archive(path: Path, members: dict[str, bytes]) -> str:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(f"cifar/{name}")
            entry.size = len(content)
            tar.addfile(entry, BytesIO(content))
    return str(path)


def rows(labels: np.ndarray, seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, size=(len(labels), 3072))
    return np.concatenate([labels, pixels], axis=1).astype(np.uint8).tobytes()


@pytest.fixture
def ten() -> dict[str, bytes]:
    labels = np.arange(10)[:, None]
    batches = {f"data_batch_{number}.bin": rows(labels, number) for number in range(1, 6)}
    return {"readme.html": b"text", **batches, "test_batch.bin": rows(labels, 9)}


def test_cifar10_is_read_in_the_order_of_its_batches(tmp_path: Path, ten: dict[str, bytes]) -> None:
    images = Cifar(10, archive(tmp_path / "a.tar.gz", ten), valid=15).load()
    assert [len(images.part(part)[1]) for part in ("train", "valid", "test")] == [35, 15, 10]
    assert images.x_train.shape[1:] == (3, 32, 32)
    assert images.y_train[:12].tolist() == [*range(10), 0, 1]
    first = np.frombuffer(ten["data_batch_1.bin"], dtype=np.uint8)[1:3073].reshape(3, 32, 32)
    assert np.corrcoef(first[1].ravel(), images.x_train[0, 1].ravel())[0, 1] > 0.999


def test_cifar100_has_the_fine_labels(tmp_path: Path) -> None:
    labels = np.stack([np.full(120, 3), np.arange(120) % 100], axis=1)
    content = {"train.bin": rows(labels, 0), "test.bin": rows(labels[:10], 1)}
    images = Cifar(100, archive(tmp_path / "a.tar.gz", content), valid=20).load()
    assert images.classes == 100
    assert images.y_valid.tolist() == list(range(20))


def test_an_image_that_occurs_again_later_is_left_out_before(tmp_path: Path, ten: dict[str, bytes]) -> None:
    one = 3073
    ten["test_batch.bin"] = ten["test_batch.bin"][: 9 * one] + ten["data_batch_1.bin"][4 * one : 5 * one]
    images = Cifar(10, archive(tmp_path / "a.tar.gz", ten), valid=10).load()
    assert images.y_train[:6].tolist() == [0, 1, 2, 3, 5, 6]
    assert len(images.y_test) == 10


def test_missing_damaged_and_other_archives_are_refused(
    tmp_path: Path, ten: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAS_CACHE_DIR", str(tmp_path))
    with pytest.raises(UserError, match=r"no CIFAR-10 at .*cifar-10-binary\.tar\.gz: download"):
        Cifar().load()
    path = Path(archive(tmp_path / "cifar-10-binary.tar.gz", ten))
    with pytest.raises(UserError, match=r"has 50 training images, of which 10000 cannot be for validation"):
        Cifar().load()
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b"text", b""):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="truncated, damaged or no"):
            Cifar().load()
    archive(path, {"data_batch_1": b"a pickle of the python version"})
    with pytest.raises(UserError, match=r"has no data_batch_1\.bin: is it cifar-10-binary"):
        Cifar().load()
    archive(path, {**ten, "data_batch_2.bin": ten["data_batch_2.bin"][:-1]})
    with pytest.raises(UserError, match=r"data_batch_2\.bin of .* has 30,729 bytes, no multiple of 3,073"):
        Cifar().load()


@pytest.mark.parametrize("options", [{"classes": 20}, {"valid": 0}, {"valid": 50_000}])
def test_options_out_of_range_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(UserError, match=r"^(classes|valid) is"):
        Cifar(**options)
