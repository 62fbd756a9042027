"""Which files of a folder are images of which part, and what they show."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from unicodedata import normalize

from nas.datasets.base import Target
from nas.errors import UserError

LISTING = "labels.csv"
_CALLED = {"train": ("train", "training"), "valid": ("valid", "val", "validation"), "test": ("test", "testing")}
"""What people call the folders of parts."""
_LITTER = {"thumbs.db", "desktop.ini", "__macosx"}


@dataclass(frozen=True)
class Labelled:
    """A file and what it shows: the name of a class, or a number."""

    file: Path
    label: str | float


def found(root: Path, target: Target) -> dict[str, list[Labelled]]:
    """The files of each part that the folder has; all of them in `train` where it has no parts.

    Raises:
        UserError: there is no such folder, or it does not say what is where.
    """
    if not root.is_dir():
        raise UserError(f"no folder {root}: name the folder of a data set with dataset.path=FOLDER")
    if (root / LISTING).is_file():
        return _listed(root, target)
    if target == "value":
        raise UserError(f"no {root / LISTING}: to learn values, list them there, in the columns file,value")
    inside = {_plain(entry.name).lower(): entry for entry in _entries(root) if entry.is_dir()}
    parts: dict[str, Path] = {}
    for part, names in _CALLED.items():
        there = [inside[name] for name in names if name in inside]
        if len(there) > 1:
            raise UserError(f"{there[0]} and {there[1]} both call themselves the {part} part: keep one")
        parts |= {part: there[0]} if there else {}
    if parts and "train" not in parts:
        told = ", ".join(folder.name for folder in parts.values())
        raise UserError(
            f"no folder {root / 'train'} beside {told}: the data set's folder must hold train/, with classes"
        )
    return {part: _of_classes(folder) for part, folder in (parts or {"train": root}).items()}


def _of_classes(folder: Path) -> list[Labelled]:
    classes = [entry for entry in _entries(folder) if entry.is_dir()]
    labelled = [Labelled(file, _plain(entry.name)) for entry in classes for file in _files(entry)]
    for entry in classes:
        if not _files(entry):
            raise UserError(f"{entry} has no files: add images of that class, or remove the folder")
    if not labelled:
        raise UserError(f"{folder} has no image files in folders, one folder per class is needed")
    return labelled


def _files(folder: Path) -> list[Path]:
    """All files below a folder, of each folder in alphabetical order."""
    return [file for entry in _entries(folder) for file in (_files(entry) if entry.is_dir() else [entry])]


def _entries(folder: Path) -> list[Path]:
    """What is in a folder, without what is hidden or left there by file managers."""
    entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    return [entry for entry in entries if not entry.name.startswith(".") and entry.name.lower() not in _LITTER]


def _plain(name: str) -> str:
    """A name as it is read: the same letters may be written in several ways."""
    return normalize("NFC", name).strip()


def _listed(root: Path, target: Target) -> dict[str, list[Labelled]]:
    path = root / LISTING
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            columns: Sequence[str] = reader.fieldnames or []
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as a table with commas, in UTF-8: {error}") from error
    if "file" not in columns or target not in columns:
        needed = f"must have the columns file,{target}" + (
            ", or set dataset.target=value" if "value" in columns else ""
        )
        raise UserError(f"{path} has the columns {', '.join(map(str, columns)) or 'none'}, {needed}")
    parts: dict[str, list[Labelled]] = {}
    seen: dict[str, int] = {}
    for line, row in enumerate(rows, 2):
        name, label, part = (str(row.get(column) or "").strip() for column in ("file", target, "part"))
        where = f"line {line} of {path}"
        if not name or not label or None in row:
            raise UserError(f"{where} is {','.join(map(str, row.values()))!r}, must name a file and its {target}")
        if name in seen:
            raise UserError(f"{where} names {name} again, after line {seen[name]}: list each file once")
        seen[name] = line
        if part not in ("", *_CALLED) or bool(part) != ("part" in columns):
            raise UserError(f"{where} has the part {part!r}, must be one of {', '.join(_CALLED)}")
        parts.setdefault(part or "train", []).append(Labelled(root / name, _label(label, target, where)))
    if "train" not in parts:
        raise UserError(f"{path} lists no file to train on")
    return parts


def _label(text: str, target: Target, where: str) -> str | float:
    if target == "class":
        return _plain(text)
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not isfinite(number):
        raise UserError(f"{where} has the value {text!r}, must be a finite number")
    return number
