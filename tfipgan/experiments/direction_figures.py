"""Figures of what the runs of one direction and one seed look like."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tfipgan.data.datasets import read_dataset, read_images
from tfipgan.experiments.experiment import Direction
from tfipgan.experiments.plan import Plan
from tfipgan.experiments.rows import (
    METHOD_TITLES,
    NETWORK_TITLES,
    choose,
    published_name,
)
from tfipgan.reports.bar_chart import bar_chart
from tfipgan.reports.cluster_report import cluster_figure
from tfipgan.reports.figures import cmc_plot, loss_plot
from tfipgan.reports.translated_sheet import CAPTION, translated_sheet

RANKED_LISTS = "ranked_lists.png"
_BARS = ("direct transfer", "stargan", "ipgan", "supervised")


@dataclass(frozen=True)
class DirectionFiles:
    """What the runs of one direction and one seed left, for the figures.

    A file or folder that is not there is passed over: its figure is left out.

    Attributes:
        source, target: the datasets' folders.
        translated: row -> its translated images' folder.
        gan_logs: row -> metrics.jsonl of its GAN's run.
        evaluations: (row, network) -> what `tfipgan evaluate --json` wrote.
        ranked_lists: (row, network) -> ranked_lists.png of `evaluate --figures`.
        adapted: (row, network) -> the run of `adapt` on clusters.
    """

    source: Path
    target: Path
    translated: Mapping[str, Path] = field(default_factory=dict)
    gan_logs: Mapping[str, Path] = field(default_factory=dict)
    evaluations: Mapping[tuple[str, str], Path] = field(default_factory=dict)
    ranked_lists: Mapping[tuple[str, str], Path] = field(default_factory=dict)
    adapted: Mapping[tuple[str, str], Path] = field(default_factory=dict)


def direction_files(
    plan: Plan, direction: Direction, seed: int
) -> DirectionFiles | None:
    """Return what a plan's runs of a direction and a seed leave; None without any."""
    rows = [
        row for row in plan.rows if (row.direction, row.seed) == (direction.name, seed)
    ]
    if not rows:
        return None
    return DirectionFiles(
        source=rows[0].data[direction.source],
        target=rows[0].data[direction.target],
        translated={
            row.row: output.path for row in rows if (output := row.last("translate"))
        },
        gan_logs={
            row.row: output.path / "metrics.jsonl"
            for row in rows
            if (output := row.last("train-gan"))
        },
        evaluations={(row.row, row.network): row.metrics.path for row in rows},
        ranked_lists={
            (row.row, row.network): row.metrics.figures / RANKED_LISTS
            for row in rows
            if row.metrics.figures is not None
        },
        adapted={
            (row.row, row.network): output.path
            for row in rows
            if (output := row.last("adapt"))
        },
    )


def draw_figures(
    folder: Path, direction: Direction, files: DirectionFiles | None
) -> list[dict]:
    """Draw sheets, CMC and losses as PNG files; return their entries in a page."""
    if files is None:
        return []
    figures = [
        *_sheets(folder, direction, files),
        _cmc(folder, direction, files),
        *_ranked_lists(direction, files),
        *_clusters(direction, files),
        _losses(folder, direction, files),
    ]
    return [figure for figure in figures if figure]


# Each of these draws a figure and gives its entry in the page, or None where there is
# nothing to draw.


def draw_bars(
    folder: Path, results: Sequence[Mapping], direction: Direction
) -> dict | None:
    """Draw the mAP of the paper's rows; None where none was measured."""
    bars: dict[str, dict[str, list[float]]] = {}
    for network, shown in NETWORK_TITLES.items():
        for row in _BARS:
            runs = choose(results, direction=direction.name, row=row, network=network)
            if runs:
                values = [run["mAP"] for run in runs]
                bars.setdefault(shown, {})[METHOD_TITLES[row]] = values
    if not bars:
        return None
    path = folder / f"{direction.name}_map.png"
    bar_chart(bars, path, title=f"mAP, {direction.title}", label="mAP (%)")
    return {
        "title": f"{direction.title}. mAP",
        "path": path,
        "caption": "Means over the seeds. With more than one, dots are the seeds and "
        "the error bar is one sample standard deviation to each side.",
    }


def _sheets(folder, direction, files) -> list[dict]:
    existing = {
        row: images for row, images in files.translated.items() if images.is_dir()
    }
    if not existing:
        return []
    source, target = (
        read_dataset(root, splits=("train",)) for root in (files.source, files.target)
    )
    figures = []
    for row, images in existing.items():
        method = METHOD_TITLES.get(row, row)
        path = folder / f"{direction.name}_{row.replace(' ', '_')}_translated.png"
        samples = read_images(images, format=source.format, pattern=source.pattern)
        translated_sheet(source.train, target.train, samples, path, method=method)
        figures.append(
            {
                "title": f"{direction.title}. Translated by {method}",
                "path": path,
                "caption": CAPTION,
            }
        )
    return figures


def _cmc(folder, direction, files) -> dict | None:
    curves = {
        published_name(*pair): json.loads(metrics.read_text())["cmc"]
        for pair, metrics in files.evaluations.items()
        # As many curves again, near those of the rows they are of.
        if metrics.is_file() and not pair[0].endswith("+statistics")
    }
    if not curves:
        return None
    path = folder / f"{direction.name}_cmc.png"
    cmc_plot(curves, path)
    return {
        "title": f"{direction.title}. Cumulative matching characteristic",
        "path": path,
        "caption": "The share of queries with a right match among the first k images, "
        "first seed.",
    }


def _ranked_lists(direction, files) -> list[dict]:
    return [
        {
            "title": f"{direction.title}. Ranked lists, {published_name(*pair)}",
            "path": sheet,
            "caption": "Queries from the best to the worst, first seed. Left the "
            "query, then the gallery images nearest to it that the protocol leaves in.",
        }
        for pair, sheet in files.ranked_lists.items()
        if sheet.is_file()
    ]


def _clusters(direction, files) -> list[dict]:
    """Return the last sheet of clusters of each run that made some."""
    found = []
    for pair, run in files.adapted.items():
        sheet = cluster_figure(run)
        if sheet is not None:
            title = f"{direction.title}. Clusters of {published_name(*pair)}"
            found.append({**sheet, "title": title})
    return found


def _losses(folder, direction, files) -> dict | None:
    histories = {
        METHOD_TITLES.get(row, row): [
            json.loads(line) for line in log.read_text().splitlines()
        ]
        for row, log in files.gan_logs.items()
        if log.is_file()
    }
    if not histories:
        return None
    path = folder / f"{direction.name}_losses.png"
    loss_plot(histories, path)
    return {
        "title": f"{direction.title}. Losses of the GANs over time",
        "path": path,
        "caption": "Each term before its weight, first seed.",
    }
