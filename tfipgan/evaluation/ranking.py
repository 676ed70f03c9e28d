"""Ranks of each query's matches, by counting what is nearer.

A query has few matches, so counting the gallery images before each costs a few passes
over its row of distances; sorting the row would cost more.
"""

from dataclasses import dataclass

import numpy as np

from tfipgan.evaluation.copies import Copies
from tfipgan.evaluation.distances import Tile

# From so many matches on, looking up each value among the matches is faster than a pass
# over the values for each match.
_SEARCH_FROM = 64
# So few matches, or so short a row, are not worth a look for the nearest part.
_FEW, _SHORT = 4, 1024
_NONE = np.empty(0, np.int64)


@dataclass(frozen=True)
class Candidates:
    """Which columns of the gallery count for a query.

    Attributes:
        matches: int64, columns of the query's person that count, rising.
        left_out: int64, columns that the protocol leaves out, rising.
        num_copies: of them, those left out for being the query image and nothing else.
    """

    matches: np.ndarray
    left_out: np.ndarray
    num_copies: int = 0


class Protocol:
    """Finds the columns that count for each query; `evaluate_ranking` says the rules.

    Args:
        name: "market1501", "cross-camera-off" or "cuhk03".
        query_persons, query_cameras: int64 (queries).
        gallery_persons, gallery_cameras: int64 (columns), without junk.
        copies: which columns are the query image itself.
    """

    def __init__(
        self,
        name,
        query_persons,
        query_cameras,
        gallery_persons,
        gallery_cameras,
        copies: Copies,
    ):
        self._drops_own_camera = name != "cross-camera-off"
        self._query_persons, self._query_cameras = query_persons, query_cameras
        self._gallery_cameras = gallery_cameras
        self._of_person = _positions(gallery_persons)
        self._copies = copies
        self._known: dict[int, Candidates] = {}

    def __call__(self, query: int) -> Candidates:
        """Return what counts for the query of this number."""
        if query not in self._known:
            self._known[query] = self._find(query)
        return self._known[query]

    def _find(self, query):
        own = self._of_person.get(int(self._query_persons[query]), _NONE)
        same = self._gallery_cameras[own] == self._query_cameras[query]
        parts = [self._copies.by_file(query)]
        if self._drops_own_camera:
            matches, left_out = own[~same], own[same]
        else:
            matches, left_out = own, _NONE
            parts.append(self._copies.by_path(query))
            parts.append(self._copies.by_features(query, own[same]))
        if not any(map(len, parts)):
            return Candidates(matches, left_out)
        copies = np.setdiff1d(np.concatenate(parts), left_out)
        left_out = np.union1d(left_out, copies)
        matches = np.setdiff1d(matches, copies, assume_unique=True)
        return Candidates(matches, left_out, len(copies))


class Ranks:
    """Collects the ranks of each query's matches, tile by tile.

    Args:
        protocol: function of a query's number, gives its `Candidates`.
    """

    def __init__(self, protocol):
        self._protocol = protocol
        self._nearer: dict[int, np.ndarray] = {}
        self._values: dict[int, np.ndarray] = {}

    def add(self, tile: Tile) -> None:
        """Take a tile in; what the protocol leaves out becomes infinite in it."""
        for row, values in enumerate(tile.block):
            query = tile.query_start + row
            candidates = self._protocol(query)
            values[_inside(candidates.left_out, tile)] = np.inf
            if not len(candidates.matches):
                continue
            places = candidates.matches - tile.column_start
            if tile.is_first_pass:
                inside = (places >= 0) & (places < len(values))
                own = self._values.setdefault(
                    query, np.empty(len(places), values.dtype)
                )
                own[inside] = values[places[inside]]
            if tile.is_last_pass:
                counted = count_nearer(values, self._values[query], places)
                self._nearer[query] = self._nearer.get(query, 0) + counted

    def of(self, query: int) -> np.ndarray:
        """Return the ranks of the query's matches, int64 from 1, rising; maybe none."""
        nearer = self._nearer.get(query)
        return _NONE if nearer is None else np.sort(nearer) + 1

    def values_of(self, query: int) -> np.ndarray:
        """Return the tile's values at the query's matches, of its dtype."""
        return self._values[query]


def average_precision(ranks: np.ndarray, ap: str) -> float:
    """Return the average precision of a query's ranks; "standard" or "trapezoid"."""
    hits = np.arange(1, len(ranks) + 1)
    precision = hits / ranks
    if ap == "trapezoid":
        before = np.where(ranks == 1, 1.0, (hits - 1) / np.maximum(ranks - 1, 1))
        precision = (before + precision) / 2
    return float(precision.mean())


def inverse_negative_penalty(ranks: np.ndarray) -> float:
    """Return matches / rank of the last one (Ye et al. 2021; its mean is mINP)."""
    return float(len(ranks) / ranks[-1])


def count_nearer(values, of, places) -> np.ndarray:
    """Count the values below each of `of`, and those that equal it at earlier places.

    Args:
        values: float (n), a part of a row.
        of: of the same dtype (m), values of the row.
        places: int64 (m), where they stand in the part; below 0 if before it, n or more
            if after.

    Returns:
        int64 (m).
    """
    order = np.argsort(of)
    below = np.empty_like(order)
    below[order], num_equal = _count(values, of[order])
    # A match equals itself, where it is in this part; others are rare.
    is_here = (places >= 0) & (places < len(values))
    if num_equal > np.count_nonzero(is_here):
        for i, place in enumerate(places):
            below[i] += np.count_nonzero(values[: max(place, 0)] == of[i])
    return below


def _count(values, of):
    """Return how many values are below each of the rising `of`; how many equal any."""
    if len(of) >= _SEARCH_FROM:
        # For each value the matches at or below it: it is below those after them.
        places = np.searchsorted(of, values, "right")
        below = np.bincount(places, minlength=len(of) + 1).cumsum()[:-1]
        equal = values[of[np.maximum(places - 1, 0)] == values]
        ends = (np.searchsorted(of, equal, side) for side in ("right", "left"))
        return below, np.subtract(*ends).sum()
    if len(of) > _FEW and len(values) > _SHORT:
        # A good network has half of the matches among the nearest few images: those are
        # counted there.
        half = len(of) // 2 + 1
        is_near = values <= of[half - 1]
        if np.count_nonzero(is_near) <= len(values) // 8:
            nearest, num_equal = _count(values[is_near], of[:half])
            others, more_equal = _count(values, of[half:])
            return np.concatenate([nearest, others]), num_equal + more_equal
    # One match at a time into the same few kilobytes: an array for all of them at once
    # is so large that each time the system has to find the memory anew.
    flags = np.empty(len(values), bool)
    below = [np.count_nonzero(np.less(values, value, out=flags)) for value in of]
    equal = [np.count_nonzero(np.equal(values, value, out=flags)) for value in of]
    return np.array(below), sum(equal)


def _inside(columns, tile):
    """Return the columns' places in the tile, of those that are in it."""
    places = columns - tile.column_start
    return places[(places >= 0) & (places < tile.block.shape[1])]


def _positions(numbers: np.ndarray) -> dict[int, np.ndarray]:
    """Return {number: its rising positions}."""
    order = np.argsort(numbers, kind="stable")
    found, starts = np.unique(numbers[order], return_index=True)
    return dict(zip(found.tolist(), np.split(order, starts[1:]), strict=True))
