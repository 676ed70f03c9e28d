"""CMC and mean average precision of a query set against a gallery set."""

import numpy as np

from tfipgan.errors import InputError
from tfipgan.evaluation.feature_set import FeatureSet

METRICS = ("euclidean", "cosine")
APS = ("standard", "trapezoid")
PROTOCOLS = ("market1501", "cross-camera-off")
RANKS = (1, 5, 10, 20)
CMC_LENGTH = 50

_JUNK = -1
# Matrix products of few rows take other code in BLAS, which rounds equal columns
# differently and so breaks ties between identical gallery images.
_MIN_BLOCK_ROWS = 16


def evaluate_ranking(
    query: FeatureSet,
    gallery: FeatureSet,
    metric: str = "euclidean",
    ap: str = "standard",
    protocol: str = "market1501",
    memory_bytes: int = 2**28,
) -> dict:
    """Computes CMC and mAP, exactly, without holding the whole distance matrix.

    The rank of a positive is one more than the number of valid gallery images nearer
    to the query, or as near and earlier in the gallery.

    metric: "euclidean", or "cosine" (1 - the cosine of the angle); float32.
    ap: "standard" (mean of the precision at each positive), or "trapezoid" (Market-1501
      evaluation code: mean of the precision just before and at each positive, where
      "before" is 1 at rank 1).
    protocol: "market1501" leaves out the gallery images of the query's own person under
      the query's own camera; "cross-camera-off" keeps them, and leaves out only the
      query image itself: the gallery rows with the very same path, where both sets have
      paths. Both leave out junk (person id -1). Person id 0, a distractor in
      Market-1501, is an identity like any other.
    memory_bytes: for the block of distances held at a time, which is of 16 queries at
      least. Copies of the inputs are not counted: a gallery with junk is copied
      without it, and "cosine" copies both sets.

    Queries without a positive among their valid gallery images, junk queries among
    them, are left out of the means and counted.

    Returns a dict of plain Python values: "rank-1", "rank-5", "rank-10", "rank-20",
    "mAP" (fractions of 1); "cmc", the fractions of rank 1 to 50, or to the size of the
    gallery without junk; "metric", "ap", "protocol"; "num_queries" (all),
    "num_queries_evaluated", "num_queries_without_match", "num_gallery" (all),
    "num_gallery_junk". Rank-k of a gallery smaller than k is the CMC's last value.

    Raises InputError for unknown options, features of different lengths, unlabelled
    images (person id below -1, or, where the protocol looks at cameras, camera id below
    0), a gallery of junk only, features too large for float32 distances, zero features
    under "cosine", and if no query at all has a positive.
    """
    _check_choice("metric", metric, METRICS)
    _check_choice("ap", ap, APS)
    _check_choice("protocol", protocol, PROTOCOLS)
    if memory_bytes <= 0:
        raise InputError(f"memory_bytes is {memory_bytes}, expected a positive number")
    for name, features in (("query", query), ("gallery", gallery)):
        _check_labels(name, features, needs_cameras=protocol == "market1501")
    if query.features.shape[1] != gallery.features.shape[1]:
        raise InputError(
            f"query features have {query.features.shape[1]} values, gallery features "
            f"{gallery.features.shape[1]}; extract both with the same network"
        )

    num_gallery = len(gallery)
    query_paths, gallery_paths = _path_numbers(query, gallery)
    kept = gallery.person_ids != _JUNK
    if not kept.any():
        raise InputError(
            f"all {num_gallery} gallery images are junk (person id -1); expected "
            "images of persons: check the gallery folder and the file name format"
        )
    persons, cameras, features = (
        gallery.person_ids,
        gallery.camera_ids,
        gallery.features,
    )
    if not kept.all():
        persons, cameras, features = persons[kept], cameras[kept], features[kept]
        gallery_paths = None if gallery_paths is None else gallery_paths[kept]

    first_ranks = []
    precisions = []
    for index, row in enumerate(
        _distance_rows(query.features, features, metric, memory_bytes)
    ):
        positive = persons == query.person_ids[index]
        if protocol == "market1501":
            excluded = positive & (cameras == query.camera_ids[index])
        elif query_paths is not None:
            excluded = gallery_paths == query_paths[index]
        else:
            excluded = np.zeros_like(positive)
        row[excluded] = np.inf
        positions = np.flatnonzero(positive & ~excluded)
        if len(positions):
            ranks = _ranks(row, positions)
            first_ranks.append(ranks[0])
            precisions.append(_average_precision(ranks, ap))
    if not first_ranks:
        raise InputError(_why_no_match(query, persons, protocol))

    length = min(CMC_LENGTH, len(persons))
    hits = np.bincount(first_ranks, minlength=length + 1)[1 : length + 1]
    cmc = (np.cumsum(hits) / len(first_ranks)).tolist()
    return {
        **{f"rank-{k}": cmc[min(k, length) - 1] for k in RANKS},
        "mAP": float(np.mean(precisions)),
        "cmc": cmc,
        "metric": metric,
        "ap": ap,
        "protocol": protocol,
        "num_queries": len(query),
        "num_queries_evaluated": len(first_ranks),
        "num_queries_without_match": len(query) - len(first_ranks),
        "num_gallery": num_gallery,
        "num_gallery_junk": num_gallery - len(persons),
    }


def _distance_rows(query, gallery, metric, memory_bytes):
    """Yields for each query its writable row of distances, float32 (gallery)."""
    if metric == "cosine":
        query, gallery = _unit_rows("query", query), _unit_rows("gallery", gallery)
    else:
        query_norms, gallery_norms = _squared_norms(query), _squared_norms(gallery)
        # (||q|| + ||g||)^2 bounds every term of the expansion below.
        largest = (query_norms.max() ** 0.5 + gallery_norms.max() ** 0.5) ** 2
        if largest > np.finfo(np.float32).max:
            raise InputError(
                "features are too large: squared distances of up to "
                f"{largest:.1e} don't fit float32; scale or normalise the features"
            )
        query_norms = query_norms.astype(np.float32)
        gallery_norms = gallery_norms.astype(np.float32)
    bytes_per_row = gallery.itemsize * len(gallery)
    rows = min(max(_MIN_BLOCK_ROWS, len(query)), memory_bytes // bytes_per_row)
    rows = max(_MIN_BLOCK_ROWS, rows)
    for start in range(0, len(query), rows):
        # Every block has the same shape (the last one repeats the last query), so that
        # every query's distances are rounded alike.
        indices = np.minimum(np.arange(start, start + rows), len(query) - 1)
        block = query[indices] @ gallery.T
        if metric == "cosine":
            np.subtract(1, block, out=block)
        else:
            block *= -2
            block += query_norms[indices, None]
            block += gallery_norms
            np.maximum(block, 0, out=block)
        yield from block[: len(query) - start]


def _ranks(row: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Sorted ranks, from 1, of the gallery positions in a row of distances.

    Counting what is nearer needs one pass for each positive, of which there are few;
    sorting the whole row costs several times as much.
    """
    ranks = [
        np.count_nonzero(row[:position] <= row[position])
        + np.count_nonzero(row[position:] < row[position])
        for position in positions
    ]
    return np.sort(ranks) + 1


def _average_precision(ranks: np.ndarray, ap: str) -> float:
    hits = np.arange(1, len(ranks) + 1)
    precision = hits / ranks
    if ap == "trapezoid":
        before = np.where(ranks == 1, 1.0, (hits - 1) / np.maximum(ranks - 1, 1))
        precision = (before + precision) / 2
    return float(precision.mean())


def _squared_norms(features: np.ndarray) -> np.ndarray:
    return np.einsum("nd,nd->n", features, features, dtype=np.float64)


def _unit_rows(name: str, features: np.ndarray) -> np.ndarray:
    norms = np.sqrt(_squared_norms(features)).astype(np.float32)
    if not norms.all():
        raise InputError(
            f"{name} row {int(norms.argmin())} is all zeros and has no direction; "
            "use the euclidean metric or look for a dead network"
        )
    return features / norms[:, None]


def _path_numbers(query: FeatureSet, gallery: FeatureSet):
    """Numbers that are equal where paths are, int64; (None, None) without paths."""
    if query.paths is None or gallery.paths is None:
        return None, None
    both = np.concatenate([query.paths, gallery.paths])
    numbers = np.unique(both, return_inverse=True)[1]
    return numbers[: len(query)], numbers[len(query) :]


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InputError(f"{name} is {value!r}, expected one of: {', '.join(choices)}")


def _check_labels(name: str, features: FeatureSet, needs_cameras: bool) -> None:
    unlabelled = int((features.person_ids < _JUNK).sum())
    if unlabelled:
        raise InputError(
            f"{unlabelled} of {len(features)} {name} images have no person id (-2); "
            "ranking needs one for each: read the images with their file name format"
        )
    # Junk is never ranked, so its camera doesn't matter.
    camera_ids = features.camera_ids[features.person_ids != _JUNK]
    unknown = int((camera_ids < 0).sum())
    if needs_cameras and unknown:
        raise InputError(
            f"{unknown} of {len(features)} {name} images have no camera id (-1), which "
            "the protocol 'market1501' needs: read the images with their file name "
            "format, or use 'cross-camera-off'"
        )


def _why_no_match(query: FeatureSet, gallery_persons: np.ndarray, protocol: str) -> str:
    found = f"none of the {len(query)} queries has a match in the gallery: "
    if not np.isin(query.person_ids, gallery_persons).any():
        return found + (
            "the two have no person in common; check that query and gallery are of "
            "the same dataset and that no labels are missing"
        )
    if protocol == "market1501":
        return found + (
            "all images of a query's person are of the query's own camera "
            f"(query cameras: {_short_list(np.unique(query.camera_ids))}); a dataset "
            "of one camera needs the protocol 'cross-camera-off'"
        )
    return found + (
        "the only images of a query's person are the query images themselves; add "
        "other images of these persons to the gallery"
    )


def _short_list(values: np.ndarray) -> str:
    shown = ", ".join(str(value) for value in values[:8])
    return shown + (", ..." if len(values) > 8 else "")
