"""Queries with the gallery images found nearest to them, as one PNG file."""

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tfipgan.data.local_images import open_rgb
from tfipgan.errors import InputError
from tfipgan.evaluation.feature_set import FeatureSet
from tfipgan.evaluation.per_query import RankingDetail
from tfipgan.files.output_file import atomic_file
from tfipgan.reports.activation import with_activation

CHOICES = ("spread", "worst", "best", "first")

_MARGIN = 14
_GUTTER = 8
_QUERY_GAP = 22
_FRAME = 4
_DASH, _GAP = 8, 4
_BADGE = 13
_LARGE, _SMALL = 15, 14
_LINE = 18
# Green and red that are also told apart by lightness; the frame's dashes and the mark
# say the same without any colour.
_RIGHT, _WRONG = (0, 140, 80), (200, 30, 40)
_INK, _SOFT, _RULE = (28, 35, 48), (91, 101, 117), (223, 227, 234)
_UNREADABLE, _CROSS = (205, 205, 205), (140, 140, 140)


def choose_queries(
    detail: RankingDetail, how: str = "spread", count: int = 12
) -> np.ndarray:
    """Return the rows of the queries to look at, int64 (up to `count`).

    Queries without a match have no average precision and are never chosen; if fewer
    than `count` are left, there are fewer rows. Equal queries stay in their order.

    Args:
        how: "worst" (lowest average precision first), "best" (highest first), "first"
            (in their own order), or "spread" (from the best to the worst, each from the
            middle of one of `count` equal parts of that order).

    Raises:
        InputError: another `how`, or a count below 1.
    """
    if how not in CHOICES:
        raise InputError(
            f"queries to show are {how!r}, expected one of: {', '.join(CHOICES)}"
        )
    if count < 1:
        raise InputError(f"{count} queries to show, expected 1 or more")
    matched = np.flatnonzero(np.isfinite(detail.average_precision))
    if how == "first":
        return matched[:count]
    precision = detail.average_precision[matched]
    if how == "worst":
        return matched[np.argsort(precision, kind="stable")][:count]
    ranked = matched[np.argsort(-precision, kind="stable")]
    if how == "best":
        return ranked[:count]
    shown = min(count, len(ranked))
    places = (2 * np.arange(shown) + 1) * len(ranked) // (2 * max(shown, 1))
    return ranked[places]


def ranked_list_sheet(
    query: FeatureSet,
    gallery: FeatureSet,
    detail: RankingDetail,
    path: str | os.PathLike,
    *,
    rows: Sequence[int] | np.ndarray,
    count: int = 10,
    cell_size: tuple[int, int] = (160, 80),
    activation: Mapping[str, np.ndarray] | None = None,
) -> int:
    """Draw queries, each with its nearest gallery images, into a PNG file.

    Before a query are its person and average precision, and the rank of the nearest
    match; below each image are its camera and its distance from the query. An image of
    the query's person has a solid green frame and a tick, any other a dashed red frame
    and a cross. Images that can't be read are grey with a cross over them.

    Args:
        rows: queries, from `choose_queries`, one for each line.
        count: gallery images of a line, at most `detail.top`.
        cell_size: (height, width) in pixels that every image is fitted into; its aspect
            is kept.
        activation: {path: map of `activation_maps`}, drawn over a second copy of the
            image to its right.

    Returns:
        The number of images that can't be read.

    Raises:
        InputError: a set has no paths, the detail is of other queries, or there are no
            rows or unknown ones.
    """
    rows = np.asarray(rows, np.int64)
    _check(query, gallery, detail, rows, count, cell_size)
    top = detail.top[rows, :count]
    present = top >= 0
    files = [str(query.paths[row]) for row in rows]
    files += [str(gallery.paths[place]) for place in top[present]]
    pictures = {file: _read(file, cell_size) for file in dict.fromkeys(files)}
    if activation is not None:
        for file, picture in pictures.items():
            if picture is not None:
                pictures[file] = with_activation(picture, activation[file])
    unreadable = sum(pictures[file] is None for file in files)
    known = [picture for picture in pictures.values() if picture is not None]
    height = max((picture.height for picture in known), default=cell_size[0])
    empty = _unreadable_cell(cell_size[1], height)

    cells, titles = [], []
    for number, row in enumerate(rows):
        cells.append(
            [
                _cell(
                    pictures[str(query.paths[row])] or empty,
                    [_camera(query.camera_ids[row])],
                )
            ]
        )
        titles.append(_query_title(query, detail, row))
        for place, distance in zip(top[number], detail.top_distance[row], strict=False):
            if place < 0:
                continue
            cells[-1].append(
                _cell(
                    pictures[str(gallery.paths[place])] or empty,
                    [_camera(gallery.camera_ids[place]), _short(distance)],
                    right=bool(gallery.person_ids[place] == query.person_ids[row]),
                )
            )
    note = f"{unreadable} of {len(files)} images can't be read" if unreadable else ""
    sheet = _compose(cells, titles, top.shape[1], height, note)
    with atomic_file(path) as temporary:
        sheet.save(temporary, format="PNG")
    return unreadable


def _compose(cells, titles, count, height, note) -> Image.Image:
    """Put the cells in rows, with the legend and the ranks above."""
    font = _font(_LARGE)
    width = max(cell.width for row in cells for cell in row)
    row_height = height + 2 * _FRAME + 2 * _LINE + 4
    title_width = max(
        int(font.getlength(line)) + 1 for lines in titles for line in lines
    )
    query_left = _MARGIN + title_width + _GUTTER
    first_left = query_left + width + _QUERY_GAP
    lefts = [first_left + rank * (width + _GUTTER) for rank in range(count)]
    legend = _legend(note)
    heads = _MARGIN + legend.height + 12
    tops = [
        heads + _LINE + _GUTTER + 6 + number * (row_height + 2 * _GUTTER)
        for number in range(len(cells))
    ]
    sheet_width = max(lefts[-1] + width, _MARGIN + legend.width) + _MARGIN
    sheet = Image.new("RGB", (sheet_width, tops[-1] + row_height + _MARGIN), "white")
    sheet.paste(legend, (_MARGIN, _MARGIN))
    draw = ImageDraw.Draw(sheet)
    for text, left in zip(
        ["query", *(str(rank + 1) for rank in range(count))],
        [query_left, *lefts],
        strict=True,
    ):
        draw.text((left + width / 2, heads), text, fill=_INK, font=font, anchor="ma")
    for row, lines, top in zip(cells, titles, tops, strict=True):
        draw.line(
            (_MARGIN, top - _GUTTER, sheet_width - _MARGIN, top - _GUTTER), fill=_RULE
        )
        middle = top + _FRAME + height // 2
        for number, line in enumerate(lines):
            draw.text(
                (_MARGIN, middle + int((number - len(lines) / 2) * (_LARGE + 6))),
                line,
                fill=_INK if number < 2 else _SOFT,
                font=font,
            )
        for cell, left in zip(row, [query_left, *lefts], strict=False):
            # Captions stand in line, and pictures of another aspect on them.
            sheet.paste(
                cell, (left + (width - cell.width) // 2, top + row_height - cell.height)
            )
    return sheet


def _query_title(query: FeatureSet, detail: RankingDetail, row: int) -> list[str]:
    precision, first = detail.average_precision[row], detail.first_rank[row]
    lines = [f"person {query.person_ids[row]}"]
    if np.isfinite(precision):
        return [*lines, f"AP {precision:.3f}", "first match", f"at rank {first}"]
    return [*lines, "no match"]


def _cell(
    picture: Image.Image, captions: list[str], right: bool | None = None
) -> Image.Image:
    """Draw a picture in its frame with lines of text below; right None is a query."""
    font = _font(_SMALL)
    colour = _INK if right is None else _RIGHT if right else _WRONG
    mark = 0 if right is None else _BADGE + 4
    texts = [int(font.getlength(line)) + 1 for line in captions]
    texts[0] += mark
    framed = (picture.width + 2 * _FRAME, picture.height + 2 * _FRAME)
    width = max(framed[0], *texts)
    cell = Image.new("RGB", (width, framed[1] + 2 * _LINE + 4), "white")
    left = (width - framed[0]) // 2
    frame = _frame(framed, colour, dashed=right is False)
    frame.paste(picture, (_FRAME, _FRAME))
    cell.paste(frame, (left, 0))
    draw = ImageDraw.Draw(cell)
    top = framed[1] + 4
    start = (width - texts[0]) // 2
    if right is not None:
        cell.paste(_badge(right), (start, top + 2))
    draw.text((start + mark, top), captions[0], fill=_INK, font=font)
    for number, line in enumerate(captions[1:], 1):
        draw.text(
            (width / 2, top + number * _LINE), line, fill=_SOFT, font=font, anchor="ma"
        )
    return cell


def _legend(note: str) -> Image.Image:
    font = _font(_LARGE)
    entries = [
        (True, "same person"),
        (False, "another person"),
        (None, "below: camera, distance from the query"),
    ]
    if note:
        entries.append(("unreadable", note))
    size = 24
    total = sum(int(font.getlength(text)) + 2 * size + 31 for _, text in entries)
    legend = Image.new("RGB", (total, size), "white")
    draw = ImageDraw.Draw(legend)
    left = 0
    for kind, text in entries:
        if kind == "unreadable":
            legend.paste(_unreadable_cell(size, size), (left, 0))
        elif kind is not None:
            colour = _RIGHT if kind else _WRONG
            sample = _frame((2 * size, size), colour, dashed=not kind)
            sample.paste(_badge(kind), (size - _BADGE // 2, (size - _BADGE) // 2))
            legend.paste(sample, (left, 0))
            left += size
        left += 0 if kind is None else size + 7
        draw.text((left, size / 2), text, fill=_INK, font=font, anchor="lm")
        left += int(font.getlength(text)) + 24
    return legend


def _frame(size: tuple[int, int], colour, dashed: bool) -> Image.Image:
    width, height = size
    frame = Image.new("RGB", size, colour)
    draw = ImageDraw.Draw(frame)
    if dashed:
        for start, end in _gaps(width):
            draw.rectangle((start, 0, end, height), fill="white")
        for start, end in _gaps(height):
            draw.rectangle((0, start, width, end), fill="white")
    draw.rectangle(
        (_FRAME, _FRAME, width - _FRAME - 1, height - _FRAME - 1), fill="white"
    )
    return frame


def _gaps(length: int) -> Iterator[tuple[int, int]]:
    """First and last pixel of each gap of a dashed line with a dash at both ends."""
    gaps = (length - _DASH) // (_DASH + _GAP)
    step = (length - _DASH) / max(gaps, 1)
    for number in range(gaps):
        start = round(number * step) + _DASH
        yield start, round((number + 1) * step) - 1


def _badge(right: bool) -> Image.Image:
    """Draw a tick or a cross on a disc; reduced from a large one, for smooth edges."""
    large = Image.new("RGB", (8 * _BADGE, 8 * _BADGE), "white")
    draw = ImageDraw.Draw(large)

    def at(*points):
        return [(8 * _BADGE * x, 8 * _BADGE * y) for x, y in points]

    draw.ellipse(at((0, 0), (0.99, 0.99)), fill=_RIGHT if right else _WRONG)
    strokes = (
        [at((0.24, 0.53), (0.43, 0.72), (0.76, 0.3))]
        if right
        else [at((0.29, 0.29), (0.71, 0.71)), at((0.29, 0.71), (0.71, 0.29))]
    )
    for stroke in strokes:
        draw.line(stroke, fill="white", width=14, joint="curve")
    return large.reduce(8)


def _unreadable_cell(width: int, height: int) -> Image.Image:
    cell = Image.new("RGB", (width, height), _UNREADABLE)
    draw = ImageDraw.Draw(cell)
    draw.line((0, 0, width, height), fill=_CROSS, width=2)
    draw.line((0, height, width, 0), fill=_CROSS, width=2)
    return cell


def _read(file: str, cell_size: tuple[int, int]) -> Image.Image | None:
    """Return the image as large as fits, or None where it can't be read."""
    height, width = cell_size
    try:
        image = open_rgb(file)
        scale = min(width / image.width, height / image.height)
        size = [max(1, round(scale * side)) for side in image.size]
        return image.resize(size, Image.Resampling.BICUBIC)
    except Exception:
        # Damaged files raise many things: SyntaxError of PNG, struct.error of EXIF.
        return None


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)


def _camera(camera: int) -> str:
    return f"camera {camera}" if camera >= 0 else "no camera"


def _short(distance: float) -> str:
    is_usual = distance == 0 or 0.01 <= abs(distance) < 100
    return f"{distance:.3f}" if is_usual else f"{distance:.4g}"


def _check(query, gallery, detail, rows, count, cell_size) -> None:
    for name, features in (("query", query), ("gallery", gallery)):
        if features.paths is None:
            raise InputError(
                f"the {name} features were written without paths, so there are no "
                "images to show: extract again with `tfipgan extract`"
            )
    if len(detail.average_precision) != len(query):
        raise InputError(
            f"the ranking is of {len(detail.average_precision)} queries, expected "
            f"{len(query)} as there are query features"
        )
    if count < 1 or min(cell_size) < 1:
        raise InputError(
            f"count is {count} and cell_size {cell_size}, expected 1 or more"
        )
    if not len(rows):
        raise InputError("no queries to show, expected one or more")
    unknown = rows[(rows < 0) | (rows >= len(query))]
    if len(unknown):
        raise InputError(
            f"query {unknown[0]} does not exist, expected 0 to {len(query) - 1}"
        )
