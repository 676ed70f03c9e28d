"""Distances of every query to every gallery image, a bounded block at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tfipgan.errors import InputError
from tfipgan.evaluation.conditioning import NEAR, fits_float32, squared_norms
from tfipgan.evaluation.exact_distances import COLUMNS, exact_rows, squared_distances
from tfipgan.evaluation.near_pairs import (
    FeatureRows,
    places_below,
    row_parts,
    squared_differences,
)

METRICS = ("euclidean", "cosine")

# Matrix products of few rows take other code in BLAS, which rounds equal columns
# differently and so breaks ties between identical gallery images.
_MIN_ROWS = 16
_MIN_COLUMNS = 64
# Columns of one matrix product: enough for BLAS, and few enough that a copy of their
# features (for a gallery without its junk) is small.
_PRODUCT_COLUMNS = 1024
# Pairs up to so many times a near pair's squared distance are looked at, as products
# may be off by some.
_MARGIN = 1.25


@dataclass(frozen=True)
class Tile:
    """A block of values with the same order as distances: some queries, some images.

    If a whole row of the gallery does not fit into the memory, the tiles of the same
    queries come twice. The values to rank are read in the first pass; in the second,
    the nearer images are counted, from exactly the same products.

    Attributes:
        query_start: int, the query of the first row.
        column_start: int, the gallery image of the first column.
        is_first_pass, is_last_pass: bool; both where one pass is all.
        block: float32 (queries, gallery images), the reader's to overwrite; float64
            where `Distances` needs it. A distance of 0 may be -infinity.
    """

    query_start: int
    column_start: int
    is_first_pass: bool
    is_last_pass: bool
    block: np.ndarray


class Distances:
    """The distances between two sets of features, of which a tile is held at a time.

    A tile's values lack what is the same for all of a query's distances, or does not
    change their order, to spare passes over it; `to_distance` adds it.

    Products are of float32, where that tells the distances apart: `fits_float32` has
    the bound. Where it does not (a common offset, a wide spread of scales, values too
    large or too small), values are of float64, several times as slow; they order and
    measure any features that float32 can hold, to float32's precision or better. So
    are the few nearly equal images among features for which products are of float32:
    those are measured by the differences of their features, in float64.

    Args:
        query, gallery: float32 (images, values), finite. Neither is copied.
        metric: "euclidean" or "cosine" (1 - the cosine of the angle).
        memory_bytes: int, for all that is held at a time beside the features; a tile is
            at least 16 x 64.
        kept: int64, the gallery's rows to be columns, rising; None for all.
        whole_rows: bool, whether a tile must hold whole rows, whatever memory_bytes is.

    Attributes:
        num_queries, num_columns: int.
        dtype: of the values and distances, float32 or float64.
        largest: float above 0 that few distances are above, and none of float32.

    Raises:
        InputError: a row of zeros under "cosine".
    """

    def __init__(
        self, query, gallery, metric, memory_bytes, kept=None, whole_rows=False
    ):
        squares = squared_norms(query), squared_norms(gallery)
        if kept is not None:
            squares = squares[0], squares[1][kept]
        if metric == "cosine":
            _require_direction("query", squares[0], None)
            _require_direction("gallery", squares[1], kept)
        self.num_queries, self.num_columns = map(len, squares)
        self._values: _Float32Values | _Float64Values
        if fits_float32(query, gallery, *squares, metric, kept):
            self._values = _Float32Values(query, gallery, *squares, metric, kept)
        else:
            self._values = _Float64Values(query, gallery, metric, kept)
        self.dtype = self._values.dtype
        # Features may all be zeros, or equal.
        self.largest = float(self._values.largest) or 1e-30
        self._rows, self._columns = self._tile_shape(memory_bytes, whole_rows)

    @property
    def is_one_pass(self) -> bool:
        """Whether a tile holds whole rows of the gallery."""
        return self._columns >= self.num_columns

    def to_distance(self, query_index: int, values: np.ndarray) -> np.ndarray:
        """Return the metric's distances of a tile's values of one query; its dtype."""
        return self._values.to_distance(query_index, values)

    def __iter__(self) -> Iterator[Tile]:
        width = min(self._columns, self.num_columns)
        buffer = np.empty((self._rows, width), self.dtype)
        passes = ((True, True),) if self.is_one_pass else ((True, False), (False, True))
        for start in range(0, self.num_queries, self._rows):
            # Every tile has the same shape (the last one repeats the last query), so
            # that every query's distances are rounded alike.
            used = min(self._rows, self.num_queries - start)
            rows = np.minimum(np.arange(start, start + self._rows), start + used - 1)
            queries = self._values.prepared(rows)
            for is_first, is_last in passes:
                for column in range(0, self.num_columns, width):
                    # The last tile overlaps the one before, and gives what is new.
                    begin = min(column, self.num_columns - width)
                    self._fill(buffer, queries, begin)
                    block = buffer[:used, column - begin :]
                    yield Tile(start, column, is_first, is_last, block)

    def _fill(self, buffer, queries, begin):
        """Write the values of the columns from `begin` on."""
        width = buffer.shape[1]
        step = min(self._values.columns_at_once, width)
        for offset in range(0, width, step):
            offset = min(offset, width - step)
            columns = slice(begin + offset, begin + offset + step)
            self._values.fill(buffer[:, offset : offset + step], queries, columns)

    def _tile_shape(self, memory_bytes, whole_rows):
        """Return rows and columns of a tile: whole rows, where 16 of them fit."""
        apart, with_row = self._values.numbers_held(self.num_columns)
        spare = memory_bytes // np.dtype(self.dtype).itemsize - apart
        # A row takes its distances, and what its query does.
        rows = spare // (self.num_columns + with_row)
        if rows >= _MIN_ROWS or whole_rows:
            # As even as can be: the last tile is as large as the others, used or not.
            tiles = -(-self.num_queries // max(rows, _MIN_ROWS))
            rows = max(_MIN_ROWS, -(-self.num_queries // tiles))
            return rows, self.num_columns
        columns = spare // _MIN_ROWS - with_row
        return _MIN_ROWS, int(max(_MIN_COLUMNS, columns))


class _Float32Values:
    """Values without what is the same for all of a query's, by one product of each.

    They are distance^2 - |q|^2, or -cosine, where that holds the distance. Near pairs,
    of which rounding would leave little, have -factor / distance instead: below all
    other values of the query, in the order of the distances, as precise as a float32.
    """

    dtype = np.float32
    columns_at_once = _PRODUCT_COLUMNS

    def __init__(self, query, gallery, query_squares, gallery_squares, metric, kept):
        self._query, self._gallery, self._kept = query, gallery, kept
        self._is_cosine = metric == "cosine"
        self._rows = FeatureRows(query, metric), FeatureRows(gallery, metric, kept)
        if self._is_cosine:
            self._query_factors = -(query_squares**-0.5).astype(np.float32)
            self._gallery_terms = (gallery_squares**-0.5).astype(np.float32)
            self.largest = 2.0
            # 1 - the cosine is half the squared distance of directions, NEAR its bound.
            self._squares = np.ones(len(query), np.float32)
            share, nearest = NEAR, np.full(len(query), NEAR)
        else:
            self._query_factors = np.full(len(query), -2, np.float32)
            self._gallery_terms = gallery_squares.astype(np.float32)
            self.largest = query_squares.max() ** 0.5 + gallery_squares.max() ** 0.5
            self._squares = query_squares.astype(np.float32)
            # A near image is about as long as the query; with one bound for all of a
            # query's pairs no near pair is farther than one that isn't.
            share, nearest = 2 * NEAR, np.sqrt(2 * NEAR * query_squares)
        self._nearest = nearest.astype(np.float32)
        self._limits = (_MARGIN * share - 1) * self._squares
        # So a near pair's value is below -2 |q|^2. With the lengths that `fits_float32`
        # allows, distances down to 2**-68 of them leave it finite; others are as 0.
        self._factors = 2 * self._nearest * self._squares

    def prepared(self, rows):
        """Return what `fill` takes of queries."""
        return rows, self._query[rows] * self._query_factors[rows, None]

    def fill(self, out, queries, columns):
        """Write the values of queries at columns, a slice."""
        rows, features = queries
        kept = columns if self._kept is None else self._kept[columns]
        np.matmul(features, self._gallery[kept].T, out=out)
        terms, limits = self._gallery_terms[columns], self._limits[rows]
        found = []
        for part in row_parts(out):
            values = out[part]
            if self._is_cosine:
                values *= terms
            else:
                values += terms
            found.append(places_below(values, limits[part]) + [[part.start], [0]])
        self._measure(out, rows, columns.start, *np.concatenate(found, axis=1))

    def _measure(self, values, rows, start, places, columns):
        """Write the values of the near ones among pairs, by their differences."""
        rows = rows[places]
        first, second = self._rows
        distances = squared_differences(first, rows, second, columns + start)
        distances = distances / 2 if self._is_cosine else np.sqrt(distances)
        # Not by the products, so that of equal distances all are near, or none.
        is_near = distances < self._nearest[rows]
        with np.errstate(divide="ignore", over="ignore"):
            found = -self._factors[rows[is_near]] / distances[is_near]
            values[places[is_near], columns[is_near]] = found

    def to_distance(self, query_index, values):
        square, nearest = self._squares[query_index], self._nearest[query_index]
        if self._is_cosine:
            found = np.clip(1 + values, nearest, 2)
        else:
            found = np.sqrt(np.maximum(values + square, nearest**2))
        is_near = values < -square
        if is_near.any():
            found[is_near] = -self._factors[query_index] / values[is_near]
        return found

    def numbers_held(self, num_columns):
        """Return how many are held at a time beside values: in all, and by each row."""
        values = self._query.shape[1]
        copied = 0 if self._kept is None else min(self.columns_at_once, num_columns)
        return copied * values, 2 * values


class _Float64Values:
    """Squared distances as they are."""

    dtype = np.float64
    columns_at_once = COLUMNS

    def __init__(self, query, gallery, metric, kept):
        self._query, self._gallery = exact_rows(query, gallery, metric, kept)
        self._is_cosine = metric == "cosine"
        self._num_values = query.shape[1]
        self.largest = self._query.usual_length() + self._gallery.usual_length()
        if self._is_cosine:
            self.largest = min(self.largest**2 / 2, 2.0)

    def prepared(self, rows):
        return rows

    def fill(self, out, queries, columns):
        out[:] = squared_distances(self._query, queries, self._gallery, columns)

    def to_distance(self, query_index, values):
        # Half the squared distance between directions is 1 - their cosine.
        return np.minimum(values / 2, 2) if self._is_cosine else np.sqrt(values)

    def numbers_held(self, num_columns):
        at_once = min(self.columns_at_once, num_columns)
        return at_once * self._num_values, 2 * at_once + self._num_values


def _require_direction(name, squares, kept):
    if not squares.all():
        row = int(squares.argmin()) if kept is None else int(kept[squares.argmin()])
        raise InputError(
            f"{name} row {row} is all zeros and has no direction; "
            "use the euclidean metric or look for a dead network"
        )
