"""Results kept by row: FOLDER/DIRECTION/ROW_NETWORK_seedK.json.

Each has what decided its numbers (commands, configs, a digest of the datasets,
versions), so that rows which were run at different times can stand in one table, and
those that are not of one world can't.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, FiniteFloat, Strict, ValidationError

from tfipgan.errors import InputError, shorten
from tfipgan.experiments.experiment import Experiment
from tfipgan.experiments.row_steps import file_stem
from tfipgan.experiments.rows import MEASURES
from tfipgan.files.output_file import atomic_file

COLUMNS = ("direction", "row", "network", "seed", *MEASURES, "identity_accuracy")

_Number = Annotated[FiniteFloat, Strict()]
_Share = Annotated[_Number, Field(ge=0, le=1)]


class _Command(BaseModel):
    command: str
    seconds: Annotated[_Number, Field(ge=0, le=10**12)]


class _Quality(BaseModel, extra="allow"):
    """A dict that a measuring step wrote: numbers, and the same by cameras."""

    __pydantic_extra__: dict[str, _Number | None]
    cameras: list[dict[str, _Number | None]] = []


class _Measured(BaseModel, extra="allow"):
    """By steps; what the tables read has the kind that they expect, if it is there."""

    __pydantic_extra__: dict[str, _Number | _Quality]
    real_accuracy: _Share = 0
    semantic_accuracy: _Share = 0
    semantic_real_accuracy: _Share = 0
    quality: _Quality = _Quality()


class _Result(BaseModel):
    """What a file must hold; what it holds beside is kept."""

    direction: str
    row: str
    network: str
    seed: Annotated[int, Strict()]
    rank_1: _Share = Field(alias="rank-1")
    rank_5: _Share = Field(alias="rank-5")
    rank_10: _Share = Field(alias="rank-10")
    mean_ap: _Share = Field(alias="mAP")
    identity_accuracy: _Share | None
    measured: _Measured
    experiment: str
    datasets: dict[str, str]
    config: dict[str, dict[str, Any]]
    versions: dict[str, str]
    commands: list[_Command]


def result_path(folder: Path, result: Mapping) -> Path:
    """Return the file of an entry."""
    stem = file_stem(str(result["row"]), str(result["network"]))
    name = f"{stem}_seed{result['seed']}.json"
    return folder / str(result["direction"]) / name


def write_results(folder: Path, results: Iterable[Mapping]) -> None:
    """Write each entry into its file; those of other rows stay."""
    for result in results:
        path = result_path(folder, result)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as temporary:
            temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def read_results(folder: str | os.PathLike) -> list[dict]:
    """Read the entries below a folder, which must be of the same worlds and recipes.

    Raises:
        InputError: there is none, one is damaged or under another's name, two are of
            different datasets under one seed, or a row of different configs under
            different seeds.
        OSError: one can't be read.
    """
    root = Path(folder)
    found = {path: _read_result(path, root) for path in sorted(root.glob("*/*.json"))}
    if not found:
        raise InputError(
            f"{root} has no results; expected files such as "
            "source_to_target/ipgan_baseline_seed0.json, as reproduce leaves them in "
            "OUT/results"
        )
    worlds: dict[tuple, tuple[str, Path]] = {}
    recipes: dict[tuple, tuple[dict, Path]] = {}
    for path, result in found.items():
        seed = result["seed"]
        for name, digest in result["datasets"].items():
            expected, first = worlds.setdefault((seed, name), (digest, path))
            if digest != expected:
                raise InputError(
                    f"{path} is of another world than {first}: {name} of seed {seed} "
                    f"is {shorten(digest)}, expected {shorten(expected)}; run the row "
                    "again on the same"
                )
        recipe = {
            step: {key: value for key, value in sections.items() if key != "seed"}
            for step, sections in result["config"].items()
        }
        key = result["direction"], result["row"], result["network"]
        expected, first = recipes.setdefault(key, (recipe, path))
        if recipe != expected:
            raise InputError(
                f"{path} is of another config than {first}: "
                f"{_difference(recipe, expected)}; run the row again with one config"
            )
    return list(found.values())


def _read_result(path: Path, root: Path) -> dict:
    text = path.read_bytes()
    remedy = "expected what reproduce leaves in OUT/results: run its row again"
    try:
        _Result.model_validate_json(text)
        result = json.loads(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{path} is damaged, {place or 'it'} holds {shorten(first['input'])}: "
            f"{first['msg'].lower()}; {remedy}"
        ) from None
    named = result_path(root, result)
    if named != path:
        raise InputError(f"{path} holds the result of {named}; {remedy}")
    return result


def _difference(found, expected, place="") -> str:
    """Return the first value that differs, as `step.section.key A, expected B`."""
    if isinstance(found, Mapping) and isinstance(expected, Mapping):
        for key in sorted(found.keys() | expected.keys()):
            if found.get(key) != expected.get(key):
                place = f"{place}.{key}" if place else key
                return _difference(found.get(key), expected.get(key), place)
    return f"{place} {shorten(found)}, expected {shorten(expected)}"


def in_order(results: Sequence[dict], experiment: Experiment) -> list[dict]:
    """Return entries by seed, direction and row, as the experiment has these.

    Raises:
        InputError: one is of a direction that the experiment has not.
    """
    directions = [direction.name for direction in experiment.directions]
    rows = [(row.row, row.network) for row in experiment.rows]
    for result in results:
        if result["direction"] not in directions:
            raise InputError(
                f"a result is of the direction {shorten(result['direction'])}, "
                f"expected one of {experiment.name}'s: {', '.join(directions)}"
            )

    def place(result):
        pair = result["row"], result["network"]
        return (
            result["seed"],
            directions.index(result["direction"]),
            rows.index(pair) if pair in rows else len(rows),
            pair,
        )

    return sorted(results, key=place)


def table_line(result: Mapping) -> dict:
    """Return an entry's line of results.json and results.csv."""
    return {name: result[name] for name in COLUMNS}
