from __future__ import annotations

import pytest

from nas.config import build, checked, differences
from nas.errors import UserError


class Part:
    def __init__(self, space: str, size: int, rate: float = 0.5, name: str | None = None, part: Part | None = None):
        self.space, self.size, self.rate, self.name, self.part = space, size, rate, name, part


TARGET = {"_target_": f"{__name__}.Part"}


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, __name__, sys.modules[Part.__module__])


def test_a_part_gets_its_options_its_parts_and_what_it_asks_for() -> None:
    node = {**TARGET, "size": 3, "rate": 1, "part": {**TARGET, "size": 4, "name": "inner"}}
    part = build(node, "part", space="s", unused=0)
    assert (part.size, part.space, part.name) == (3, "s", None)
    assert isinstance(part.rate, float)
    assert (part.part.size, part.part.space, part.part.name) == (4, "s", "inner")


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({**TARGET}, "p.size is missing: Part needs it"),
        ({**TARGET, "size": "x"}, "p.size is 'x': Value 'x' of type 'str' could not be converted to Integer"),
        ({**TARGET, "size": 1.5}, "p.size is 1.5"),
        ({**TARGET, "size": 1, "rate": [1]}, "p.rate is"),
        ({**TARGET, "size": 1, "colour": 2}, "p.colour is unknown, allowed: size, rate, name, part"),
        ({**TARGET, "size": 1, "part": {**TARGET, "size": "y"}}, "p.part.size is 'y'"),
        ({"_target_": "no.such.module"}, "p._target_ cannot be imported: No module named 'no'"),
        ({"_target_": "nothing"}, "p._target_ cannot be imported"),
        ({**TARGET, "size": 1, "part": 5}, "p.part is 5, must be described by options below it"),
        (None, "p is None, must name a class with _target_"),
    ],
)
def test_what_does_not_fit_the_constructor_is_refused(node, message) -> None:
    with pytest.raises(UserError, match=message):
        build(node, "p", space="s")


def test_unknown_and_missing_options_are_named() -> None:
    with pytest.raises(UserError, match="nonsense is unknown, the options are space"):
        checked({"nonsense": 1})
    with pytest.raises(UserError, match="is missing"):
        checked({"seed": 1})


def test_differences_name_the_keys() -> None:
    recorded = {"seed": 0, "estimator": {"k": 10, "encoder": {"width": 32}}, "old": 1}
    current = {"seed": 0, "estimator": {"k": 10, "encoder": {"width": 16}}, "new": 2}
    assert differences(recorded, current) == [
        "estimator.encoder.width (recorded 32, now 16)",
        "new (recorded None, now 2)",
        "old (recorded 1, now None)",
    ]
    assert differences(current, current) == []
