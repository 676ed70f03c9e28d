"""What the demo shows: its table, the sheets and plots, and the report of them all."""

from pathlib import Path

import numpy as np
from PIL import Image

from tfipgan.data.datasets import read_dataset, read_images
from tfipgan.demo import METHODS, Demo
from tfipgan.evaluation.figures import cmc_plot, loss_plot
from tfipgan.evaluation.report import write_report
from tfipgan.evaluation.sheets import image_sheet
from tfipgan.evaluation.text_table import format_table

COLUMNS = ("training images", "network", "rank-1", "rank-5", "mAP", "identity accuracy")
SHEET_PEOPLE = 6
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
    sheets = {}
    for method in reversed(METHODS):
        sheets[method] = figures / f"translated_{method}.png"
        _translated_sheet(demo, method, sheets[method])
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
    source = results["source_test"]
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
                f"source's own test split: rank-1 {source['rank-1']:.3f}, mAP "
                f"{source['mAP']:.3f}.",
            }
        ],
        figures=[
            {
                "title": f"Source images, translated by {TITLES[method]}",
                "path": sheet,
                "caption": "First row: real images of the target's cameras. Below: a "
                "person of the source, and the same image in the style of each camera.",
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


def _translated_sheet(demo: Demo, method: str, path: Path) -> None:
    """Draw real target images above source images and their translations."""
    target = read_dataset(demo.data / "target", splits=("train",)).train
    cameras = sorted({sample.camera_id for sample in target})
    # Another person in each column, so that the row shows the camera and not a person.
    persons = sorted({sample.person_id for sample in target})
    real = [
        next(s.path for s in target if (s.camera_id, s.person_id) == pair)
        for pair in zip(cameras, persons, strict=False)
    ]
    translated = {}
    for sample in read_images(demo.out / "translated" / method):
        stem = Path(sample.path).stem.rsplit("_to_c", 1)[0]
        translated.setdefault(sample.person_id, {}).setdefault(stem, {})[
            sample.camera_id
        ] = sample.path
    source = {
        Path(s.path).stem: s.path
        for s in read_dataset(demo.data / "source", splits=("train",)).train
    }
    height, width = _first_size(translated)
    rows = [[None, *(_pixels(p, (height, width)) for p in real)]]
    people = sorted(translated)
    step = max(1, len(people) // SHEET_PEOPLE)
    for place, person in enumerate(people[::step][:SHEET_PEOPLE]):
        stems = sorted(translated[person])
        stem = stems[place * len(stems) // SHEET_PEOPLE]
        rows.append(
            [
                _pixels(source[stem], (height, width)),
                *(_pixels(translated[person][stem][c], None) for c in cameras),
            ]
        )
    image_sheet(
        rows,
        ["source", *(f"camera {camera}" for camera in cameras)],
        ["real", *([TITLES[method]] * (len(rows) - 1))],
        path,
        scale=3 if height < 100 else 2,
    )


def _first_size(translated) -> tuple[int, int]:
    by_stem = next(iter(translated.values()))
    path = next(iter(next(iter(by_stem.values())).values()))
    return _pixels(path, None).shape[:2]


def _pixels(path, size):
    with Image.open(path) as image:
        if size is not None:
            image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
        return np.asarray(image.convert("RGB"))
