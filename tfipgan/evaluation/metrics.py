"""CMC, mean average precision and mINP of a query set against a gallery set."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tfipgan.data.filenames import JUNK
from tfipgan.errors import InputError
from tfipgan.evaluation.checks import (
    check_options,
    check_sets,
    why_no_match,
)
from tfipgan.evaluation.copies import Copies, EqualRows
from tfipgan.evaluation.distances import Distances, Tile
from tfipgan.evaluation.feature_set import FeatureSet
from tfipgan.evaluation.per_query import DetailCollector, RankingDetail
from tfipgan.evaluation.query_expansion import (
    ALPHA,
    check_expansion,
    expanded_queries,
)
from tfipgan.evaluation.ranking import (
    Protocol,
    Ranks,
    average_precision,
    inverse_negative_penalty,
)
from tfipgan.evaluation.reranking import reranked_rows
from tfipgan.evaluation.single_shot import SingleShot

RANKS = (1, 5, 10, 20)
CMC_LENGTH = 50
TOP = 10


def evaluate_ranking(
    query: FeatureSet,
    gallery: FeatureSet,
    metric: str = "euclidean",
    ap: str = "standard",
    protocol: str = "market1501",
    memory_bytes: int = 2**28,
    rerank: bool = False,
    seed: int = 0,
    distances: np.ndarray | None = None,
    query_expansion: int | None = None,
    alpha: float = ALPHA,
) -> dict:
    """Compute CMC, mAP and mINP, exactly, holding a bounded part of the distances.

    The rank of a match is one more than the number of valid gallery images that are
    nearer to the query, or equally near and earlier in the gallery. Queries without a
    match among their valid gallery images, junk queries among them, are left out of the
    means and counted.

    Args:
        query: the queries.
        gallery: the images that are searched.
        metric: "euclidean", or "cosine" (1 - the cosine of the angle). Ranks are those
            of float32 products where these can tell the distances apart
            (`fits_float32` says when; they can for L2-normalised features), otherwise
            of float64. Nearly equal images are always measured by the differences of
            their features, in float64, and ranked to float32's precision of their
            distance.
        ap: "standard" (mean of the precision at each match), or "trapezoid" (as
            Market-1501's evaluation code: mean of the precision just before and at each
            match, where "before" is 1 at rank 1).
        protocol: "market1501" leaves out the gallery images of the query's own person
            in the query's own camera; "cross-camera-off" keeps them. "cuhk03" is
            "market1501" except for the CMC, which is that of one gallery image of each
            identity, drawn 10 times for each query and averaged (single gallery shot).
            All leave out junk (person id -1), and the query image itself if the gallery
            has it too (`Copies`): the same file, or one of the same bytes, even as
            another person or camera. If there are no files, "cross-camera-off" compares
            paths, or person, camera and features to the bit (with `distances`, a
            distance of 0). Person id 0, a distractor in Market-1501, is an identity
            like any other.
        memory_bytes: limit for the distances held at a time and what else a block of
            them needs beside the features; a block is at least 16 x 64, and under
            "cuhk03" and with `rerank` the whole row of one query.
        rerank: whether to rank by k-reciprocal re-ranked distances (`reranked_rows`,
            Zhong et al. 2017); euclidean only.
        seed: of the draws under "cuhk03".
        distances: float32 or float64 (queries, gallery), of your own, to rank by
            instead of the features' (`metric` and `rerank` are then ignored).
        query_expansion: the number of nearest gallery images that are averaged into
            each query before it is ranked or re-ranked (`expanded_queries`); features
            have length 1 then. All images but junk (person id -1) are considered, also
            those that the protocol leaves out for the query: no other label is used.
            Copies of the query are found by the original features.
        alpha: of the query expansion, the power of the cosine that weighs an image.

    Returns:
        A dict of plain Python values: "rank-1", "rank-5", "rank-10", "rank-20", "mAP",
        "mINP" (fractions of 1); "cmc", the fractions of rank 1 to 50, or to the size of
        the gallery without junk; "metric", "ap", "protocol", "rerank"; "num_queries"
        (all), "num_queries_evaluated", "num_queries_without_match" and its parts:
        "num_queries_junk", "num_queries_not_in_gallery" (no image of the person there)
        and "num_queries_own_camera_only" (none that the protocol leaves in);
        "num_gallery" (all), "num_gallery_junk", "num_gallery_copies": pairs of a query
        and the same image in the gallery, which the protocol would have left in. Rank-k
        of a gallery smaller than k is the CMC's last value. With `query_expansion`, the
        dict has it too, and "query_expansion_alpha".

    Raises:
        InputError: unknown options, features of different lengths, unlabelled images
            (person id below -1, or, where the protocol uses cameras, camera id below
            0), a gallery of junk only, zero features under "cosine", or no query at all
            with a match.
    """
    options = _Options(
        metric=metric,
        ap=ap,
        protocol=protocol,
        memory_bytes=memory_bytes,
        rerank=rerank,
        seed=seed,
        query_expansion=query_expansion,
        alpha=alpha,
    )
    return _evaluate(query, gallery, options, matrix=distances)[0]


def evaluate_in_detail(
    query: FeatureSet,
    gallery: FeatureSet,
    metric: str = "euclidean",
    ap: str = "standard",
    protocol: str = "market1501",
    memory_bytes: int = 2**28,
    rerank: bool = False,
    seed: int = 0,
    top: int = TOP,
    query_expansion: int | None = None,
    alpha: float = ALPHA,
) -> tuple[dict, RankingDetail]:
    """Compute what `evaluate_ranking` does, and what it shows query by query.

    The same arguments and errors; `top` is the length of the ranked lists. Gallery rows
    in the detail are those of the set as given, junk included.
    """
    options = _Options(
        metric=metric,
        ap=ap,
        protocol=protocol,
        memory_bytes=memory_bytes,
        rerank=rerank,
        seed=seed,
        query_expansion=query_expansion,
        alpha=alpha,
    )
    return _evaluate(query, gallery, options, top=top)


@dataclass(frozen=True)
class _Options:
    """How to rank; `evaluate_ranking` says what each of them is."""

    metric: str
    ap: str
    protocol: str
    memory_bytes: int
    rerank: bool
    seed: int
    query_expansion: int | None
    alpha: float


def _evaluate(
    query: FeatureSet, gallery: FeatureSet, options: _Options, matrix=None, top=None
) -> tuple[dict, RankingDetail | None]:
    check_options(
        options.metric,
        options.ap,
        options.protocol,
        options.memory_bytes,
        options.rerank,
    )
    if options.query_expansion is not None:
        check_expansion(options.query_expansion, options.alpha)
        if matrix is not None:
            raise InputError(
                "query expansion is by features, and distances of your own are given; "
                "expected one of the two"
            )
    check_sets(query, gallery, options.protocol)
    kept = np.flatnonzero(gallery.person_ids != JUNK)
    persons, cameras = gallery.person_ids[kept], gallery.camera_ids[kept]
    if matrix is not None:
        matrix = _matrix(matrix, len(query), len(gallery))
        is_equal = _zeros_of(matrix, kept)
    else:
        is_equal = EqualRows(query.features, gallery.features, kept)
    candidates = Protocol(
        options.protocol,
        query_persons=query.person_ids,
        query_cameras=query.camera_ids,
        gallery_persons=persons,
        gallery_cameras=cameras,
        copies=Copies(query, gallery, kept, is_equal),
    )
    reasons = _left_out(query, persons, candidates)
    evaluated = np.flatnonzero(reasons == _EVALUATED)
    if not len(evaluated):
        raise InputError(why_no_match(query, persons, options.protocol))

    searched = query.features
    if options.query_expansion is not None:
        searched = expanded_queries(
            searched,
            gallery.features,
            options.query_expansion,
            options.alpha,
            options.memory_bytes,
            kept if len(kept) < len(gallery) else None,
        )
    tiles, to_distance, largest, dtype = _tiles(
        searched, gallery, kept, options, matrix
    )
    ranks = Ranks(candidates)
    collector = None
    if top is not None:
        collector = DetailCollector(
            ranks,
            candidates,
            query_persons=query.person_ids,
            query_cameras=query.camera_ids,
            gallery_cameras=cameras,
            kept=kept,
            to_distance=to_distance,
            largest=largest,
            dtype=dtype,
            top=top,
        )
    shots = SingleShot(persons, options.seed) if options.protocol == "cuhk03" else None
    first_ranks = []
    for tile in tiles:
        ranks.add(tile)
        if collector is not None:
            collector.add(tile)
        if shots is not None:
            first_ranks += _shot_ranks(shots, tile, query.person_ids, candidates)
    all_ranks = [ranks.of(index) for index in evaluated]
    if shots is None:
        first_ranks = [own[0] for own in all_ranks]
    length = min(CMC_LENGTH, len(shots) if shots is not None else len(kept))
    hits = np.bincount(first_ranks, minlength=length + 1)[1 : length + 1]
    cmc = (np.cumsum(hits) / len(first_ranks)).tolist()
    precisions = [average_precision(own, options.ap) for own in all_ranks]
    metrics = {
        **{f"rank-{k}": cmc[min(k, length) - 1] for k in RANKS},
        "mAP": float(np.mean(precisions)),
        "mINP": float(np.mean([inverse_negative_penalty(own) for own in all_ranks])),
        "cmc": cmc,
        "metric": options.metric,
        "ap": options.ap,
        "protocol": options.protocol,
        "rerank": options.rerank,
        "num_queries": len(query),
        "num_queries_evaluated": len(evaluated),
        "num_queries_without_match": len(query) - len(evaluated),
        **{name: int((reasons == k).sum()) for k, name in enumerate(_REASONS)},
        "num_gallery": len(gallery),
        "num_gallery_junk": len(gallery) - len(kept),
        "num_gallery_copies": sum(candidates(i).num_copies for i in range(len(query))),
    }
    if options.query_expansion is not None:
        metrics["query_expansion"] = options.query_expansion
        metrics["query_expansion_alpha"] = float(options.alpha)
    detail = None if collector is None else collector.detail(evaluated, precisions)
    return metrics, detail


def _tiles(searched, gallery, kept, options, matrix):
    """Return tiles to rank by; what makes distances of values, the largest, a dtype."""
    as_they_are = _as_it_is, 1.0, np.float32
    if matrix is not None:
        return _of_matrix(matrix, kept), *as_they_are
    if options.rerank:
        tiles = _reranked(searched, gallery, kept, options.memory_bytes)
        return tiles, *as_they_are
    tiles = Distances(
        searched,
        gallery.features,
        options.metric,
        options.memory_bytes,
        kept if len(kept) < len(gallery) else None,
        whole_rows=options.protocol == "cuhk03",
    )
    return tiles, tiles.to_distance, tiles.largest, tiles.dtype


def _reranked(searched, gallery, kept, memory_bytes) -> Iterable[Tile]:
    features = gallery.features
    if len(kept) < len(gallery):
        features = features[kept]
    rows = reranked_rows(searched, features, memory_bytes=memory_bytes)
    return (Tile(i, 0, True, True, row[None]) for i, row in enumerate(rows))


def _matrix(matrix, num_queries, num_gallery):
    """Return distances of one's own as float32 or float64."""
    matrix = np.asarray(matrix)
    matrix = matrix.astype(np.result_type(matrix, np.float32), copy=False)
    if matrix.shape != (num_queries, num_gallery):
        raise InputError(
            f"distances have shape {matrix.shape}, expected (queries, gallery), "
            f"({num_queries}, {num_gallery})"
        )
    return matrix


def _zeros_of(matrix, kept):
    return lambda query, columns: matrix[query, kept[columns]] == 0


def _of_matrix(matrix, kept) -> Iterable[Tile]:
    for i, row in enumerate(matrix):
        # A copy, because what is left out is overwritten.
        values = row[kept] if len(kept) < len(row) else row.copy()
        if np.isnan(values.min()):
            raise InputError(f"distances row {i} has a NaN")
        yield Tile(i, 0, True, True, values[None])


def _as_it_is(query_index, values):
    return values


def _shot_ranks(shots, tile, query_persons, candidates):
    """Return the first ranks of all draws of the tile's queries that have a match."""
    found = []
    for row, values in enumerate(tile.block):
        query = tile.query_start + row
        counted = candidates(query)
        if len(counted.matches):
            person = int(query_persons[query])
            found += shots.ranks(query, person, values, counted).tolist()
    return found


_EVALUATED = -1
_REASONS = (
    "num_queries_junk",
    "num_queries_not_in_gallery",
    "num_queries_own_camera_only",
)


def _left_out(query, gallery_persons, candidates):
    """Return why each query is left out, an index into _REASONS; or _EVALUATED."""
    # Of several reasons, the first one counts.
    return np.select(
        [
            query.person_ids == JUNK,
            ~np.isin(query.person_ids, gallery_persons),
            np.array([not len(candidates(i).matches) for i in range(len(query))]),
        ],
        range(len(_REASONS)),
        default=_EVALUATED,
    )
