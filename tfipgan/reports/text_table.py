"""Tables of results, as text for the terminal."""

from collections.abc import Sequence
from numbers import Integral, Real

from tfipgan.errors import InputError


def format_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return the aligned text of a table, without a newline at the end.

    Cells are as `format_cell` returns them; number columns are aligned right, others
    left.

    Raises:
        InputError: a row has another length than `columns`.
    """
    right = number_columns(columns, rows)
    lines = [list(columns), *([format_cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    return align_columns(lines, right)


def align_columns(lines: Sequence[Sequence[str]], right: Sequence[bool]) -> str:
    """Return lines of cells as text with columns of one width, some aligned right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if at_right else cell.ljust(width)
            for cell, width, at_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def format_cell(value: object) -> str:
    """Return a cell as text: None is "-", whole numbers stay, others are as 0.412."""
    if value is None:
        return "-"
    if isinstance(value, Real) and not isinstance(value, Integral):
        return f"{value:.3f}"
    return str(value)


def number_columns(
    columns: Sequence[str], rows: Sequence[Sequence[object]]
) -> list[bool]:
    """Which columns hold numbers: one at least, and nothing else but None.

    Raises InputError if a row has another length than `columns`.
    """
    for row in rows:
        if len(row) != len(columns):
            raise InputError(
                f"a table row has {len(row)} cells, expected {len(columns)} as there "
                f"are columns: {list(row)}"
            )
    known = [
        [row[index] for row in rows if row[index] is not None]
        for index in range(len(columns))
    ]
    return [
        bool(cells) and all(isinstance(cell, Real) for cell in cells) for cells in known
    ]
