from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nas.datasets import ImageFolder
from nas.errors import UserError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for part, n in (("train", 3), ("valid", 2)):
        for name in ("cat", "dog"):
            folder = tmp_path / part / name
            folder.mkdir(parents=True)
            for number in range(n):
                Image.fromarray(rng.integers(0, 256, (6, 4, 3)).astype(np.uint8)).save(folder / f"{number}.png")
    return tmp_path


def test_folders_are_classes_in_alphabetical_order(root: Path) -> None:
    (root / "train" / ".hidden").touch()
    (root / "train" / "cat" / ".DS_Store").touch()
    images = ImageFolder(str(root)).load()
    assert images.x_train.shape == (6, 3, 6, 4)
    assert images.y_train.tolist() == [0, 0, 0, 1, 1, 1]
    assert images.x_test.shape == (0, 3, 6, 4)


def test_pixels_are_those_of_the_file_standardised(root: Path) -> None:
    pixels = np.asarray(Image.open(root / "train" / "cat" / "0.png")).transpose(2, 0, 1)
    image = ImageFolder(str(root)).load().x_train[0]
    for channel in range(3):
        assert np.corrcoef(pixels[channel].ravel(), image[channel].ravel())[0, 1] > 0.999


def test_images_are_scaled_and_turned_grey_where_asked(root: Path) -> None:
    Image.new("RGB", (9, 9), "red").save(root / "valid" / "dog" / "0.png")
    assert ImageFolder(str(root), size=5, channels=1).load().x_valid.shape == (4, 1, 5, 5)
    with pytest.raises(UserError, match=r"^most images are 4x6, but \S+dog/0\.png is 9x9: scale all with "):
        ImageFolder(str(root)).load()


def test_what_is_no_image_is_named(root: Path) -> None:
    broken = root / "train" / "dog" / "1.png"
    broken.write_bytes(b"no image")
    with pytest.raises(UserError, match=r"dog/1\.png cannot be read as an image"):
        ImageFolder(str(root)).load()
    broken.rename(root / "train" / "dog" / "notes.txt")
    with pytest.raises(UserError, match=r"notes\.txt is no image file, allowed: \.bmp"):
        ImageFolder(str(root)).load()


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_images_of_16_bits_are_refused_instead_of_clipped(root: Path, channels: int) -> None:
    Image.fromarray(np.full((6, 4), 40_000, dtype=np.uint16)).save(root / "train" / "dog" / "1.png")
    with pytest.raises(UserError, match=r"dog/1\.png cannot be read .*: its grey values have more than 8 bits"):
        ImageFolder(str(root), channels=channels).load()


def test_missing_empty_and_unknown_folders_are_named(root: Path) -> None:
    with pytest.raises(UserError, match="no folder .*absent: name the folder"):
        ImageFolder(str(root / "absent")).load()
    (root / "valid" / "bird").mkdir()
    with pytest.raises(UserError, match="bird has no files: add images of that class, or remove the folder"):
        ImageFolder(str(root)).load()
    (root / "valid" / "dog" / "0.png").rename(root / "valid" / "bird" / "0.png")
    with pytest.raises(UserError, match="'bird' is a class of the valid part that the training part has not: cat, dog"):
        ImageFolder(str(root)).load()
    (root / "empty" / "train").mkdir(parents=True)
    (root / "empty" / "valid").mkdir()
    with pytest.raises(UserError, match="has no image files in folders"):
        ImageFolder(str(root / "empty")).load()


def test_copies_are_named_by_file_all_at_once_or_left_out_of_the_earlier_part(root: Path) -> None:
    for number in (0, 1):
        copied = root / "valid" / "cat" / f"9{number}.bmp"  # another format, the same picture
        Image.open(root / "train" / "dog" / f"{number}.png").save(copied)
    with pytest.raises(UserError, match=r"2 images are in two parts: \S+valid/cat/90\.bmp is the same image as "
                       r"\S+train/dog/0\.png, \S+91\.bmp .*dataset\.copies=drop"):  # fmt: skip
        ImageFolder(str(root)).load()
    images = ImageFolder(str(root), copies="drop").load()
    assert images.y_train.tolist() == [0, 0, 0, 1]
    assert images.y_valid.tolist() == [0, 0, 0, 0, 1, 1]


def test_files_that_are_no_images_are_named_all_at_once_or_passed_over(root: Path, caplog) -> None:
    (root / "train" / "dog" / "1.png").write_bytes(b"no image")
    cut = (root / "valid" / "cat" / "0.png").read_bytes()
    (root / "valid" / "cat" / "0.png").write_bytes(cut[: len(cut) // 2])
    (root / "valid" / "cat" / "notes.txt").touch()
    with pytest.raises(UserError) as raised:
        ImageFolder(str(root)).load()
    for name in ("dog/1.png", "cat/0.png", "cat/notes.txt", "dataset.broken=skip"):
        assert name in str(raised.value)
    images = ImageFolder(str(root), broken="skip").load()
    assert (len(images.y_train), len(images.y_valid)) == (5, 3)
    assert "3 files are passed over" in caplog.text


def classes(folder: Path, n: int, names: tuple[str, ...] = ("cat", "dog")) -> Path:
    rng = np.random.default_rng(1)
    for name in names:
        (folder / name / "more").mkdir(parents=True)
        for number in range(n):
            file = folder / name / ("more" if number % 2 else "") / f"{number}.png"
            Image.fromarray(rng.integers(0, 256, (5, 7, 3)).astype(np.uint8)).save(file)
    return folder


def test_one_folder_is_split_class_by_class_and_copies_stay_together(tmp_path: Path) -> None:
    folder = classes(tmp_path, 20)
    for number in range(6):
        (folder / "dog" / f"copy{number}.png").write_bytes((folder / "dog" / "4.png").read_bytes())
    with pytest.raises(UserError, match=r"there is no validation part: add one, or split it off with dataset\.split="):
        ImageFolder(str(folder)).load()
    images = ImageFolder(str(folder), split=0.2).load()  # which would refuse copies in two parts
    assert images.names == ("cat", "dog")
    assert images.x_train.shape[1:] == (3, 5, 7)
    for labels in (images.y_valid, images.y_test):
        assert np.bincount(labels)[0] == 4
        assert np.bincount(labels)[1] in (4, 10)
    assert sum(len(images.part(part)[1]) for part in ("train", "valid", "test")) == 46
    assert ImageFolder(str(folder), split=0.2).load().digest == images.digest
    assert ImageFolder(str(folder), split=0.2, seed=1).load().digest != images.digest
    assert len(ImageFolder(str(folder), split=(0.5, 0)).load().y_test) == 0
    with pytest.raises(UserError, match=r"dataset\.split is \(0\.5, 0\.5\): .* both together below 1"):
        ImageFolder(str(folder), split=(0.5, 0.5)).load()
    with pytest.raises(UserError, match=r"class cat has too few different images \(2\)"):
        ImageFolder(str(classes(tmp_path / "few", 2)), split=0.2).load()


def test_validation_is_split_off_where_there_is_a_test_part(root: Path) -> None:
    (root / "valid").rename(root / "testing")
    images = ImageFolder(str(root), split=0.3).load()
    assert [len(images.part(part)[1]) for part in ("train", "valid", "test")] == [4, 2, 4]
    (root / "testing").rename(root / "val")
    with pytest.raises(UserError, match=r"dataset\.split is 0\.3, but there is a validation part already"):
        ImageFolder(str(root), split=0.3).load()
    assert len(ImageFolder(str(root)).load().y_valid) == 4
    (root / "valid").mkdir()
    with pytest.raises(UserError, match=r"valid and \S+val both call themselves the valid part"):
        ImageFolder(str(root)).load()


def test_classes_are_what_a_person_reads(root: Path) -> None:
    (root / "train" / "cat").rename(root / "train" / "caf\u00e9")
    (root / "valid" / "cat").rename(root / "valid" / "cafe\u0301")
    (root / "train" / "Thumbs.db").touch()
    (root / "train" / "dog" / "desktop.ini").touch()
    images = ImageFolder(str(root)).load()
    assert images.names == ("caf\u00e9", "dog")
    assert images.y_valid.tolist() == [0, 0, 1, 1]


def listing(root: Path, text: str) -> ImageFolder:
    (root / "labels.csv").write_text(text)
    return ImageFolder(str(root))


def test_a_table_names_files_with_classes_or_values(root: Path) -> None:
    sizes, kinds = {"train": 3, "valid": 2}, ("cat", "dog")
    rows = [(f"{p}/{k}/{n}.png", k, p, n + 10.5 * (k == "dog")) for p in sizes for k in kinds for n in range(sizes[p])]
    table = "file,class,part,value\n" + "".join(f"{file},{kind},{part},{value}\n" for file, kind, part, value in rows)
    by_folders = ImageFolder(str(root)).load()
    assert listing(root, table).load().digest == by_folders.digest
    images = ImageFolder(str(root), target="value").load()
    assert (images.target, images.outputs, images.y_train.dtype) == ("value", 1, np.float32)
    assert images.values is not None
    np.testing.assert_allclose(
        images.y_valid * images.values.deviation[0] + images.values.mean[0], [0, 1, 10.5, 11.5], atol=1e-5
    )
    with pytest.raises(UserError, match="dataset.target=value"):
        _ = images.classes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,class\na.png,cat\n", r"labels\.csv has the columns name, class, must have the columns file,class"),
        ("file,value\na.png,1\n", r"must have the columns file,class, or set dataset\.target=value"),
        ("file,class\ntrain/cat/0.png,cat\ntrain/cat/0.png,dog\n", r"line 3 of .* names train/cat/0\.png again, after"),
        ("file,class\ntrain/cat/0.png\n", r"line 2 of .* must name a file and its class"),
        ("file,class,part\ntrain/cat/0.png,cat,dev\n", r"line 2 .* has the part 'dev', must be one of train, valid"),
        ("file,class,part\ntrain/cat/0.png,cat,valid\n", r"lists no file to train on"),
        ("file,class\ntrain/cat/no.png,cat\n", r"train/cat/no\.png cannot be read as an image: .*No such file"),
    ],
)
def test_a_bad_table_is_one_line(root: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        listing(root, text).load()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "options", [{"channels": 2}, {"size": 0}, {"size": (3, 0)}, {"background": "nosuch"}, {"split": 1.0}]
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"^(channels|size(\[1\])?|background|split) is"):
        ImageFolder("x", **options)
