"""What a network makes of the datasets that `tfipgan evaluate` is given."""

import functools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from tfipgan.cli.evaluation_results import EvaluatedSets
from tfipgan.data.datasets import read_dataset
from tfipgan.data.multi_query import POOL_FOLDER, multi_query_pool
from tfipgan.data.readable import check_readable
from tfipgan.errors import InputError
from tfipgan.evaluation.activation_maps import activation_maps
from tfipgan.evaluation.features import extract_features
from tfipgan.runs.run import Run, load_reid_network


def features_of(
    run: Run,
    folders: Sequence[Path],
    *,
    format: str,
    pattern: str | None,
    flip: bool,
    pool_stripes: int | None,
    multi_query: bool,
    progress: bool,
) -> Iterator[EvaluatedSets]:
    """Read all datasets and their images, then yield the features of one by one.

    Raises:
        InputError: what `read_dataset`, `check_readable` and `extract_features` raise;
            a dataset is given twice.
    """
    places = [os.path.realpath(folder) for folder in folders]
    for number, folder in enumerate(folders):
        if places[number] in places[:number]:
            raise InputError(f"--data {folder} is given twice, expected other datasets")
    read = []
    for folder in folders:
        dataset = read_dataset(
            folder, format=format, pattern=pattern, splits=("query", "gallery")
        )
        pool = multi_query_pool(dataset) if multi_query else None
        # All before the first is worked on.
        read.append(
            [
                samples and check_readable(samples, progress=progress)[0]
                for samples in (dataset.query, dataset.gallery, pool)
            ]
        )
    network = load_reid_network(run)
    size, batch_size = run.config.reid.image_size, run.config.evaluation.batch_size
    for query, gallery, pool in read:
        samples = {sample.path: sample for sample in (*query, *gallery)}
        # No name for the features, which would hold them while the next are made.
        yield EvaluatedSets(
            *(
                split
                and extract_features(
                    network, split, size, batch_size, progress, flip, pool_stripes
                )
                for split in (query, gallery, pool)
            ),
            "query" if pool is None else POOL_FOLDER,
            functools.partial(_activation, network, samples, size, batch_size),
            pool_stripes=pool_stripes,
        )


def _activation(network, samples, size, batch_size, paths):
    paths = [*dict.fromkeys(paths)]
    found = activation_maps(network, [samples[p] for p in paths], size, batch_size)
    return dict(zip(paths, found, strict=True))
