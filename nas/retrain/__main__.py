"""Retrain what a search recommends: `python -m nas.retrain RUN`."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from nas._output import console, read_to_the_end
from nas.search._messages import answered
from nas.training import Curves


def main(argv: Sequence[str] | None = None, prog: str = "python -m nas.retrain") -> int:
    """Run from the command line; a user's mistake is one line on standard error and exit code 1."""
    return read_to_the_end(lambda: _main(argv, prog))


def _main(argv: Sequence[str] | None, prog: str) -> int:
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Train what a run recommends for long, and leave a folder with a model that needs PyTorch alone.",
        epilog="The same command goes on with a retraining that was stopped.",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a run")
    parser.add_argument("--top", type=int, default=1, metavar="N", help="compare so many networks (1)")
    parser.add_argument("--epochs", type=int, metavar="N", help="of each training (100)")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="train each so often, side by side (3)")
    parser.add_argument(
        "--on", choices=("train", "train+valid"), default="train",
        help="train+valid: train what was chosen once more, on the validation images, too (train)",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="of the model (RUN/model)")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, ... (auto)")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="of PyTorch, on the CPU (its own choice)")
    parser.add_argument(
        "overrides", nargs="*", metavar="NAME=VALUE", help="as in recipe.flip=true skeleton.stem=32 dataset=digits"
    )
    options = parser.parse_intermixed_args(argv)
    logging.basicConfig(format="%(levelname)s: %(message)s")
    logging.getLogger("nas").setLevel(logging.INFO)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    again = "the same command goes on from the last epoch"
    return answered(lambda: _retrain(options), again, f"stopped: {again}")


def _retrain(options: argparse.Namespace) -> None:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from nas.retrain.retrain import Request, retrain

    request = Request(options.top, options.epochs, options.seeds, options.on, options.device, options.threads)
    columns = [
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[last]}"),
        TimeElapsedColumn(), TimeRemainingColumn(),
    ]  # fmt: skip
    with Progress(*columns, console=console(stderr=True)) as progress:
        task = progress.add_task("epochs", total=None, last="")
        done: dict[str, int] = {}

        def begins(trainings: int, epochs: int) -> None:
            progress.update(task, total=trainings * epochs)

        def seen(name: str, curves: Curves) -> None:
            done[name] = len(curves.seconds)
            value = curves.valid_value[:, -1].mean()
            last = f"validation {value:.4f}" if value == value else f"loss {curves.train_loss[:, -1].mean():.4f}"
            progress.update(task, completed=sum(done.values()), last=last)

        model = retrain(
            options.run, request, options.out, options.overrides,
            told=lambda line: progress.console.print(line, highlight=False, soft_wrap=True), seen=seen, epochs=begins,
        )  # fmt: skip
    print(f"model in {model.folder}: README.md, model.py, model.json, model.safetensors and more")


if __name__ == "__main__":
    sys.exit(main())
