"""What `tfipgan reproduce` is told of a folder of configs: its file experiment.yaml."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfipgan.config import EXPERIMENT_FILE, packaged_folder
from tfipgan.config.yaml_files import read_yaml
from tfipgan.errors import ConfigError, shorten, shorten_name
from tfipgan.experiments.row_steps import RowSteps, read_rows, read_shared_steps
from tfipgan.experiments.steps import Step
from tfipgan.experiments.yaml_values import mapping, name_of, number, require, text
from tfipgan.world.datasets import DATASETS

# Beside those of the directions in OUT.
_OWN_FOLDERS = ("data", "figures", "logs", "results")
_KEYS = ("title", "note", "world", "directions", "steps", "rows")
_DIRECTION_KEYS = ("title", "configs", "source", "target", "paper", "paper_identity")
_PAPER_KEYS = ("table", "name", "row", "network", "printed")
# Options of `tfipgan synthesize`, under their names in YAML.
WORLD_KEYS = (
    "identities",
    "test_identities",
    "cameras",
    "images_per_camera",
    "size",
    "strength",
)


@dataclass(frozen=True)
class PaperRow:
    """A row as one of the paper's tables prints it.

    Attributes:
        table: number of the table.
        name: as printed, such as "Baseline+IPGAN".
        row, network: as in results.json.
        printed: rank-1, rank-5, rank-10 and mAP in percent.
    """

    table: int
    name: str
    row: str
    network: str
    printed: tuple[float, float, float, float]


@dataclass(frozen=True)
class Direction:
    """From which dataset to which.

    Attributes:
        name: of its folders, and in results.json.
        title: for people.
        configs: folder of the rows' configs.
        source, target: folders of the datasets, below the one of all data.
        paper: what the paper measured, in the order of its tables.
        paper_identity: the paper's identity accuracy of translated images, by row.
    """

    name: str
    title: str
    configs: Path
    source: str
    target: str
    paper: tuple[PaperRow, ...] = ()
    paper_identity: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Experiment:
    """All that is reproduced together.

    Attributes:
        name: of its folder.
        title: of the tables and the report.
        directions: at least one, of different names.
        rows: at least one, each run in every direction; one after those that it goes
            on from.
        steps: those that belong to no row, made where a row reads them, by name.
        world: options of `tfipgan synthesize`; None where the datasets are the user's.
        note: a sentence for the tables and the report, or nothing.
    """

    name: str
    title: str
    directions: tuple[Direction, ...]
    rows: tuple[RowSteps, ...] = ()
    steps: Mapping[str, Step] = field(default_factory=dict)
    world: Mapping[str, Any] | None = None
    note: str = ""


def load_experiment(folder: str | os.PathLike) -> Experiment:
    """Read a folder's experiment.yaml.

    Args:
        folder: a folder, or the name of a packaged one such as `synthetic`.

    Raises:
        ConfigError: there is none, or it has an unknown, missing or wrong key.
        OSError: it can't be read.
    """
    path = _find(Path(folder))
    values = mapping(read_yaml(path), path, "", _KEYS)
    require(values, path, "", ("title", "directions", "rows"))
    world = None
    if "world" in values:
        world = mapping(values["world"], path, "world", WORLD_KEYS)
        for key, value in world.items():
            if key == "size":
                text(value, path, "world.size")
            else:
                number(value, path, f"world.{key}")
    directions = mapping(values["directions"], path, "directions")
    if not directions:
        raise ConfigError(f"{path}: directions: expected at least one, found none")
    steps = read_shared_steps(values.get("steps", {}), path)
    return Experiment(
        path.resolve().parent.name,
        name_of(values["title"], path, "title"),
        tuple(
            _direction(name, directions[name], path, world is not None)
            for name in directions
        ),
        read_rows(values["rows"], path, steps),
        {step.name: step for step in steps},
        world,
        text(values.get("note", ""), path, "note"),
    )


def _find(folder: Path) -> Path:
    for place in (folder, packaged_folder() / folder):
        if (place / EXPERIMENT_FILE).is_file():
            return place / EXPERIMENT_FILE
    known = sorted(
        p.parent.name for p in packaged_folder().glob(f"*/{EXPERIMENT_FILE}")
    )
    raise ConfigError(
        f"{shorten_name(str(folder))} has no {EXPERIMENT_FILE}; expected a folder of "
        f"configs with one, or a packaged one: {', '.join(known)}"
    )


def _direction(name, values, path, drawn):
    where = f"directions.{shorten_name(name)}"
    # It is a folder's name.
    if not isinstance(name, str) or not name.isidentifier() or name in _OWN_FOLDERS:
        raise ConfigError(
            f"{path}: {where}: expected a name of letters, digits and underscores, "
            f"none of {', '.join(_OWN_FOLDERS)}"
        )
    values = mapping(values, path, where, _DIRECTION_KEYS)
    require(values, path, where, ("source", "target"))
    source, target = (
        name_of(values[k], path, f"{where}.{k}") for k in ("source", "target")
    )
    if drawn and not {source, target} <= set(DATASETS):
        raise ConfigError(
            f"{path}: {where}: expected the drawn world's {' and '.join(DATASETS)}, "
            f"found {source} and {target}"
        )
    configs = path.parent / name_of(
        values.get("configs", "."), path, f"{where}.configs"
    )
    if not configs.is_dir():
        raise ConfigError(
            f"{path}: {where}.configs: {configs} is no folder, expected one of configs"
        )
    rows = values.get("paper", [])
    if not isinstance(rows, list):
        raise ConfigError(
            f"{path}: {where}.paper: expected a list, found {shorten(rows)}"
        )
    identity = mapping(
        values.get("paper_identity", {}), path, f"{where}.paper_identity"
    )
    return Direction(
        name,
        name_of(values.get("title", name.replace("_", " ")), path, f"{where}.title"),
        Path(os.path.normpath(configs)),
        source,
        target,
        tuple(_paper_row(row, path, f"{where}.paper") for row in rows),
        {
            row: number(value, path, f"{where}.paper_identity")
            for row, value in identity.items()
        },
    )


def _paper_row(values, path, where):
    values = mapping(values, path, where, _PAPER_KEYS)
    require(values, path, where, _PAPER_KEYS)
    printed = values["printed"]
    if not isinstance(printed, list) or len(printed) != 4:
        raise ConfigError(
            f"{path}: {where}.printed: expected rank-1, rank-5, rank-10 and mAP, found "
            f"{shorten(printed)}"
        )
    if type(values["table"]) is not int:
        raise ConfigError(
            f"{path}: {where}.table: expected a whole number, found "
            f"{shorten(values['table'])}"
        )
    return PaperRow(
        number(values["table"], path, f"{where}.table"),
        *(name_of(values[k], path, f"{where}.{k}") for k in ("name", "row", "network")),
        tuple(number(value, path, f"{where}.printed") for value in printed),
    )
