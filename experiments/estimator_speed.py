"""How fast is an estimator? `python -m experiments.estimator_speed [ESTIMATOR]`

Once per space: training the encoder (into an empty cache) and embedding every cell. Then, at each number of labels,
what a search does every round: a fit, and estimates of cells that are embedded already. Medians of wall and of CPU
seconds; labels are made up, as time does not depend on them. Prints, and writes
`experiments/results/estimator_speed.json`.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

from nas._config import build, composed
from nas.spaces import NB101
from nas.types import Batch

RESULT = Path(__file__).parent / "results" / "estimator_speed.json"


def timed(work: Callable[[int], object], repeats: int) -> dict[str, float]:
    """Median wall and CPU seconds of the work, which is told how often it was done."""
    seconds = []
    for done in range(repeats):
        wall, cpu = perf_counter(), process_time()
        work(done)
        seconds.append((perf_counter() - wall, process_time() - cpu))
    wall, cpu = np.median(seconds, axis=0)
    return {"wall": round(float(wall), 4), "cpu": round(float(cpu), 4)}


def main(name: str = "emprox") -> None:
    """Measure, print, write."""
    space = NB101()
    everything, rng = space.batch(space.enumerate()), np.random.default_rng(0)

    def draw(n: int) -> Batch:
        return everything.take(rng.choice(len(everything), n, replace=False))

    times: dict[str, dict[str, float]] = {}

    def report(what: str, work: Callable[[int], object], repeats: int = 1) -> None:
        times[what] = timed(work, repeats)
        print(f"{what:45} wall {times[what]['wall']:8.4f}   CPU {times[what]['cpu']:8.4f}", flush=True)

    node = composed([f"estimator={name}"])["estimator"]
    with tempfile.TemporaryDirectory() as empty:
        os.environ["NAS_CACHE_DIR"] = empty
        estimator = build(node, "estimator", space=space)
        report("train the encoder", lambda _: estimator.prepare())
    report(f"embed {len(everything):,} cells", lambda _: estimator.encoder.embed(everything), 3)
    for labels, queries in ((150, [10_000]), (1000, [10_000, len(everything)]), (4236, [])):
        known = draw(labels)
        values = estimator.encoder.embed(known).values[:, :8] @ rng.normal(size=8) + rng.normal(size=labels)
        report(f"fit {labels:,} labels", lambda done: estimator.fit(known, values + done), 9 if labels < 2000 else 2)  # noqa: B023
        for n in queries:
            asked = draw(n)
            estimator.predict(asked)  # embeds them
            report(f"estimate {n:,} from {labels:,} labels", lambda _: estimator.predict(asked), 9 if n < 20_000 else 3)  # noqa: B023
    RESULT.write_text(json.dumps({"estimator": name, "cores": os.cpu_count(), "seconds": times}, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:2])
