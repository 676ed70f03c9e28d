"""What `tfipgan reproduce` leaves beside the runs: numbers, tables and the report."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from tfipgan.experiments.experiment import Experiment
from tfipgan.experiments.plan import Plan
from tfipgan.experiments.reproduce_report import DirectionFiles, write_reproduce_report
from tfipgan.experiments.tables import results_csv, results_markdown
from tfipgan.files.output_file import written_aside

RANKED_LISTS = "ranked_lists.png"


def write_output(
    out: Path,
    data: Path,
    results: Sequence[Mapping],
    details: Mapping,
    experiment: Experiment,
    plan: Plan,
) -> str:
    """Write results.json, details.json, results.csv, tables.md and report.html.

    Args:
        out: the folder of all that was made.
        data: the folder of the datasets.
        results, details: as `tfipgan.experiments.results` collects them.

    Returns:
        What tables.md holds.
    """
    tables = results_markdown(results, details, experiment)
    for name, text in (
        ("results.json", json.dumps(results, indent=1) + "\n"),
        ("details.json", json.dumps(details, indent=1) + "\n"),
        ("results.csv", results_csv(results)),
        ("tables.md", tables),
    ):
        with written_aside(out / name) as aside:
            aside.write_text(text, encoding="utf-8")
    files = {
        direction.name: _files(plan, direction, data, details["seeds"][0])
        for direction in experiment.directions
    }
    write_reproduce_report(out / "report.html", results, details, experiment, files)
    return tables


def _files(plan, direction, data, seed):
    """Return what the report shows of a direction: its first seed."""
    translations = [
        translation
        for translation in plan.translations
        if (translation.direction, translation.seed) == (direction.name, seed)
    ]
    rows = [
        row for row in plan.rows if (row.direction, row.seed) == (direction.name, seed)
    ]
    return DirectionFiles(
        source=data / direction.source,
        target=data / direction.target,
        translated={t.row: t.images for t in translations},
        gan_logs={t.row: t.run / "metrics.jsonl" for t in translations},
        evaluations={(row.row, row.network): row.metrics for row in rows},
        ranked_lists={
            (row.row, row.network): row.figures / RANKED_LISTS
            for row in rows
            if row.figures is not None
        },
    )
