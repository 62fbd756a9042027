from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from records import described, evaluation, framed, made_up, masked, metrics, record, write_official

from nas.benchmarks import benchmark_of
from nas.benchmarks.published.nasbench101 import read_official, recognised
from nas.benchmarks.published.records import fields, masked_crc, read_records
from nas.benchmarks.table import read_table
from nas.errors import UserError
from nas.evaluators import TableEvaluator
from nas.spaces import NB101

SPACE = NB101(max_vertices=4)
CELLS = SPACE.enumerate()


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_official(tmp_path_factory.mktemp("official") / "nasbench_full.tfrecord", SPACE, CELLS)


@pytest.fixture(scope="module")
def full(official: Path) -> Path:
    path = official.with_name("nasbench101.npz")
    np.savez_compressed(path, **read_official(official))
    return path


def one(**changes) -> bytes:
    """A record of the cell that is one 3x3 convolution; `changes` replace what it says."""
    points = [evaluation(0, 0, 0.1, 0.1, 0.1), evaluation(54, 9, 0.5, 0.5, 0.5), evaluation(108, 18, 0.9, 0.8, 0.7)]
    cell = SPACE.sample(1, np.random.default_rng(0))
    adjacency, operations = described(SPACE.graphs(cell), 0)
    entries = {
        "digest": benchmark_of(SPACE).names(cell)[0],
        "epochs": 108,
        "adjacency": adjacency,
        "operations": operations,
        "message": metrics(points, 4000),
    }
    return record(**{**entries, **changes})


def test_the_checksum_is_that_of_the_format() -> None:
    """CRC-32C of RFC 3720 appendix B.4, masked."""
    for content, crc in ((b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43)):
        assert masked_crc(content) == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
        assert struct.pack("<I", masked_crc(content)) == masked(content)


def test_every_number_of_every_run_arrives(official: Path, full: Path) -> None:
    arrays = np.load(full)
    assert arrays["epochs"].tolist() == [4, 12, 36, 108]
    digests = sorted(benchmark_of(SPACE).names(CELLS))
    assert [row.tobytes().hex() for row in arrays["md5"]] == digests
    assert arrays["params"].tolist() == [1000 + benchmark_of(SPACE).names(CELLS).index(digest) for digest in digests]
    names = ("training_time", "train_accuracy", "validation_accuracy", "test_accuracy")
    for row, digest in enumerate(digests):
        cell = benchmark_of(SPACE).names(CELLS).index(digest)
        for budget, epochs in enumerate((4, 12, 36, 108)):
            for run in range(3):
                for point, numbers in made_up(cell, epochs, run).items():
                    assert [arrays[f"{point}_{name}"][row, budget, run] for name in names] == numbers
    assert recognised(official)
    assert not recognised(full)


def test_the_cells_of_the_records_are_the_cells_of_the_table(full: Path) -> None:
    table = read_table(full, SPACE)
    assert sorted(SPACE.keys(table.columns.archs)) == sorted(SPACE.keys(CELLS))
    assert benchmark_of(SPACE).names(table.columns.archs) == [row.tobytes().hex() for row in np.load(full)["md5"]]


def test_numbers_of_double_precision_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = [evaluation(0, 0, 0, 0, 0), evaluation(1, 1, 0.1, 0.1, 0.1), evaluation(2, 2, 1 / 3, 0.3, 0.2)]
    (tmp_path / "a").write_bytes(framed(one(message=metrics(points, 7))))
    arrays = read_official(tmp_path / "a")
    assert arrays["final_train_accuracy"].item() == 1 / 3
    assert arrays["final_training_time"].dtype == np.float32
    others = write_official(tmp_path / "others", SPACE, CELLS[1:6], (108,), 1).read_bytes()
    (tmp_path / "b").write_bytes(others + (tmp_path / "a").read_bytes())
    whole = read_official(tmp_path / "b")
    assert len(whole["md5"]) == 6
    assert (whole["final_train_accuracy"] == 1 / 3).sum() == 1
    monkeypatch.setattr("nas.benchmarks.published.nasbench101._BLOCK", 2)  # records that are kept together
    for name, values in read_official(tmp_path / "b").items():
        assert values.dtype == whole[name].dtype
        assert (values == whole[name]).all()


def test_fields_that_nobody_knows_are_passed_over(tmp_path: Path) -> None:
    extra = b"\x32\x05/path" + b"\x38\x96\x01" + b"\x45\x00\x00\x80\x3f" + b"\x82\x01\x02hi" + b"\x49" + bytes(8)
    plain = read_official(write_official(tmp_path / "plain", SPACE, CELLS[:3], (108,)))
    more = read_official(write_official(tmp_path / "more", SPACE, CELLS[:3], (108,), extra=extra))
    assert all(np.array_equal(plain[name], more[name]) for name in plain)


def test_a_search_sees_one_run_or_the_mean(full: Path) -> None:
    arrays, archs = np.load(full), read_table(full, SPACE).columns.archs
    validation, seconds = arrays["final_validation_accuracy"], arrays["final_training_time"]
    for epochs, budget in ((None, 3), (108, 3), (12, 1)):
        runs = TableEvaluator(SPACE, "auto", str(full), None, None, epochs=epochs, seed=3)
        assert runs.identity()["signal"] == "validation_run"
        assert runs.identity()["epochs"] == f"{epochs or 108}"
        seen = runs.evaluate(SPACE.batch(archs))
        drawn = (validation[:, budget] == seen.value[:, None]).argmax(axis=1)
        assert (validation[np.arange(len(archs)), budget, drawn] == seen.value).all()
        assert (seconds[np.arange(len(archs)), budget, drawn] == seen.seconds).all()
        assert set(drawn) == {0, 1, 2}
        mean = TableEvaluator(SPACE, "auto", str(full), "validation", None, epochs=epochs)
        assert mean.evaluate(SPACE.batch(archs)).value == pytest.approx(validation[:, budget].mean(axis=1))
        assert mean.evaluate(SPACE.batch(archs)).seconds == pytest.approx(seconds[:, budget].sum(axis=1))
        tested = arrays["final_test_accuracy"]
        assert runs.test(SPACE.batch(archs)) == pytest.approx(
            tested[:, 3].mean(axis=1)
        )  # of the longest training, always
        shown = TableEvaluator(SPACE, "auto", str(full), "test_mean", None, epochs=epochs)
        assert shown.evaluate(SPACE.batch(archs)).value == pytest.approx(tested[:, budget].mean(axis=1))
    with pytest.raises(UserError, match=r"^epochs is 50, but .* has 4, 12, 36, 108"):
        TableEvaluator(SPACE, "auto", str(full), None, None, epochs=50)
    with pytest.raises(UserError, match=r"^seed is -1, must be at least 0"):
        TableEvaluator(SPACE, "auto", str(full), None, None, seed=-1)


def test_the_run_is_a_function_of_seed_and_cell(full: Path, tmp_path: Path) -> None:
    archs = read_table(full, SPACE).columns.archs
    arrays = dict(np.load(full))
    order = np.random.default_rng(0).permutation(len(archs))
    per_row = [name for name, array in arrays.items() if len(array) == len(archs)]
    np.savez(tmp_path / "mixed.npz", **{**arrays, **{name: arrays[name][order] for name in per_row}})
    first, again, other, mixed = (
        TableEvaluator(SPACE, "auto", str(path), None, None, seed=seed)
        for path, seed in ((full, 0), (full, 0), (full, 1), (tmp_path / "mixed.npz", 0))
    )
    values = first.evaluate(SPACE.batch(archs)).value
    assert (first.evaluate(SPACE.batch(archs[::-1])).value[::-1] == values).all()
    assert (again.evaluate(SPACE.batch(archs)).value == values).all()
    assert (mixed.evaluate(SPACE.batch(archs)).value == values).all()
    assert (other.evaluate(SPACE.batch(archs)).value != values).any()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (framed(b"{}"), "record 0 of .* is none of NAS-Bench-101: not a list of five"),
        (framed(b"not JSON"), "is none of NAS-Bench-101: Expecting value"),
        (framed(b"[" * 100_000), "is none of NAS-Bench-101"),
        (framed(b"\xff\xfe"), "is none of NAS-Bench-101"),
        (framed(one(digest=["a"])), "is none of NAS-Bench-101"),
        (framed(one(digest="0" * 31)), "'0{31}' is no module hash"),
        (framed(one(epochs=0)), "epochs are 0"),
        (framed(one(epochs="108")), "epochs are '108'"),
        (framed(one(adjacency="01100")), "'01100' is no adjacency matrix of 2..7 vertices"),
        (framed(one(adjacency="1" * 16)), "is not above the diagonal"),
        (framed(one(operations="input,conv3x3-bn-relu,output")), "are no operations of 4 vertices"),
        (framed(one(operations="input,a,b,output")), "are no operations of 4 vertices"),
        (framed(one(message=b"")), "0 evaluations and 0 parameters"),
        (framed(one(message=b"\x0a\x7f")), "a field that leads out of the message"),
        (framed(one(message=b"\x0b")), "wire type 3"),
        (framed(one(message=b"\x10" + b"\xff" * 11)), "a number without end"),
        (framed(one(message=metrics([evaluation(0, 0, 2, 0, 0)] * 3, 4000))), "accuracies 2.0, 0.0, 0.0 are out of"),
        (framed(one(message=metrics([evaluation(0, np.nan, 0, 0, 0)] * 3, 4000))), "seconds nan or accuracies"),
        (
            framed(one()) + framed(one(message=metrics([evaluation(0, 0, 0, 0, 0)] * 3, 5))),
            "record 1 .* in another way",
        ),
        (framed(one()) + framed(one(epochs=4)) * 2, "has 2 runs of 4 epochs|has 1 runs of 108 epochs"),
        (framed(one())[:-1], "record 0 of .* is cut off"),
        (framed(one()) + b"\x00" * 5, "record 1 of .* is cut off"),
        (b"", "it holds no records"),
        (framed(bytes((1 << 20) + 1)), "has 1,048,577 bytes, at most 1,048,576"),
    ],
)
def test_what_is_no_such_file_is_refused_in_one_line(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.tfrecord").write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read_official(tmp_path / "a.tfrecord")
    assert "\n" not in str(caught.value)


def test_any_flipped_bit_is_noticed() -> None:
    content = framed(one())
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        with pytest.raises(UserError, match=r"checksum|cut off"):
            list(read_records(BytesIO(bytes(damaged)), Path("a")))


def test_fields_come_in_order_with_their_values() -> None:
    message = b"\x08\xac\x02" + b"\x11" + struct.pack("<d", 2.5) + b"\x1a\x03abc" + b"\x25wxyz"
    assert list(fields(message)) == [(1, 300), (2, 2.5), (3, b"abc"), (4, b"wxyz")]
