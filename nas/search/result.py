"""A run that has ended, or was stopped, as an object."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nas.errors import UserError
from nas.models import found_model
from nas.search._messages import assigned
from nas.search.journal import read_lines, take_over
from nas.search.record import NO_RUN, measured_on, measured_on_code, read_record
from nas.search.trial import Trial
from nas.search.trials import Trials

if TYPE_CHECKING:
    from nas.search.callbacks import Callback
    from nas.search.runner import Function


@dataclass(frozen=True)
class Result:
    """What a run has left in its folder.

    Attributes:
        folder: of the run.
        content: of its `result.json`; empty where the run was stopped.
        record: its options, and what it was measured on.
    """

    folder: Path
    content: dict[str, Any]
    record: dict[str, Any]

    @property
    def finished(self) -> bool:
        """Whether the run has come to its end."""
        return bool(self.content)

    @cached_property
    def trials(self) -> Trials:
        """All trials, in order of evaluation.

        Raises:
            UserError: the history is damaged.
        """
        path = self.folder / "history.jsonl"
        lines = read_lines(path)
        if not lines:
            raise UserError(f"{path} holds no trial")
        names = [name for line in lines for name in line.values]
        signal = self.record.get("value") or (names[0] if names else "value")
        trials = Trials(len(lines[0].genes), str(signal))
        try:
            genes = np.array([line.genes for line in lines], dtype=np.uint8)
        except (ValueError, OverflowError) as error:
            raise UserError(f"{path} is no history of one space ({error}): the file was changed") from error
        keys = np.array([int(line.key, 16) for line in lines], dtype=np.uint64)
        take_over(path, trials, lines, genes, keys)
        return trials

    @property
    def best(self) -> Trial:
        """The trial with the highest value.

        Raises:
            UserError: no evaluation succeeded.
        """
        if (best := self.trials.best) is None:
            raise UserError(f"all {len(self.trials)} evaluations in {self.folder} failed")
        return best

    @property
    def test_accuracy(self) -> float | None:
        """The test accuracy of the best trial, 0..1; None: unknown."""
        accuracy = self.content.get("best", {}).get("test_accuracy")
        return None if accuracy is None else float(accuracy)

    @property
    def recommended(self) -> Trial:
        """The trial with the highest mean of value and posterior mean; of a run that was stopped, the best.

        Raises:
            UserError: no evaluation succeeded.
        """
        step = self.content.get("recommended", {}).get("step")
        return self.best if step is None else self.trials[int(step)]

    @property
    def model(self) -> Any:
        """The trained network that `nas.retrain` left in the folder, or in `model` inside: a torch module.

        Raises:
            UserError: there is none, or a file of it is damaged.
        """
        return found_model(self.folder).model

    def top(self, n: int) -> list[Trial]:
        """The `n` trials of the highest values, or fewer, best first."""
        return self.trials.top(n)

    def to_csv(self, path: str | Path) -> None:
        """Write the trials that were measured whole as a CSV for `warm_start`: genes, value, seconds, `measured_on`.

        Raises:
            OSError: the file cannot be written.
        """
        trials, code = self.trials, measured_on_code(measured_on(self.record))
        with Path(path).open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["genes", trials.value_name, "seconds", "measured_on"])
            for trial in map(trials.__getitem__, trials.whole.tolist()):
                rows.writerow([trial.genes, trial.values[trials.value_name], trial.seconds, code])

    def resume(self, *, function: Function | None = None, callbacks: Iterable[Callback] = (), **changes: Any) -> Result:
        """Go on with the run: `resume(budget=300)`.

        Args:
            function: the one that was searched, where it was one.
            callbacks: are told what happens.
            changes: other options as on the command line, such as `retry_failed=True` and `stop={"patience": 30}`.

        Raises:
            UserError: the run cannot go on with these changes.
        """
        from nas.search.runner import run

        given = (f"{name}={json.dumps(value)}" for name, value in _flat(changes))
        return run(assigned("resume", self.folder), *given, function=function, callbacks=callbacks)


def _flat(options: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Options by their paths."""
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{below}", one) for below, one in _flat(value))
        else:
            yield name, value


def load(folder: str | Path) -> Result:
    """Read the run in a folder, or the model that `nas.retrain` left there, of which only `model` can be asked.

    Raises:
        UserError: there is neither, or it is damaged.
    """
    folder = Path(folder)
    record = read_record(folder)
    if record is None and (folder / "model.json").is_file():
        return Result(folder, {}, {})
    if record is None:
        raise UserError(f"{folder} {NO_RUN}")
    path = folder / "result.json"
    content: dict[str, Any] = {}
    if path.is_file():
        try:
            content = dict(json.loads(path.read_bytes()))
        except (ValueError, TypeError, RecursionError) as error:
            raise UserError(f"{path} is damaged: {error}") from error
    return Result(folder, content, record)
