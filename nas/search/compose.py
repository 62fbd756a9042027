"""What a user asked for, composed: from overrides to plain options."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nas._config import config_folder, explain, register
from nas.errors import UserError


def composed_run(
    overrides: Sequence[str], folder: Path | None = None
) -> tuple[dict[str, Any], dict[str, str], list[str], Path]:
    """Compose, from Python, what the command line would compose.

    Args:
        overrides: as on the command line.
        folder: where the run is to be; None: as configured.

    Returns:
        The options, the choice of each group, the paths of the options that were given, and the folder.

    Raises:
        UserError: an override is not one, or names what is not there.
    """
    register()
    before = GlobalHydra.instance().hydra  # of a program that uses Hydra itself
    GlobalHydra.instance().hydra = None
    try:
        with initialize_config_dir(config_folder(), version_base="1.3"):
            whole = compose("config", list(overrides), return_hydra_config=True)
        place = Path(whole.hydra.run.dir) if folder is None else folder
        choices = chosen(whole.hydra.runtime.choices)
        with_hydra = OmegaConf.masked_copy(whole, [str(key) for key in whole if key != "hydra"])
        options: dict[str, Any] = OmegaConf.to_container(with_hydra, resolve=True)  # type: ignore[assignment]
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explain(error)) from error
    finally:
        GlobalHydra.instance().hydra = before
    return options, choices, given_paths(overrides), place


def chosen(choices: Any) -> dict[str, str]:
    """The choice of each configuration group of ours, from what Hydra says of all."""
    groups: dict[str, str | None] = OmegaConf.to_container(choices)  # type: ignore[assignment]
    return {group: name for group, name in groups.items() if name is not None and not group.startswith("hydra/")}


def given_paths(overrides: Sequence[str]) -> list[str]:
    """The paths of the options that overrides set, such as `evaluator.workers`; a group's is its node's."""
    paths = []
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        name = override.package or override.key_or_group
        if not name.startswith("hydra"):
            paths.append(name.replace("/", "."))
    return paths
