"""The rows of an experiment.yaml: how each is made, step by step."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tfipgan.errors import ConfigError, shorten, shorten_name
from tfipgan.experiments.steps import GIVEN, STAGES, Step, parse_step
from tfipgan.experiments.yaml_values import mapping, name_of, require

# The folder of the steps that belong to no row.
SHARED = "shared"
_KEYS = ("row", "network", "after", "steps")
_KEY, _NAME = (
    re.compile(r"[A-Za-z0-9][A-Za-z0-9_+.-]*"),
    re.compile(r"[A-Za-z0-9][A-Za-z0-9 _+.-]*"),
)


@dataclass(frozen=True)
class RowSteps:
    """How a row of the tables is made.

    Attributes:
        key: of it in experiment.yaml, a word.
        row, network: as in results.json; no two rows share both.
        after: key of the row that it goes on from: its steps can be read too.
        steps: at least one of them evaluates.
    """

    key: str
    row: str
    network: str
    after: str | None
    steps: tuple[Step, ...]

    @property
    def file_stem(self) -> str:
        """What its files of results begin with."""
        return file_stem(self.row, self.network)


def file_stem(row: str, network: str) -> str:
    """Return what a row's files of results begin with."""
    return f"{row.replace(' ', '_')}_{network}"


def read_shared_steps(values, path: Path) -> tuple[Step, ...]:
    """Read the steps that belong to no row.

    Raises:
        ConfigError: what is wrong with one.
    """
    return _steps(values, path, "steps", dict.fromkeys({*GIVEN} - {"here"}))


def _steps(values, path, where, known) -> tuple[Step, ...]:
    """Read lines, each of which may name what is known and the steps before it.

    Args:
        known: the command that makes it, by name; None of what is given.
    """
    known, steps = dict(known), []
    for name, line in mapping(values, path, where).items():
        step = parse_step(name, line, f"{path}: {where}")
        for read in sorted(step.reads()):
            made_by = known.get(read)
            if read in known and (made_by is None or STAGES[made_by].output):
                continue
            if read in known:
                raise ConfigError(
                    f"{path}: {where}.{name}: ${read} is a number that {made_by} "
                    "prints, expected the name of a file or folder"
                )
            raise ConfigError(
                f"{path}: {where}.{name}: ${shorten_name(read)} is not made before; "
                f"expected one of {', '.join(sorted(known))}"
            )
        known[name] = step.command
        steps.append(step)
    return tuple(steps)


def read_rows(values, path: Path, shared: Sequence[Step]) -> tuple[RowSteps, ...]:
    """Read the rows, whose steps may name the shared ones.

    Raises:
        ConfigError: what is wrong with one.
    """
    rows: dict[str, RowSteps] = {}
    names: dict[str, dict[str, str | None]] = {}
    for key, row in mapping(values, path, "rows").items():
        rows[key] = _row(key, row, path, shared, names)
    if not rows:
        raise ConfigError(f"{path}: rows: expected at least one, found none")
    firsts: dict[str, RowSteps] = {}
    for row in rows.values():
        first = firsts.setdefault(row.file_stem, row)
        if (first.row, first.network) != (row.row, row.network):
            raise ConfigError(
                f"{path}: rows: the results of {first.key} and {row.key} would both be "
                f"files {row.file_stem}_seed0.json; expected another `row` or `network`"
            )
        if first is not row:
            raise ConfigError(
                f"{path}: rows: {first.key} and {row.key} are both the row {row.row} "
                f"with the network {row.network}; expected another `row` or `network`"
            )
    return tuple(rows.values())


def _row(key, values, path, shared, names) -> RowSteps:
    """Read a row, and add what those after it can read to the names, by key."""
    where = f"rows.{shorten_name(key)}"
    # It is a folder's name.
    if not isinstance(key, str) or key == SHARED or not _KEY.fullmatch(key):
        raise ConfigError(
            f"{path}: {where}: expected a name of letters, digits and any of _+-., "
            f"not {SHARED}"
        )
    values = mapping(values, path, where, _KEYS)
    require(values, path, where, ("steps",))
    after = values.get("after")
    if after is not None and after not in list(names):
        raise ConfigError(
            f"{path}: {where}.after: expected a row that stands before it, found "
            f"{shorten(after)}"
        )
    own = {step.name: step.command for step in shared}
    known = {
        **dict.fromkeys(GIVEN),
        **own,
        **(names[after] if after is not None else {}),
    }
    steps = _steps(values["steps"], path, f"{where}.steps", known)
    for step in steps:
        if step.name in own:
            raise ConfigError(
                f"{path}: {where}.steps.{step.name}: a step outside the rows has that "
                "name; expected another"
            )
    if not any(step.command == "evaluate" for step in steps):
        raise ConfigError(f"{path}: {where}.steps: expected one that is an evaluate")
    names[key] = known | {step.name: step.command for step in steps}
    return RowSteps(
        key,
        _row_name(values.get("row", key.replace("_", " ")), path, f"{where}.row"),
        _row_name(values.get("network", "baseline"), path, f"{where}.network"),
        after,
        steps,
    )


def _row_name(value, path, where):
    """Read a name that is a part of a file's."""
    value = name_of(value, path, where)
    if not _NAME.fullmatch(value):
        raise ConfigError(
            f"{path}: {where}: expected letters, digits, spaces and any of _+-., "
            f"found {shorten(value)}"
        )
    return value
