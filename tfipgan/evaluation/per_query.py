"""What a ranking shows beyond its means: by query, by camera and by distance."""

from dataclasses import dataclass

import numpy as np

from tfipgan.evaluation.ranking import (
    average_precision,
    count_nearer,
)
from tfipgan.evaluation.verification import DistanceHistogram, HistogramCounter


@dataclass(frozen=True)
class CameraPairs:
    """How well queries of each camera find their person in each gallery camera alone.

    Attributes:
        query_cameras, gallery_cameras: int64, rising.
        rank1, mean_ap: float64 (query cameras, gallery cameras), fractions of 1; NaN
            where no query has a match.
        num_queries: int64 of the same shape, queries with a match there.
    """

    query_cameras: np.ndarray
    gallery_cameras: np.ndarray
    rank1: np.ndarray
    mean_ap: np.ndarray
    num_queries: np.ndarray


@dataclass(frozen=True)
class RankingDetail:
    """A ranking, query by query.

    Attributes:
        average_precision: float64 (queries), NaN where a query has no match.
        first_rank: int64 (queries), of the nearest match, from 1; 0 where none is.
        top: int64 (queries, k), gallery rows that the protocol leaves in, nearest
            first; -1 where there are fewer than k.
        top_distance: float32 (queries, k), infinite where top is -1; float64 where
            `Distances` needs it.
        camera_pairs: None where cameras are unknown.
        histogram: of all pairs but those of junk queries.
    """

    average_precision: np.ndarray
    first_rank: np.ndarray
    top: np.ndarray
    top_distance: np.ndarray
    camera_pairs: CameraPairs | None
    histogram: DistanceHistogram


class DetailCollector:
    """Collects a `RankingDetail` from the tiles that `Ranks` has taken in.

    Args:
        ranks: of the same tiles; it has made infinite what the protocol leaves out.
        candidates: function of a query's number, gives its `Candidates`.
        query_persons, query_cameras: int64 (queries).
        gallery_cameras: int64 (columns).
        kept: int64 (columns), the gallery's row of each column.
        to_distance: function of (query's number, a tile's values).
        largest: float that few distances are above.
        dtype: of the tiles' values.
        top: int, length of the ranked lists.
    """

    def __init__(
        self,
        ranks,
        candidates,
        query_persons,
        query_cameras,
        gallery_cameras,
        kept,
        to_distance,
        largest,
        dtype,
        top,
    ):
        self._ranks, self._candidates = ranks, candidates
        self._query_cameras, self._gallery_cameras = query_cameras, gallery_cameras
        # Who a junk image shows is not known: it makes no pairs of two persons.
        self._makes_pairs = query_persons >= 0
        self._kept, self._to_distance = kept, to_distance
        shape = (len(query_cameras), top)
        self._top = np.full(shape, -1)
        self._top_values = np.full(shape, np.inf, dtype)
        self._histogram = HistogramCounter(largest)
        self._has_cameras = min(query_cameras.min(), gallery_cameras.min()) >= 0
        self._columns_of = {
            int(camera): np.flatnonzero(gallery_cameras == camera)
            for camera in np.unique(gallery_cameras)
        }
        # {(query, gallery camera): how many are nearer to each of the matches there}
        self._nearer: dict[tuple[int, int], np.ndarray] = {}

    def add(self, tile) -> None:
        """Take in a tile after `Ranks.add`."""
        if not tile.is_last_pass:
            return
        for row, values in enumerate(tile.block):
            query = tile.query_start + row
            matches = self._candidates(query).matches
            self._add_top(query, values, tile.column_start)
            if self._has_cameras and len(matches):
                self._add_cameras(query, values, tile.column_start, matches)
            if not self._makes_pairs[query]:
                continue
            places = matches - tile.column_start
            places = places[(places >= 0) & (places < len(values))]
            positives = values[places]
            values[places] = np.inf
            negatives = values[values < np.inf]
            self._histogram.add(
                self._to_distance(query, positives), self._to_distance(query, negatives)
            )

    def detail(self, evaluated, precisions) -> RankingDetail:
        """Return what was collected.

        Args:
            evaluated: int64, the queries that have a match.
            precisions: the average precision of each of them.
        """
        num_queries = len(self._query_cameras)
        average = np.full(num_queries, np.nan)
        average[evaluated] = precisions
        first = np.zeros(num_queries, np.int64)
        first[evaluated] = [self._ranks.of(query)[0] for query in evaluated]
        rows = enumerate(self._top_values)
        distance = np.stack([self._to_distance(i, values) for i, values in rows])
        distance[self._top < 0] = np.inf
        return RankingDetail(
            average,
            first,
            np.where(self._top < 0, -1, self._kept[self._top]),
            distance,
            self._camera_pairs() if self._has_cameras else None,
            self._histogram.histogram(),
        )

    def _add_top(self, query, values, column_start):
        """Put the nearest of the row's part among the nearest so far."""
        length = self._top.shape[1]
        places = np.arange(len(values))
        if len(values) > length:
            last = np.partition(values, length - 1)[length - 1]
            places = np.flatnonzero(values <= last)
        # Earlier tiles hold earlier columns, so a stable sort keeps ties in order.
        both = np.concatenate([self._top_values[query], values[places]])
        columns = np.concatenate([self._top[query], places + column_start])
        # A distance of 0 may be -infinity.
        columns[both == np.inf] = -1
        order = np.argsort(both, kind="stable")[:length]
        self._top_values[query], self._top[query] = both[order], columns[order]

    def _add_cameras(self, query, values, column_start, matches):
        """Count what is nearer to the matches of each camera, in that camera alone."""
        own = self._ranks.values_of(query)
        cameras = self._gallery_cameras[matches]
        for camera in np.unique(cameras).tolist():
            columns = self._columns_of[camera]
            ends = np.searchsorted(columns, (column_start, column_start + len(values)))
            part = columns[slice(*ends)]
            is_here = cameras == camera
            places = np.searchsorted(columns, matches[is_here]) - ends[0]
            counted = count_nearer(values[part - column_start], own[is_here], places)
            key = query, camera
            self._nearer[key] = self._nearer.get(key, 0) + counted

    def _camera_pairs(self):
        query_cameras = np.unique(self._query_cameras)
        gallery_cameras = np.array(sorted(self._columns_of))
        shape = len(query_cameras), len(gallery_cameras)
        hits, precision, count = np.zeros(shape), np.zeros(shape), np.zeros(shape, int)
        for (query, camera), nearer in self._nearer.items():
            ranks = np.sort(nearer) + 1
            cell = (
                np.searchsorted(query_cameras, self._query_cameras[query]),
                np.searchsorted(gallery_cameras, camera),
            )
            count[cell] += 1
            hits[cell] += ranks[0] == 1
            precision[cell] += average_precision(ranks, "standard")
        divisor = np.where(count, count, np.nan)
        return CameraPairs(
            query_cameras, gallery_cameras, hits / divisor, precision / divisor, count
        )
