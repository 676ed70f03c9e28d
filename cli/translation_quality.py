"""tfipgan translation-quality: how near translated images come to each camera."""

import json

import click

from tfipgan.cli.common import (
    FOLDER,
    NEW_FILE,
    dataset_options,
    runtime_options,
    skip_option,
)

_COLUMNS = {
    "camera": "camera",
    "images": "images",
    "accuracy": "accuracy",
    "real images": "real_images",
    "real accuracy": "real_accuracy",
    "distance": "distance",
    "source distance": "source_distance",
    "floor": "floor",
    "sharpness": "sharpness",
    "fine": "fine",
}


@click.command("translation-quality")
@click.option(
    "--translated", type=FOLDER, required=True, help="Folder that translate made."
)
@click.option(
    "--target",
    type=FOLDER,
    required=True,
    help="Dataset, or folder of images, with cameras, that it was translated to.",
)
@click.option(
    "--classifier",
    type=FOLDER,
    required=True,
    help="Run of train-reid with reid.labels=camera on the target.",
)
@click.option(
    "--source", type=FOLDER, help="Dataset that was translated; to compare with."
)
@click.option("--json", "json_path", type=NEW_FILE, help="Write all numbers here.")
@skip_option("the log says how many")
@dataset_options("source")
@dataset_options("target")
@runtime_options
def translation_quality(
    translated,
    target,
    classifier,
    source,
    json_path,
    skip_unreadable,
    source_format,
    source_pattern,
    target_format,
    target_pattern,
    progress,
):
    """Print how well translated images pass for images of each target camera.

    For each camera: how many of its translated images the classifier takes for its own,
    and how many of real images that nothing was trained on (query and gallery, without
    junk and distractors); and the kernel distance in the classifier's features from
    the camera's real training images to the translated ones, to the source's as they
    are (with --source), and to those real ones, which is the floor. Without a network:
    sharpness, the energy of the translated images' gradients, and fine, that of their
    highest frequencies, each over the real training images'; 1 is as sharp.
    docs/method.md defines them.
    """
    from tfipgan.data.datasets import (
        read_dataset,
        read_images,
        training_samples,
    )
    from tfipgan.evaluation.translation_quality import translation_quality as measure
    from tfipgan.runs.run import load_reid_network, open_run, require_camera_classifier
    from tfipgan.translation.manifest_check import readable_as_listed

    run = open_run(classifier, "reid")
    labels = require_camera_classifier(run)
    misnamed = {} if skip_unreadable else None
    naming = {
        "format": source_format,
        "pattern": source_pattern,
        "misnamed": misnamed,
    }
    real, held_out = _target_images(target, target_format, target_pattern, misnamed)
    sets = [
        (translated, read_images(translated, **naming)),
        (target, real),
        (target, held_out),
        (source, training_samples(read_dataset(source, splits=("train",), **naming)))
        if source is not None
        else (target, ()),
    ]
    reading = {"skip": skip_unreadable, "progress": progress}
    sets = [
        readable_as_listed(folder, samples, **reading)[0] for folder, samples in sets
    ]
    found = measure(
        load_reid_network(run),
        labels,
        *sets,
        image_size=run.config.reid.image_size,
        batch_size=run.config.evaluation.batch_size,
        progress=progress,
    )
    if json_path is not None:
        _write_json(found, json_path)
    click.echo(_table(found))


def _target_images(target, format, pattern, misnamed):
    """Return the target's training images, and those of query and gallery, if any."""
    from tfipgan.data.datasets import camera_samples, read_split
    from tfipgan.data.filenames import JUNK
    from tfipgan.data.layouts import find_layout

    layout = find_layout(
        target,
        format=format,
        pattern=pattern,
        splits=("train",),
        flat=True,
        skip=misnamed is not None,
    )
    held_out = [
        sample
        for split in ("query", "gallery")
        if split in layout.folders
        for sample in read_split(layout, split, misnamed)
        # Cuttings that show no person, or half of one.
        if sample.person_id != JUNK and not sample.distractor
    ]
    return camera_samples(read_split(layout, "train", misnamed)), held_out


def _table(found):
    from tfipgan.reports.text_table import format_table

    keys = list(_COLUMNS.values())
    rows = [[values[key] for key in keys] for values in found["cameras"]]
    rows.append(["all", *(found.get(key) for key in keys[1:])])
    return format_table(list(_COLUMNS), rows)


def _write_json(found, path):
    from tfipgan.files.output_file import atomic_file

    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(found, indent=2) + "\n")
