"""Where files of the user are: nothing here is read or written, only named."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """The folder that `NAS_CACHE_DIR` names, else the user's cache folder of this platform."""
    from platformdirs import user_cache_path

    named = os.environ.get("NAS_CACHE_DIR")
    return Path(named) if named else user_cache_path("nas")


def table_folders() -> list[Path]:
    """Where benchmark tables are looked for, in this order: `NAS_DATA_DIR`, the user's cache folder, this package."""
    named = os.environ.get("NAS_DATA_DIR")
    return [Path(folder) for folder in (named, cache_folder(), Path(__file__).parent / "data") if folder]
