"""What a search may spend: what is read, written and refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.budget import Budget
from nas.errors import UserError


@pytest.mark.parametrize(
    ("written", "amount", "unit"),
    [
        (150, 150, "evaluations"),
        ("150", 150, "evaluations"),
        (" 7 ", 7, "evaluations"),
        ("1e3", 1000, "evaluations"),
        (20.0, 20, "evaluations"),
        ("epochs:4000", 4000, "epochs"),
        ("epochs:1.2e+2", 120, "epochs"),
        ("seconds:3600", 3600, "seconds"),
        ("seconds:0.5", 0.5, "seconds"),
    ],
)
def test_what_is_read(written: str | int, amount: float, unit: str) -> None:
    assert Budget.of(written) == Budget(amount, unit)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "written",
    [
        "0", "-1", "1.5", "epochs:0", "epochs:2.5", "epochs:-3", "epochs", "epochs:", "seconds:0", "seconds:nan",
        "seconds:inf", "1e15", "1e400", "minutes:3", "evaluations:3", "Epochs:3", "", "abc", "3 epochs", "12 13",
        0, -5, 1.5, True, False,
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_refused_is_told_in_one_line(written: str | int) -> None:
    with pytest.raises(UserError) as refused:
        Budget.of(written)
    allowed = "a number of evaluations of at least 1, such as 150, or epochs:4000, or seconds:3600"
    assert str(refused.value) == f"budget is {written!r}, must be {allowed}"


@given(
    st.one_of(
        st.builds(Budget, st.integers(1, 10**15 - 1), st.sampled_from(["evaluations", "epochs"])),
        st.builds(lambda n, d: Budget(n / 10**d, "seconds"), st.integers(1, 10**9), st.integers(0, 4)),
    )
)
def test_what_is_written_is_read_as_it_was(budget: Budget) -> None:
    assert Budget.of(budget.written) == budget
    assert Budget.of(budget) is budget


def test_how_it_is_written_and_told() -> None:
    assert [Budget.of(text).written for text in ("1e3", "epochs:1e3", "seconds:2.50")] == [
        1000, "epochs:1000", "seconds:2.5"
    ]  # fmt: skip
    assert [str(Budget.of(text)) for text in ("1e3", "epochs:12000", "seconds:2.50")] == [
        "1,000 evaluations", "12,000 epochs", "2.5 seconds"
    ]  # fmt: skip
    assert [Budget.of(text).evaluations for text in ("12", "epochs:12", "seconds:12")] == [12, None, None]


def test_the_least_amounts_of_seconds() -> None:
    assert Budget.of(Budget(1e-5, "seconds").written) == Budget(1e-5, "seconds")
