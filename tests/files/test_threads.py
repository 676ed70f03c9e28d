"""Results in order, and only so many things at a time."""

import threading

import pytest

from tfipgan.files import threads as module
from tfipgan.files.threads import map_in_threads


def test_results_are_in_order(monkeypatch):
    monkeypatch.setattr(module, "AT_ONCE", 7)
    for count in (0, 1, 7, 100):
        found = list(map_in_threads(lambda x: x * x, range(count), 3))
        assert found == [x * x for x in range(count)]


def test_things_are_read_as_they_are_needed(monkeypatch):
    monkeypatch.setattr(module, "AT_ONCE", 7)
    things = iter(range(100))
    results = map_in_threads(str, things, 3)
    assert next(results) == "0"
    assert next(things) == 7


def test_calls_are_in_other_threads():
    both = threading.Barrier(2)
    assert len(list(map_in_threads(lambda _: both.wait(9), "ab", 2))) == 2


def test_an_error_comes_through():
    with pytest.raises(ZeroDivisionError):
        list(map_in_threads(lambda x: 1 // x, [1, 0], 2))
