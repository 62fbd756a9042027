"""A record of a run is data: nothing in it is imported, resolved or made unless an option names it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import result, run_search

from nas._config import check_recorded, composed, read_record
from nas.errors import UserError

EVIL = "from pathlib import Path\nPath(__file__).with_name('made').touch()\nclass Evil: ...\n"


@pytest.fixture
def run_with_evil(sweep: Path, tmp_path: Path) -> Path:
    """A finished run with an `evil.py` beside its record."""
    folder = tmp_path / "run"
    shutil.copytree(sweep / "0", folder)
    (folder / "evil.py").write_text(EVIL)
    return folder


def change(folder: Path, part: str, node: Any) -> None:
    record = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump({**record, part: node}))
    content = result(folder)
    content["config"][part] = node
    (folder / "result.json").write_text(json.dumps(content))


@pytest.mark.parametrize("part", ["acquisition", "estimator", "space", "evaluator", "strategy", "objective", "dataset"])
def test_resume_imports_nothing_that_no_option_names(part: str, run_with_evil: Path) -> None:
    change(run_with_evil, part, {"_target_": "evil.Evil"})
    done = run_search("resume=.", cwd=run_with_evil)
    assert done.returncode == 1
    assert done.stderr == (
        f"error: {part}._target_ is evil.Evil, which no option of {part} names: where it is your own, name the folder "
        f"of its YAML file with --config-dir=FOLDER\n"
    )
    assert not (run_with_evil / "made").exists()


def test_comparing_imports_nothing_that_no_option_names(run_with_evil: Path) -> None:
    change(run_with_evil, "evaluator", {"_target_": "evil.Evil"})
    command = [sys.executable, "-m", "nas.compare", ".", "--json"]
    done = subprocess.run(command, cwd=run_with_evil, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "evaluator._target_ is evil.Evil, which no option" in json.loads(done.stdout)["omitted"][0]
    assert not (run_with_evil / "made").exists()


def test_the_executor_is_never_taken_from_a_record(run_with_evil: Path, small_table: Path) -> None:
    (run_with_evil / "result.json").unlink()
    record = yaml.safe_load((run_with_evil / "config.yaml").read_text())
    (run_with_evil / "config.yaml").write_text(yaml.safe_dump({**record, "executor": {"_target_": "evil.Evil"}}))
    done = run_search("resume=.", cwd=run_with_evil, NAS_DATA_DIR=str(small_table.parent))
    assert done.returncode == 0, done.stderr
    assert (run_with_evil / "result.json").exists()
    assert not (run_with_evil / "made").exists()


def test_a_users_own_class_is_known_by_the_folder_of_its_option(tmp_path: Path) -> None:
    (tmp_path / "estimator").mkdir()
    (tmp_path / "estimator/mine.yaml").write_text("_target_: mine.Mine\nencoder:\n  _target_: mine.Encoder\n")
    node = {"_target_": "mine.Mine", "encoder": {"_target_": "mine.Encoder"}}
    check_recorded({"estimator": node}, [str(tmp_path)])
    for record, folders in (({"estimator": node}, []), ({"strategy": node}, [str(tmp_path)])):
        with pytest.raises(UserError, match="_target_ is mine.Mine, which no option of"):
            check_recorded(record, folders)


def test_a_record_in_the_users_folder_names_no_option(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("estimator:\n  _target_: evil.Evil\n")
    (tmp_path / "outputs").mkdir()
    shutil.copy(tmp_path / "config.yaml", tmp_path / "outputs/config.yaml")
    with pytest.raises(UserError, match="which no option"):
        check_recorded({"estimator": {"_target_": "evil.Evil"}}, [str(tmp_path)])


def test_what_can_be_composed_can_be_recorded() -> None:
    for overrides in (
        ["strategy=latent", "+encoder@strategy.encoder=graph"],
        ["estimator=nao", "evaluator=training"],
        ["table=digits"],
    ):
        check_recorded({name: node for name, node in composed(overrides).items() if name != "executor"})


@pytest.mark.parametrize(
    "node",
    [
        {"_target_": ["nas.estimators.Ridge"]}, {"_target_": {"a": 1}}, {"_target_": None}, {"_target_": "os.system"},
        {"_target_": "nas.strategies.RandomSearch"}, {"_target_": "nas.estimators.Ridge", "x": [{"_target_": "a.B"}]},
        {"_target_": "nas.evaluators.LocalExecutor"},
    ],
)  # fmt: skip
def test_a_name_of_another_group_is_refused(node: dict) -> None:
    with pytest.raises(UserError, match=r"^estimator(\.x\[0\])?\._target_ is .*, which no option of estimator names"):
        check_recorded({"estimator": node})
    with pytest.raises(UserError, match="which no option of executor names"):
        check_recorded({"executor": {"_target_": "nas.evaluators.LocalExecutor"}})


def test_interpolations_in_a_record_are_text(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("SECRET", "told")
    text = {"space": {"path": "${oc.env:SECRET}"}, "table": "${nothing}", "open": "${"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(text))
    assert read_record(tmp_path / "config.yaml") == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: " + "[" * 40 + "]" * 40, "it is more than 32 levels deep"),
        ("a: " + "[" * 100_000, "it is more than 32 levels deep"),
        ("a: &a [1]\nb: [*a, *a]", "it has an alias or a tag, which no record has"),
        ("a: !!int ''", "it has an alias or a tag"),
        ("a: !!bool x", "it has an alias or a tag"),
        ("# " + "x" * (1 << 20), "it has more than 1,048,576 bytes"),
        ("[1, 2]", "it has no options"),
        ("", "it has no options"),
        ("a: !!python/object/apply:os.system ['true']", "it has an alias or a tag"),
        ("a: {", "while parsing a flow node"),
        ("a: 2026-13-45", "month must be in 1..12"),
    ],
)
def test_what_is_no_record_is_one_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(UserError, match=rf"config.yaml is not the record of a run: .*{message}") as error:
        read_record(tmp_path / "config.yaml")
    assert "\n" not in str(error.value)


def test_a_deeply_nested_result_is_left_out(run_with_evil: Path) -> None:
    (run_with_evil / "result.json").write_text("[" * 100_000)
    done = subprocess.run(
        [sys.executable, "-m", "nas.compare", "."], cwd=run_with_evil, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: no finished run in .")
    assert done.stderr.count("\n") == 1
