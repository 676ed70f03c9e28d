"""What `tfipgan reproduce` runs, and which row each number is for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tfipgan.experiments.chain import Command


@dataclass(frozen=True)
class StepOutput:
    """What a step makes.

    Attributes:
        name: of the step.
        kind: the command that makes it, such as "train-gan".
        command: its name in the plan.
        path: the file or folder; None of a number that is printed.
        figures: folder of `evaluate --figures`, or None.
    """

    name: str
    kind: str
    command: str
    path: Path | None
    figures: Path | None = None


@dataclass(frozen=True)
class Row:
    """A chain of steps, the last evaluation of which is an entry of results.json.

    Attributes:
        direction, row, network, seed: as there.
        key: of the row in experiment.yaml.
        steps: what its own steps make, in their order.
        data: folders of the direction's datasets, by their names.
    """

    direction: str
    row: str
    network: str
    seed: int
    key: str
    steps: tuple[StepOutput, ...]
    data: Mapping[str, Path] = field(default_factory=dict)

    def last(self, kind: str) -> StepOutput | None:
        """Return what its last step of a kind makes."""
        return next((s for s in reversed(self.steps) if s.kind == kind), None)

    @property
    def metrics(self) -> StepOutput:
        """The evaluation whose numbers are the row's."""
        found = self.last("evaluate")
        assert found is not None, "experiment.yaml's rows have one"
        return found


@dataclass(frozen=True)
class Plan:
    """The commands in an order in which they could run, and what they are for."""

    commands: tuple[Command, ...]
    rows: tuple[Row, ...]

    @property
    def makers(self) -> dict[str, str]:
        """Names of the commands, by the --out of each."""
        return {
            after: command.name
            for command in self.commands
            for word, after in zip(
                command.arguments, command.arguments[1:], strict=False
            )
            if word == "--out"
        }

    def needed_for(self, row: Row) -> tuple[Command, ...]:
        """Return the row's commands and those that these read, in their order."""
        return _closure(self.commands, {step.command for step in row.steps})


def part_of(plan: Plan, wanted: Callable[[Row], bool]) -> Plan:
    """Return the plan of some rows, with all that they need."""
    rows = tuple(row for row in plan.rows if wanted(row))
    names = {step.command for row in rows for step in row.steps}
    return Plan(_closure(plan.commands, names), rows)


def _closure(commands, names: set[str]) -> tuple[Command, ...]:
    names = set(names)
    # Each comes after those that it reads.
    for command in reversed(commands):
        if command.name in names:
            names.update(command.after)
    return tuple(c for c in commands if c.name in names)
