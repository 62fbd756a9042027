"""Time and memory of converting a file like `nasbench_only108.tfrecord`: `python -m experiments.convert_speed`.

The published file is made again in its wire format from the real table's cells (`NAS_DATA_DIR`), with made-up
accuracies: 1,270,872 records, three runs of each of 423,624 cells; with `--epochs 4 12 36 108` one like
`nasbench_full.tfrecord`, 5,083,488 records. It is then converted as a user would, in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import struct
import subprocess
import sys
from base64 import b64encode
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

from experiments.digits import versions
from nas.benchmarks.archives import Arrays
from nas.benchmarks.published.catalogue import found
from nas.benchmarks.published.records import masked_crc

RUNS = 3
_POINT = struct.Struct("<" + "Bd" * 5)


def write_records(path: Path, arrays: Arrays, cells: int | None, epochs: Sequence[int], seed: int = 0) -> int:
    """Write the file, the runs of each cell by epochs; return its number of records."""
    rng = np.random.default_rng(seed)
    names = [str(name) for name in arrays["op_names"]]
    vertices, bits, ops = (arrays[name][:cells].tolist() for name in ("num_vertices", "adj_bits", "ops"))
    parameters, digests = arrays["params"][:cells].tolist(), arrays["md5"][:cells]
    with path.open("wb") as file:
        for row, size in enumerate(vertices):
            matrix = ["0"] * size * size
            for y in range(size):
                for x in range(y):
                    if bits[row] >> (x + y * (y - 1) // 2) & 1:
                        matrix[x * size + y] = "1"
            cell = ["".join(matrix), ",".join(names[code] for code in ops[row][:size])]
            shape = len(epochs), RUNS
            accuracies = (rng.integers(1000, 9985, size=(*shape, 3, 3)) / 9984).astype(np.float32).tolist()
            seconds = rng.uniform(500, 3000, size=shape).astype(np.float32).tolist()
            for budget, run in product(range(len(epochs)), range(RUNS)):
                message, end = b"", seconds[budget][run]
                for point in range(3):
                    numbers = (epochs[budget] * point / 2, end * point / 2, *accuracies[budget][run][point])
                    message += b"\x0a\x2d" + _POINT.pack(
                        *(e for i, n in enumerate(numbers, 1) for e in (i << 3 | 1, n))
                    )
                message += b"\x10" + _varint(parameters[row]) + b"\x19" + struct.pack("<d", 3 * end)
                entries = [digests[row].tobytes().hex(), epochs[budget], *cell, b64encode(message).decode()]
                content = json.dumps(entries).encode()
                length = struct.pack("<Q", len(content))
                file.write(length + struct.pack("<I", masked_crc(length)))
                file.write(content + struct.pack("<I", masked_crc(content)))
    return len(vertices) * len(epochs) * RUNS


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def main() -> None:
    """Write the file, convert it, and keep what that took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, help="only so many, and keep no result")
    parser.add_argument("--epochs", type=int, nargs="+", default=[108], help="of which each cell has its runs")
    parser.add_argument("--folder", type=Path, help="where to write the files; else a temporary folder")
    parser.add_argument("--out", type=Path, default=Path("experiments/results/convert_speed.json"))
    options = parser.parse_args()
    table = found("nasbench101.npz")
    if table is None:
        raise SystemExit("needs nasbench101.npz in the folder that NAS_DATA_DIR names")
    with TemporaryDirectory(dir=options.folder) as folder:
        file, out = Path(folder) / "nasbench.tfrecord", Path(folder) / "nasbench101.npz"
        records = write_records(file, Arrays(table, table.read_bytes()), options.cells, options.epochs)
        start = perf_counter()
        subprocess.run([sys.executable, "-m", "nas.data", "convert", file, "--out", out], check=True)
        wall = perf_counter() - start
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        result = {
            "epochs": options.epochs,
            "records": records,
            "official_bytes": file.stat().st_size,
            "table_bytes": out.stat().st_size,
            "wall_seconds": round(wall, 1),
            "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
            "peak_megabytes": round(usage.ru_maxrss / 1024),  # Linux counts in KiB
            "versions": versions(),
        }
    print(json.dumps(result, indent=1))
    if options.cells is None:
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
