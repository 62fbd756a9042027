"""From a run to a model that works without this package."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import nas
from nas.errors import UserError
from nas.models import folder as model_folder
from nas.models import write_onnx
from nas.predict import predict
from nas.predict.__main__ import main as predict_main
from nas.retrain import retrain
from nas.retrain.__main__ import main as retrain_main
from nas.retrain.retrain import Request

SMALL = ("space.max_vertices=5", "evaluator=training", "evaluator.skeleton.stem=4", "evaluator.recipe.epochs=1",
         "estimator=none", "strategy=random", "budget=3")  # fmt: skip
QUICK = Request(epochs=2, seeds=2, device="cpu", threads=1)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bright and dark pictures of 8x6 pixels, in one folder."""
    root, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for name, level in (("bright", 180), ("dark", 60)):
        (root / name).mkdir()
        for number in range(120):
            pixels = np.clip(rng.normal(level, 20, (6, 8, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number:03}.png")
    return root


@pytest.fixture(scope="module")
def run(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    nas.run(*SMALL, "dataset=folder", f"dataset.path={pictures}", "dataset.split=0.25", folder=folder)
    return folder


@pytest.fixture(scope="module")
def model(run: Path) -> Path:
    lines: list[str] = []
    retrain(run, Request(top=2, epochs=8, seeds=2, device="cpu", threads=1), told=lines.append)
    assert [line.partition(" ")[0] for line in lines] == ["network", "network", "test"]
    return run / "model"


def test_the_folder_holds_what_is_needed_and_no_checkpoints(model: Path) -> None:
    names = {path.name for path in model.iterdir()}
    assert {"README.md", "cell.png", "curves.png", "model.json", "model.onnx", "model.py", "model.safetensors"} == names
    assert not model.with_name("model.training").exists()
    about = json.loads((model / "model.json").read_text())
    assert about["classes"] == ["bright", "dark"]
    assert about["test"] == about["test_of_seeds"][about["seed"]] > 0.9
    assert len(about["validation_of_seeds"]) == 2
    means = {key: np.mean(values) for key, values in about["validation_of_seeds"].items()}
    assert means[about["network"]["key"]] == max(means.values())
    assert about["onnx_difference"] < 1e-4
    card = (model / "README.md").read_text()
    assert f"**{about['test']:.4f}** on {about['test_images']} images" in card
    assert "bright, dark" in card


def test_it_works_where_this_package_is_not(model: Path, pictures: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(model, moved)
    image = pictures / "dark" / "000.png"
    program = (
        "import sys, json, numpy as np, torch\n"
        "from PIL import Image\n"
        "from model import load\n"
        f"pixels = torch.from_numpy(np.array(Image.open({str(image)!r})).transpose(2, 0, 1)[None].copy())\n"
        "model = load()\n"
        "ours = [name for name in sys.modules if name.startswith('nas.')]\n"
        "print(json.dumps([model.predict(pixels), model(pixels).tolist(), ours]))"
    )
    (moved / "nas.py").write_text("raise ImportError")
    done = subprocess.run([sys.executable, "-c", program], cwd=moved, capture_output=True, text=True, check=True)
    told, scores, others = json.loads(done.stdout)
    assert (told, others) == (["dark"], [])
    ours = nas.load(model).model
    pixels = torch.from_numpy(np.array(Image.open(image)).transpose(2, 0, 1)[None].copy())
    np.testing.assert_allclose(ours(pixels).detach().numpy(), scores, atol=1e-5)
    import onnxruntime

    session = onnxruntime.InferenceSession(model / "model.onnx")
    [found] = session.run(None, {"images": pixels.float().numpy().repeat(3, axis=0)})
    np.testing.assert_allclose(found, np.repeat(scores, 3, axis=0), atol=1e-4)


def test_the_test_accuracy_is_that_of_the_module(run: Path, model: Path, pictures: Path) -> None:
    from nas._config import build

    images = build(nas.load(run).record["dataset"], "dataset").load()
    assert images.pixels is not None
    scale = [np.array(each, np.float32)[:, None, None] for each in (images.pixels.deviation, images.pixels.mean)]
    stored = torch.from_numpy(images.x_test * scale[0] + scale[1]).float()
    told = nas.load(run).model.predict(stored)
    right = np.mean([images.names[place] == name for place, name in zip(images.y_test, told, strict=True)])
    assert json.loads((model / "model.json").read_text())["test"] == pytest.approx(right, abs=1e-6)


def test_files_are_classified(model: Path, pictures: Path, tmp_path: Path, capsys) -> None:
    files = [str(pictures / name / "007.png") for name in ("bright", "dark")]
    assert predict_main([str(model.parent), *files]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [line[:2] for line in lines] == [[files[0], "bright"], [files[1], "dark"]]
    assert all(0.5 < float(line[2]) <= 1 for line in lines)
    large = tmp_path / "large.png"
    Image.new("RGB", (30, 30), "white").save(large)
    (tmp_path / "text.png").write_text("no image")
    for given, message in (([str(large)], "large.png is 30x30, the model was trained on 8x6: scale them with --resize"),
                           ([files[0], str(tmp_path / "text.png")], "text.png cannot be read as an image"),
                           ([str(tmp_path / "absent.png")], "absent.png cannot be read as an image")):  # fmt: skip
        assert predict_main([str(model), *given]) == 1
        captured = capsys.readouterr()
        assert message in captured.err
        assert captured.err.count("\n") == 1
        assert not captured.out
    assert predict_main([str(model), "--resize", str(large)]) == 0
    assert capsys.readouterr().out.split("\t")[1] == "bright"
    assert predict(nas.models.found_model(model), [Path(files[1])])[0].told == "dark"


@pytest.mark.parametrize("name", ["model.safetensors", "model.py", "model.json"])
def test_a_changed_byte_is_refused(model: Path, tmp_path: Path, name: str) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(model, damaged)
    content = bytearray((damaged / name).read_bytes())
    content[len(content) // 2] ^= 1
    (damaged / name).write_bytes(bytes(content))
    if name == "model.json":
        (damaged / name).write_bytes(bytes(content[: len(content) // 2]))
    with pytest.raises(UserError, match=rf"{name} is (damaged|not the file that was written)"):
        _ = nas.load(damaged).model
    if name == "model.safetensors":  # as those see it who have the folder alone
        with pytest.raises(ValueError, match="its digest is not the one"):
            model_folder._imported(damaged / "model.py").load(damaged)


def test_a_class_too_many_is_refused(model: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(model, changed)
    about = json.loads((changed / "model.json").read_text())
    about["classes"].append("grey")
    (changed / "model.json").write_text(json.dumps(about))
    with pytest.raises(UserError, match=r"the model in \S+ cannot be read: model\.json names 3 classes, but"):
        _ = nas.load(changed).model


def test_what_is_no_model_is_one_line(tmp_path: Path, run: Path) -> None:
    with pytest.raises(UserError, match="holds no run"):
        nas.load(tmp_path)
    with pytest.raises(UserError, match=r"holds no model \(no model\.json\): name a folder that nas\.retrain left"):
        predict(nas.models.found_model(tmp_path), [])


def test_a_full_disk_leaves_what_was_there_and_the_trainings(run: Path, tmp_path: Path, monkeypatch) -> None:
    place = tmp_path / "out"
    retrain(run, QUICK, place, told=lambda line: None)
    before = {path.name: path.read_bytes() for path in place.iterdir()}

    def full(path: Path, named: Any) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    longer = Request(epochs=3, seeds=2, device="cpu", threads=1)
    with monkeypatch.context() as patch:
        patch.setattr(model_folder, "_write_tensors", full)
        with pytest.raises(UserError, match=r"cannot be written to \S+out \(No space left on device\): .*trained anew"):
            retrain(run, longer, place, told=lambda line: None)
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before
    assert not (tmp_path / "out.part").exists()
    seen: list[str] = []
    retrain(run, longer, place, told=lambda line: None, seen=lambda name, curves: seen.append(name))
    assert not seen  # no epoch was trained anew
    assert json.loads((place / "model.json").read_text())["recipe"]["epochs"] == 3


def test_a_killed_retraining_goes_on_and_gives_the_same(run: Path, tmp_path: Path) -> None:
    call = [sys.executable, "-m", "nas.retrain", str(run), "--epochs", "12", "--seeds", "2", "--device", "cpu",
            "--threads", "1"]  # fmt: skip
    subprocess.run([*call, "--out", str(tmp_path / "whole")], check=True, capture_output=True)
    place, work = tmp_path / "broken", tmp_path / "broken.training"
    kills = 0
    for _ in range(20):
        process = subprocess.Popen([*call, "--out", str(place)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        before = {path: path.stat().st_mtime_ns for path in work.glob("*.safetensors")} if work.exists() else {}
        while process.poll() is None:
            now = {path: path.stat().st_mtime_ns for path in work.glob("*.safetensors")} if work.exists() else {}
            if now != before and kills < 3:
                process.send_signal(signal.SIGKILL)
                kills += 1
                break
            time.sleep(0.01)
        process.communicate()
        if place.exists():
            break
    assert kills == 3
    for name in ("model.safetensors", "model.py"):
        assert (place / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    whole, broken = (json.loads((tmp_path / name / "model.json").read_text()) for name in ("whole", "broken"))
    assert whole["test_of_seeds"] == broken["test_of_seeds"]


def test_on_both_parts_the_first_seed_is_taken_and_validation_only_compares(run: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    both = Request(epochs=2, seeds=2, on="train+valid", device="cpu", threads=1)
    retrain(run, both, tmp_path / "one", told=lines.append)
    about = json.loads((tmp_path / "one" / "model.json").read_text())
    assert about["validation_of_seeds"] == {}
    assert (about["seed"], about["trained_on"]["images"]) == (0, 180)
    assert len(lines) == 1
    two = Request(top=2, epochs=2, seeds=2, on="train+valid", device="cpu", threads=1)
    retrain(run, two, tmp_path / "two", told=lines.append)
    about = json.loads((tmp_path / "two" / "model.json").read_text())
    assert len(about["validation_of_seeds"]) == 2
    assert about["trained_on"]["images"] == 180


def test_every_space_and_values_and_tables_end_with_a_model(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    bright = rng.uniform(0, 10, 200).astype(np.float32)
    np.savez(tmp_path / "bright.npz", x=bright[:, None, None] + rng.normal(size=(200, 5, 7)), y=bright)
    data = ("dataset=npz", f"dataset.path={tmp_path / 'bright.npz'}", "dataset.split=0.2", "dataset.target=value")
    folder = tmp_path / "values"
    nas.run("space=nb201", *SMALL[1:], *data, "evaluator.skeleton.cells=1", folder=folder)
    retrain(folder, Request(epochs=6, seeds=1, device="cpu", threads=1), told=lambda line: None)
    told = nas.load(folder).model.predict(torch.from_numpy(np.full((2, 1, 5, 7), [[[[2.0]]], [[[8.0]]]])))
    assert told[0] < told[1]
    assert json.loads((folder / "model/model.json").read_text())["measure"] == "r2"
    table = tmp_path / "table"
    nas.run("space=nb101", "table=digits", "estimator=none", "strategy=random", "budget=2", folder=table)
    retrain(table, Request(epochs=1, seeds=1, device="cpu", threads=1), told=lambda line: None)
    assert nas.load(table).model.predict(torch.zeros(1, 1, 8, 8))[0] in [str(digit) for digit in range(10)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere holds no run"),
        (["RUN", "--top", "0"], "top is 0, must be at least 1"),
        (["RUN", "--epochs", "0"], "epochs is 0, must be at least 1"),
        (["RUN", "recipe.warmup=-1"], "recipe.warmup is -1"),
        (["RUN", "recipe.nosuch=1"], "nosuch"),
        (["RUN", "skeleton.stem=0"], "skeleton.stem is 0, must be at least 1"),
        (["RUN", "dataset=nosuch"], "dataset=nosuch is unknown, allowed: cifar10"),
        (["RUN", "recipe.batch=1000"], "recipe.batch is 1000, must be at most 120"),
        (["RUN", "--device", "cuda:77"], "cuda:77"),
        (["RUN", "--out", "/proc/model"], "cannot be made"),
    ],
)
def test_bad_input_is_one_line(run: Path, arguments: list[str], message: str, capsys) -> None:
    assert retrain_main([str(run) if one == "RUN" else one for one in arguments]) == 1
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(error) == 1
    assert message in error[0]


def test_a_checkpoint_of_another_retraining_is_refused(run: Path, tmp_path: Path, monkeypatch) -> None:
    place = tmp_path / "out"

    def ends(name: str, curves: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retrain(run, QUICK, place, seen=ends, told=lambda line: None)
    with pytest.raises(UserError, match=r"is of another retraining \(the state's recipe.epochs is 2, .*--out"):
        retrain(run, Request(epochs=5, seeds=2, device="cpu", threads=1), place, told=lambda line: None)


def test_without_the_extra_the_rest_is_written(model: Path, monkeypatch, caplog) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with caplog.at_level("INFO", "nas"):
        assert write_onnx(model / "no.onnx", torch.nn.Identity(), np.zeros((2, 1), np.float32)) is None
    assert "pip install 'nas[onnx]'" in caplog.text
