"""Whether float32's products tell the distances between two sets of features apart."""

import numpy as np

# Of each query's pairs so many are looked at, spread evenly over the gallery.
_SAMPLE = 64
# Queries at a time: a few megabytes.
_QUERIES = 2**13
# Squared lengths between which products neither overflow nor vanish, nor do the values
# of near pairs in `distances` and `reranking`.
_SHORTEST, _LONGEST = 2.0**-40, 2.0**60
# Shares of |a|^2 + |b|^2: a squared distance below is a near one; a query's squared
# distances with gaps below are too much alike.
NEAR, _ALIKE = 2.0**-6, 2.0**-11


def squared_norms(features: np.ndarray) -> np.ndarray:
    """Return each row's squared length, float64 (n)."""
    return np.einsum("nd,nd->n", features, features, dtype=np.float64)


def fits_float32(
    query, gallery, query_squares, gallery_squares, metric, kept=None
) -> bool:
    """Return whether float32 is fine for squared distances by |a|^2 - 2 a.b + |b|^2.

    It rounds them by about 2**-22 of |a|^2 + |b|^2: little beside distances between
    directions of all kinds, as L2-normalised features have, and all there is of
    distances behind a common offset. From a sample of 64 gallery rows it is seen of
    every query that no more than a sixteenth of its squared distances is below 2**-6 of
    |a|^2 + |b|^2 (the others are so within 2**-16 of themselves), and that the median
    gap between two of them, times 64, is at least 2**-11 of it (2,000 times the
    rounding). All lengths must be 0 or from 2**-20 to 2**30. The few near ones that
    this allows are for the caller to measure by the differences of their features
    (`near_pairs`), which takes longer than a product.

    Args:
        query, gallery: float32 (n, D), finite.
        query_squares, gallery_squares: float64, of `squared_norms`; the gallery's of
            the rows in `kept`.
        metric: "euclidean", or "cosine" for rows as if of length 1.
        kept: int64, the gallery's rows that count; None for all.
    """
    for squares in (query_squares, gallery_squares):
        positive = squares[squares > 0]
        if (
            len(positive)
            and not _SHORTEST <= positive.min() <= positive.max() <= _LONGEST
        ):
            return False
    count = len(gallery_squares)
    columns = np.linspace(0, count - 1, min(_SAMPLE, count)).astype(np.int64)
    sample = gallery[columns if kept is None else kept[columns]]
    own = gallery_squares[columns].astype(np.float32)
    for start in range(0, len(query), _QUERIES):
        others = query_squares[start : start + _QUERIES, None].astype(np.float32)
        products = query[start : start + _QUERIES] @ sample.T
        if metric == "cosine":
            products /= np.sqrt(own) * np.sqrt(others)
            scale = np.full_like(products, 2)
        else:
            scale = own + others
        squares = scale - 2 * products
        if not _is_told_apart(squares, scale):
            return False
    return True


def _is_told_apart(squares, scale):
    """Return whether that is so of each row of squared distances."""
    count = squares.shape[1]
    num_near = np.count_nonzero(squares < NEAR * scale, axis=1)
    if num_near.max() > count // 16:
        return False
    if count == 1:
        return True
    squares.sort(axis=1)
    gaps = count * np.median(np.diff(squares, axis=1), axis=1)
    return bool((gaps >= _ALIKE * np.median(scale, axis=1)).all())
