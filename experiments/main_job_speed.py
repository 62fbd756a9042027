"""What does a search cost with two versions? `python -m experiments.main_job_speed --before FOLDER --after FOLDER`.

The folders are checkouts. Each job is a process of its own, as a user would start it; the two versions take turns, so
that both see the same machine. Each version has a cache folder of its own, and one run beforehand that trains the
encoder into it. Prints the medians and the ratio after/before. With `--length`, the version after also makes long
random searches: one of twice the length should take twice the time. Set `OMP_NUM_THREADS=1` to count no idle threads.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

JOBS = {
    "emprox": ["space=nb101", "estimator=emprox", "table=cifar10", "budget=150"],
    "random": ["strategy=random", "estimator=none", "table=cifar10", "budget=2000"],
}
LONG = ["strategy=random", "estimator=none", "table=cifar10", "batch=1000", "pool=1000"]
LENGTHS = (100_000, 200_000)


@dataclass(frozen=True)
class Cost:
    """What one process took; user and system time together, the memory at its peak."""

    cpu_seconds: float
    wall_seconds: float
    peak_megabytes: int


def environment(code: Path, cache: Path) -> dict[str, str]:
    """The environment of a process that runs the code in a checkout, with a cache folder of its own.

    Raises:
        SystemExit: such a process would run other code.
    """
    code = code.resolve()
    variables = {**os.environ, "PYTHONPATH": str(code), "NAS_CACHE_DIR": str(cache.resolve())}
    if "NAS_DATA_DIR" in variables:
        variables["NAS_DATA_DIR"] = str(Path(variables["NAS_DATA_DIR"]).resolve())
    program = [sys.executable, "-c", "import nas; print(nas.__file__)"]
    cache.mkdir(parents=True, exist_ok=True)
    found = subprocess.run(program, env=variables, cwd=cache, check=True, capture_output=True, text=True).stdout.strip()
    if not Path(found).resolve().is_relative_to(code):
        raise SystemExit(f"error: {code} has no package nas: {found} would run instead")
    return variables


def commit(code: Path) -> str | None:
    """The commit of a checkout, with `-dirty` if its files are changed; None: it is no checkout."""
    program = ["git", "-C", str(code), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    done = subprocess.run(program, check=False, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def search(options: list[str], variables: dict[str, str], folder: Path) -> Cost:
    """Run one search in a new folder; return what it cost.

    Raises:
        SystemExit: the search failed.
    """
    folder.mkdir(parents=True)
    with (folder / "output.txt").open("w+b") as output:
        start = perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "nas.search", *options, f"hydra.run.dir={folder}"],
            env=variables,
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            told = output.read().decode(errors="replace")
            raise SystemExit(f"{told}\nerror: the search ended with {process.returncode}: {' '.join(options)}")
    cpu = usage.ru_utime + usage.ru_stime
    return Cost(round(cpu, 3), round(wall, 3), round(usage.ru_maxrss / 1024))  # Linux counts in KiB


def in_turn(
    versions: dict[str, dict[str, str]], options: list[str], repeats: int, folder: Path
) -> dict[str, list[Cost]]:
    """Run a job with each version, `repeats` times; the version that was last begins the next round."""
    costs: dict[str, list[Cost]] = {version: [] for version in versions}
    for repeat in range(repeats):
        for version in list(versions)[:: -1 if repeat % 2 else 1]:
            costs[version].append(search(options, versions[version], folder / f"{repeat}" / version))
    return costs


def summarise(costs: dict[str, list[Cost]]) -> dict[str, Any]:
    """Each cost of each version, the medians and their ratio after/before."""
    summary: dict[str, Any] = {}
    for name in Cost.__dataclass_fields__:
        each = {version: [getattr(cost, name) for cost in some] for version, some in costs.items()}
        middle = {version: round(median(some), 3) for version, some in each.items()}
        ratio = round(middle["after"] / middle["before"], 4)
        summary[name] = {"each": each, "median": middle, "ratio": ratio}
    return summary


def main() -> None:
    """Run the jobs in turn, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, help="checkout of one version")
    parser.add_argument("--after", type=Path, required=True, help="checkout of the other")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--jobs", nargs="*", choices=JOBS, default=list(JOBS), help="nothing: only --length")
    parser.add_argument(
        "--length", nargs="*", type=int, metavar="BUDGET", help=f"long random searches, of {LENGTHS} if none is said"
    )
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    lengths = arguments.length or (() if arguments.length is None else LENGTHS)
    report: dict[str, Any] = {
        "command": "python -m experiments.main_job_speed "
        f"--before BEFORE --after AFTER --repeats {arguments.repeats} --jobs {' '.join(arguments.jobs)}"
        + (f" --length {' '.join(map(str, lengths))}" if lengths else ""),
        "commits": {"before": commit(arguments.before), "after": commit(arguments.after)},
        "cpus": os.cpu_count(),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
        "jobs": {},
    }
    with TemporaryDirectory() as name:
        folder = Path(name)
        versions = {
            version: environment(getattr(arguments, version), folder / "caches" / version)
            for version in ("before", "after")
        }
        if "emprox" in arguments.jobs:
            in_turn(versions, JOBS["emprox"], 1, folder / "beforehand")
        for job in arguments.jobs:
            costs = in_turn(versions, JOBS[job], arguments.repeats, folder / job)
            report["jobs"][job] = {"options": JOBS[job], **(summary := summarise(costs))}
            for cost, one in summary.items():
                middle = one["median"]
                told = f"before {middle['before']:.2f}, after {middle['after']:.2f}, ratio {one['ratio']:.3f}"
                print(f"{job}: median {cost} of {arguments.repeats}: {told}", flush=True)
        if lengths:
            long = {}
            for budget in lengths:
                spent = search([*LONG, f"budget={budget}"], versions["after"], folder / "long" / f"{budget}")
                print(
                    f"length {budget}: {spent.cpu_seconds:.2f} CPU s, {spent.peak_megabytes} MB at the peak", flush=True
                )
                long[str(budget)] = asdict(spent)
            first, last = long[str(lengths[0])], long[str(lengths[-1])]
            ratio = {key: round(last[key] / first[key], 3) for key in first}
            print(f"ratio {lengths[-1]}/{lengths[0]}: {ratio['cpu_seconds']} CPU s, {ratio['peak_megabytes']} memory")
            report["length"] = {"options": LONG, "budgets": long, "ratio": ratio}
    report["load_average_at_the_end"] = round(os.getloadavg()[0], 2)
    if arguments.out:
        arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
