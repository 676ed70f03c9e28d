"""Random input to a parser: a value that is right, or an error in one line.

Never another exception, and neither time nor memory that the input's size doesn't
explain. `make test` tries the same few inputs each time, `make torture` many others.
"""

import atexit
import shutil
import struct
import tempfile
import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

from tfipgan.errors import InputError

# Its tables of characters would go into the working directory.
_tables = tempfile.mkdtemp()
atexit.register(shutil.rmtree, _tables, ignore_errors=True)
set_hypothesis_home_dir(_tables)

LONGER = 50  # times as many inputs in `make torture`
SECONDS = 20  # for one input, on a machine that does other things too


def fuzzer(torture, tally):
    """Function of (check, strategies, count): calls the check with drawn values."""

    def run(check, *strategies, count):
        def timed(values):
            tally["inputs fuzzed"] += 1
            start = time.monotonic()
            check(*values)
            assert time.monotonic() - start < SECONDS

        chosen = settings(
            max_examples=count * (LONGER if torture else 1),
            derandomize=not torture,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        chosen(given(st.tuples(*strategies))(timed))()

    return run


def value_or_line(function, *arguments, errors=(InputError, OSError)):
    """What the function gives; None if it says in a line why it gives nothing."""
    try:
        return function(*arguments)
    except errors as error:
        text = str(error)
        assert text and "\n" not in text
        assert len(text) < 5000 or isinstance(error, OSError)
        return None


def spoilt(whole):
    """Strategy of a file's bytes with some changed, left out, put in or cut off."""

    def spoil(edits, end):
        data = bytearray(whole)
        for place, kind, value in edits:
            place %= len(data)
            if kind == 0:
                data[place] ^= value
            elif kind == 1:
                data[place : place + value] = b""
            elif kind == 2:
                data[place:place] = bytes([value]) * 8
            else:
                data[place : place + 4] = struct.pack("<I", 2**31 - value)
            data = data or bytearray(1)
        return bytes(data[:end])

    edit = st.tuples(st.integers(0, 2**20), st.integers(0, 3), st.integers(1, 255))
    end = st.one_of(st.none(), st.integers(0, len(whole)))
    return st.builds(spoil, st.lists(edit, max_size=4), end)


def words(*tokens):
    """Strategy of texts that are put together of tokens."""
    return st.lists(st.sampled_from(tokens), max_size=12).map("".join)


# What JSON and YAML can hold, and numbers and texts that are taken for others.
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
        st.sampled_from([10**400, 2**63, "1e-4", "none", "imagenet", "../x", "a\nb"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner)
    ),
    max_leaves=6,
)  # fmt: skip
