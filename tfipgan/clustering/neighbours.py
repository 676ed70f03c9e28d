"""Each image's nearest images, of all, of its own camera and of the other cameras."""

from math import isqrt

import numpy as np

# Squared distances of unit vectors are compared as whole multiples of this, about what
# float32 products tell apart: images alike are so in every block, and go by index.
_UNIT = 2.0**-22
_INDEX_BITS = 32
_NONE = np.iinfo(np.int64).max
# Blocks beyond the larger side are no faster.
_MIN_SIDE, _MAX_SIDE = 64, 2048
# A pair of images has 4 bytes of product, 8 of whole number and 8 of each key.
_BYTES_OF_PAIR = 40


def nearest(features: np.ndarray, k: int, memory_bytes: int) -> np.ndarray:
    """Return each image's k nearest by cosine, itself first, int32 (N, min(k, N)).

    Args:
        features: float32 (N, D), rows of length 1.
        k: 1 or more.
        memory_bytes: for blocks of products, of 64 x 64 images at least.
    """
    (found,) = _search(features, None, {"any": min(k, len(features))}, memory_bytes)
    return found


def nearest_by_camera(
    features: np.ndarray,
    cameras: np.ndarray,
    k_intra: int,
    k_inter: int,
    memory_bytes: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest of an image's own camera and those of all other cameras.

    Args:
        features: float32 (N, D), rows of length 1.
        cameras: int64 (N).
        k_intra: images of its own camera, itself included and first.
        k_inter: images of other cameras.
        memory_bytes: as in `nearest`.

    Returns:
        int32 (N, k_intra) and (N, k_inter), fewer where there are no more images;
        -1 where an image's camera, or all the others, have no more.
    """
    count = len(features)
    wanted = {"intra": min(k_intra, count), "inter": min(k_inter, count)}
    intra, inter = _search(features, cameras, wanted, memory_bytes)
    return intra, inter


def _search(features, cameras, wanted, memory_bytes):
    """Find the nearest of each kind in `wanted`, multiplying each two blocks once."""
    count = len(features)
    best = {kind: np.full((count, k), _NONE) for kind, k in wanted.items()}
    side = isqrt(memory_bytes // _BYTES_OF_PAIR)
    side = min(max(_MIN_SIDE, side), _MAX_SIDE)
    runs = [slice(at, min(at + side, count)) for at in range(0, count, side)]
    for number, rows in enumerate(runs):
        for columns in runs[number:]:
            steps = _whole_distances(features[rows], features[columns])
            same = None
            if cameras is not None:
                same = cameras[rows, None] == cameras[columns]
            for kind, lists in best.items():
                others = {"any": None, "intra": same, "inter": same}[kind]
                apart = None if others is None else others ^ (kind == "intra")
                _update(lists[rows], steps, apart, columns, rows == columns, kind)
                if rows != columns:
                    across = None if apart is None else apart.T
                    _update(lists[columns], steps.T, across, rows, False, kind)
    return [_indices(lists) for lists in best.values()]


def _whole_distances(rows, columns):
    squares = 2 - 2 * (rows @ columns.T)
    np.maximum(squares, 0, out=squares)
    return np.rint(squares / np.float32(_UNIT)).astype(np.int64)


def _update(best, steps, apart, columns, diagonal, kind):
    """Put a block's nearest among the best so far; `apart` marks those out of it."""
    # With the index below the distance no two keys are equal: ties have one answer.
    keys = np.left_shift(steps, _INDEX_BITS, order="C")
    keys |= np.arange(columns.start, columns.stop)
    if apart is not None:
        keys[apart] = _NONE
    if diagonal and kind != "inter":
        places = np.arange(columns.start, columns.stop)
        np.fill_diagonal(keys, places - 2**_INDEX_BITS)
    k = best.shape[1]
    if keys.shape[1] > k:
        keys.partition(k - 1, axis=1)
    both = np.concatenate([best, keys[:, :k]], axis=1)
    both.partition(k - 1, axis=1)
    best[:] = both[:, :k]


def _indices(best):
    best.sort(axis=1)
    indices = (best & (2**_INDEX_BITS - 1)).astype(np.int64)
    indices[best == _NONE] = -1
    # Columns that no image fills.
    filled = (indices >= 0).any(axis=0)
    return indices[:, filled].astype(np.int32)
