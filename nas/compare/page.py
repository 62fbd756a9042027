"""A comparison as tables, on the terminal and as one HTML file that needs nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nas._page import Table, html_figure, page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LEFT_OUT = 20  # at most so many are named
_SIGNIFICANT = 0.05  # where no corrected p can be below this, it is said
_BANDS = {"mean": "Mean of the runs, band: one standard error", "median": "Median of the runs, band: the quartiles"}


def tables(comparison: dict[str, Any]) -> list[Table]:
    """The tables of what `nas.compare` found; those without figures are left out."""
    signal = comparison["measured_on"].get("signal", "value")
    methods = comparison["methods"]
    unit, whole = comparison["unit"], f"{comparison['budget']}{_spaced(comparison['unit'])}"
    told = []
    titles = {
        "value": f"Best {signal} so far",
        "test_accuracy": f"Test accuracy of the best by {signal} so far",
    }
    scales = comparison["scales"]
    titles = {measure: titles[measure] + (", percent" if scales[measure] == 100 else "") for measure in scales}
    for measure in comparison["measures"]:
        counted = "after so many evaluations" if unit == "evaluations" else f"at these {unit.replace('%', 'percents')}"
        note = f"Mean ± standard error {counted}.{comparison['notes'].get(measure, '')}"
        header = ["method", "runs", *(str(n) for n in comparison["at"])]
        rows = [
            [one["method"], str(one["runs"]), *(_mean(one[measure][str(n)], scales[measure]) for n in comparison["at"])]
            for one in methods
        ]
        told.append(Table(titles[measure], note, header, rows))
    if "test_accuracy" in comparison["measures"] and (told_of := [one for one in methods if _recommends(one)]):
        scale, columns = scales["test_accuracy"], ("best", "recommended", "difference")
        note = (
            f"Mean test accuracy ± standard error after {whole}: of the trial with the best {signal}, "
            f"which may be luck, and of that with the highest mean of value and posterior mean."
        )
        rows = [[one["method"], *(_mean(one["recommended"][column], scale) for column in columns)] for one in told_of]
        told.append(Table("Best and recommended", note, ["method", *columns], rows))
    if levels := list(methods[0]["queries_to"]):
        note = (
            "Median of the Kaplan-Meier estimate (runs that did not reach the level are censored where they ended); "
            f"restricted mean ± standard error: of the {unit} until the level or the end."
        )
        percent = " %" if scales["value"] == 100 else ""
        rows = [
            [
                one["method"],
                f"{scales['value'] * float(level):.10g}{percent}",
                *_time_to(one["queries_to"][level], one["runs"], comparison["budget"]),
            ]
            for level in levels
            for one in methods
        ]
        header = ["method", "level", "runs that reached it", "median", "restricted mean"]
        told.append(Table(f"{unit[0].upper()}{unit[1:]} to reach a level of {signal}", note, header, rows))
    if methods[0]["gain"] is not None:
        note = (
            "Evaluations that random search needs for the same expected best, over those used (after Mauch et al.); in "
            "brackets the bootstrap's 95 % interval over the runs."
        )
        header = ["method", "evaluations", "gain of the mean", "gain of the median run"]
        rows = [[one["method"], str(n), *_gains(one["gain"][str(n)])] for n in comparison["at"] for one in methods]
        told.append(Table("Sample efficiency gain", note, header, rows))
    phases = list(dict.fromkeys(phase for one in methods for phase in one["wall_seconds"]))
    if phases:
        rows = [_seconds(one, phases) for one in methods]
        note = (
            "Mean of the runs, all their parts. Setup: the table is read and all parts are made; prepare: the "
            "encoder is trained or read; ask: the strategy makes candidates, by estimates where it wants them; fit, "
            "predict: the estimator."
        )
        told.append(Table("Wall seconds of a run, by phase", note, ["method", *phases, "total"], rows))
    for measure in comparison["measures"] if len(methods) > 1 else []:
        told.append(_pairs(comparison["tests"][measure], titles[measure], scales[measure], whole))
    return told


def _recommends(one: dict[str, Any]) -> bool:
    return one["recommended"]["difference"]["mean"] is not None


def _spaced(unit: str) -> str:
    """As it stands behind a number."""
    return unit if unit.startswith("%") else f" {unit}"


def _number(number: float, scale: int, sign: str = "") -> str:
    return f"{100 * number:{sign}.3f}" if scale == 100 else f"{number:{sign}.6g}"


def _mean(told: dict[str, float | None], scale: int) -> str:
    if told["mean"] is None:
        return "-"
    error = "" if told["standard_error"] is None else f" ± {_number(told['standard_error'], scale)}"
    return f"{_number(told['mean'], scale)}{error}"


def _time_to(told: dict[str, float | None], runs: int, budget: int) -> list[str]:
    median = f"> {budget}" if told["median"] is None else f"{told['median']:g}"
    error = "" if told["standard_error"] is None else f" ± {told['standard_error']:.1f}"
    return [f"{told['reached']} of {runs}", median, f"{told['restricted_mean']:.1f}{error}"]


def _gains(told: dict[str, Any]) -> list[str]:
    return [_gain(told["gain"], told["interval"]), _gain(told["median"], told["median_interval"])]


def _gain(gain: float | None, interval: list[float] | None) -> str:
    if gain is None:
        return "-"
    told, *ends = (f"{number:.1f}" if number < 100 else f"{number:,.0f}" for number in (gain, *(interval or [])))
    return told + (f" ({' to '.join(ends)})" if ends else "")


def _seconds(one: dict[str, Any], phases: list[str]) -> list[str]:
    seconds = one["wall_seconds"]
    if not seconds:
        return [one["method"], *("-" for _ in phases), "-"]
    return [one["method"], *(f"{seconds.get(phase, 0.0):.2f}" for phase in phases), f"{sum(seconds.values()):.2f}"]


def _pairs(tests: list[dict[str, Any]], title: str, scale: int, whole: str) -> Table:
    note = (
        f"After {whole}, by seed; Wilcoxon's signed-rank test, two-sided, corrected for all {len(tests)} pairs (Holm)."
    )
    known = [test["seeds"] for test in tests if test["p"] is not None]
    if known and (corrected := min(len(known) * (least := 2.0 ** (1 - max(known))), 1.0)) > _SIGNIFICANT:
        note += f" With {max(known)} seeds no p can be below {least:.2g}, {corrected:.2g} when corrected."
    header = ["first", "second", "seeds", "first better", "first worse", "mean difference", "p", "p (Holm)"]
    rows = [
        [
            test["first"],
            test["second"],
            *(str(test[key]) for key in ("seeds", "better", "worse")),
            "-" if test["mean_difference"] is None else _number(test["mean_difference"], scale, "+"),
            *("-" if test[key] is None else f"{test[key]:.2g}" for key in ("p", "p_holm")),
        ]
        for test in tests
    ]
    return Table(f"Pairs: {title[0].lower()}{title[1:]}", note, header, rows, names=2)


def remarks(comparison: dict[str, Any]) -> list[str]:
    """What else has to be said, one line each."""
    measured_on = ", ".join(f"{name} {value}" for name, value in comparison["measured_on"].items())
    left_out = [f"left out: {line}" for line in comparison["left_out"][:_LEFT_OUT]]
    if (more := len(comparison["left_out"]) - _LEFT_OUT) > 0:
        left_out.append(f"left out: {more} more, which --json names")
    unit = _spaced(comparison["unit"])
    told = [f"measured on {measured_on}; budget {comparison['budget']}{unit}", *comparison["omitted"], *left_out]
    for one in comparison["methods"]:
        if (did := one["evaluations"])["least"] < comparison["budget"]:
            told.append(
                f"{one['method']} ended before the budget: after {did['least']} to {did['most']}{unit}, "
                f"{did['median']:g} in the median; beyond, its last value stands"
            )
    if len({tuple(one["seeds"]) for one in comparison["methods"]}) > 1:
        told.append("the methods differ in their seeds: means are over all that each has, tests over those in common")
    return told


def html(comparison: dict[str, Any], figure: Figure | None, centre: str) -> str:
    """One page with the figure and all tables.

    Args:
        comparison: what `nas.compare` found.
        figure: as drawn by `draw_comparison`; None: it could not be drawn.
        centre: `mean` or `median`, what the figure shows.
    """
    names = ", ".join(one["method"] for one in comparison["methods"])
    caption = (
        f"{_BANDS[centre]}. Regret: what is missing to the best of the whole space, where that is known; a method that "
        f"has it is off the logarithmic axis."
    )
    drawn = html_figure(figure, f"Curves of {names}", caption)
    return page("Comparison of searches", remarks(comparison), [drawn], tables(comparison))
