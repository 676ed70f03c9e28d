"""The kinds of value that a config field can hold, each with its reader.

A reader takes what YAML or a caller gave and returns the value to keep; for anything
else it raises ValueError. Fields carry it, and the words for an error message, in
their metadata.
"""

import math
import struct
from collections.abc import Callable
from dataclasses import field
from typing import Any

from tfipgan.errors import ConfigError, shorten

LONGEST_SIDE = 8192
# Below it float32 has fewer digits, and processors may take 0 instead.
SMALLEST = 2.0**-126


def _option(default: Any, expected: str, read: Callable[[Any], Any]) -> Any:
    """A field whose values pass through `read`, which raises ValueError for bad ones"""
    metadata = {"expected": expected, "read": read}
    return field(default=default, metadata=metadata)


def _require(ok: bool) -> None:
    if not ok:
        raise ValueError


def _read_whole(value: Any, at_least: int, at_most: int) -> int:
    # True is an int in Python, and 16.0 is more likely a slip than a batch size.
    _require(type(value) is int and at_least <= value <= at_most)
    return value


def _read_number(value: Any) -> float:
    _require(type(value) in (int, float))
    try:
        number = float(value)
    except OverflowError:  # a whole number of hundreds of digits
        raise ValueError from None
    _require(math.isfinite(number))
    if number and not SMALLEST <= abs(_in_float32(number)) < math.inf:
        raise ValueError(
            f"0, or a size from {SMALLEST:.2g} to 3.4e+38 (what float32 holds)"
        )
    return number


def _in_float32(number: float) -> float:
    """What the training, which computes in float32, makes of a number"""
    try:
        return struct.unpack("f", struct.pack("f", number))[0]
    except OverflowError:
        return math.inf


def _read_sequence(value: Any, length: int, read: Callable[[Any], Any]) -> tuple:
    _require(isinstance(value, list | tuple) and len(value) == length)
    return tuple(read(item) for item in value)


def whole(default: int, at_least: int, at_most: int) -> Any:
    """A whole number in a range."""
    return _option(
        default,
        f"a whole number from {at_least} to {at_most}",
        lambda v: _read_whole(v, at_least, at_most),
    )


def _number(default: float, expected: str, fits: Callable[[float], bool]) -> Any:
    def read(value: Any) -> float:
        number = _read_number(value)
        _require(fits(number))
        if not fits(_in_float32(number)):
            raise ValueError(f"{expected} as float32 too")
        return number

    return _option(default, expected, read)


def positive(default: float) -> Any:
    """A finite number above 0; whole numbers are taken too."""
    return _number(default, "a number greater than 0", lambda number: number > 0)


def not_negative(default: float) -> Any:
    """A finite number of at least 0."""
    return _number(default, "a number of at least 0", lambda number: number >= 0)


def fraction(default: float) -> Any:
    """A number in [0, 1)."""
    expected = "a number of at least 0 and below 1"
    return _number(default, expected, lambda number: 0 <= number < 1)


def probability(default: float) -> Any:
    """A number in [0, 1]."""
    return _number(default, "a number from 0 to 1", lambda number: 0 <= number <= 1)


def switch(default: bool) -> Any:
    """true or false."""

    def read(value: Any) -> bool:
        _require(type(value) is bool)
        return value

    return _option(default, "true or false", read)


def choice(default: Any, *allowed: Any) -> Any:
    """One of a few strings or whole numbers."""

    def read(value: Any) -> Any:
        # The type is compared too: True and 1.0 equal 1.
        _require(any(type(value) is type(a) and value == a for a in allowed))
        return value

    return _option(default, "one of " + ", ".join(map(str, allowed)), read)


def epochs_list(default: int | tuple[int, ...], at_most: int) -> Any:
    """A number of epochs, kept as an int, or several in rising order, as a tuple."""

    def read(value: Any) -> int | tuple[int, ...]:
        numbers = list(value) if isinstance(value, list | tuple) else [value]
        epochs = tuple(_read_whole(number, 0, at_most) for number in numbers)
        _require(bool(epochs) and epochs == tuple(sorted(set(epochs))))
        return epochs if len(epochs) > 1 else epochs[0]

    expected = f"a whole number from 0 to {at_most}, or a list of such that rise"
    return _option(default, expected, read)


def margin(default: float | str | None) -> Any:
    """none, "soft" or a number of at least 0; none is kept as None."""

    def read(value: Any) -> float | str | None:
        if value in (None, "none"):
            return None
        if value == "soft":
            return "soft"
        number = _read_number(value)
        _require(number >= 0)
        return number

    return _option(default, "none, soft or a number of at least 0", read)


def whole_or_none(default: int | None, at_least: int, at_most: int) -> Any:
    """none or a whole number in a range; none is kept as None."""

    def read(value: Any) -> int | None:
        if value in (None, "none"):
            return None
        return _read_whole(value, at_least, at_most)

    return _option(
        default, f"none or a whole number from {at_least} to {at_most}", read
    )


def choice_or_none(*allowed: str) -> Any:
    """none or one of a few strings; none, the default, is kept as None."""

    def read(value: Any) -> str | None:
        if value in (None, "none"):
            return None
        _require(value in allowed)
        return value

    return _option(None, "one of none, " + ", ".join(allowed), read)


def fraction_or_none(default: float | None) -> Any:
    """none or a number in (0, 1); none is kept as None."""

    def read(value: Any) -> float | None:
        if value in (None, "none"):
            return None
        number = _read_number(value)
        _require(0 < number < 1)
        return number

    return _option(default, "none or a number above 0 and below 1", read)


def ibn_kind(default: str | None) -> Any:
    """none, "a" or "b"; none is kept as None."""

    def read(value: Any) -> str | None:
        _require(value in (None, "none", "a", "b"))
        return None if value == "none" else value

    return _option(default, "one of none, a, b", read)


def weights_source(default: str, *named: str) -> Any:
    """none, one of the names given, or a run's folder; YAML's null is none."""

    def read(value: Any) -> str:
        value = "none" if value is None else value
        _require(isinstance(value, str) and value.strip() != "")
        return value

    return _option(default, ", ".join(["none", *named]) + " or a path", read)


def image_size_field(height: int, width: int) -> Any:
    """A (height, width) in pixels."""
    return _option(
        (height, width),
        f"two whole numbers from 1 to {LONGEST_SIDE}, [height, width]",
        lambda v: _read_sequence(v, 2, lambda side: _read_whole(side, 1, LONGEST_SIDE)),
    )


def channels(default: tuple[float, float, float], positive: bool) -> Any:
    """One number for each of red, green and blue."""

    def read_one(value: Any) -> float:
        number = _read_number(value)
        _require(number > 0 or not positive)
        return number

    expected = "three numbers greater than 0" if positive else "three numbers"
    return _option(default, expected, lambda v: _read_sequence(v, 3, read_one))


def read_value(name: str, option: Any, value: Any) -> Any:
    """Read one value of the field `option`; a ConfigError names it as `name`."""
    try:
        return option.metadata["read"](value)
    except ValueError as error:
        expected = str(error) or option.metadata["expected"]
        raise ConfigError(
            f"{name}: expected {expected}, found {shorten(value)}"
        ) from None
