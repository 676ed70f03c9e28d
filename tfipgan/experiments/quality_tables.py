"""Table 2 of the paper, and what else was measured on the translated images."""

from collections.abc import Mapping, Sequence

from tfipgan.experiments.experiment import Direction
from tfipgan.experiments.rows import (
    CHEAP,
    METHOD_TITLES,
    PERFECT,
    TRANSLATED,
    choose,
    distance,
    images_of,
    over_seeds,
    percent,
    qualities_of,
    ratio,
)

# Steps of a row that measure how many identities the classifiers name.
_IDENTITY = (
    "real_accuracy",
    "identity_accuracy",
    "semantic_real_accuracy",
    "semantic_accuracy",
)


def table_2(results: Sequence[Mapping], direction: Direction) -> dict:
    """Return Table 2: how many images' identities classifiers of the source name."""
    rows = []
    for row in _measured(results, direction):
        images = images_of(results, direction.name, row)
        cells = [METHOD_TITLES[row]]
        for measure in _IDENTITY:
            cells.append(percent(over_seeds(images, measure)))
        if direction.paper_identity:
            printed = direction.paper_identity.get(row)
            cells.append("-" if printed is None else f"{100 * printed:.1f}")
        rows.append(cells)
    columns = [
        "images",
        "independent: real",
        "independent: translated",
        "D_sem: real",
        "D_sem: translated",
    ]
    note = (
        "The share of images whose person a classifier of the source's people names. "
        "The independent one has D_sem's recipe and another seed; no generator was "
        "trained with it. IPGAN was trained with D_sem. Real: the source's training "
        "images, which both have learnt."
    )
    if direction.paper_identity:
        columns.append("paper: translated")
        note += " The paper prints 1.0 for real images."
    return {
        "title": "Table 2: identity accuracy",
        "columns": columns,
        "right": [False] + [True] * (len(columns) - 1),
        "rows": rows,
        "note": note,
    }


def _measured(results, direction) -> list[str]:
    """Return the rows whose images are looked at; those without a GAN if they were."""

    def run(row):
        return [row] if choose(results, direction=direction.name, row=row) else []

    return [*run(CHEAP[0]), *TRANSLATED, *run(PERFECT)]


def quality_table(results: Sequence[Mapping], direction: Direction) -> dict:
    """Return camera accuracy, kernel distance and sharpness of translated images."""
    rows = []
    for row in _measured(results, direction):
        qualities = qualities_of(results, direction.name, row)
        rows.append(
            [
                METHOD_TITLES[row],
                *(
                    percent(over_seeds(qualities, key))
                    for key in ("accuracy", "real_accuracy")
                ),
                *(
                    distance(over_seeds(qualities, key))
                    for key in ("distance", "source_distance", "floor")
                ),
                *(ratio(over_seeds(qualities, key)) for key in ("sharpness", "fine")),
            ]
        )
    return {
        "title": "Translation quality",
        "columns": [
            "images",
            "camera accuracy",
            "of real images",
            "kernel distance",
            "of source images",
            "floor",
            "sharpness",
            "fine",
        ],
        "right": [False] + [True] * 7,
        "rows": rows,
        "note": "Camera accuracy: the share of images whose camera is named by a "
        "classifier of the target's cameras, which no generator was trained with; of "
        "real images: held-out ones. Kernel distance: from the images to the camera's "
        "real ones in the features of this classifier, mean over the cameras; of "
        "source images: as they are; floor: of held-out real images. Sharpness and "
        "fine: the energy of the gradients, and of the highest frequencies, over that "
        "of real images.",
    }


def camera_table(
    results: Sequence[Mapping], direction: Direction, row: str
) -> dict | None:
    """Return a method's quality by cameras; None where it was not measured."""
    cameras: dict[int, list[Mapping]] = {}
    for quality in qualities_of(results, direction.name, row):
        for record in quality.get("cameras", ()):
            cameras.setdefault(record["camera"], []).append(record)
    if not cameras:
        return None
    return {
        "title": f"{direction.title}: {METHOD_TITLES.get(row, row)} by cameras",
        "columns": [
            "camera",
            "images",
            "camera accuracy",
            "of real images",
            "kernel distance",
            "of source images",
            "floor",
        ],
        "right": [True] * 7,
        "rows": [
            [
                camera,
                records[0]["images"],
                percent(over_seeds(records, "accuracy")),
                percent(over_seeds(records, "real_accuracy")),
                distance(over_seeds(records, "distance")),
                distance(over_seeds(records, "source_distance")),
                distance(over_seeds(records, "floor")),
            ]
            for camera, records in sorted(cameras.items())
        ],
    }
