"""Distances of every query to every gallery image, a bounded block at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tfipgan.errors import InputError

METRICS = ("euclidean", "cosine")

# Matrix products of few rows take other code in BLAS, which rounds equal columns
# differently and so breaks ties between identical gallery images.
_MIN_ROWS = 16
_MIN_COLUMNS = 64
# Columns of one matrix product: enough for BLAS, and few enough that a copy of their
# features (for a gallery without its junk) is small.
_PRODUCT_COLUMNS = 1024
_ITEM = 4  # bytes of a float32


@dataclass(frozen=True)
class Tile:
    """Values of some queries and some gallery images that rank as their distances do.

    Where a whole row of the gallery does not fit into the memory, the tiles of the same
    queries come twice: values to rank are read in the first pass, and what is nearer is
    counted in the second, from the very same products.

    Attributes:
        query_start: int, the query of the first row.
        column_start: int, the gallery image of the first column.
        is_first_pass, is_last_pass: bool; both where one pass is all.
        block: float32 (queries, gallery images), the reader's to overwrite.
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

    Args:
        query, gallery: float32 (images, values), finite. Neither is copied.
        metric: "euclidean" or "cosine" (1 - the cosine of the angle).
        memory_bytes: int, for all that is held at a time beside the features; a tile is
            at least 16 x 64.
        kept: int64, the gallery's rows to be columns, rising; None for all.
        whole_rows: bool, whether a tile must hold whole rows, whatever memory_bytes is.

    Raises:
        InputError: features too large for float32 distances; a row of zeros under
            "cosine".
    """

    def __init__(
        self, query, gallery, metric, memory_bytes, kept=None, whole_rows=False
    ):
        self._query, self._gallery, self._kept = query, gallery, kept
        self._metric = metric
        query_squares, gallery_squares = _squared_norms(query), _squared_norms(gallery)
        if kept is not None:
            gallery_squares = gallery_squares[kept]
        if metric == "cosine":
            _require_direction("query", query_squares, None)
            _require_direction("gallery", gallery_squares, kept)
            self._query_factors = -(query_squares**-0.5).astype(np.float32)
            self._gallery_terms = (gallery_squares**-0.5).astype(np.float32)
            self.largest = 2.0
        else:
            # (||q|| + ||g||)^2 bounds every term of the expansion in `_fill`.
            self.largest = query_squares.max() ** 0.5 + gallery_squares.max() ** 0.5
            if self.largest**2 > np.finfo(np.float32).max:
                raise InputError(
                    "features are too large: squared distances of up to "
                    f"{self.largest**2:.1e} don't fit float32; scale or normalise the "
                    "features"
                )
            # Features may all be zeros.
            self.largest = max(float(self.largest), 1e-30)
            self._query_factors = np.full(len(query), -2, np.float32)
            self._query_squares = query_squares.astype(np.float32)
            self._gallery_terms = gallery_squares.astype(np.float32)
        self.num_queries = len(query)
        self.num_columns = len(self._gallery_terms)
        self._rows, self._columns = self._tile_shape(memory_bytes, whole_rows)

    @property
    def is_one_pass(self) -> bool:
        """Whether a tile holds whole rows of the gallery."""
        return self._columns >= self.num_columns

    def to_distance(self, query_index: int, values: np.ndarray) -> np.ndarray:
        """Return the metric's distances, float32, of a tile's values of one query."""
        if self._metric == "cosine":
            return np.clip(1 + values, 0, 2)
        return np.sqrt(np.maximum(values + self._query_squares[query_index], 0))

    def __iter__(self) -> Iterator[Tile]:
        width = min(self._columns, self.num_columns)
        buffer = np.empty((self._rows, width), np.float32)
        passes = ((True, True),) if self.is_one_pass else ((True, False), (False, True))
        for start in range(0, self.num_queries, self._rows):
            # Every tile has the same shape (the last one repeats the last query), so
            # that every query's distances are rounded alike.
            used = min(self._rows, self.num_queries - start)
            rows = np.minimum(np.arange(start, start + self._rows), start + used - 1)
            queries = self._query[rows] * self._query_factors[rows, None]
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
        step = min(_PRODUCT_COLUMNS, width)
        for offset in range(0, width, step):
            offset = min(offset, width - step)
            columns = slice(begin + offset, begin + offset + step)
            rows = columns if self._kept is None else self._kept[columns]
            out = buffer[:, offset : offset + step]
            np.matmul(queries, self._gallery[rows].T, out=out)
            if self._metric == "cosine":
                out *= self._gallery_terms[columns]
            else:
                out += self._gallery_terms[columns]

    def _tile_shape(self, memory_bytes, whole_rows):
        """Return rows and columns of a tile: whole rows, where 16 of them fit."""
        values = self._query.shape[1]
        spare = memory_bytes // _ITEM
        if self._kept is not None:
            spare -= min(_PRODUCT_COLUMNS, self.num_columns) * values
        # A row takes its distances, and two copies of its query.
        rows = spare // (self.num_columns + 2 * values)
        if rows >= _MIN_ROWS or whole_rows:
            # As even as can be: the last tile is as large as the others, used or not.
            tiles = -(-self.num_queries // max(rows, _MIN_ROWS))
            rows = max(_MIN_ROWS, -(-self.num_queries // tiles))
            return rows, self.num_columns
        columns = spare // _MIN_ROWS - 2 * values
        return _MIN_ROWS, int(max(_MIN_COLUMNS, columns))


def _squared_norms(features: np.ndarray) -> np.ndarray:
    return np.einsum("nd,nd->n", features, features, dtype=np.float64)


def _require_direction(name, squares, kept):
    if not squares.all():
        row = int(squares.argmin()) if kept is None else int(kept[squares.argmin()])
        raise InputError(
            f"{name} row {row} is all zeros and has no direction; "
            "use the euclidean metric or look for a dead network"
        )
