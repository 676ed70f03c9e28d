"""What `tfipgan reproduce` leaves beside the runs: numbers, tables and the report."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from tfipgan.errors import InputError, shorten_name
from tfipgan.experiments.direction_figures import direction_files
from tfipgan.experiments.experiment import Experiment, load_experiment
from tfipgan.experiments.plan import Plan
from tfipgan.experiments.reproduce_report import write_reproduce_report
from tfipgan.experiments.result_files import (
    in_order,
    read_results,
    table_line,
    write_results,
)
from tfipgan.experiments.rows import seeds_of
from tfipgan.experiments.tables import results_csv, results_markdown
from tfipgan.files.output_file import atomic_file

# Of a folder of results: what stands before its tables.
INTRODUCTION = "introduction.md"


def write_output(
    out: Path, results: Sequence[Mapping], experiment: Experiment, plan: Plan
) -> str:
    """Write results/, results.json, results.csv, tables.md and report.html.

    Args:
        out: the folder of all that was made.
        results: as `tfipgan.experiments.results` collects them.

    Returns:
        What tables.md holds.
    """
    write_results(out / "results", results)
    tables = write_tables(out, results, experiment)
    files = {
        direction.name: direction_files(plan, direction, seeds_of(results)[0])
        for direction in experiment.directions
    }
    write_reproduce_report(out / "report.html", results, experiment, files)
    return tables


def collect_folder(folder: Path, config_folder: str | None = None) -> str:
    """Return the tables of the results that are kept in a folder, as Markdown.

    Args:
        folder: as `read_results` takes it; its introduction.md, if any, comes first.
        config_folder: of the experiment whose tables they are for, as `load_experiment`
            takes it; None for that of the results.

    Raises:
        InputError: as `read_results` says, or they are of several experiments, or one
            is of another experiment's direction.
        ConfigError: as `load_experiment`.
        OSError: one can't be read.
    """
    results = read_results(folder)
    if config_folder is None:
        names = sorted({result["experiment"] for result in results})
        if len(names) > 1:
            raise InputError(
                f"{folder} has results of {shorten_name(', '.join(names))}, expected "
                "of one experiment: give CONFIG_FOLDER, whose tables they are for"
            )
        (config_folder,) = names
    experiment = load_experiment(config_folder)
    results = in_order(results, experiment)
    path = folder / INTRODUCTION
    try:
        introduction = path.read_text(encoding="utf-8-sig") if path.is_file() else ""
    except UnicodeDecodeError:
        raise InputError(f"{path}: expected Markdown in UTF-8") from None
    return results_markdown(results, experiment, introduction)


def write_tables(out: Path, results: Sequence[Mapping], experiment: Experiment) -> str:
    """Write results.json, results.csv and tables.md; return what the last holds."""
    tables = results_markdown(results, experiment)
    lines = [table_line(result) for result in results]
    for name, text in (
        ("results.json", json.dumps(lines, indent=1) + "\n"),
        ("results.csv", results_csv(lines)),
        ("tables.md", tables),
    ):
        with atomic_file(out / name) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    return tables
