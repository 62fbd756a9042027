"""Benchmark tables: `python -m nas.data list | fetch nb101 | convert FILE | verify [FILE]`."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nas._output import read_to_the_end
from nas._paths import cache_folder, table_folders
from nas.benchmarks.published.catalogue import TABLES, Published, found
from nas.errors import UserError

_log = logging.getLogger("nas.data")


@contextmanager
def _bar(what: str, *, of_bytes: bool) -> Iterator[Any]:
    """Show a progress bar, as long as there is progress; gives the function that moves it to (done, total)."""
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    count = DownloadColumn() if of_bytes else MofNCompleteColumn()
    columns = (TextColumn(what), BarColumn(), count, TimeRemainingColumn())
    with Progress(*columns, transient=True, disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _published(name: str) -> Published:
    offered = {table.name: table for table in TABLES if table.sources}
    if name not in offered:
        raise UserError(f"{name!r} cannot be fetched, allowed: {', '.join(offered)} (see python -m nas.data list)")
    return offered[name]


def _list(options: argparse.Namespace) -> None:
    for table in TABLES:
        file = found(table.file)
        where = str(file) if file is not None else f"not here: {table.obtain}"
        print(f"{table.name:14}{table.rows:>9,} architectures  {where}")


def _fetch(options: argparse.Namespace) -> None:
    from nas.benchmarks.published.conversion import check_free
    from nas.benchmarks.published.fetching import download

    table = _published(options.name)
    source = table.sources["full" if options.full else "108"]
    out = cache_folder() / table.file if options.out is None else options.out
    check_free(out, replace=options.force)
    with _bar(source.name, of_bytes=True) as show:
        file = download(source, cache_folder(), report=show)
    _write(file, out, replace=options.force)
    if not options.keep:
        file.unlink(missing_ok=True)


def _convert(options: argparse.Namespace) -> None:
    _write(options.file, options.out, replace=options.force)


def _write(path: Path, out: Path | None, *, replace: bool) -> None:
    from nas.benchmarks.published.conversion import convert, row_count

    size = path.stat().st_size if path.is_file() else None
    with _bar("converting", of_bytes=True) as show:
        # a table that every search would find, and no one asked for in so many words, must be whole
        required = {} if replace or out is not None else {table.file: table.rows for table in TABLES}
        written = convert(path, out, report=lambda done: show(done, size), replace=replace, rows=required)
    rows, expected = row_count(written), next((table.rows for table in TABLES if table.file == written.name), None)
    print(f"{written}: {rows:,} architectures, {written.stat().st_size:,} bytes")
    if expected not in (None, rows):
        _log.warning("the published table has %d architectures: is %s whole?", expected, path)
    first = found(written.name)
    if written.parent in table_folders() and first is not None and not first.samefile(written):
        _log.warning("a search takes %s, which is found before it: remove that, or set evaluator.path", first)


def _verify(options: argparse.Namespace) -> None:
    from nas.benchmarks.published.verification import verify

    files = [options.file] if options.file else [file for table in TABLES if (file := found(table.file))]
    space = None if options.space is None else _space(options.space)
    for file in files:
        print(file)
        with _bar("hashes", of_bytes=False) as show:
            for line in verify(file, space, show):
                print(f"  {line}")


def _space(path: Path) -> Any:
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    from nas._config import build

    try:
        node = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    except (YAMLError, OmegaConfBaseException) as error:
        raise UserError(f"{path} is no YAML: {str(error).splitlines()[0]}") from error
    return build(node, "space")


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=prog, description="List, fetch, convert and verify benchmark tables.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("list", help="the tables there are, and where")
    command.set_defaults(run=_list)
    command = commands.add_parser("fetch", help="download a published table and convert it")
    command.add_argument("name", help="such as nb101")
    command.add_argument("--full", action="store_true", help="with the runs of 4, 12 and 36 epochs: 1.95 GB, not 0.5")
    command.add_argument("--out", type=Path, help="the table to write; else in the cache folder, where it is found")
    command.add_argument("--keep", action="store_true", help="keep the published file beside the converted one")
    command.add_argument("--force", action="store_true", help="replace a table that is there")
    command.set_defaults(run=_fetch)
    command = commands.add_parser("convert", help="convert a published file that is there")
    command.add_argument("file", type=Path, metavar="FILE")
    command.add_argument("--out", type=Path, help="the table to write; else in the cache folder, where it is found")
    command.add_argument("--force", action="store_true", help="replace a table that is there, take an incomplete file")
    command.set_defaults(run=_convert)
    command = commands.add_parser("verify", help="check a table, or all that are there")
    command.add_argument("file", type=Path, nargs="?", metavar="FILE")
    command.add_argument("--space", type=Path, metavar="YAML", help="describes the space, where the table is your own")
    command.set_defaults(run=_verify)
    return parser


def main(argv: Sequence[str] | None = None, prog: str = "python -m nas.data") -> int:
    """Run from the command line; a mistake is one line on standard error and exit code 1."""
    return read_to_the_end(lambda: _main(argv, prog))


def _main(argv: Sequence[str] | None, prog: str) -> int:
    options = _parser(prog).parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    try:
        options.run(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        raise
    except OSError as error:
        print(f"error: {error.filename or 'cannot read or write'}: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped: the same command goes on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
