"""Where the file of a benchmark table is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nas._paths import table_folders
from nas.errors import UserError


def find_table(path: str | None, table: str, tables: Mapping[str, str]) -> tuple[str, Path]:
    """Find a benchmark table: `path` if given, else in `NAS_DATA_DIR`, the user's cache folder, or this package.

    Args:
        path: the file, whatever its name.
        table: a name in `tables`, or `auto`: the first that is there.
        tables: name to file name.

    Returns:
        The table's name (for a file of an unknown name, `table`, or the file's if that is `auto`) and the file.

    Raises:
        UserError: there is no such table, no such file (says where it was looked for), or it is known as another table.
    """
    asked = None if table == "auto" else table
    if asked is not None and asked not in tables:
        raise UserError(f"there is no table {table!r}, set table (or dataset) to auto or one of: {', '.join(tables)}")
    if path is not None:
        if not Path(path).is_file():
            raise UserError(f"no benchmark table at {path}: name an .npz file with evaluator.path=FILE")
        names = [name for name, file in tables.items() if file == Path(path).name]
        if names and asked not in (None, *names):
            raise UserError(
                f"table (or dataset) is {table!r}, but {path} is the table of {' or '.join(names)}: choose one of "
                f"them, or another file with evaluator.path=FILE"
            )
        return asked or [*names, Path(path).name][0], Path(path)
    folders = table_folders()
    wanted = tables if asked is None else {asked: tables[asked]}
    for name, file in wanted.items():
        for folder in folders:
            if (folder / file).is_file():
                return name, folder / file
    files = " or ".join(dict.fromkeys(wanted.values()))
    raise UserError(
        f"no benchmark table {files} in {' or '.join(str(folder) for folder in folders[:-1])}: "
        f"name the file with evaluator.path=FILE, or set NAS_DATA_DIR to the folder that holds it"
    )
