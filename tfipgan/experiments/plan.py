"""What `tfipgan reproduce` runs, and which row each number is for."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tfipgan.experiments.chain import Command


@dataclass(frozen=True)
class Translation:
    """The images of one generator.

    Attributes:
        direction, row, seed: row is the first that is trained on them.
        run, images: folders of the GAN run and of its images.
        d_sem, independent: names of the commands that print the identity accuracy;
            d_sem is None without D_sem.
        quality: file that translation-quality writes; None without camera classifier.
        measured_by: names of all commands that measure it.
    """

    direction: str
    row: str
    seed: int
    run: Path
    images: Path
    d_sem: str | None
    independent: str
    quality: Path | None
    measured_by: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """A re-ID run that is tested: one entry of results.json.

    Attributes:
        direction, row, network, seed: as there.
        run: folder of the run.
        metrics: file that evaluate writes.
        figures: folder of its ranked lists, or None.
        translation: what it is trained on; None if that is the source or the target.
        config: name of its config.
        measured_by: name of the command that evaluates it.
    """

    direction: str
    row: str
    network: str
    seed: int
    run: Path
    metrics: Path
    figures: Path | None
    translation: Translation | None
    config: str
    measured_by: str


@dataclass(frozen=True)
class Classifiers:
    """Names of the commands that print the accuracy on the real source images."""

    direction: str
    seed: int
    d_sem: str | None
    independent: str


@dataclass(frozen=True)
class Plan:
    """The commands in an order in which they could run, and what they measure."""

    commands: tuple[Command, ...]
    rows: tuple[Row, ...]
    translations: tuple[Translation, ...]
    classifiers: tuple[Classifiers, ...]


def part_of(plan: Plan, wanted: Callable[[Row], bool]) -> Plan:
    """Return the plan of some rows, with all that they need and that measures them."""
    rows = tuple(row for row in plan.rows if wanted(row))
    of_rows = [row.translation for row in rows if row.translation is not None]
    translations = tuple(t for t in plan.translations if t in of_rows)
    measured = {(t.direction, t.seed) for t in translations}
    classifiers = tuple(
        c for c in plan.classifiers if (c.direction, c.seed) in measured
    )
    needed = {row.measured_by for row in rows}
    needed.update(*(t.measured_by for t in translations))
    needed.update(*({c.independent, c.d_sem} for c in classifiers))
    # Each comes after those that it reads.
    for command in reversed(plan.commands):
        if command.name in needed:
            needed.update(command.after)
    commands = tuple(c for c in plan.commands if c.name in needed)
    return Plan(commands, rows, translations, classifiers)
