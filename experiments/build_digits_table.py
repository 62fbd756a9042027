"""Make the embedded table: `python -m experiments.build_digits_table [--workers 2]`.

Every distinct cell with at most 5 vertices is trained with three seeds on scikit-learn's digits. Each cell is appended
to a journal as it is done; started again, the program goes on where it was stopped. At the end it writes the table; the
arrays are described in `nas/data/README.md`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.digits import SEEDS, TABLE, Setting, in_processes, space, train_cell, versions
from nas.benchmarks import benchmark_of
from nas.graphs import ABSENT, FIRST_OPERATION, INPUT, OUTPUT, Graphs
from nas.training import Curves
from nas.types import Architectures

PARTS = ("train", "valid", "test")
_ROUND = 6  # digits kept of losses in the journal
_VERTICES = 7  # columns of `ops`, as in the published benchmark


def record(curves: Curves, cpu_seconds: float, key: int) -> dict[str, Any]:
    """Return a line of the journal."""
    line: dict[str, Any] = {"key": key, "cpu_seconds": round(cpu_seconds, 3), "images": curves.images}
    seen = {**vars(curves), **curves.observed}
    for part in PARTS:
        line[f"{part}_correct"] = seen[f"{part}_correct"].astype(int).tolist()
        line[f"{part}_loss"] = seen[f"{part}_loss"].round(_ROUND).tolist()
    return line


def read_journal(path: Path, header: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """Return what is done, by key; start the journal if there is none, cut off a line that was not finished.

    Raises:
        SystemExit: the journal was made with another setting or other versions.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(header) + "\n", encoding="utf-8")
    content = path.read_text(encoding="utf-8")
    whole = content[: content.rfind("\n") + 1]
    if whole != content:
        path.write_text(whole, encoding="utf-8")
    first, *lines = map(json.loads, whole.splitlines())
    if first != json.loads(json.dumps(header)):
        raise SystemExit(f"{path} was made with {first}, not {header}: name another journal with --journal")
    return {line["key"]: line for line in lines}


def official_columns(graphs: Graphs) -> dict[str, NDArray[Any]]:
    """The graphs in the way of the published benchmark: number of vertices, edges as bits, operations."""
    n, v = graphs.labels.shape
    bits = np.zeros(n, dtype=np.uint32)
    for y in range(v):
        for x in range(y):
            bits |= graphs.adjacency[:, x, y].astype(np.uint32) << np.uint32(x + y * (y - 1) // 2)
    codes = np.full(FIRST_OPERATION + len(graphs.operations), 255, dtype=np.uint8)
    codes[FIRST_OPERATION:] = np.arange(len(graphs.operations))
    codes[[INPUT, OUTPUT]] = len(graphs.operations) + np.arange(2)
    ops = np.full((n, _VERTICES), 255, dtype=np.uint8)
    ops[:, :v] = codes[graphs.labels]
    vertices = (graphs.labels != ABSENT).sum(axis=1).astype(np.uint8)
    names = np.array([*graphs.operations, "input", "output"])
    return {"num_vertices": vertices, "adj_bits": bits, "ops": ops, "op_names": names}


def table(archs: Architectures, lines: list[dict[str, Any]], setting: Setting, made_with: dict[str, str]) -> Any:
    """Arrays of the table, rows in ascending order of the module hash."""
    hashes = benchmark_of(space()).names(archs)
    order = np.array(sorted(range(len(archs)), key=lambda row: hashes[row]))
    archs, lines = archs[order], [lines[row] for row in order]
    graphs = space().graphs(archs)
    arrays: dict[str, Any] = official_columns(graphs)
    arrays["md5"] = np.array([list(bytes.fromhex(hashes[row])) for row in order], dtype=np.uint8)
    arrays["params"] = setting.skeleton.parameters(graphs).astype(np.int32)
    arrays["seeds"] = np.array(SEEDS, dtype=np.int32)
    arrays["images"] = np.array([lines[0]["images"]], dtype=np.int32)[0]
    for part in PARTS:
        arrays[f"{part}_correct"] = np.array([line[f"{part}_correct"] for line in lines], dtype=np.uint16)
        arrays[f"{part}_loss"] = np.array([line[f"{part}_loss"] for line in lines], dtype=np.float16)
    arrays["cpu_seconds"] = np.array([line["cpu_seconds"] for line in lines], dtype=np.float32)
    arrays["setting"] = np.array(json.dumps(setting.describe()))
    arrays["versions"] = np.array(json.dumps(made_with))
    return arrays


def main() -> None:
    """Build the table, or go on with it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2, help="processes, of one thread each")
    parser.add_argument("--journal", type=Path, default=Path("outputs/digits_table/journal.jsonl"))
    parser.add_argument("--out", type=Path, default=Path("nas/data/nb101_digits.npz"))
    parser.add_argument("--cells", type=int, help="stop after the first so many cells, and write no table")
    options = parser.parse_args()
    archs = space().enumerate()[: options.cells]
    keys = space().keys(archs).tolist()
    made_with = {**versions(), "images_sha256": TABLE.dataset.load().digest}
    header = {"setting": TABLE.describe(), "seeds": SEEDS, "versions": made_with}
    done = read_journal(options.journal, header)
    jobs = [(archs[row : row + 1], TABLE) for row, key in enumerate(keys) if key not in done]
    with options.journal.open("a", encoding="utf-8") as journal:
        for (arch, _), (curves, seconds) in in_processes(train_cell, jobs, options.workers):
            line = record(curves, seconds, int(space().keys(arch)[0]))
            done[line["key"]] = line
            journal.write(json.dumps(line) + "\n")
            journal.flush()
            if len(done) % 50 == 0:
                print(f"{len(done)} of {len(archs)} cells", flush=True)
    total = sum(line["cpu_seconds"] for line in done.values())
    print(f"{len(done)} cells in {total:.0f} CPU-seconds")
    if options.cells is None:
        arrays = table(archs, [done[key] for key in keys], TABLE, made_with)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(options.out, **arrays)
        print(f"{options.out}: {options.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
