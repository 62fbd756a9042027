"""Do two versions of the code search the same way? `python -m experiments.histories record FOLDER --code CHECKOUT`.

`record` runs the rows of the README's tables of searches by the command line, with the code of a checkout, and keeps
the `history.jsonl` of each run as FOLDER/TABLE/METHOD/SEED/history.jsonl. What is there is not run again. The encoder
is trained anew for each folder. The two rows without a search have no history: they sort the whole table by a column,
and no search runs (`fixed_orders` in `experiments/search.py`), so they are left out.

`python -m experiments.histories compare BEFORE AFTER` compares two such folders evaluation by evaluation. Key, genes,
value, cost and proposer must be the same to the last bit. Estimates may differ, and the largest difference up to the
first step that is not the same is told. The exit status is 1 if a run differs or is missing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from experiments.main_job_speed import commit, environment, search
from experiments.search import METHODS, POOLS

TABLES = {
    "nb101-cifar10": ["space=nb101", "table=cifar10"],
    "nb201-cifar10": ["space=nb201", "table=cifar10"],
    "nb201-cifar100": ["space=nb201", "table=cifar100"],
    "nb101-digits": ["space=nb101", "table=digits"],
}
SLOW = ["BANANAS", "NPENAS"]  # they come last, and the README has no row of them for the digits
ROWS = [*(name for name in METHODS if name not in (*POOLS, *SLOW)), *SLOW]
BUDGET = 150
OPTIONAL = {"genes": ("genes",), "cost": ("cost_seconds", "seconds")}  # field, and its names in the versions
ESTIMATES = ("predicted_mean", "predicted_std")

Trial = dict[str, Any]


def rows(arguments: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Every (table, method) that is asked for and that the README has, in the order in which they are run."""
    for method in ROWS:
        for table in TABLES:
            asked = method in arguments.methods and table in arguments.tables
            if asked and not (table == "nb101-digits" and method in SLOW):
                yield table, method


def place(folder: Path, table: str, method: str, seed: int) -> Path:
    """Where the history of a run is kept."""
    return folder / table / method.replace(",", "").replace(" ", "_") / f"{seed}" / "history.jsonl"


def sources(code: Path) -> str:
    """SHA-256 of all code and options of a checkout, with their names."""
    digest = hashlib.sha256()
    for path in sorted([*code.glob("nas/**/*.py"), *code.glob("conf/**/*.yaml")]):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(code).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def record(arguments: argparse.Namespace) -> int:
    """Run what is not there yet."""
    folder: Path = arguments.folder.resolve()
    os.environ["OMP_NUM_THREADS"] = "1"  # sums do not depend on the machine's cores
    variables = environment(arguments.code, folder / "cache")
    about = {"commit": commit(arguments.code), "sources": sources(arguments.code), "budget": arguments.budget}
    earlier = code_of(folder)
    if earlier and {**earlier, "commit": None} != {**about, "commit": None}:
        raise SystemExit(f"error: {folder} holds histories of other code or budget: name another folder")
    (folder / "code.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    for table, method in rows(arguments):
        for seed in range(arguments.seeds):
            kept = place(folder, table, method, seed)
            if kept.exists():
                continue
            with TemporaryDirectory(dir=folder) as name:
                run = Path(name) / "run"
                options = [*METHODS[method], *TABLES[table], f"budget={arguments.budget}", f"seed={seed}"]
                cost = search(options, variables, run)
                kept.parent.mkdir(parents=True, exist_ok=True)
                (run / "history.jsonl").replace(kept)
            print(f"{table}, {method}, seed {seed}: {cost.cpu_seconds:.1f} CPU s", flush=True)
    return 0


def code_of(folder: Path) -> dict[str, Any]:
    """What a folder says about the code that made it; nothing where it says nothing."""
    path = folder / "code.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def read(path: Path) -> list[Trial]:
    """The trials of a history, with one name for each field in all versions."""
    return [plain(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def plain(line: Trial) -> Trial:
    """One trial with its fields of all versions; fields that this version lacks are left out."""
    trial = {"key": line["key"], "proposed_by": line["proposed_by"]}
    trial["value"] = line["value"] if "value" in line else next(iter(line["values"].values()), None)
    optional = {field: line[name] for field, names in OPTIONAL.items() for name in names if name in line}
    return {**trial, **optional, **{name: line.get(name) for name in ESTIMATES}}


def first_difference(before: list[Trial], after: list[Trial]) -> dict[str, Any] | None:
    """The first step that is not the same in all fields that both have, and the fields with both contents."""
    for step, (old, new) in enumerate(zip(before, after, strict=False)):
        fields = [name for name in old if name not in ESTIMATES and name in new and old[name] != new[name]]
        if fields:
            return {"step": step, "fields": {name: [old[name], new[name]] for name in fields}}
    if len(before) != len(after):
        return {"step": min(len(before), len(after)), "fields": {"evaluations": [len(before), len(after)]}}
    return None


def estimates(before: list[Trial], after: list[Trial]) -> dict[str, dict[str, Any]]:
    """The largest absolute difference of each estimate, how many both have, and how many only one has."""
    report = {}
    for name in ESTIMATES:
        pairs = [(old[name], new[name]) for old, new in zip(before, after, strict=False)]
        both = [abs(old - new) for old, new in pairs if old is not None and new is not None]
        alone = sum((old is None) != (new is None) for old, new in pairs)
        report[name] = {"largest_difference": max(both, default=None), "in_both": len(both), "in_one": alone}
    return report


def compare_row(arguments: argparse.Namespace, table: str, method: str) -> dict[str, Any]:
    """Compare all seeds of a method on a table."""
    differ: dict[str, Any] = {}
    same: list[tuple[Trial, Trial]] = []
    for seed in range(arguments.seeds):
        paths = {side: place(getattr(arguments, side), table, method, seed) for side in ("before", "after")}
        missing = [side for side, path in paths.items() if not path.exists()]
        if missing:
            differ[str(seed)] = {"missing": missing}
            continue
        before, after = read(paths["before"]), read(paths["after"])
        found = first_difference(before, after)
        if found is not None:
            differ[str(seed)] = found
        same += list(zip(before, after, strict=False))[: None if found is None else found["step"]]
    lacked = [field for field in OPTIONAL if any(field not in trial for both in same for trial in both)]
    return {
        "seeds": arguments.seeds,
        "identical": arguments.seeds - len(differ),
        "evaluations_compared": len(same),
        "fields_that_a_side_lacks": lacked,
        "estimates": estimates([old for old, _ in same], [new for _, new in same]),
        "differ": differ,
    }


def told(row: dict[str, Any]) -> str:
    """One line about a row."""
    text = f"{row['identical']} of {row['seeds']} identical"
    for seed, found in row["differ"].items():
        if "missing" in found:
            text += f"; seed {seed} is missing {' and '.join(found['missing'])}"
        else:
            text += f"; seed {seed} differs from step {found['step']} ({', '.join(found['fields'])})"
    for name, one in row["estimates"].items():
        if one["in_both"]:
            text += f"; {name} at most {one['largest_difference']:.3g} apart"
        if one["in_one"]:
            text += f"; {name} of {one['in_one']} evaluations on one side only"
    lacked = row["fields_that_a_side_lacks"]
    return text + (f"; not compared, as a side lacks it: {', '.join(lacked)}" if lacked else "")


def compare(arguments: argparse.Namespace) -> int:
    """Compare two folders, report; 1 if a run differs or is missing."""
    asked = ["--seeds", str(arguments.seeds), "--tables", *arguments.tables, "--methods", *arguments.methods]
    report: dict[str, Any] = {
        "command": f"python -m experiments.histories compare BEFORE AFTER {shlex.join(asked)}",
        "code": {"before": code_of(arguments.before), "after": code_of(arguments.after)},
        "tables": {},
    }
    complete = True
    for table, method in rows(arguments):
        row = compare_row(arguments, table, method)
        report["tables"].setdefault(table, {})[method] = row
        complete = complete and row["identical"] == row["seeds"]
        print(f"{table}, {method}: {told(row)}")
    report["all_identical"] = complete
    if arguments.out:
        arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0 if complete else 1


def main() -> int:
    """Record or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    recorder = commands.add_parser("record", help="run the searches with one version")
    recorder.add_argument("folder", type=Path)
    recorder.add_argument("--code", type=Path, default=Path(), help="checkout to run; default: this folder")
    recorder.add_argument("--budget", type=int, default=BUDGET)
    recorder.set_defaults(action=record)
    comparer = commands.add_parser("compare", help="compare two folders that were recorded")
    comparer.add_argument("before", type=Path)
    comparer.add_argument("after", type=Path)
    comparer.add_argument("--out", type=Path, help="JSON file to write")
    comparer.set_defaults(action=compare)
    for command in (recorder, comparer):
        command.add_argument("--seeds", type=int, default=5, help="0 and up, so many")
        command.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES), metavar="TABLE")
        command.add_argument("--methods", nargs="+", choices=ROWS, default=ROWS, metavar="METHOD")
    arguments = parser.parse_args()
    status: int = arguments.action(arguments)
    return status


if __name__ == "__main__":
    sys.exit(main())
