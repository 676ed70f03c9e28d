"""Values from elsewhere in a message: one line, never long."""

import numpy as np
import pytest

from tfipgan.errors import first_few, shorten, shorten_name


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        ("a", "'a'"),
        ("a\nb\x1b[2J", r"'a\nb\x1b[2J'"),
        ([1, [2, [3, [4]]]], "[1, [2, [3, [...]]]]"),
        pytest.param([1 << 20000], "[a number of 20001 bits]", id="huge"),
    ],
)
def test_short_ones_as_they_are(value, text):
    assert shorten(value) == text


def test_none_is_long():
    endless = []
    endless += [endless] * 50
    for value in (
        "x" * 10**6, 10**999, [[["y"] * 99] * 99] * 99, endless, {"k" * 999: endless},
        np.zeros((50, 50)), b"\n" * 999, {str(i) * 90 for i in range(99)},
    ):  # fmt: skip
        text = shorten(value)
        assert len(text) <= 200 and "..." in text and text.isprintable()


def test_names():
    assert shorten_name("blocks.0.kernel é") == "blocks.0.kernel é"
    assert shorten_name("a\nb") == r"'a\nb'"
    assert shorten_name("\ud800") == r"'\ud800'"
    assert shorten_name(7) == "7"
    assert len(shorten_name("x" * 2000)) <= 200


def test_the_first_few():
    assert first_few("ab", 2) == first_few("ab", 2, counted=True) == "a, b"
    assert first_few(range(9), 2) == "0, 1, ..."
    assert first_few(iter("abcd"), 3, counted=True) == "a, b, c and 1 more"
