"""The card of a model: what a person needs to know who uses it."""

from __future__ import annotations

from typing import Any


def card(about: dict[str, Any]) -> str:
    """Write the card, as Markdown, of what `model.json` holds."""
    image, measure, skeleton, seen = (about[name] for name in ("image", "measure", "skeleton", "trained_on"))
    measure = measure.replace("_", " ")
    lines = [
        "# A network that was found by architecture search",
        "",
        about["does"],
        "",
        "```python",
        "from model import load",
        "",
        "model = load()  # in this folder, or load(FOLDER)",
        f"model.predict(images)  # uint8 or floats, (n, {image['channels']}, {image['height']}, {image['width']}), "
        "as they are stored",
        "```",
        "",
        "`model.py` needs PyTorch alone. With the package `nas`, `python -m nas.predict FOLDER IMAGE...` reads files.",
        *_onnx(about),
        "",
        "## How good it is",
        "",
        *_quality(about, measure),
        "",
        "![learning curves](curves.png)",
        "",
        "## What it is",
        "",
        f"{about['parameters']:,} parameters; the cell below in {skeleton['stacks']} stacks of {skeleton['cells']} "
        f"cells ({skeleton['kind']}), {skeleton['stem']} channels at first.",
        "",
        "![the cell](cell.png)",
        "",
        "## How it was trained",
        "",
        f"On {seen['images']:,} images ({seen['parts']} of {seen['dataset']}), "
        f"{about['seconds']:.0f} seconds for {len(about['test_of_seeds'])} seeds side by side; "
        f"PyTorch {about['made_with']['torch']}, nas {about['made_with']['nas']}.",
        "",
        "| recipe | |",
        "|---|---|",
        *(f"| {name.replace('_', ' ')} | {value} |" for name, value in about["recipe"].items()),
        "",
        *_classes(about),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _onnx(about: dict[str, Any]) -> list[str]:
    if about["onnx_difference"] is None:
        return []
    return [
        "",
        f"`model.onnx` maps `images` to `scores`, as floats; by ONNX Runtime they differ from PyTorch's by at most "
        f"{about['onnx_difference']:.1e}.",
    ]


def _quality(about: dict[str, Any], measure: str) -> list[str]:
    if about["test"] is None:
        lines = ["There was no test part: how good it is on images that it was not chosen by is not known."]
    else:
        each = ", ".join(f"{value:.4f}" for value in about["test_of_seeds"])
        lines = [
            f"Test {measure} **{about['test']:.4f}** on {about['test_images']:,} images that were looked at once, "
            f"at the end (seeds: {each})."
        ]
    lines += [f"**{doubt}**" for doubt in about["doubts"]]
    if about["validation_of_seeds"]:
        lines += ["", f"| network | validation {measure} of each seed |", "|---|---|"]
        for key, values in about["validation_of_seeds"].items():
            this = " (this one)" if key == about["network"]["key"] else ""
            lines.append(f"| {key}{this} | {', '.join(f'{value:.4f}' for value in values)} |")
    return lines


def _classes(about: dict[str, Any]) -> list[str]:
    if about["classes"] is None:
        return []
    return ["## Classes", "", ", ".join(about["classes"])]
