"""What all plots share: colours, line styles, and how a figure becomes a file."""

import os
from collections.abc import Iterator
from itertools import cycle

from tfipgan.files.output_file import atomic_file

# Okabe and Ito's palette without its yellow (too faint on white); line styles and
# markers tell lines apart where colours are not seen or run out.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def line_styles() -> Iterator[dict]:
    """Give looks of lines that differ from each other, without end."""
    for line in cycle(LINES):
        for colour in COLOURS:
            yield {"color": colour, "linestyle": line, "linewidth": 1.6}


def new_figure(width: float, height: float):
    """Return an empty matplotlib figure of a size in inches."""
    # Not pyplot: it keeps every figure in a global list and picks a backend by itself.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((width, height), dpi=120, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def tidy(axes) -> None:
    """Give axes a faint grid behind what is drawn, and no frame."""
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def save(figure, path: str | os.PathLike) -> None:
    """Write a figure as a PNG file, equal figures as equal bytes."""
    # Matplotlib's version in the file would change its bytes with every release.
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})
