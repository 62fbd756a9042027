"""What a user asked for, composed: from overrides to plain options."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nas._config import config_folder, explain, refuse_values, register
from nas.errors import UserError
from nas.search.record import read_record

_CHOICE = re.compile(r"[\w/@.]+=([\w/.-]+|\[[\w,-]+\])", re.ASCII)  # of an option in a group


@dataclass(frozen=True)
class Composed:
    """What to run, and where.

    Attributes:
        options: the whole configuration, plain.
        choices: which option of each configuration group it came from, to be recorded.
        changed: the paths of the options that were given, which a run that goes on takes over.
        sources: folders with the user's own options.
        folder: of the run.
    """

    options: dict[str, Any]
    choices: dict[str, str]
    changed: list[str]
    sources: list[str]
    folder: Path

    @classmethod
    def of(cls, options: DictConfig, hydra: Any, overrides: Sequence[str], folder: Path) -> Composed:
        """Take from Hydra what a run needs of it.

        Args:
            options: the configuration, without Hydra's own part.
            hydra: Hydra's own part.
            overrides: as given.
            folder: of the run.
        """
        plain: dict[str, Any] = OmegaConf.to_container(options, resolve=True)  # type: ignore[assignment]
        groups: dict[str, str | None] = OmegaConf.to_container(hydra.runtime.choices)  # type: ignore[assignment]
        chosen = {group: name for group, name in groups.items() if name is not None and not group.startswith("hydra/")}
        given = given_paths(overrides)
        if encoder := plain.get("encoder"):
            chosen["encoder"] = f"[{','.join(encoder)}]"
            for path in given:
                if path.startswith("estimator.encoder"):
                    raise UserError(f"{path} is given, but encoder={chosen['encoder']} takes its place: leave one out")
        sources = [source.path for source in hydra.runtime.config_sources if source.schema == "file"]
        return cls(plain, chosen, given, sources, folder)


def composed_run(overrides: Sequence[str], folder: Path | None = None) -> Composed:
    """Compose, from Python, what the command line would compose.

    Args:
        overrides: as on the command line.
        folder: where the run is to be; None: as configured.

    Raises:
        UserError: an override is not one, or names what is not there.
    """
    register()
    overrides = over_record(overrides)
    before = GlobalHydra.instance().hydra  # of a program that uses Hydra itself
    GlobalHydra.instance().hydra = None
    try:
        with initialize_config_dir(config_folder(), version_base="1.3"):
            whole = compose("config", list(overrides), return_hydra_config=True)
        place = Path(whole.hydra.run.dir) if folder is None else folder
        options = OmegaConf.masked_copy(whole, [str(key) for key in whole if key != "hydra"])
        return Composed.of(options, whole.hydra, overrides, place)
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explain(error)) from error
    finally:
        GlobalHydra.instance().hydra = before


def over_record(overrides: Sequence[str]) -> list[str]:
    """Let the choices of the run that `resume` names come before options of these parts, such as `evaluator.workers`.

    Args:
        overrides: as on the command line, flags among them or not.

    Raises:
        UserError: the record is damaged, or a value stands where a name belongs.
    """
    refuse_values(overrides)
    given = [text.partition("=")[0].lstrip("+~") for text in overrides]
    for place, text in enumerate(overrides):
        if text.startswith("resume="):
            try:
                folder = OverridesParser.create().parse_override(text).value()
            except HydraException:
                break  # it is told when all is composed
            record = read_record(Path(folder)) if isinstance(folder, str) else None
            choices = {} if record is None else record.get("choices") or {}
            added = [
                f"{group}={choice}"
                for group, choice in choices.items()
                if group not in ("executor", *given)
                and any(name.startswith(f"{group_path(group)}.") for name in given)
                and _CHOICE.fullmatch(f"{group}={choice}")
            ]
            return [*overrides[:place], *added, *overrides[place:]]
    return [*overrides]


def group_path(group: str) -> str:
    """Where the option of a group stands, such as `estimator.encoder` for `encoder@estimator.encoder`."""
    return group.split("@")[-1].replace("/", ".")


def given_paths(overrides: Sequence[str]) -> list[str]:
    """The paths of the options that overrides set, such as `evaluator.workers`; a group's is its node's."""
    paths = []
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        name = override.package or override.key_or_group
        if not name.startswith("hydra"):
            paths.append(name.replace("/", "."))
    return paths
