"""Where files of the user are: nothing here is read or written, only named."""

from __future__ import annotations

import os
from pathlib import Path

from nas.errors import UserError


def cache_folder() -> Path:
    """The folder that `NAS_CACHE_DIR` names, else the user's cache folder of this platform."""
    from platformdirs import user_cache_path

    named = os.environ.get("NAS_CACHE_DIR")
    return Path(named) if named else user_cache_path("nas")


def find_table(path: str | None, name: str) -> Path:
    """Find a benchmark table: `path` if given, else `name` in `NAS_DATA_DIR`, else in the user's cache folder.

    Raises:
        UserError: there is no such file; says where it was looked for.
    """
    if path is not None:
        places = [Path(path)]
    else:
        named = os.environ.get("NAS_DATA_DIR")
        places = [Path(folder) / name for folder in (named, cache_folder()) if folder]
    for place in places:
        if place.is_file():
            return place
    looked = " and ".join(str(place) for place in places)
    raise UserError(
        f"no benchmark table at {looked}: name the file with evaluator.path=FILE, "
        f"or put {name} in a folder and set NAS_DATA_DIR to it"
    )
