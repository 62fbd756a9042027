"""Which predictor pays inside a search? `python -m experiments.predictors_in_search --table digits`.

Each predictor of the study ranks 200 candidates a round, of Bayesian search (the smart pool) or of regularized
evolution, and the ten best are evaluated: 20 random networks first, 150 evaluations in all, seeds 0 and up. What is
told is the incumbent, by the validation accuracy that the search sees and by its mean test accuracy, against simulated
seconds: training, and whatever the predictor paid for (partial training, of what is evaluated afterwards, too; a
supernet; passes over images). Beside them:
random search, and evolution with no predictor. Embedded table: curves of 4 of 8 epochs, scores and supernets computed
here. NAS-Bench-201: accuracy after 12 of 200 epochs, published scores. Each run goes to a journal at once; a predictor
that has taken `--limit` CPU seconds gets no more seeds, but `--fewest`; with `--fewest 0 --limit 0` what is there is
reported.
"""

from __future__ import annotations

import argparse
import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from experiments.estimators import journal
from experiments.predictors_in_search_figures import ALONE, PRICE, STRATEGIES, draw
from nas._config import build, composed
from nas._threads import one_thread
from nas.encoders import Observed, observers
from nas.errors import UserError
from nas.evaluators import TableEvaluator
from nas.search import Search
from nas.search.build import shared_encoder
from nas.study.predictors import Predictor, predictors
from nas.types import Batch, Features, Values

RESULTS = Path(__file__).parent / "results"
TABLES = {
    "digits": (["space=nb101", "table=digits", "dataset=digits"], 4),
    "nb201": (["space=nb201", "table=cifar10"], 12),
}
"""What is composed, and the epochs of partial training."""
NUMBERS = {"budget": 150, "initial": 20, "batch": 10, "pool": 200}
PRICES = (30, 50, 100, 150)  # at the price of how many evaluations the incumbents are told


@dataclass(frozen=True)
class Method:
    """A predictor inside a strategy; without one, the strategy decides."""

    strategy: str
    predictor: Predictor | None

    @property
    def digest(self) -> str:
        """Of the predictor's configuration."""
        return "" if self.predictor is None else self.predictor.digest


class Runs:
    """Searches on one table, which share what is observed of a network; each pays for what it asks.

    Args:
        table: one of `TABLES`.
        names: of predictors.
    """

    def __init__(self, table: str, names: list[str]) -> None:
        self._overrides, epochs = TABLES[table]
        nodes = composed(self._overrides)
        self.given: dict[str, Any] = {"dataset": build(nodes["dataset"], "dataset")} if nodes["dataset"] else {}
        self._known: dict[str, tuple[Observed, float]] = {}
        self.evaluator = self._evaluator(0)
        self.methods = {name: Method(name.partition(", ")[2], None) for name in ALONE}
        self.left_out: dict[str, str] = {}
        reason = "" if self.given else "it needs images to be computed on"
        for name in names:
            node = composed([f"estimator={name}"], resolve=False)["estimator"]
            try:
                [made] = predictors(name, node, self.evaluator, [epochs], [NUMBERS["initial"]], reason, **self.given)
            except UserError as error:
                self.left_out[name] = str(error).replace(f"{self.evaluator.table.path.parent}/", "")
                continue
            self.methods.update({f"{name}, {strategy}": Method(strategy, made) for strategy in STRATEGIES})

    def _evaluator(self, seed: int) -> TableEvaluator:
        nodes = composed([*self._overrides, f"seed={seed}"])
        evaluator: TableEvaluator = build(nodes["evaluator"], "evaluator", space=build(nodes["space"], "space"))
        return evaluator

    def begin(self, seed: int) -> None:
        """Show the runs of this seed what its trainings show; forget the learning curves of another."""
        self.evaluator = self._evaluator(seed)
        self._known = {identity: known for identity, known in self._known.items() if not known[0].partial}

    def run(self, method: Method, seed: int) -> dict[str, Any]:
        """One search: the incumbent's value and test accuracy after each evaluation, and seconds, simulated and CPU."""
        start = process_time()
        space, evaluator = self.evaluator.space, self.evaluator
        if method.predictor is None:
            estimator = build(composed(["estimator=none"])["estimator"], "estimator", space=space)
        else:
            estimator = method.predictor.make(seed, evaluator, **self.given)
        for encoder in observers(estimator):
            self._share(encoder)
        nodes = composed([*self._overrides, f"strategy={method.strategy}", "acquisition=mean"])
        budget = {"budget": NUMBERS["budget"]}
        strategy = build(nodes["strategy"], "strategy", space=space, **budget, **shared_encoder(estimator))
        acquisition = build(nodes["acquisition"], "acquisition")
        numbers: dict[str, Any] = {**NUMBERS, "seed": seed, "value": evaluator.value}
        search = Search(space, strategy, estimator, acquisition, **numbers)
        estimator.prepare()
        with one_thread(), warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            while asked := search.ask():
                search.tell(asked[0], evaluator.submit(asked[0]).result())
        trials = search.trials
        batch = space.batch(trials.genes)
        values = trials.value
        leaders = [int(values[: n + 1].argmax()) for n in range(len(trials))]
        return {
            "value": np.round(values[leaders], 5).tolist(),
            "test": np.round(evaluator.test(batch)[leaders], 5).tolist(),
            "seconds": np.round(np.cumsum(trials.seconds + trials.estimate_seconds), 1).tolist(),
            "cpu": round(process_time() - start, 2),
        }

    def _share(self, encoder: Observed) -> None:
        """Let an encoder ask those of earlier searches, and charge what it cost them."""
        identity = f"{type(encoder).__name__} {encoder.identity()}"
        if identity not in self._known:
            kept: Observed = object.__new__(type(encoder))
            kept.__dict__.update(encoder.__dict__)
            self._known[identity] = kept, kept.prepare()
        known, price = self._known[identity]
        paid = False

        def prepare() -> float:
            nonlocal paid
            first, paid = not paid, True
            return price if first else 0.0

        def observe(batch: Batch) -> Features:
            return Features(known.embed(batch).values, known.prices(batch))

        vars(encoder).update(prepare=prepare, observe=observe)


def at(run: dict[str, Any], what: str, seconds: Values) -> Values:
    """The `value` or `test` accuracy of the incumbent after so many simulated seconds, in percent; NaN: none yet."""
    place = np.searchsorted(run["seconds"], seconds, side="right") - 1
    return np.where(place < 0, np.nan, 100 * np.array(run[what])[place])


def summarise(runs: list[dict[str, Any]], evaluation: float, grid: Values) -> dict[str, Any]:
    """Mean and standard error over the seeds."""
    found: dict[str, Any] = {"seeds": len(runs)}
    for what in ("value", "test"):
        prices = np.array([at(run, what, np.array(PRICES) * evaluation) for run in runs]).T
        found[what] = {
            "at_prices": {f"{n}": _mean(column) for n, column in zip(PRICES, prices, strict=True)},
            "after_150": _mean(np.array([100 * run[what][-1] for run in runs])),
            "curve": [_mean(column) for column in np.array([at(run, what, grid) for run in runs]).T],
        }
    return {
        **found,
        "seconds_of_150": round(float(np.mean([run["seconds"][-1] for run in runs])), 1),
        "cpu_seconds": round(float(np.mean([run["cpu"] for run in runs])), 1),
    }


def _mean(column: Values) -> list[float] | None:
    """Mean and standard error, or None where a run has evaluated nothing yet."""
    if np.isnan(column).any():
        return None
    return [round(float(column.mean()), 3), round(float(column.std(ddof=1) / len(column) ** 0.5), 3)]


def main() -> None:
    """Run what the journal does not know, report, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", choices=TABLES, required=True)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--limit", type=float, default=40)
    parser.add_argument("--fewest", type=int, default=2)
    parser.add_argument("--predictors", nargs="+", help="default: all of the study")
    parser.add_argument("--folder", type=Path, default=Path("outputs/experiments/predictors_in_search"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    path = options.folder / f"{options.table}.jsonl"
    searches = Runs(options.table, options.predictors or composed([], "study")["predictors"])
    known = journal(path)
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in searches.methods}
    with path.open("a", encoding="utf-8") as file:
        for seed in range(options.seeds):
            searches.begin(seed)
            for name, method in searches.methods.items():
                what = json.dumps([name, method.digest, searches.evaluator.identity()["sha256"], NUMBERS, seed])
                spent = sum(run["cpu"] for run in runs[name])
                if what not in known and len(runs[name]) == seed and (seed < options.fewest or spent < options.limit):
                    known[what] = searches.run(method, seed)
                    file.write(json.dumps({"what": what, "measures": known[what]}) + "\n")
                    file.flush()
                if what in known and len(runs[name]) == seed:
                    runs[name].append(known[what])
    report(options.table, {name: some for name, some in runs.items() if len(some) > 1}, searches.left_out)


def report(table: str, runs: dict[str, list[dict[str, Any]]], left_out: dict[str, str]) -> None:
    """Write and print the summary, and draw both tables if both are there."""
    evaluation = float(np.mean([run["seconds"][-1] / len(run["seconds"]) for run in runs["none, random"]]))
    grid = evaluation * np.geomspace(2, 1000, 40)
    found = {name: summarise(some, evaluation, grid) for name, some in runs.items()}
    content = {
        "table": table,
        "protocol": NUMBERS,
        "left_out": left_out,
        "evaluation_seconds": round(evaluation, 2),
        "grid_seconds": grid.round(1).tolist(),
        "methods": found,
    }
    path = RESULTS / f"predictors_in_search_{table}.json"
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print("| method | seeds |" + "".join(f" price of {n} |" for n in PRICES) + " 150 evaluations | test | price |")
    print("|---|" + "---|" * (len(PRICES) + 4))
    for name, one in sorted(found.items(), key=lambda item: -(item[1]["value"]["at_prices"][PRICE] or [0])[0]):
        told = [*one["value"]["at_prices"].values(), one["value"]["after_150"], one["test"]["after_150"]]
        cells = " | ".join("" if pair is None else f"{pair[0]:.2f} ± {pair[1]:.2f}" for pair in told)
        print(f"| {name} | {one['seeds']} | {cells} | {one['seconds_of_150'] / evaluation:.0f} |")
    files = [RESULTS / f"predictors_in_search_{name}.json" for name in TABLES]
    reports = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files if file.is_file()}
    draw(RESULTS / "predictors_in_search.png", reports)


if __name__ == "__main__":
    main()
