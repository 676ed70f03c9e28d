"""Values from elsewhere, shown in a message: on one line, and never at length."""

import reprlib
from typing import Any

_LONGEST = 200
# A path may have more than a value that someone meant to write.
_LONGEST_NAME = 1000


class _Brief(reprlib.Repr):
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


_BRIEF = _Brief()


def brief(value: Any) -> str:
    """Return a value as Python writes it, in one line of at most 200 characters."""
    text = " ".join(_BRIEF.repr(value).split("\n"))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def brief_name(name: Any) -> str:
    """Return a name as it is, or as `brief` does if it would break or fill the line."""
    if isinstance(name, str) and name.isprintable() and len(name) <= _LONGEST_NAME:
        return name
    return brief(name)
