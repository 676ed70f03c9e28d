"""What the demo shows: its table, the sheets and plots, and the report of them all."""

from pathlib import Path

from tfipgan.data.datasets import read_dataset, read_images
from tfipgan.experiments.demo import METHODS, Demo
from tfipgan.reports.figures import cmc_plot, loss_plot
from tfipgan.reports.html_report import write_report
from tfipgan.reports.text_table import format_table
from tfipgan.reports.translated_sheet import CAPTION, translated_sheet

COLUMNS = ("training images", "network", "rank-1", "rank-5", "mAP", "identity accuracy")
TITLES = {"direct transfer": "source", "stargan": "StarGAN", "ipgan": "IPGAN"}


def results_table(results: dict) -> str:
    """Return the table of results.json's rows as text."""
    source = results["source_test"]
    return (
        f"{format_table(COLUMNS, _rows(results))}\n\n"
        f"The baseline on the source's own test split: rank-1 {source['rank-1']:.3f}, "
        f"mAP {source['mAP']:.3f}"
    )


def write_demo_report(demo: Demo, results: dict) -> Path:
    """Draw the figures into the demo's folder; return the path of report.html."""
    figures = demo.out / "figures"
    source, target = (
        read_dataset(demo.data / name, splits=("train",)).train
        for name in ("source", "target")
    )
    sheets = {}
    for method in reversed(METHODS):
        sheets[method] = figures / f"translated_{method}.png"
        translated = read_images(demo.out / "translated" / method)
        translated_sheet(
            source, target, translated, sheets[method], method=TITLES[method]
        )
    curves = {
        f"{TITLES[row['name']]}, {row['network']}": demo.metrics(
            row["name"].replace(" ", "_")
            + ("" if row["network"] == "baseline" else f"_{row['network']}"),
            "target",
        )["cmc"]
        for row in results["rows"]
    }
    cmc_plot(curves, figures / "cmc.png")
    loss_plot(
        {TITLES[method]: demo.gan_history(method) for method in METHODS},
        figures / "losses.png",
    )
    source_test = results["source_test"]
    path = demo.out / "report.html"
    write_report(
        path,
        title="IPGAN on the built-in world",
        summary=[
            "Two datasets of drawn pedestrians: a labelled source, and a target whose "
            "cameras look different and whose people are others. Each row is a network "
            "trained on the source's images, as they are or translated to the target's "
            "cameras, and tested on the target.",
            f"The whole chain took {results['seconds']:.0f} seconds. Every number was "
            "measured in this run, with one seed.",
        ],
        tables=[
            {
                "title": "On the target's query and gallery",
                "columns": COLUMNS,
                "rows": _rows(results),
                "note": "Fractions of 1. Identity accuracy: the share of translated "
                "images whose person is still named by a classifier of the real source "
                "images that the generator was not trained with. The baseline on the "
                f"source's own test split: rank-1 {source_test['rank-1']:.3f}, mAP "
                f"{source_test['mAP']:.3f}.",
            }
        ],
        figures=[
            {
                "title": f"Source images, translated by {TITLES[method]}",
                "path": sheet,
                "caption": CAPTION,
            }
            for method, sheet in sheets.items()
        ]
        + [
            {
                "title": "Cumulative matching characteristic",
                "path": figures / "cmc.png",
                "caption": "The share of queries with a right match in the first k.",
            },
            {
                "title": "Losses over time",
                "path": figures / "losses.png",
                "caption": "Each term before its weight.",
            },
        ],
        commands=[str(command) for command in demo.commands],
        footnotes=[
            "The people and places are drawn by `tfipgan synthesize`; numbers on them "
            "say that the method works, not how it fares on real cameras."
        ],
    )
    return path


def _rows(results: dict) -> list[list]:
    return [
        [
            TITLES[row["name"]],
            row["network"],
            row["rank-1"],
            row["rank-5"],
            row["mAP"],
            row["identity_accuracy"],
        ]
        for row in results["rows"]
    ]
