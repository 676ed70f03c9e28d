"""All measured numbers of an experiment, as Markdown and as CSV."""

import csv
import io
from collections.abc import Mapping, Sequence

from tfipgan.experiments.claims import TITLE, order_sentence, order_table
from tfipgan.experiments.experiment import Direction, Experiment
from tfipgan.experiments.quality_tables import quality_table, table_2
from tfipgan.experiments.reid_tables import (
    adapted_rows,
    other_rows,
    table_1,
    table_3,
    table_4,
)
from tfipgan.experiments.result_files import COLUMNS
from tfipgan.experiments.rows import choose, seeds_of


def results_csv(results: Sequence[Mapping]) -> str:
    """Return results.json as CSV: a line a run, fractions of 1, empty for none."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(results)
    return text.getvalue()


def results_markdown(
    results: Sequence[Mapping], experiment: Experiment, introduction: str = ""
) -> str:
    """Return everything that was measured as Markdown.

    Whether the paper's order comes out, Tables 1 to 4 of each direction with the
    paper's numbers beside the measured ones, the quality of the translations, other
    rows, and how it was made. Rows that were not run are dashes.

    Args:
        results: an entry a run, see `tfipgan.experiments.result_files`.
        experiment: what the config folder describes.
        introduction: Markdown that comes before the tables.
    """
    directions = measured_directions(results, experiment)
    parts = [
        f"# {experiment.title}",
        introduction.strip(),
        experiment.note,
        reading(results),
        f"## {TITLE}",
        "\n".join(f"- {line}" for line in order_sentences(results, experiment)),
        *_markdown(order_table(results, directions)),
    ]
    for direction in directions:
        parts.append(f"## {direction.title}")
        for table in direction_tables(results, direction):
            parts += [f"### {table['title']}", *_markdown(table)]
    origin = made_table(results)
    parts += [f"## {origin['title']}", *_markdown(origin)]
    return "\n\n".join(part for part in parts if part) + "\n"


def measured_directions(
    results: Sequence[Mapping], experiment: Experiment
) -> list[Direction]:
    """Return the directions that have a run, in the experiment's order."""
    return [d for d in experiment.directions if choose(results, direction=d.name)]


def order_sentences(results: Sequence[Mapping], experiment: Experiment) -> list[str]:
    """Return in a line for each direction which of the paper's claims hold."""
    return [
        order_sentence(results, direction)
        for direction in measured_directions(results, experiment)
    ]


def direction_tables(results: Sequence[Mapping], direction: Direction) -> list[dict]:
    """Return a direction's tables, as `write_report` takes them."""
    tables = [
        table_1(results, direction),
        table_2(results, direction),
        table_3(results, direction),
        table_4(results, direction),
        adapted_rows(results, direction),
        quality_table(results, direction),
        other_rows(results, direction),
    ]
    return [table for table in tables if table is not None]


def reading(results: Sequence[Mapping]) -> str:
    """Return in a sentence what the numbers of all tables are."""
    seeds = seeds_of(results)
    if len(seeds) == 1:
        return f"Shares are in percent, measured with one seed ({seeds[0]})."
    return (
        f"Shares are in percent: mean ± sample standard deviation over {len(seeds)} "
        f"seeds ({', '.join(map(str, seeds))})."
    )


def commands_of(results: Sequence[Mapping]) -> dict[str, float]:
    """Return the seconds of each command that the results needed, by its line."""
    return {
        command["command"]: command["seconds"]
        for result in results
        for command in result["commands"]
    }


def made_table(results: Sequence[Mapping]) -> dict:
    """Return seeds, time and versions as a table."""
    versions: dict[str, list[str]] = {}
    for result in results:
        for name, version in result["versions"].items():
            found = versions.setdefault(name, [])
            if version not in found:
                found.append(version)
    rows = [
        ["seeds", ", ".join(map(str, seeds_of(results)))],
        [
            "time of all commands together",
            _duration(sum(commands_of(results).values())),
        ],
        *([name, ", ".join(found)] for name, found in versions.items()),
    ]
    return {"title": "Seeds, time, versions", "columns": ["what", ""], "rows": rows}


def _markdown(table: Mapping) -> list[str]:
    """Return a table and its note, each a part of its own."""
    right = table.get("right", [False] * len(table["columns"]))
    lines = [table["columns"], ["---:" if to_right else "---" for to_right in right]]
    for row in table["rows"]:
        # A bar in a cell would end it.
        lines.append([str(cell).replace("|", "\\|") for cell in row])
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return [text, table.get("note", "")]


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
