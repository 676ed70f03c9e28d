"""The plan of an experiment: a command for each step of its rows.

OUT/DIRECTION/seed_K/ROW/STEP   what each step of a row makes
OUT/DIRECTION/seed_K/shared/    what the steps make that belong to no row
OUT/data/world_K/               the built-in world's datasets, seed K's
OUT/logs/                       of each command, see `tfipgan.experiments.chain`

What two steps would make alike is made once, where the first of them is.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tfipgan.config import Config, load_config, packaged_folder, to_dict
from tfipgan.errors import ConfigError, shorten_name
from tfipgan.experiments.chain import Command
from tfipgan.experiments.experiment import Direction, Experiment
from tfipgan.experiments.plan import Plan, Row, StepOutput, part_of
from tfipgan.experiments.row_steps import SHARED, RowSteps
from tfipgan.experiments.steps import STAGES, Step

_SYNTHESIZE_SECONDS = 9


def make_plan(
    experiment: Experiment,
    out: Path,
    data: Path,
    seeds: Sequence[int],
    *,
    directions: Sequence[str] = (),
    rows: Sequence[str] = (),
    overrides: Sequence[str] = (),
    threads: int = 1,
) -> Plan:
    """Return what is to be run for the rows of an experiment.

    Args:
        out: the folder of all that is made.
        data: the folder of the datasets.
        seeds: of the trainings and of the built-in world; each row runs once with each.
        directions, rows: names of those to run, a row's being its key; no names are
            all.
        overrides: config values, as for --set.
        threads: CPU threads of each command.

    Raises:
        ConfigError: an unknown direction or row, or a config that can't be used.
    """
    _require_known(directions, (d.name for d in experiment.directions), "--direction")
    _require_known(rows, (row.key for row in experiment.rows), "--row")
    for override in overrides:
        if _sets_seed(override):
            raise ConfigError(
                f"--set {shorten_name(override)}: expected other values; the seeds are "
                "as many as --seeds says, from --first-seed"
            )
    planner = _Planner(experiment, out, data, overrides, threads)
    # Seed by seed: a first table is whole before the second seed begins.
    for seed in seeds:
        for direction in experiment.directions:
            planner.add(direction, seed)
    # Chosen from all, so that what is made once has its place whoever asks first.
    return part_of(
        planner.plan(),
        lambda row: (
            (not directions or row.direction in directions)
            and (not rows or row.key in rows)
        ),
    )


def _require_known(names, known, option):
    known = tuple(known)
    for name in names:
        if name not in known:
            raise ConfigError(
                f"{option} {shorten_name(name)}: expected one of {', '.join(known)}"
            )


@dataclass(frozen=True)
class _Place:
    """Where a step stands: a direction, a seed, and a row's key or SHARED."""

    direction: Direction
    seed: int
    owner: str
    folder: Path


class _Planner:
    """Gathers the commands; asked twice for the same thing, it gives the first."""

    def __init__(self, experiment, out, data, overrides, threads):
        self._experiment = experiment
        self._out = out
        self._data = data
        self._overrides = overrides
        self._threads = threads
        self._configs: dict[tuple, Config] = {}
        self._commands: dict[str, Command] = {}
        self._rows: list[Row] = []
        # By all that decides what is made.
        self._outputs: dict[str, StepOutput] = {}

    def plan(self) -> Plan:
        return Plan(tuple(self._commands.values()), tuple(self._rows))

    def add(self, direction: Direction, seed: int) -> None:
        """Add the rows of one direction and seed."""
        data, made_by = self._datasets(direction, seed)
        given = {
            name: StepOutput(name, "synthesize", made_by, data[folder])
            for name, folder in (
                ("source", direction.source),
                ("target", direction.target),
            )
        }
        shared = dict(given)
        scopes: dict[str, dict[str, StepOutput]] = {}
        for row in self._experiment.rows:
            before = scopes[row.after] if row.after is not None else given
            scopes[row.key] = scope = dict(before)
            self._rows.append(self._row(direction, seed, row, scope, shared, data))

    def _row(self, direction, seed, row: RowSteps, scope, shared, data) -> Row:
        place = self._place(direction, seed, row.key)
        steps = []
        for step in row.steps:
            for name in self._shared_names(step):
                scope[name] = self._shared(direction, seed, name, shared)
            scope[step.name] = self._step(place, step, scope)
            steps.append(scope[step.name])
        return Row(
            *(direction.name, row.row, row.network, seed, row.key, tuple(steps), data)
        )

    def _shared(self, direction, seed, name, shared) -> StepOutput:
        """Return what a step that belongs to no row makes, once it is asked for."""
        if name not in shared:
            step = self._experiment.steps[name]
            for read in self._shared_names(step):
                self._shared(direction, seed, read, shared)
            place = self._place(direction, seed, SHARED)
            shared[name] = self._step(place, step, shared)
        return shared[name]

    def _shared_names(self, step) -> list[str]:
        return sorted(step.reads() & self._experiment.steps.keys())

    def _place(self, direction, seed, owner):
        folder = self._out / direction.name / f"seed_{seed}" / owner
        return _Place(direction, seed, owner, folder)

    def _step(
        self, place: _Place, step: Step, scope: Mapping[str, StepOutput]
    ) -> StepOutput:
        """Return what a step makes, with a command for it where there is none."""
        read = {name: scope[name] for name in sorted(step.reads() & scope.keys())}
        values = {name: output.path for name, output in read.items()}
        words = step.filled_in({**values, "seed": place.seed, "here": place.folder})
        words, config, settings, changes = self._configured(place, step, words)
        key = json.dumps([step.command, words, settings])
        if key in self._outputs:
            return replace(self._outputs[key], name=step.name)
        stage = STAGES[step.command]
        path = None
        if stage.output:
            path = place.folder / f"{step.name}{stage.ending}"
        direction = place.direction.name
        command = Command(
            f"{direction}-seed_{place.seed}-{place.owner}-{step.name}",
            (
                *(step.command, *config, *words),
                *((stage.output, str(path)) if stage.output else ()),
                *changes,
            ),
            tuple(
                dict.fromkeys(
                    output.command for output in read.values() if output.command
                )
            ),
            (
                *((f"--threads={self._threads}",) if stage.computes else ()),
                *(("--resume",) if stage.resumes else ()),
            ),
            path if stage.is_whole else None,
            settings,
            stage.weight,
        )
        self._commands[command.name] = command
        figures = _value_of(words, "--figures")
        self._outputs[key] = output = StepOutput(
            step.name,
            step.command,
            command.name,
            path,
            Path(figures) if figures else None,
        )
        return output

    def _configured(self, place, step, words):
        """Return the words without their config, and what it is and says."""
        name = _value_of(words, "--config")
        if name is None:
            return words, (), {}, ()
        own = [
            after
            for word, after in zip(words, words[1:], strict=False)
            if word == "--set"
        ]
        seeds = [value for value in own if _sets_seed(value)]
        from_run = STAGES[step.command].from_run
        given = [v for v in self._overrides if _section_of(v) not in from_run]
        values = [value for value in own if value not in seeds] + given
        config = self._config(place.direction, name, (*values, *seeds))
        if not seeds:
            config = replace(config, seed=place.seed)
        values += seeds or [f"seed={place.seed}"]
        sections = STAGES[step.command].sections
        settings = {key: v for key, v in to_dict(config).items() if key in sections}
        rest = _without(words, "--config", "--set")
        reference = ("--config", _reference(place.direction, name))
        changes = tuple(word for value in values for word in ("--set", value))
        return rest, reference, settings, changes

    def _config(self, direction, name, values) -> Config:
        path = direction.configs / f"{name}.yaml"
        key = path, values
        if not path.is_file():
            raise ConfigError(
                f"--config {shorten_name(name)} of experiment.yaml: {path} not found; "
                "expected the name of a file of that folder, without .yaml"
            )
        if key not in self._configs:
            self._configs[key] = load_config(*key)
        return self._configs[key]

    def _datasets(self, direction, seed) -> tuple[dict[str, Path], str]:
        """Return the direction's datasets, and the name of the command for them."""
        world, folder, name = self._experiment.world, self._data, ""
        if world is not None:
            folder, name = self._data / f"world_{seed}", f"synthesize-world_{seed}"
            options = (
                f"--{key.replace('_', '-')}={value}" for key, value in world.items()
            )
            self._commands[name] = Command(
                name,
                ("synthesize", str(folder), f"--seed={seed}", *options),
                # The dataset that is written last.
                makes=folder / "target",
                weight=_SYNTHESIZE_SECONDS,
            )
        return {d: folder / d for d in (direction.source, direction.target)}, name


def _sets_seed(override: str) -> bool:
    return _section_of(override) == "seed"


def _section_of(override: str) -> str:
    return override.partition("=")[0].partition(".")[0].strip()


def _value_of(words, option) -> str | None:
    """Return the word after an option."""
    return words[words.index(option) + 1] if option in words else None


def _without(words, *options) -> list[str]:
    """Return the words but options and their values."""
    left, rest = [], iter(words)
    for word in rest:
        if word in options:
            next(rest)
        else:
            left.append(word)
    return left


def _reference(direction, name) -> str:
    """Return how a config is named on a command line."""
    path = direction.configs / name
    if path.is_absolute() and path.is_relative_to(packaged_folder()):
        return path.relative_to(packaged_folder()).as_posix()
    return f"{path}.yaml"
