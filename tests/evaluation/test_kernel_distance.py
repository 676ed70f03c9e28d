"""The kernel distance: by hand, by a slow double loop, and what "unbiased" means."""

from itertools import combinations

import numpy as np
import pytest

from tfipgan.errors import InputError
from tfipgan.evaluation import kernel_distance as module
from tfipgan.evaluation.kernel_distance import kernel_distance

RIGHT, UP, LEFT = [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]


def unit_rows(count, values, seed):
    rows = np.random.default_rng(seed).normal(size=(count, values)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def slow(first, second):
    def kernel(x, y):
        return (float(np.dot(x.astype(np.float64), y)) + 1) ** 3

    def within(rows):
        return np.mean([kernel(x, y) for x, y in combinations(rows, 2)])

    between = np.mean([kernel(x, y) for x in first for y in second])
    return within(first) + within(second) - 2 * between


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        # The kernel is 8 of equal rows, 1 at a right angle, 0 of opposite ones.
        ([RIGHT, RIGHT], [RIGHT, RIGHT], 0),
        ([RIGHT, RIGHT], [UP, UP], 8 + 8 - 2 * 1),
        ([RIGHT, RIGHT], [LEFT, LEFT], 8 + 8 - 2 * 0),
        ([RIGHT, UP], [RIGHT, LEFT], 1 + 0 - 2 * (8 + 0 + 1 + 1) / 4),
        ([RIGHT, UP, UP], [RIGHT, RIGHT], (1 + 1 + 8) / 3 + 8 - 2 * (8 + 1 + 1) / 3),
    ],
)
def test_by_hand(first, second, expected):
    first, second = np.array(first, np.float32), np.array(second, np.float32)
    assert kernel_distance(first, second) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("memory_bytes", [1, 3000, 2**26])
def test_as_the_double_loop(memory_bytes, monkeypatch):
    """In blocks of one row, of a few with a smaller last one, and in one."""
    first, second = unit_rows(23, 5, 1), unit_rows(17, 5, 2)
    found = kernel_distance(first, second, memory_bytes)
    assert found == pytest.approx(slow(first, second), abs=1e-12)
    assert kernel_distance(second, first, memory_bytes) == pytest.approx(found)
    assert found != pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(
    ("memory_bytes", "values", "rows"),
    [(2**26, 2048, 1265), (2**20, 8, 252), (1, 512, 1)],
)
def test_a_block_fits_into_the_memory(memory_bytes, values, rows):
    assert module._rows_at_a_time(values, memory_bytes) == rows
    taken = 8 * (2 * rows * rows + 2 * rows * values)
    assert rows == 1 or taken <= memory_bytes


def test_two_halves_of_a_set_are_0_apart_on_average():
    """Over all ways to halve it exactly so; a biased estimate would be above."""
    rows = unit_rows(8, 3, 4)
    found = []
    for half in combinations(range(8), 4):
        other = [i for i in range(8) if i not in half]
        found.append(kernel_distance(rows[list(half)], rows[other]))
    assert np.mean(found) == pytest.approx(0, abs=1e-12)
    assert min(found) < 0 < max(found)


def test_sets_that_can_not_be_compared():
    rows = unit_rows(4, 3, 0)
    for first, second in ((rows[:1], rows), (rows, rows[:0])):
        with pytest.raises(InputError, match="set of [01] images .* at least 2"):
            kernel_distance(first, second)
    with pytest.raises(InputError, match=r"\(3,\) and of \(2,\) values"):
        kernel_distance(rows, rows[:, :2])
