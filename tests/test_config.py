from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from nas._config import build, checked, composed, differences
from nas.errors import OptionError, UserError
from nas.options import PositiveInt


class Part:
    def __init__(self, space: str, size: int, rate: float = 0.5, name: str | None = None, part: Part | None = None):
        self.space, self.size, self.rate, self.name, self.part = space, size, rate, name, part


class Hinted:
    def __init__(self, size: PositiveInt, unknown: OnlyForTypeCheckers):  # noqa: F821
        self.size, self.unknown = size, unknown


class Listed:
    def __init__(self, rates: list[float], names: list[str] | None = None, tables: dict[str, list[int]] | None = None):
        self.rates, self.names, self.tables = rates, names, tables


TARGET = {"_target_": f"{__name__}.Part"}
LISTED = {"_target_": f"{__name__}.Listed"}


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, __name__, sys.modules[Part.__module__])


def test_a_part_gets_its_options_its_parts_and_what_it_asks_for() -> None:
    node = {**TARGET, "size": 3, "rate": 1, "part": {**TARGET, "size": 4, "name": "inner"}}
    part = build(node, "part", space="s", budget=0)
    assert (part.size, part.space, part.name) == (3, "s", None)
    assert isinstance(part.rate, float)
    assert (part.part.size, part.part.space, part.part.name) == (4, "s", "inner")


def test_a_list_is_one_of_the_items_that_the_constructor_asks_for() -> None:
    for node in ({**LISTED, "rates": [1, 0.5]}, OmegaConf.create({**LISTED, "rates": [1, 0.5], "names": None})):
        part = build(node, "p")
        assert (part.rates, part.names) == ([1.0, 0.5], None)
        assert all(type(rate) is float for rate in part.rates)
        assert type(part.rates) is list
    assert build({**LISTED, "rates": (), "names": ["a"]}, "p").names == ["a"]
    assert build({**LISTED, "rates": [], "tables": {"a": [1]}}, "p").tables == {"a": [1]}


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({**TARGET}, "p.size is missing: Part needs it"),
        ({**TARGET, "size": "x"}, "p.size is 'x', must be a whole number"),
        ({**TARGET, "size": 1.5}, "p.size is 1.5"),
        ({**TARGET, "size": 1, "rate": [1]}, "p.rate is"),
        ({**TARGET, "size": 1, "colour": 2}, "p.colour is unknown, allowed: size, rate, name, part"),
        ({**TARGET, "size": 1, "part": {**TARGET, "size": "y"}}, "p.part.size is 'y'"),
        ({"_target_": "no.such.module"}, "p._target_ cannot be imported: No module named 'no'"),
        ({"_target_": "nothing"}, "p._target_ cannot be imported"),
        ({"_target_": 5}, "p._target_ cannot be imported"),
        ({"_target_": "os.system", "command": "true"}, "^p._target_ is os.system, which is no class$"),
        (
            {**TARGET, "size": 1, "part": 5},
            "p.part is 5, must be chosen from its group, p/part=5, or described",
        ),
        ({**LISTED, "rates": 0.3}, r"^p.rates is 0.3, must be a list of numbers: p.rates=\[0.3\]$"),
        ({**LISTED, "rates": None}, "^p.rates is None, must be a list of numbers$"),
        ({**LISTED, "rates": {"a": 1}}, "^p.rates is {'a': 1}, must be a list of numbers$"),
        (
            {**LISTED, "rates": [1, "x"]},
            r"p.rates\[1\] is 'x', must be a number",
        ),
        ({**LISTED, "rates": [[1]]}, r"p.rates\[0\] is \[1\], must be a number"),
        ({**LISTED, "rates": [1], "names": "x"}, r"^p.names is 'x', must be a list of texts, or null: p.names=\[x\]$"),
        (None, "p is None, must name a class with _target_"),
    ],
)
def test_what_does_not_fit_the_constructor_is_refused(node, message) -> None:
    with pytest.raises(UserError, match=message):
        build(node, "p", space="s")


class Refusing:
    def __init__(self, most: int, size: int):
        if size > most:
            raise OptionError("size", f"is {size}, must be at most {most}")


def test_what_a_class_refuses_is_told_with_the_path_of_its_node() -> None:
    node = {"_target_": f"{__name__}.Refusing", "most": 3, "size": 4}
    with pytest.raises(OptionError, match=r"^p.size is 4, must be at most 3$"):
        build(node, "p")
    with pytest.raises(OptionError, match=r"^p.part.size is 4, must be at most 3$"):
        build({**TARGET, "size": 1, "part": node}, "p", space="s")


def test_a_hint_for_type_checkers_only_is_no_traceback() -> None:
    node = {"_target_": f"{__name__}.Hinted", "size": "3", "unknown": 5}
    assert vars(build(node, "p")) == {"size": 3, "unknown": 5}
    with pytest.raises(UserError, match="^p.size is 0, must be at least 1$"):
        build({**node, "size": 0}, "p")


def test_a_module_that_cannot_be_imported_is_told_in_one_line(tmp_path, monkeypatch) -> None:
    (tmp_path / "broken_part.py").write_text("x = (")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=r"^p._target_ cannot be imported: SyntaxError: .*broken_part.py, line 1\)$"):
        build({"_target_": "broken_part.Part"}, "p")


@pytest.mark.parametrize(("name", "value"), [("seed", {"a": 1}), ("budget", "x"), ("pool", True), ("table", [1])])
def test_an_option_beside_the_groups_has_its_type(name: str, value) -> None:
    with pytest.raises(UserError, match=rf"^{name} is .*, must be a (whole number|text|number of evaluations .*)$"):
        checked({**composed(), name: value})


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
