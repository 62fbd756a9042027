"""Ranges in type hints, and the check of constructors against them."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from annotated_types import Ge, Gt, Interval, Le, Lt, MinLen

from nas.errors import OptionError
from nas.options import FOLLOWS, Natural, Positive, PositiveInt, Share, fitted, hints, is_option, validated

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("hint", "value", "message"),
    [
        (PositiveInt, 0, "o is 0, must be at least 1"),
        (Positive, 0.0, "o is 0.0, must be above 0"),
        (Positive, NAN, "o is nan, must be a finite number"),
        (float, INF, "o is inf, must be a finite number"),
        (float | None, -INF, "o is -inf, must be a finite number, or null"),
        (Share, 1.5, "o is 1.5, must be above 0 and at most 1"),
        (Annotated[float, Ge(0), Lt(1)], 1, "o is 1, must be at least 0 and below 1"),
        (Annotated[int, Ge(3), Le(7)], 8, "o is 8, must be 3..7"),
        (Annotated[int, Interval(ge=3, le=7)], 2, "o is 2, must be 3..7"),
        (float, 10**400, f"o is {10**400}, must be a finite number"),
        (PositiveInt | None, 0, "o is 0, must be at least 1, or null"),
        (Annotated[int | None, Ge(1)], 0, "o is 0, must be at least 1, or null"),
        (PositiveInt, True, "o is True, must be a whole number"),
        (PositiveInt, 1.5, "o is 1.5, must be a whole number"),
        (int, "1", "o is '1', must be a whole number"),
        (float, "1", "o is '1', must be a number"),
        (bool, 1, "o is 1, must be true or false"),
        (str, 1, "o is 1, must be a text"),
        (str, None, "o is None, must be a text"),
        (Literal["a", "b", "c"], "d", "o is 'd', must be a, b or c"),
        (Literal[10, 100], 11, "o is 11, must be 10 or 100"),
        (Literal["a", "b"] | None, 1, "o is 1, must be a or b, or null"),
        (list[Positive], [1, 0], "o[1] is 0, must be above 0"),
        (Sequence[float], "ab", "o is 'ab', must be a list of numbers: o=[ab]"),
        (Sequence[float], {"a": 1}, "o is {'a': 1}, must be a list of numbers"),
        (Annotated[Sequence[int], MinLen(1)], (), "o is (), must not be empty"),
        (Annotated[Sequence[int], MinLen(2)], (1,), "o is (1,), must be at least 2 long"),
        (tuple[int, int], (1, 2, 3), "o is (1, 2, 3), must be a list of 2"),
        (Mapping[str, Positive], {"a": 1, "b": -1}, "o.b is -1, must be above 0"),
        (Mapping[str, float], [1], "o is [1], must be values by name: o={NAME: VALUE}"),
        (Mapping[Literal["a", "b"], float], {"c": 1}, "o has 'c', allowed: a, b"),
        (int | list[int], [1, "x"], "o[1] is 'x', must be a whole number"),
    ],
)
def test_what_is_out_of_range_is_told(hint: Any, value: Any, message: str) -> None:
    with pytest.raises(OptionError) as error:
        fitted(value, hint, "o")
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (PositiveInt, 1), (PositiveInt, np.int64(3)), (float, 2), (float, np.float32(2.5)), (Share, 1), (Share, 1e-300),
        (PositiveInt | None, None), (bool, False), (str, "x"), (Literal["a"], "a"), (Sequence[float], (1, 2.5)),
        (list[int], []), (Mapping[str, float], {}), (tuple[int, ...], (1, 2, 3)), (Any, object()), (dict, {"a": 1}),
        (int | str, "x"), (np.ndarray, [1]), (Annotated[int, "a note"], -5),
    ],
)  # fmt: skip
def test_what_fits_stays_as_it_is(hint: Any, value: Any) -> None:
    found = fitted(value, hint, "o")
    assert found == value


@pytest.mark.parametrize(
    ("hint", "text", "value"),
    [
        (int, "3", 3), (float, "1e-3", 1e-3), (float, 1, 1.0), (bool, "true", True), (bool, "No", False), (str, 5, "5"),
        (bool, 0, False), (list[float], ("1", 2), [1.0, 2.0]), (Mapping[str, float], {"a": "2"}, {"a": 2.0}),
        (int | None, "4", 4), (int | str, "4", "4"), (tuple[int, int], ["1", "2"], (1, 2)),
    ],
)  # fmt: skip
def test_text_is_parsed_where_it_was_written_as_text(hint: Any, text: Any, value: Any) -> None:
    found = fitted(text, hint, "o", parse=True)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("hint", "text"), [(int, "3.5"), (int, 3.5), (int, True), (float, "x"), (bool, "2"), (bool, 2)]
)
def test_text_that_is_no_number_is_refused(hint: Any, text: Any) -> None:
    with pytest.raises(OptionError):
        fitted(text, hint, "o", parse=True)


def test_options_are_told_apart_from_parts() -> None:
    for option in (int, PositiveInt | None, Literal["a"], Sequence[Positive], dict[str, list[int]], list, str | None):
        assert is_option(option), option
    for part in (Any, Part, Part | None, list[Part], np.ndarray, object, Annotated[int, Ge(1), FOLLOWS]):
        assert not is_option(part), part


@validated
class Part:
    def __init__(
        self, space: object, width: PositiveInt = 3, *, rates: Sequence[Positive] = (1.0,), **more: int
    ) -> None:
        self.width = width


@validated
@dataclass(frozen=True)
class Numbers:
    size: PositiveInt = 1
    rate: Positive | None = None


@dataclass(frozen=True)
class MoreNumbers(Numbers):
    count: Natural = 0


def test_a_constructor_names_its_own_parameter() -> None:
    assert Part(None, 2, rates=[0.5], other=-1).width == 2
    for make, message in (
        (lambda: Part(None, 0), "width is 0, must be at least 1"),
        (lambda: Part(None, rates=[1, -1]), "rates[1] is -1, must be above 0"),
        (lambda: Numbers(size=0), "size is 0, must be at least 1"),
        (lambda: Numbers(rate=NAN), "rate is nan, must be a finite number, or null"),
    ):
        with pytest.raises(OptionError) as error:
            make()
        assert str(error.value) == message
    with pytest.raises(TypeError, match="space"):
        Part()


def test_a_subclass_that_passes_a_wrong_number_on_is_refused() -> None:
    class Own(Part):
        def __init__(self, width: int) -> None:
            super().__init__(None, width)

    with pytest.raises(OptionError, match="^width is -1"):
        Own(-1)


def test_hints_of_a_dataclass_are_those_of_its_bases_too() -> None:
    assert hints(MoreNumbers) == {
        "size": PositiveInt, "rate": Positive | None, "count": Natural, "return": type(None),
    }  # fmt: skip


def test_an_error_survives_the_way_between_processes() -> None:
    error = pickle.loads(pickle.dumps(OptionError("width", "is 0, must be at least 1")))
    assert (str(error), error.option) == ("width is 0, must be at least 1", "width")
    assert str(error.below("a.b")) == "a.b.width is 0, must be at least 1"


def test_classes_are_used_without_hydra() -> None:
    modules = "nas.encoders, nas.estimators, nas.strategies, nas.spaces, nas.training, nas.acquisition"
    code = f"import sys, {modules}; assert not {{'hydra', 'omegaconf'}} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_bounds_that_exclude_say_so() -> None:
    with pytest.raises(OptionError, match="^o is 2, must be above 0 and below 2$"):
        fitted(2, Annotated[int, Gt(0), Lt(2)], "o")
