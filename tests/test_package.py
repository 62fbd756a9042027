"""What is shipped, and that it works where it is installed."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from shutil import copy, copytree, ignore_patterns
from zipfile import ZipFile

import pytest
from helpers import SMALL_ENCODER

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT], check=True, capture_output=True
    )
    [path] = folder.glob("*.whl")
    return path


@pytest.mark.slow
def test_the_wheel_holds_every_module_and_every_option(wheel: Path) -> None:
    shipped = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "nas").rglob("*.py")} | {"nas/py.typed"}
    data = {str(path.relative_to(ROOT)) for path in (ROOT / "nas").rglob("*.npz")}
    options = {f"nas/{path.relative_to(ROOT)}" for path in (ROOT / "conf").rglob("*.yaml")}
    assert shipped == modules | data | options


@pytest.mark.slow
def test_the_wheel_installed_in_a_fresh_environment_runs_anywhere(
    wheel: Path, tmp_path: Path, small_table: Path
) -> None:
    venv.create(tmp_path / "fresh", with_pip=True)
    python = tmp_path / "fresh" / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", wheel, "--constraint", ROOT / "constraints.txt"]
    subprocess.run(install, check=True, capture_output=True)
    work = tmp_path / "elsewhere"
    work.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [python, "-m", "nas.search", "space.max_vertices=5", "budget=25", "hydra.run.dir=run", *SMALL_ENCODER],
        cwd=work,
        env={**environment, "NAS_DATA_DIR": str(small_table.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (work / "run").glob("*.png")) == ["best_cell.png", "progress.png"]


@pytest.mark.slow
def test_an_editable_install_runs_from_the_folder_that_holds_the_clone(tmp_path: Path) -> None:
    """The clone is named as the package; dependencies are those of this environment."""
    for name in ("nas", "conf"):
        copytree(ROOT / name, tmp_path / "nas" / name, ignore=ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        copy(ROOT / name, tmp_path / "nas")
    venv.create(tmp_path / "fresh")
    python = tmp_path / "fresh/bin/python"
    asked = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip())
    # Named so that Python reads it last: another installation of nas may lie there.
    (packages / "zz_dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", tmp_path / "nas"]
    subprocess.run([sys.executable, "-m", "pip", "--python", python, *install], check=True, capture_output=True)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    options = ["table=digits", "estimator=none", "budget=5", "initial=5", "hydra.run.dir=run"]
    for program in (["python", "-m", "nas.search"], ["python", "-m", "nas", "search"], ["nas", "search"]):
        command = [tmp_path / "fresh/bin" / program[0], *program[1:], *options]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert f"({tmp_path / 'nas/nas/data/nb101_digits.npz'}, " in done.stdout
