"""Arrays of .npz files from elsewhere: no pickles, no more memory than the file says.

NumPy's own reader makes the array that a header names before it looks for the values,
and fails in many ways where the header is damaged.
"""

import math
import os
import zipfile
from collections.abc import Sequence

import numpy as np

from tfipgan.errors import InputError

# Compressed arrays may grow to this in all, or to so many times the file's size; arrays
# as NumPy writes them by default are never larger than the file.
LARGEST_GROWN = 2**26
LARGEST_RATIO = 20


def load_npz(path: str | os.PathLike, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Read those of the named arrays that are in the file; others stay unread.

    Raises:
        InputError: no .npz, a damaged one, an array of objects, or larger than the
            file can hold.
        OSError: the file can't be opened.
    """
    with open(path, "rb") as file:
        try:
            return _read(file, names)
        # Not narrower: damaged files end in whatever the readers stumble over, from
        # struct.error to tokenize.TokenError and MemoryError.
        except Exception as error:
            words = " ".join(str(error).split())[:200] or type(error).__name__
            raise InputError(f"not a readable .npz file ({words})") from error


def _read(file, names):
    size = os.fstat(file.fileno()).st_size
    with zipfile.ZipFile(file) as archive:
        array_names = set(archive.namelist())
        members = {
            name: archive.getinfo(f"{name}.npy")
            for name in names
            if f"{name}.npy" in array_names
        }
        for name, member in members.items():
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise InputError(f"{name} is compressed as NumPy never does it")
        grown = sum(member.file_size for member in members.values())
        if grown > max(LARGEST_GROWN, LARGEST_RATIO * size):
            raise InputError(f"{grown} bytes of arrays in a file of {size}")
        for name, member in members.items():
            _check_header(archive, name, member)
        arrays = {}
        for name, member in members.items():
            with archive.open(member) as content:
                arrays[name] = np.lib.format.read_array(content, allow_pickle=False)
        return arrays


def _check_header(archive, name, member):
    """Raise InputError unless the array has exactly the bytes that are there."""
    with archive.open(member) as content:
        version = np.lib.format.read_magic(content)
        readers = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        if version not in readers:
            raise InputError(f"{name} is of .npy version {version}, expected (1, 0)")
        shape, _, dtype = readers[version](content)
        if dtype.hasobject:
            raise InputError(f"{name} holds Python objects, which are never loaded")
        expected = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or expected != member.file_size - content.tell():
            raise InputError(
                f"{name} is said to be {dtype} {shape}, which the bytes of it are not"
            )
