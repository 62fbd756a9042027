"""`nas` and `python -m nas`."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from nas import __version__
from nas.__main__ import main


@pytest.fixture(autouse=True)
def script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/nas"])


@pytest.mark.parametrize(("command", "option"), [("search", "strategy: "), ("compare", "--level"), ("data", "fetch")])
def test_each_command_is_told_and_called_by_its_name(command: str, option: str, capsys) -> None:
    assert main(["--help"]) == 0
    assert f"\n  {command} " in capsys.readouterr().out
    with pytest.raises(SystemExit) as end:
        raise SystemExit(main([command, "--no-such-option"]))
    assert end.value.code == 2
    assert f"nas {command}" in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        raise SystemExit(main([command, "--help"]))
    assert end.value.code == 0
    told = capsys.readouterr().out
    assert f"nas {command}" in told
    assert option in told


def test_a_command_gets_what_follows_and_gives_its_exit_code(capsys) -> None:
    assert main(["search", "budget=0"]) == 1
    assert capsys.readouterr().err.startswith("error: budget is 0, must be a number of evaluations of at least 1, such")
    assert main(["data", "list"]) == 0
    assert "nb101_digits.npz" in capsys.readouterr().out


def test_what_is_no_command_is_one_line(capsys) -> None:
    assert main(["space=nb101"]) == 1
    assert (
        capsys.readouterr().err
        == "error: 'space=nb101' is no command, expected nas search|retrain|predict|compare|study|data ...\n"
    )
    assert main([]) == 2
    assert capsys.readouterr().err.startswith("usage: nas COMMAND")
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"nas {__version__}\n"


def test_the_script_is_the_module(tmp_path: Path) -> None:
    project = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    [(module, function)] = re.findall(r'^\[project.scripts\]\nnas = "(.*):(.*)"$', project, re.MULTILINE)
    assert getattr(import_module(module), function) is main
    program = [sys.executable, "-X", "importtime", "-m", "nas", "--version"]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == f"nas {__version__}\n"
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "nas" in loaded
    assert not loaded & {"hydra", "numpy", "torch", "nas.search", "nas.compare", "nas.data"}


@pytest.mark.parametrize("command", ["data list", "compare {sweep}", "compare {sweep} --json"])
def test_a_command_that_nobody_reads_ends_in_silence(command: str, sweep: Path, tmp_path: Path) -> None:
    program = f'exec 3>&1; {{ "{sys.executable}" -m nas {command.format(sweep=sweep)}; echo $? >&3; }} | true'
    done = subprocess.run(["bash", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("141\n", "")


def test_the_script_sees_what_lies_in_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from nas.strategies import RandomSearch\nclass Mine(RandomSearch):\n"
        "    def __init__(self, space, share: float = 0.5):\n        super().__init__(space)\n"
    )
    (tmp_path / "options/strategy").mkdir(parents=True)
    (tmp_path / "options/strategy/mine.yaml").write_text("_target_: mine.Mine\n")
    entry = "import sys; sys.path.remove(''); sys.argv[0] = 'nas'; from nas.__main__ import main; sys.exit(main())"
    options = ["--config-dir=options", "strategy=mine", "strategy.share=0.2", "estimator=none", "budget=3"]
    program = [sys.executable, "-c", entry, "search", *options, "space.max_vertices=5", "table=digits"]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "best after 3 evaluations" in done.stdout
