"""Sheets of images in rows and columns with titles, as PNG files."""

import os
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tfipgan.errors import InputError
from tfipgan.files.output_file import atomic_file

_GUTTER = 4
_MARGIN = 8
_FONT_SIZE = 13
_EMPTY = (238, 238, 238)


def image_sheet(
    rows: Sequence[Sequence[np.ndarray | None]],
    column_titles: Sequence[str],
    row_titles: Sequence[str],
    path: str | os.PathLike,
    scale: int = 2,
    captions: Sequence[Sequence[str]] | None = None,
) -> None:
    """Draw images as a table with titles above and on the left, into a PNG file.

    Every pixel becomes scale x scale pixels: nothing is smoothed, so a generator's
    flaws stay visible. Smaller images are centred in a cell of the largest one's size.

    Args:
        rows: lists of uint8 arrays (height, width, 3), a list for each row title, with
            a cell for each column title; None is an empty cell. Titles may have several
            lines.
        captions: a line to write under each cell, in lists as the rows; "" is none.

    Raises:
        InputError: anything else.
    """
    _check(rows, column_titles, row_titles, scale)
    if captions is not None and [*map(len, captions)] != [*map(len, rows)]:
        raise InputError(
            f"{sum(map(len, captions))} captions, expected one a cell, "
            f"{len(rows)} x {len(column_titles)}"
        )
    images = [image for row in rows for image in row if image is not None]
    cell_height = scale * max(image.shape[0] for image in images)
    cell_width = scale * max(image.shape[1] for image in images)
    font = ImageFont.load_default(size=_FONT_SIZE)
    measure = ImageDraw.Draw(Image.new("RGB", (1, 1)))

    def text_size(text: str) -> tuple[int, int]:
        _, _, right, bottom = measure.multiline_textbbox((0, 0), text, font=font)
        return int(np.ceil(right)), int(np.ceil(bottom))

    under = [text for row in captions or () for text in row if text]
    caption_height = max((text_size(text)[1] for text in under), default=0)
    cell_width = max(cell_width, *(text_size(text)[0] for text in under), 0)
    widths = [max(cell_width, text_size(title)[0]) for title in column_titles]
    heights = [
        max(cell_height + caption_height, text_size(title)[1]) for title in row_titles
    ]
    title_width = max(text_size(title)[0] for title in row_titles)
    title_height = max(text_size(title)[1] for title in column_titles)
    lefts = _starts(_MARGIN + title_width + 2 * _GUTTER, widths)
    tops = _starts(_MARGIN + title_height + 2 * _GUTTER, heights)

    size = (lefts[-1] - _GUTTER + _MARGIN, tops[-1] - _GUTTER + _MARGIN)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for title, left, width in zip(column_titles, lefts, widths, strict=False):
        draw.multiline_text(
            (left + width / 2, _MARGIN + title_height),
            title,
            fill="black",
            font=font,
            anchor="md",
            align="center",
        )
    for title, top, height in zip(row_titles, tops, heights, strict=False):
        draw.multiline_text(
            (_MARGIN, top + height / 2), title, fill="black", font=font, anchor="lm"
        )
    for row, texts, top, height in zip(
        rows, captions or [()] * len(rows), tops, heights, strict=False
    ):
        for text, left, width in zip(texts, lefts, widths, strict=False):
            draw.text(
                (left + width / 2, top + height),
                text,
                fill="black",
                font=font,
                anchor="md",
            )
        height -= caption_height
        for image, left, width in zip(row, lefts, widths, strict=False):
            if image is None:
                picture = Image.new("RGB", (cell_width, cell_height), _EMPTY)
            else:
                picture = Image.fromarray(image.repeat(scale, 0).repeat(scale, 1))
            corner = (
                left + (width - picture.width) // 2,
                top + (height - picture.height) // 2,
            )
            sheet.paste(picture, corner)
    with atomic_file(path) as temporary:
        sheet.save(temporary, format="PNG")


def _starts(first: int, sizes: Sequence[int]) -> list[int]:
    """Where each cell starts along an axis, and where one more would."""
    starts = [first]
    for size in sizes:
        starts.append(starts[-1] + size + _GUTTER)
    return starts


def _check(rows, column_titles, row_titles, scale) -> None:
    if not isinstance(scale, int) or scale < 1:
        raise InputError(f"scale is {scale}, expected a whole number of 1 or more")
    if len(rows) != len(row_titles):
        raise InputError(f"{len(rows)} rows of images but {len(row_titles)} row titles")
    for number, row in enumerate(rows):
        if len(row) != len(column_titles):
            raise InputError(
                f"row {number} has {len(row)} cells but there are {len(column_titles)} "
                "column titles; use None for an empty cell"
            )
        for image in row:
            if image is None:
                continue
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
                raise InputError(
                    f"row {number} has an image of type {image.dtype} and shape "
                    f"{image.shape}, expected uint8 (height, width, 3)"
                )
    if all(image is None for row in rows for image in row):
        raise InputError("no image to draw, expected one or more")
