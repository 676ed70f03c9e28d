"""report.html of an experiment: its tables, and what its first seed looks like."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from tfipgan.experiments.claims import order_table
from tfipgan.experiments.direction_figures import (
    DirectionFiles,
    draw_bars,
    draw_figures,
)
from tfipgan.experiments.experiment import Experiment
from tfipgan.experiments.quality_tables import camera_table
from tfipgan.experiments.tables import (
    commands_of,
    direction_tables,
    made_table,
    measured_directions,
    order_sentences,
    reading,
)
from tfipgan.reports.html_report import write_report


def write_reproduce_report(
    path: str | os.PathLike,
    results: Sequence[Mapping],
    experiment: Experiment,
    files: Mapping[str, DirectionFiles | None],
) -> None:
    """Write the report; its figures are left as PNG files in `figures` beside it.

    Args:
        path: of the page, which needs no other file.
        results, experiment: as for `results_markdown`.
        files: of the first seed, by the direction's name.

    Raises:
        InputError, OSError: a log or an image can't be read, or the page not written.
    """
    directions = measured_directions(results, experiment)
    folder = Path(path).parent / "figures"
    tables = [order_table(results, directions)]
    figures, camera_tables = [], []
    for direction in directions:
        for table in direction_tables(results, direction):
            tables.append({**table, "title": f"{direction.title}. {table['title']}"})
        bars = draw_bars(folder, results, direction)
        figures += [bars] if bars else []
        figures += draw_figures(folder, direction, files.get(direction.name))
        camera_tables += [
            camera_table(results, direction, row) for row in ("stargan", "ipgan")
        ]
    write_report(
        path,
        title=experiment.title,
        summary=[
            text
            for text in (
                experiment.note,
                reading(results),
                *order_sentences(results, experiment),
            )
            if text
        ],
        tables=tables,
        figures=figures,
        details=[table for table in camera_tables if table] + [made_table(results)],
        commands=list(commands_of(results)),
    )
