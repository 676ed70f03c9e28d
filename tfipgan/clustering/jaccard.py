"""Jaccard distance of k-reciprocal neighbours, as sparse rows.

Zhong et al., "Re-ranking Person Re-identification with k-reciprocal Encoding", CVPR
2017, in the form in which unsupervised re-identification clusters by it (Dai et al.,
"Cluster Contrast for Unsupervised Person Re-Identification", ACCV 2022): weights are a
softmax of minus the squared distance, which isn't divided by its largest value, and the
first distance takes no part in the result.
"""

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from tfipgan.errors import InputError

# Pairs whose features are multiplied at a time: few enough to stay in the cache.
_PAIR_VALUES = 2**18
# A distance and its column, in a list of parts and in the whole that is made of them.
_BYTES_OF_PAIR = 16
# A weight, its place, the smaller of two weights, and what NumPy makes on the way.
_BYTES_OF_TERM = 64
# Blocks of rows beyond this are no faster.
_BLOCK_BYTES = 2**26


def plain_codes(
    features: np.ndarray, neighbours: np.ndarray, k: int, k2: int, memory_bytes: int
) -> sparse.csr_array:
    """Return each image's code by its k-reciprocal neighbours, rows with a sum of 1.

    Args:
        features: float32 (N, D), rows of length 1.
        neighbours: int32 (N, k or more), the nearest first, each image its own first.
        k: neighbours, itself included, in which two images must find each other. The
            mutual ones within the round(k / 2) + 1 nearest of a mutual neighbour join
            where more than two thirds of them are mutual neighbours already.
        k2: neighbours, itself included, over which a code is averaged.
        memory_bytes: for blocks of rows.
    """
    mutual = reciprocal(neighbours[:, :k])
    # The published code rounds halves to even, as Python does.
    close = reciprocal(neighbours[:, : min(k, round(k / 2) + 1)])
    sizes = np.diff(close.indptr)
    # A row of the product names k neighbours' close ones at most.
    block_bytes = min(memory_bytes, _BLOCK_BYTES)
    rows_at_a_time = max(1, block_bytes // (_BYTES_OF_TERM * k * k))
    parts = []
    for at in range(0, mutual.shape[0], rows_at_a_time):
        own = mutual[at : at + rows_at_a_time]
        shared = (own @ close.T).multiply(own).tocoo()
        joins = 3 * shared.data > 2 * sizes[shared.col]
        ones = np.ones(joins.sum(), np.int32)
        places = shared.row[joins], shared.col[joins]
        joined = sparse.csr_array((ones, places), shape=own.shape)
        parts.append(own + joined @ close)
    sets = sparse.csr_array(sparse.vstack(parts, "csr"))
    return averaged(weighted(features, sets), [neighbours[:, :k2]])


def reciprocal(neighbours: np.ndarray) -> sparse.csr_array:
    """Return who has each other among their neighbours, int32 ones, (N, N).

    Args:
        neighbours: int32 (N, k), no image twice in a row; -1 for none.
    """
    count, k = neighbours.shape
    valid = neighbours >= 0
    starts = np.append(0, np.cumsum(valid.sum(axis=1)))
    columns = neighbours[valid]
    ones = np.ones(len(columns), np.int32)
    named = sparse.csr_array((ones, columns, starts), shape=(count, count))
    return named.multiply(named.T).tocsr()


def weighted(features: np.ndarray, sets: sparse.csr_array) -> sparse.csr_array:
    """Return weights softmax(-squared distance) over each image's set, float32.

    Args:
        features: float32 (N, D), rows of length 1.
        sets: (N, N), whose places count and whose values don't; no row is empty.
    """
    sets.sort_indices()
    owners = np.repeat(np.arange(sets.shape[0]), np.diff(sets.indptr))
    values = np.empty(len(owners), np.float32)
    step = max(1, _PAIR_VALUES // features.shape[1])
    for at in range(0, len(owners), step):
        run = slice(at, at + step)
        pairs = features[owners[run]], features[sets.indices[run]]
        values[run] = np.einsum("nd,nd->n", *pairs)
    # -(2 - 2 cos) up to a factor that all of a row have.
    np.exp(2 * values - 2, out=values)
    values /= np.add.reduceat(values, sets.indptr[:-1])[owners]
    return sparse.csr_array((values, sets.indices, sets.indptr), shape=sets.shape)


def averaged(codes: sparse.csr_array, lists: list[np.ndarray]) -> sparse.csr_array:
    """Return the mean of the codes that each image's lists name (local expansion).

    Args:
        codes: float32 (N, N).
        lists: int32 (N, k) each, -1 for none; each image is named once at least.
    """
    named = np.concatenate(lists, axis=1)
    valid = named >= 0
    sizes = valid.sum(axis=1)
    shares = np.repeat((1 / sizes).astype(np.float32), sizes)
    starts = np.append(0, np.cumsum(sizes))
    means = sparse.csr_array((shares, named[valid], starts), shape=codes.shape)
    result = means @ codes
    result.sort_indices()
    return result


def jaccard_distances(
    codes: sparse.csr_array, memory_bytes: int, limit: float = 1.0
) -> sparse.csr_array:
    """Return the Jaccard distance of all pairs of images that are nearer than `limit`.

    It is 1 - s / (2 - s), of the sum s of the smaller of two codes' weights, column by
    column. Pairs that are left out share nothing, or too little for `limit`.

    Args:
        codes: float32 (N, N), rows with a sum of 1.
        memory_bytes: for blocks of rows, and for the result.
        limit: above 0, up to 1.

    Returns:
        float32 (N, N), symmetric, its columns in order; each image has itself at an
        explicit 0.

    Raises:
        InputError: for images so much alike that their pairs fill `memory_bytes`.
    """
    count = codes.shape[0]
    columns, values = [], []
    lengths = np.zeros(count, np.int64)
    block_bytes = min(memory_bytes // 4, _BLOCK_BYTES)
    for at, near in _near_rows(codes, block_bytes, limit):
        lengths[at : at + near.shape[0]] = np.diff(near.indptr)
        columns.append(near.indices.astype(np.int32))
        values.append(near.data)
        pairs = int(lengths.sum())
        if _BYTES_OF_PAIR * pairs > memory_bytes // 4 * 3:
            raise InputError(
                f"{at + near.shape[0]} of {count} images have {pairs} pairs with "
                f"common neighbours, more than {memory_bytes} bytes hold; allow more "
                "memory, or look for a network that gives all images the same features"
            )
    starts = np.append(0, np.cumsum(lengths))
    parts = np.concatenate(values), np.concatenate(columns), starts
    return sparse.csr_array(parts, shape=codes.shape)


def _near_rows(codes, memory_bytes, limit) -> Iterator[tuple[int, sparse.csr_array]]:
    count = codes.shape[0]
    holders = codes.T.tocsr()
    held = np.diff(holders.indptr)
    # Terms of each row's sums: as many as hold a value in one of its columns.
    terms = np.add.reduceat(held[codes.indices], codes.indptr[:-1])
    costs = np.cumsum(_BYTES_OF_TERM * terms + 2 * 8 * count)
    first = 0
    while first < count:
        spent = costs[first - 1] if first else 0
        last = int(np.searchsorted(costs, spent + memory_bytes, "right"))
        last = max(first + 1, last)
        own = slice(codes.indptr[first], codes.indptr[last])
        entries, rows = codes.indices[own], np.arange(last - first)
        rows = np.repeat(rows, np.diff(codes.indptr[first : last + 1]))
        sizes = held[entries]
        places = _ranges(holders.indptr[entries], sizes)
        smaller = np.minimum(np.repeat(codes.data[own], sizes), holders.data[places])
        keys = np.repeat(rows * count, sizes) + holders.indices[places]
        sums = np.bincount(keys, smaller, minlength=(last - first) * count)
        sums = sums.reshape(last - first, count)
        near = sparse.csr_array(sums)
        near.data = np.maximum(1 - near.data / (2 - near.data), 0).astype(np.float32)
        yield first, _kept(near, limit, first)
        first = last


def _kept(near, limit, first):
    """Return the pairs below `limit`; an image's distance to itself is exactly 0."""
    owners = np.repeat(np.arange(near.shape[0]), np.diff(near.indptr))
    near.data[near.indices == owners + first] = 0
    kept = near.data < np.float32(limit)
    lengths = np.bincount(owners[kept], minlength=near.shape[0])
    starts = np.append(0, np.cumsum(lengths))
    return sparse.csr_array(
        (near.data[kept], near.indices[kept], starts), shape=near.shape
    )


def _ranges(starts, sizes):
    """Return the ranges [start, start + size) of all starts, one after the other."""
    ends = np.cumsum(sizes)
    return np.arange(ends[-1]) + np.repeat(starts - ends + sizes, sizes)
