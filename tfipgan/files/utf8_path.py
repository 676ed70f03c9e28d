"""Paths for libraries that take names in UTF-8 only."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def utf8_path(folder: str | os.PathLike) -> Iterator[str]:
    """Give a folder's path, or where a name in it is not UTF-8, that of a link to it.

    The folder must be there. The link is gone at the end.
    """
    path = os.fspath(folder)
    try:
        path.encode()
    except UnicodeEncodeError:
        with tempfile.TemporaryDirectory() as temporary:
            link = Path(temporary, "link")
            link.symlink_to(os.path.abspath(path))
            yield str(link)
    else:
        yield path
