"""Which gallery images are a query image itself, there again.

A test set is often made by copying queries out of the gallery; a query that finds
itself says nothing of a network.
"""

import hashlib
import os
import stat
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence

import numpy as np

from tfipgan.evaluation.feature_set import FeatureSet
from tfipgan.files.threads import map_in_threads

_NONE = np.empty(0, np.int64)
# Larger files are no images: `data.local_images` reads none.
_LARGEST_FILE = 2**28
# Files, and bytes of one, at a time.
_FILES, _BYTES = 256, 2**16
_THREADS = 8
# Values of features compared at a time.
_VALUES = 2**19


class Copies:
    """Finds the columns of the gallery that are a query image itself.

    They are the same file, links followed, or a file of the same bytes, whatever its
    person and camera are called. Files that are not there, as those of features from
    another machine, are passed over. A pair with one of them is taken for one image if
    the paths are equal, or person, camera and all bits of the features; neither is
    certain, and so only asked for where labels don't leave such a pair out already.

    Args:
        query, gallery: sets with or without paths.
        kept: int64, the gallery's row of each column.
        is_equal: function of a query's number and columns, int64, that says which have
            the query's features, bool.
    """

    def __init__(
        self,
        query: FeatureSet,
        gallery: FeatureSet,
        kept: np.ndarray,
        is_equal: Callable[[int, np.ndarray], np.ndarray],
    ):
        self._is_equal = is_equal
        self._of: dict[int, set[int]] = defaultdict(set)
        self._of_path: dict[int, set[int]] | None = None
        self._paths = None
        # Whether the bytes of the file are known, here and now.
        self._query_read = np.zeros(len(query), bool)
        self._column_read = np.zeros(len(kept), bool)
        if query.paths is not None and gallery.paths is not None:
            self._paths = query.paths, gallery.paths, kept
            self._compare_files(*self._paths)

    def by_file(self, query: int) -> np.ndarray:
        """Return the columns that files say it of, int64, rising."""
        return _rising(self._of.get(query))

    def by_path(self, query: int) -> np.ndarray:
        """Return the columns that paths say it of, int64, rising."""
        if self._of_path is None:
            self._of_path = defaultdict(set)
            if self._paths is not None:
                self._compare_paths(*self._paths)
        return _rising(self._of_path.get(query))

    def by_features(self, query: int, columns: np.ndarray) -> np.ndarray:
        """Return those of the columns that features say it of, int64, rising.

        Args:
            query: its number.
            columns: int64, rising, of the query's person and camera.
        """
        if self._query_read[query]:
            columns = columns[~self._column_read[columns]]
        return columns[self._is_equal(query, columns)]

    def _compare_paths(self, query_paths, gallery_paths, kept):
        numbers = _places(query_paths.tolist())
        for start in range(0, len(kept), _FILES):
            paths = gallery_paths[kept[start : start + _FILES]].tolist()
            for column, path in enumerate(paths, start):
                for query in numbers.get(path, ()):
                    self._of_path[query].add(column)

    def _compare_files(self, query_paths, gallery_paths, kept):
        queries = [_look(path) for path in query_paths.tolist()]
        numbers = _places(queries)
        numbers.pop(None, None)
        if not numbers:
            return
        sizes = {size for _, _, size in numbers}

        def look(start):
            paths = gallery_paths[kept[start : start + _FILES]].tolist()
            found = [_look(path) for path in paths]
            alike = [
                place for place, file in enumerate(found) if file and file[2] in sizes
            ]
            same = [(place, found[place]) for place in alike if found[place] in numbers]
            return [file is not None for file in found], alike, same

        self._query_read[:] = [file is not None for file in queries]
        # Of another size than all queries is another image.
        alike: list[int] = []
        starts = range(0, len(kept), _FILES)
        for start, (read, its_alike, same) in zip(
            starts, map_in_threads(look, starts, _THREADS), strict=True
        ):
            self._column_read[start : start + _FILES] = read
            alike += [start + place for place in its_alike]
            for place, file in same:
                for query in numbers[file]:
                    self._of[query].add(start + place)

        if not alike:
            return
        digests = list(_digests(query_paths, np.arange(len(query_paths))))
        self._query_read[:] = [digest is not None for digest in digests]
        numbers = _places(digests)
        numbers.pop(None, None)
        rows = kept[np.array(alike, np.int64)]
        for column, digest in zip(alike, _digests(gallery_paths, rows), strict=True):
            self._column_read[column] = digest is not None
            for query in numbers.get(digest, ()):
                self._of[query].add(column)


class EqualRows:
    """Says which rows of the gallery have all bits of a query's row.

    Args:
        query, gallery: float32 (images, D).
        kept: int64, the gallery's row of each column.
    """

    def __init__(self, query: np.ndarray, gallery: np.ndarray, kept: np.ndarray):
        self._query, self._gallery = query.view(np.uint32), gallery.view(np.uint32)
        self._kept = kept
        self._sums: tuple[np.ndarray, np.ndarray] | None = None

    def __call__(self, query: int, columns: np.ndarray) -> np.ndarray:
        """Return it for columns, int64, as bool."""
        if self._sums is None:
            # Rows of other sums need no other look.
            self._sums = tuple(
                rows.sum(axis=1, dtype=np.uint64)
                for rows in (self._query, self._gallery)
            )
        rows = self._kept[columns]
        equal = self._sums[1][rows] == self._sums[0][query]
        places = np.flatnonzero(equal)
        step = max(1, _VALUES // self._query.shape[1])
        for start in range(0, len(places), step):
            part = places[start : start + step]
            equal[part] = (self._gallery[rows[part]] == self._query[query]).all(axis=1)
        return equal


def _rising(columns):
    return np.array(sorted(columns), np.int64) if columns else _NONE


def _places(things: Sequence[Hashable]) -> dict[Hashable, list[int]]:
    places = defaultdict(list)
    for place, thing in enumerate(things):
        places[thing].append(place)
    return places


def _look(path: str) -> tuple[int, int, int] | None:
    """Return what no other file has, its size at last; None if it isn't there."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST_FILE:
        return None
    return found.st_dev, found.st_ino, found.st_size


def _digests(paths: np.ndarray, rows: np.ndarray) -> Iterator[bytes | None]:
    """Yield the digest of each file's bytes; None of what can't be read."""

    def read(start):
        return [_digest(path) for path in paths[rows[start : start + _FILES]].tolist()]

    for found in map_in_threads(read, range(0, len(rows), _FILES), _THREADS):
        yield from found


def _digest(path):
    if _look(path) is None:
        return None
    digest = hashlib.blake2b(digest_size=16)
    try:
        with open(path, "rb", buffering=0) as file:
            while part := file.read(_BYTES):
                digest.update(part)
    except OSError:
        return None
    return digest.digest()
