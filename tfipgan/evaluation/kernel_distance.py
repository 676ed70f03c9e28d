"""The kernel distance between two sets of features (Binkowski et al. 2018)."""

import math

import numpy as np

from tfipgan.errors import InputError


def kernel_distance(
    first: np.ndarray, second: np.ndarray, memory_bytes: int = 2**26
) -> float:
    """Return the squared maximum mean discrepancy of two sets, estimated without bias.

    It is the estimator of the kernel inception distance (Binkowski et al. 2018, eq. 4):
    the mean kernel of two different rows of the first set, plus that of the second,
    less twice that of a row of each. It is 0 in expectation for two sets drawn alike,
    whatever their sizes, and may so be below 0. The kernel is (x.y + 1)^3: theirs,
    (x.y / d + 1)^3, of rows as long as sqrt(d), as features of length 1 are once
    they are scaled by it.

    Args:
        first, second: float (images, values), finite, of length 1; 2 rows at least.
        memory_bytes: for what is held at a time beside the sets.

    Raises:
        InputError: a set of fewer than 2 rows, or sets of different lengths.
    """
    for rows in (first, second):
        if len(rows) < 2:
            raise InputError(
                f"a set of {len(rows)} images has no kernel distance, expected at "
                "least 2: give more images"
            )
    if first.shape[1:] != second.shape[1:]:
        raise InputError(
            f"features of {first.shape[1:]} and of {second.shape[1:]} values, "
            "expected the same network's"
        )
    within = sum(_mean_of_pairs(rows, memory_bytes) for rows in (first, second))
    between = _kernel_sum(first, second, memory_bytes) / (len(first) * len(second))
    return within - 2 * between


def _mean_of_pairs(rows, memory_bytes):
    """Return the mean kernel of two different rows."""
    count = len(rows)
    squares = np.einsum("nd,nd->n", rows, rows, dtype=np.float64)
    own = ((squares + 1) ** 3).sum()
    return (_kernel_sum(rows, rows, memory_bytes) - own) / (count * (count - 1))


def _kernel_sum(first, second, memory_bytes):
    """Return the sum of the kernel over all pairs of a row of each set."""
    step = _rows_at_a_time(first.shape[1], memory_bytes)
    total = 0.0
    for start in range(0, len(first), step):
        rows = first[start : start + step].astype(np.float64)
        for begin in range(0, len(second), step):
            block = rows @ second[begin : begin + step].astype(np.float64).T
            block += 1
            total += np.vdot(block * block, block)
    return float(total)


def _rows_at_a_time(values, memory_bytes):
    """Return the rows of a block: two of products, and two of features, fit."""
    numbers = memory_bytes // 8
    # The root of 2 rows^2 + 2 rows values = numbers.
    return max(1, int((math.sqrt(values**2 + 2 * numbers) - values) / 2))
