"""Ask a model: `python -m nas.predict MODEL IMAGE...`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from nas._output import read_to_the_end
from nas.errors import UserError


def main(argv: Sequence[str] | None = None, prog: str = "python -m nas.predict") -> int:
    """Run from the command line; a user's mistake is one line on standard error and exit code 1."""
    return read_to_the_end(lambda: _main(argv, prog))


def _main(argv: Sequence[str] | None, prog: str) -> int:
    parser = argparse.ArgumentParser(
        prog=prog, description="Tell the class of image files, with its probability, or their value: a line for each."
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="a folder that nas.retrain left, or that of its run")
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="image files")
    parser.add_argument("--resize", action="store_true", help="scale images to the size that the model was trained on")
    options = parser.parse_args(argv)

    from nas.models import found_model
    from nas.predict.predict import predict

    try:
        for one in predict(found_model(options.model), options.images, options.resize):
            told = f"{one.told}\t{one.probability:.4f}" if one.probability is not None else f"{one.told:.6g}"
            print(f"{one.file}\t{told}")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
