"""The report: one HTML file with tables and figures in it."""

import base64
import mimetypes
import os
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from tfipgan.errors import InputError
from tfipgan.files.output_file import atomic_file
from tfipgan.reports.text_table import format_cell, number_columns

_TEMPLATE = "report.html.jinja"


def write_report(
    path: str | os.PathLike,
    *,
    title: str,
    summary: str | Sequence[str],
    tables: Sequence[Mapping] = (),
    figures: Sequence[Mapping] = (),
    details: Sequence[Mapping] = (),
    commands: Sequence[str] = (),
    footnotes: Sequence[str] = (),
) -> None:
    """Write a self-contained HTML page; it needs no other file and no network.

    Equal input gives equal bytes. All texts are plain: markup in them is shown as is.

    Args:
        summary: a paragraph, or a list of them.
        tables: each {"title", "columns", "rows", "note"}; cells as `format_cell` shows
            them (fractions of 1 with three decimals, None as "-"). Optional are "note"
            and "right": which columns are aligned right (by default those of numbers).
        figures: each {"title", "path", "caption"}, an image file that is embedded in
            the page; "caption" is optional.
        details: more tables, after the figures.
        commands: command lines that were run, one for each line.
        footnotes: numbered from 1 in their order.

    Raises:
        InputError: a table row of another length than its columns, or a figure that is
            not PNG, JPEG, GIF, SVG or WebP by name.
        OSError: a figure can't be read or the page can't be written.
    """
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = format_cell
    source = files("tfipgan.reports").joinpath(_TEMPLATE).read_text("utf-8")
    page = environment.from_string(source).render(
        title=title,
        summary=[summary] if isinstance(summary, str) else list(summary),
        tables=[_aligned(table) for table in tables],
        figures=[{**figure, "uri": _data_uri(figure["path"])} for figure in figures],
        details=[_aligned(table) for table in details],
        commands=commands,
        footnotes=footnotes,
    )
    # A file's name need not be UTF-8, which Python has lone surrogates for.
    with atomic_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="backslashreplace")


def _aligned(table: Mapping) -> dict:
    return {"right": number_columns(table["columns"], table["rows"]), **table}


def _data_uri(path: str | os.PathLike) -> str:
    path = Path(path)
    # Without the system's own tables, which differ from machine to machine.
    kind = mimetypes.MimeTypes().guess_type(path.name)[0]
    known = ("image/png", "image/jpeg", "image/gif", "image/svg+xml", "image/webp")
    if kind not in known:
        raise InputError(
            f"{path}: not an image for a web page by its name; expected a .png, .jpg, "
            ".gif, .svg or .webp file"
        )
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
