"""The errors whose text is meant for the person at the command line.

What their messages show of values from elsewhere stays on one line, and short.
"""

import reprlib
from collections.abc import Iterable
from typing import Any

_LONGEST = 200
# A path may have more than a value that someone meant to write.
_LONGEST_NAME = 1000


class InputError(ValueError):
    """Input that its giver can put right.

    The message is one line: what was found, what was expected, what to do. The command
    line prints it without a traceback and exits with 1.
    """


class ConfigError(InputError):
    """A config file or override that can't be used; the command line exits with 2."""


class TrainingError(RuntimeError):
    """A training that can't go on: it diverged, or its folder can't be written to.

    The message is one line: at which step, why, what is saved, what to do. The command
    line prints it without a traceback and exits with 1.
    """


class _ShortRepr(reprlib.Repr):
    """Python's own repr cut short, which a few hundred bytes of YAML could not stop.

    Anchors in it can stand for more values than fit in the memory.
    """

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxlist = self.maxtuple = self.maxdict = 8
        self.maxstring = self.maxother = self.maxlong = 100

    def repr_int(self, x: int, level: int) -> str:
        try:
            return super().repr_int(x, level)
        except ValueError:  # Python writes out so many digits only
            return f"a number of {x.bit_length()} bits"


_SHORT_REPR = _ShortRepr()


def shorten(value: Any) -> str:
    """Return a value as Python writes it, in one line of at most 200 characters."""
    text = " ".join(_SHORT_REPR.repr(value).split("\n"))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def shorten_name(name: Any) -> str:
    """Return a name as it is, or as `shorten` does if it would fill or break a line."""
    if isinstance(name, str) and name.isprintable() and len(name) <= _LONGEST_NAME:
        return name
    return shorten(name)


def first_few(things: Iterable[object], most: int, counted: bool = False) -> str:
    """Return the first few things: "a, b, ..." or, if counted, "a, b and 7 more"."""
    texts = list(map(str, things))
    shown = ", ".join(texts[:most])
    if len(texts) <= most:
        return shown
    return f"{shown} and {len(texts) - most} more" if counted else f"{shown}, ..."
