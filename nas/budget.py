"""What a search may spend: evaluations, epochs of training, or seconds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast

from nas.errors import UserError

Unit = Literal["evaluations", "epochs", "seconds"]
_WRITTEN = re.compile(r"(?:(epochs|seconds):)?(\d+(?:\.\d+)?(?:e[+-]?\d+)?)")


@dataclass(frozen=True)
class Budget:
    """An amount of something.

    Attributes:
        amount: above 0; of evaluations and epochs a whole number.
        unit: `evaluations` are candidates, however long each is trained; `epochs` are those of all trainings;
            `seconds` are on the clock of the search: simulated for a table, else those of the wall.
    """

    amount: float
    unit: Unit = "evaluations"

    @classmethod
    def of(cls, written: object) -> Budget:
        """Read `150`, `epochs:4000` or `seconds:3600`.

        Raises:
            UserError: it is none of these, or not above 0.
        """
        if isinstance(written, Budget):
            return written
        found = _WRITTEN.fullmatch(str(written).strip()) if not isinstance(written, bool) else None
        amount = float(found[2]) if found else 0.0
        unit = cast(Unit, (found[1] if found else None) or "evaluations")
        if not 0 < amount < 1e15 or (unit != "seconds" and amount != int(amount)):
            raise UserError(
                f"budget is {written!r}, must be a number of evaluations of at least 1, such as 150, or epochs:4000, "
                f"or seconds:3600"
            )
        return cls(amount, unit)

    @property
    def written(self) -> str | int:
        """As an option says it."""
        return int(self.amount) if self.unit == "evaluations" else f"{self.unit}:{self.amount:.15g}"

    @property
    def evaluations(self) -> int | None:
        """How many, where they are what is counted."""
        return int(self.amount) if self.unit == "evaluations" else None

    def __str__(self) -> str:
        return f"{self.amount:,.15g} {self.unit}"
