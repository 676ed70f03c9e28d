"""Image files to a server, and the feature file of its answers."""

import contextlib
import logging
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from tfipgan.data.datasets import log_doubts, read_images
from tfipgan.data.doubts import misread_numbers
from tfipgan.data.filenames import (
    NO_CAMERA,
    UNLABELLED,
    Sample,
    matching_format,
    parse_sample,
)
from tfipgan.data.layouts import find_naming
from tfipgan.data.local_images import check_images
from tfipgan.errors import InputError, first_few, shorten_name
from tfipgan.evaluation.feature_set import FeatureSet
from tfipgan.serving.client import Client
from tfipgan.serving.client_batches import each_answer
from tfipgan.serving.client_errors import RefusedError

_SHOWN = 3

logger = logging.getLogger(__name__)


def find_images(
    images: str | os.PathLike, format: str = "auto", pattern: str | None = None
) -> tuple[tuple[Sample, ...], Path]:
    """Return the samples of a file, or of all images below a folder; and the folder.

    Names that match no format are read as unlabelled, as `tfipgan extract` does.

    Raises:
        InputError: nothing is there, or a folder without images.
        ConfigError: an unknown format or a pattern that can't be used.
    """
    images = Path(images)
    if not images.is_file():
        if not images.exists():
            raise InputError(f"{images} does not exist; expected an image or a folder")
        samples = read_images(images, format=format, pattern=pattern, labelled=False)
        return samples, images
    format, compiled = find_naming(images.parent, format=format, pattern=pattern)
    if compiled:
        log_doubts(images, misread_numbers([images.name], compiled))
    known = matching_format(images.name) if format == "auto" else format
    sample = parse_sample(str(images), images.name, known, compiled) if known else None
    return (sample or Sample(str(images), UNLABELLED, NO_CAMERA),), images.parent


def extract_files(
    client: Client,
    samples: Sequence[Sample],
    *,
    batch_size: int = 32,
    in_flight: int = 4,
    skip_unreadable: bool = False,
    progress: bool = False,
) -> FeatureSet:
    """Return the embeddings that a server gives for image files, in their order.

    Args:
        client: of a server with the model `extractor`.
        samples: at least one.
        batch_size, in_flight: images of a request, and requests at a time.
        skip_unreadable: leave out what can't be decoded here or there, with a line in
            the log for each; else the first such image is an error.
        progress: whether to show a progress bar on stderr.

    Raises:
        InputError: an image that can't be decoded, and what `Client.extract` raises.
        ServerError: as `Client.extract`.
    """
    kept, rows = [], []

    def take(sample, row):
        kept.append(sample)
        rows.append(row)

    query_files(
        samples, client.extract, take, lambda: batch_size,
        in_flight=in_flight, skip_unreadable=skip_unreadable, progress=progress,
    )  # fmt: skip
    return FeatureSet(
        np.stack(rows),
        np.array([s.person_id for s in kept], np.int64),
        np.array([s.camera_id for s in kept], np.int64),
        [s.path for s in kept],
    )


def query_files(
    samples: Sequence[Sample],
    ask: Callable[[list[bytes]], Sequence],
    take: Callable[[Sample, object], None],
    batch_size: Callable[[], int],
    *,
    wanted: Callable[[Sample], bool] = lambda sample: True,
    in_flight: int = 4,
    skip_unreadable: bool = False,
    progress: bool = False,
) -> int:
    """Give each sample and the server's answer for its file to `take`, in order.

    Args:
        samples: at least one.
        ask, batch_size: as for `each_answer`.
        wanted: asked before a file is read; the others are left out.
        in_flight, skip_unreadable, progress: as for `extract_files`.

    Returns:
        How many were not wanted.

    Raises:
        InputError: an image that can't be decoded here or there; what `ask` raises.
    """
    images, unreadable = check_images([s.path for s in samples], progress=progress)
    broken = [f"{shorten_name(path)} ({why})" for path, why in unreadable.items()]
    if broken and (not skip_unreadable or len(broken) == len(samples)):
        raise InputError(
            f"images that can't be read ({len(broken)} of {len(samples)}): "
            f"{first_few(broken, _SHOWN)}; "
            "mend or remove them, or leave them out with --skip-unreadable"
        )
    for line in broken:
        logger.warning("left out: %s", line)
    bar = tqdm(
        total=len(samples) - len(broken),
        unit="image",
        disable=not progress,
        dynamic_ncols=True,
    )
    counts = Counter()

    def pending():
        for sample, image in zip(samples, images, strict=True):
            if image is not None and wanted(sample):
                yield sample, image
            elif image is not None:
                counts["there"] += 1
                bar.update()

    answers = each_answer(pending(), ask, batch_size, in_flight=in_flight)
    # Lines of the log go above the bar, not into it.
    with logging_redirect_tqdm(), bar, contextlib.closing(answers):
        for sample, answer in answers:
            if not isinstance(answer, RefusedError):
                take(sample, answer)
            elif skip_unreadable:
                logger.warning("left out: %s: %s", sample.path, answer)
            else:
                raise InputError(
                    f"{sample.path}: {answer}; mend or remove it, or leave it out with "
                    "--skip-unreadable"
                )
            bar.update()
    return counts["there"]
