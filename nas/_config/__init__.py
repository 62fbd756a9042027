"""From the YAML tree and the command line to objects: composing, building, records, and mistakes in one line."""

from nas._config.building import build, imported
from nas._config.composing import SearchConfig, checked, composed, config_folder, refuse_values, register
from nas._config.explaining import explain
from nas._config.records import check_recorded, differences, read_record

__all__ = [
    "SearchConfig",
    "build",
    "check_recorded",
    "checked",
    "composed",
    "config_folder",
    "differences",
    "explain",
    "imported",
    "read_record",
    "refuse_values",
    "register",
]
