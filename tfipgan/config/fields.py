"""The kinds of value that a config holds, as types that pydantic reads.

A `description` says what is expected: error messages and the JSON schema quote it.
"""

import math
import struct
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, FiniteFloat, Strict

LONGEST_SIDE = 8192
# Below it float32 has fewer digits, and processors may take 0 instead.
SMALLEST = 2.0**-126


def _in_float32(number: float) -> float:
    """Return a number as the training, which computes in float32, sees it."""
    try:
        return struct.unpack("f", struct.pack("f", number))[0]
    except OverflowError:
        return math.inf


def _fits_float32(number: float) -> float:
    if number and not SMALLEST <= abs(_in_float32(number)) < math.inf:
        raise ValueError(
            f"0, or a size from {SMALLEST:.2g} to 3.4e+38 (what float32 holds)"
        )
    return number


def _below_1(number: float) -> float:
    if _in_float32(number) >= 1:
        raise ValueError("a number of at least 0 and below 1 as float32 too")
    return number


def whole(at_least: int, at_most: int) -> Any:
    """Return the field of a whole number in a range; 16.0 and true are refused."""
    words = f"a whole number from {at_least} to {at_most}"
    return Field(strict=True, ge=at_least, le=at_most, description=words)


def _word_to_none(value: Any) -> Any:
    return None if value == "none" else value


# Before a type that takes None: none, as YAML and people write it, is the same.
NONE_WORD = BeforeValidator(_word_to_none)


def none_or(words: str) -> Any:
    """Of a type that takes None by NONE_WORD: what it expects."""

    def add_word(schema: dict[str, Any]) -> None:
        schema["anyOf"].append({"const": "none"})

    return Field(description=words, json_schema_extra=add_word)


_FLOAT32 = AfterValidator(_fits_float32)
_Number = Annotated[FiniteFloat, Strict(), _FLOAT32]

Switch = Annotated[bool, Strict(), Field(description="true or false")]
Positive = Annotated[
    FiniteFloat,
    Strict(),
    Field(gt=0, description="a number greater than 0"),
    _FLOAT32,
]
NotNegative = Annotated[
    FiniteFloat,
    Strict(),
    Field(ge=0, description="a number of at least 0"),
    _FLOAT32,
]
Probability = Annotated[
    FiniteFloat,
    Strict(),
    Field(ge=0, le=1, description="a number from 0 to 1"),
    _FLOAT32,
]
Fraction = Annotated[
    FiniteFloat,
    Strict(),
    Field(ge=0, lt=1, description="a number of at least 0 and below 1"),
    _FLOAT32,
    AfterValidator(_below_1),
]
FractionOrNone = Annotated[
    Annotated[FiniteFloat, Strict(), Field(gt=0, lt=1), _FLOAT32] | None,
    NONE_WORD,
    none_or("none or a number above 0 and below 1"),
]


def _none_to_word(value: Any) -> Any:
    return "none" if value is None else value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError
    return value


# A name or a path; YAML's null is "none".
Text = Annotated[
    str, Strict(), AfterValidator(_not_blank), BeforeValidator(_none_to_word)
]

_Side = Annotated[int, whole(1, LONGEST_SIDE)]
ImageSize = Annotated[
    tuple[_Side, _Side],
    Field(description=f"two whole numbers from 1 to {LONGEST_SIDE}, [height, width]"),
]
Channels = Annotated[
    tuple[_Number, _Number, _Number], Field(description="three numbers")
]
PositiveChannels = Annotated[
    tuple[Positive, Positive, Positive],
    Field(description="three numbers greater than 0"),
]


def _rising(numbers: int | tuple[int, ...]) -> int | tuple[int, ...]:
    """One is kept as an int, as it was before there were lists."""
    if isinstance(numbers, int):
        return numbers
    if not numbers or numbers != tuple(sorted(set(numbers))):
        raise ValueError
    return numbers if len(numbers) > 1 else numbers[0]


# After a whole number, or a tuple of them.
RISING = AfterValidator(_rising)
