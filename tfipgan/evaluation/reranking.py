"""k-reciprocal re-ranking, without a matrix of all pairs of images."""

from collections.abc import Iterator
from math import isqrt
from typing import NamedTuple

import numpy as np

from tfipgan.errors import InputError
from tfipgan.evaluation.conditioning import NEAR, fits_float32, squared_norms
from tfipgan.evaluation.exact_distances import exact_rows, squared_distances
from tfipgan.evaluation.near_pairs import (
    FeatureRows,
    places_below,
    row_parts,
    squared_differences,
)

_MIN_SIDE = 64
# Pairs whose features are compared at a time: few enough to stay in the cache.
_PAIR_VALUES = 2**18
_INDEX_BITS = 32


def reranked_rows(
    query: np.ndarray,
    gallery: np.ndarray,
    k1: int = 20,
    k2: int = 6,
    lambda_value: float = 0.3,
    memory_bytes: int = 2**28,
) -> Iterator[np.ndarray]:
    """Re-ranks the gallery for each query by the neighbours that they share.

    Zhong et al., "Re-ranking Person Re-identification with k-reciprocal Encoding",
    CVPR 2017, as in their published code: the neighbours of an image are searched among
    all queries and gallery images. Ties go to the earlier image, queries before the
    gallery; an image is always its own nearest.

    Args:
        query: float32 (Q, D).
        gallery: float32 (G, D). Distances are Euclidean; rows of length 1 give the
            order of the cosine. They are of float32 products, or of float64 where
            `fits_float32` says that those would not tell the images apart, and of the
            features' differences between images that are nearly equal.
        k1: neighbours in which two images must find each other, 1 or more.
        k2: neighbours, itself included, over which an image's code is averaged, 1
            (which changes nothing) to k1.
        lambda_value: weight of the squared distance (as a share of the query's largest)
            in the result, 0 to 1; the rest is the Jaccard distance.
        memory_bytes: for blocks of distances, which are of 64 x 64 images, or of one
            query's row, at least. The features and a few lists for each image, in
            proportion to the images that its code names, are not counted.

    Returns:
        An iterator over the queries in their order, each with its writable row of
        distances, float32 (G), in [0, 1] but for rounding.

    Raises:
        InputError: at once, for options out of their range, an empty set, features of
            different lengths, and features that are not finite.
    """
    _check_options(k1, k2, lambda_value, memory_bytes)
    images = _Images(np.asarray(query, np.float32), np.asarray(gallery, np.float32))
    return _rows(images, k1, k2, lambda_value, memory_bytes)


def _rows(images, k1, k2, lambda_value, memory_bytes):
    neighbours, farthest = _nearest(images, min(k1 + 1, len(images)), memory_bytes)
    # All images equal: any divisor gives their distances of 0.
    farthest[farthest == 0] = 1
    # The published code rounds halves to even, as Python does.
    sets = _expanded_sets(neighbours, round(k1 / 2) + 1, memory_bytes)
    codes = _codes(images, sets, farthest)
    codes = _averaged(codes, neighbours[:, :k2], memory_bytes)
    del neighbours, sets
    num_queries = len(images.query)
    holders = _transposed(codes.starts[num_queries:], codes, len(images))
    # Twice: the caller may still hold a row of the last block.
    bytes_per_row = 2 * images.squares.itemsize * len(images.gallery)
    for rows in _slices(num_queries, memory_bytes // bytes_per_row):
        block = images.squared_distances(rows, slice(num_queries, len(images)))
        for index, row in enumerate(block, rows.start):
            overlap = _overlap(codes, index, holders, len(images.gallery))
            row *= lambda_value / farthest[index]
            row += (1 - lambda_value) * (1 - overlap / (2 - overlap))
            yield row.astype(np.float32, copy=False)
        del block


class _Images:
    """Query and gallery as one list of images, without a copy of them.

    Attributes:
        query, gallery: as given.
        squares: (N), of float32, or of float64 where distances are.
    """

    def __init__(self, query: np.ndarray, gallery: np.ndarray):
        for name, features in (("query", query), ("gallery", gallery)):
            if features.ndim != 2 or 0 in features.shape:
                raise InputError(
                    f"{name} features have shape {features.shape}, expected (images, "
                    "values) with at least one of each"
                )
        if query.shape[1] != gallery.shape[1]:
            raise InputError(
                f"query features have {query.shape[1]} values, gallery features "
                f"{gallery.shape[1]}; extract both with the same network"
            )
        self.query, self.gallery = query, gallery
        norms = squared_norms(query), squared_norms(gallery)
        if not np.isfinite(norms[0].sum() + norms[1].sum()):
            raise InputError("features are not finite; look for a diverged network")
        # Each set is searched for the neighbours of both.
        pairs = (query, gallery, *norms), (gallery, query, *norms[::-1])
        self._is_exact = not all(fits_float32(*pair, "euclidean") for pair in pairs)
        self._sets: tuple[FeatureRows, FeatureRows]
        if not self._is_exact:
            self._sets = tuple(FeatureRows(part, "euclidean") for part in pairs[0][:2])
            self.squares = np.concatenate(norms).astype(np.float32)
        else:
            self._sets = exact = exact_rows(query, gallery, "euclidean")
            self.squares = np.concatenate([part.squares for part in exact])
            # No distance is more than twice as long as the longest row.
            self._unit = 2.0 ** np.ceil(np.log2(self.squares.max() or 1) / 2 + 1)

    def __len__(self) -> int:
        return len(self.squares)

    def slices(self, most: int) -> list[slice]:
        """Split queries, then gallery, into slices of at most `most` images."""
        first = len(self.query)
        return _slices(first, most) + [
            slice(first + run.start, first + run.stop)
            for run in _slices(len(self.gallery), most)
        ]

    def squared_distances(self, rows: slice, columns: slice) -> np.ndarray:
        """(rows, columns), as `squares`, for two runs as `slices` gives them."""
        first, its_rows = self._set_of(rows)
        second, its_columns = self._set_of(columns)
        if self._is_exact:
            its_rows = np.arange(its_rows.start, its_rows.stop)
            return squared_distances(first, its_rows, second, its_columns)
        block = self._run(rows) @ self._run(columns).T
        block *= -2
        block += self.squares[rows, None]
        block += self.squares[columns]
        np.maximum(block, 0, out=block)
        for part in row_parts(block):
            # A near image is about as long as the row's.
            limits = 2 * NEAR * self.squares[rows][part]
            places, near = places_below(block[part], limits)
            numbers = its_rows.start + part.start + places
            block[part][places, near] = squared_differences(
                first, numbers, second, its_columns.start + near
            )
        return block

    def order_bits(self, block: np.ndarray) -> np.ndarray:
        """Whole numbers, int32, in the order of squared distances."""
        if self._is_exact:
            # Roots, as squares take twice the exponents that float32 has.
            block = (np.sqrt(block) / self._unit).astype(np.float32)
        # The bits of floats of 0 and more are in the floats' order.
        return block.view(np.int32)

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Return a copy of the features of these images, as `squares`, (indices, D)."""
        queries = indices < len(self.query)
        features = np.empty((len(indices), self.query.shape[1]), self.squares.dtype)
        features[queries] = self.query[indices[queries]]
        features[~queries] = self.gallery[indices[~queries] - len(self.query)]
        return features

    def _run(self, run: slice) -> np.ndarray:
        first = len(self.query)
        if run.start < first:
            return self.query[run]
        return self.gallery[run.start - first : run.stop - first]

    def _set_of(self, run: slice):
        """Return a run's set, and which of its rows it is."""
        first = len(self.query)
        if run.start < first:
            return self._sets[0], run
        return self._sets[1], slice(run.start - first, run.stop - first)


class _SparseRows(NamedTuple):
    """Row i has the values of starts[i] to starts[i + 1] in their columns, else 0."""

    starts: np.ndarray
    columns: np.ndarray
    values: np.ndarray


def _nearest(images, k, memory_bytes):
    """Return each image's k nearest, itself first, and its largest squared distance.

    int32 (N, k) and, as `images.squares`, (N).
    """
    best = np.full((len(images), k), np.iinfo(np.int64).max)
    farthest = np.zeros(len(images), images.squares.dtype)
    # A pair of images has 4 bytes of distance and 8 of key. Of float64 it has three
    # times 8, and rows are copied.
    bytes_of_pair = 16 if farthest.dtype == np.float32 else 64
    runs = images.slices(max(_MIN_SIDE, isqrt(memory_bytes // bytes_of_pair)))
    for number, rows in enumerate(runs):
        for columns in runs[number:]:
            block = images.squared_distances(rows, columns)
            for run, across in ((rows, 1), (columns, 0)):
                np.maximum(farthest[run], block.max(axis=across), out=farthest[run])
            bits = images.order_bits(block)
            _update_nearest(best[rows], bits, columns, rows == columns)
            if rows != columns:
                _update_nearest(best[columns], bits.T, rows, False)
    best.sort(axis=1)
    neighbours = best.astype(np.uint32).astype(np.int32)
    neighbours[:, 0] = np.arange(len(images))
    return neighbours, farthest


def _update_nearest(best, bits, columns, diagonal):
    # With the index below the distance's bits no two keys are equal, so that ties have
    # one answer.
    keys = bits.astype(np.int64, order="C")
    keys <<= _INDEX_BITS
    keys |= np.arange(columns.start, columns.stop)
    if diagonal:
        np.fill_diagonal(keys, -1)
    k = best.shape[1]
    if keys.shape[1] > k:
        keys.partition(k - 1, axis=1)
    both = np.concatenate([best, keys[:, :k]], axis=1)
    both.partition(k - 1, axis=1)
    best[:] = both[:, :k]


def _mutual(neighbours, memory_bytes):
    """Which neighbours of an image have it among theirs, bool (N, k)."""
    count, k = neighbours.shape
    mutual = np.empty((count, k), bool)
    for rows in _slices(count, memory_bytes // (8 * k * k)):
        own = np.arange(rows.start, rows.stop)[:, None, None]
        mutual[rows] = (neighbours[neighbours[rows]] == own).any(axis=2)
    return mutual


def _expanded_sets(neighbours, half, memory_bytes):
    """Return each image's mutual neighbours and those of theirs that mostly agree.

    The mutual neighbours within the `half` nearest of a mutual neighbour are joined
    where more than two thirds of them are in the set already. Values are left empty.
    """
    count, k = neighbours.shape
    mutual = _mutual(neighbours, memory_bytes)
    close = neighbours[:, :half]
    close_mutual = _mutual(close, memory_bytes)
    close_sizes = close_mutual.sum(axis=1)
    runs = _slices(count, memory_bytes // (count + 64 * k * close.shape[1]))
    is_member = np.zeros((max(run.stop - run.start for run in runs), count), bool)
    lengths, columns = [], []
    for rows in runs:
        candidates = neighbours[rows]
        own = np.arange(len(candidates))[:, None]
        is_member[own, candidates] = mutual[rows]
        theirs, counted = close[candidates], close_mutual[candidates]
        agreeing = (is_member[own[:, :, None], theirs] & counted).sum(axis=2)
        joined = mutual[rows] & (3 * agreeing > 2 * close_sizes[candidates])
        is_member[own, candidates] = False

        offsets = own * count
        keys = [
            (candidates + offsets)[mutual[rows]],
            (theirs + offsets[:, :, None])[counted & joined[:, :, None]],
        ]
        members, found = np.divmod(np.unique(np.concatenate(keys)), count)
        lengths.append(np.bincount(members, minlength=len(candidates)))
        columns.append(found.astype(np.int32))
    starts = np.append(0, np.cumsum(np.concatenate(lengths)))
    return _SparseRows(starts, np.concatenate(columns), np.empty(0, np.float32))


def _codes(images, sets, farthest):
    """Weights exp(-distance) of each image's set, with a sum of 1."""
    owners = _owners(sets.starts)
    values = np.empty(len(owners), np.float32)
    for pairs in _slices(len(owners), _PAIR_VALUES // images.query.shape[1]):
        difference = images.take(owners[pairs])
        difference -= images.take(sets.columns[pairs])
        squares = np.einsum("nd,nd->n", difference, difference)
        values[pairs] = squares / farthest[owners[pairs]]
    np.exp(-values, out=values)
    # No set is empty: every image is its own mutual neighbour.
    values /= np.add.reduceat(values, sets.starts[:-1])[owners]
    return sets._replace(values=values)


def _averaged(codes, neighbours, memory_bytes):
    """Return the mean of each image's neighbours' codes (local query expansion)."""
    count, k = neighbours.shape
    sizes = np.diff(codes.starts)
    most = memory_bytes // (64 * int(sizes[neighbours].sum(axis=1).max()))
    lengths, columns, values = [], [], []
    for rows in _slices(count, most):
        listed = neighbours[rows]
        entries = _ranges(codes.starts[listed.ravel()], sizes[listed.ravel()])
        owners = np.repeat(np.arange(len(listed)), sizes[listed].sum(axis=1))
        keys, places = np.unique(
            owners * count + codes.columns[entries], return_inverse=True
        )
        members, found = np.divmod(keys, count)
        lengths.append(np.bincount(members, minlength=len(listed)))
        columns.append(found.astype(np.int32))
        sums = np.bincount(places, codes.values[entries])
        values.append((sums / k).astype(np.float32))
    starts = np.append(0, np.cumsum(np.concatenate(lengths)))
    return _SparseRows(starts, np.concatenate(columns), np.concatenate(values))


def _transposed(starts, codes, count):
    """Return the rows from starts[0] on by column: who, from 0, holds a value there."""
    kept = slice(starts[0], starts[-1])
    columns = codes.columns[kept]
    order = np.argsort(columns, kind="stable")
    return _SparseRows(
        np.append(0, np.cumsum(np.bincount(columns, minlength=count))),
        _owners(starts)[order],
        codes.values[kept][order],
    )


def _overlap(codes, index, holders, num_gallery):
    """Sum the smaller weights of a query and each gallery image, float64 (G)."""
    own = slice(codes.starts[index], codes.starts[index + 1])
    columns = codes.columns[own]
    starts = holders.starts[columns]
    lengths = holders.starts[columns + 1] - starts
    entries = _ranges(starts, lengths)
    smaller = np.minimum(np.repeat(codes.values[own], lengths), holders.values[entries])
    return np.bincount(holders.columns[entries], smaller, num_gallery)


def _owners(starts):
    """Return the row of each entry, counted from 0, int32."""
    return np.repeat(np.arange(len(starts) - 1, dtype=np.int32), np.diff(starts))


def _ranges(starts, lengths):
    """start, start + 1, ... of each range, one range after the other."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1]) + np.repeat(starts - (ends - lengths), lengths)


def _slices(count: int, most: int) -> list[slice]:
    """Cuts `count` into equal runs, within one, of `most` at most (and at least 1)."""
    # Equal, as BLAS rounds products of very few rows in another way.
    parts = -(-count // max(1, most))
    bounds = [count * part // parts for part in range(parts + 1)]
    return [slice(*pair) for pair in zip(bounds, bounds[1:], strict=False)]


def _check_options(k1, k2, lambda_value, memory_bytes) -> None:
    if k1 < 1:
        raise InputError(f"k1 is {k1}, expected 1 or more neighbours (20 is usual)")
    if not 1 <= k2 <= k1:
        raise InputError(f"k2 is {k2}, expected 1 to k1, which is {k1} (6 is usual)")
    if not 0 <= lambda_value <= 1:
        raise InputError(f"lambda_value is {lambda_value}, expected 0 to 1")
    if memory_bytes <= 0:
        raise InputError(f"memory_bytes is {memory_bytes}, expected a positive number")
