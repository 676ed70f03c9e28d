"""Plots of ranking curves and training losses, as PNG files."""

import os
from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np

from tfipgan.errors import InputError
from tfipgan.output_file import written_aside

MAX_RANK = 20

# Okabe and Ito's palette without its yellow (too faint on white); line styles and
# markers tell lines apart where colours are not seen or run out.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_LINES = ("-", "--", ":", "-.")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_SMOOTHING = 0.02

# What a term is, and in which unit, in the order of the panels.
_TERMS = {
    "D/loss_real": ("D, real images", "adversarial loss"),
    "D/loss_fake": ("D, generated images", "adversarial loss"),
    "D/loss_gp": ("D, gradient penalty", "penalty (before its weight)"),
    "D/loss_domain": ("D, domain of real images", "cross-entropy (nats)"),
    "G/loss_fake": ("G, adversarial", "adversarial loss"),
    "G/loss_domain": ("G, domain of generated images", "cross-entropy (nats)"),
    "G/loss_rec": ("G, reconstruction", "mean absolute difference"),
    "G/loss_sem": ("G, identity (semantic)", "cross-entropy (nats)"),
}


def cmc_plot(curves: Mapping[str, Sequence[float]], path: str | os.PathLike) -> None:
    """Draws a CMC curve for each row of a table, ranks 1 to 20, into a PNG file.

    curves: name of the row -> fractions of 1, the first one at rank 1 (the "cmc" of
    `evaluate_ranking`); shorter curves end early. The legend has the rows from the
    highest rank-1 to the lowest. Raises InputError without curves, and for an empty
    curve or one with a value outside [0, 1].
    """
    if not curves:
        raise InputError("no CMC curves to draw, expected one or more")
    for name, curve in curves.items():
        if not len(curve) or not all(0 <= value <= 1 for value in curve):
            raise InputError(
                f"the CMC curve {name!r} is empty or has values outside [0, 1]"
            )
    figure = _figure(7.5, 4.5)
    axes = figure.add_subplot()
    styles = zip(curves, _styles(), cycle(_MARKERS), strict=False)
    looks = {name: (style, marker) for name, style, marker in styles}
    for name in sorted(curves, key=lambda name: -curves[name][0]):
        percent = 100 * np.asarray(curves[name][:MAX_RANK], float)
        style, marker = looks[name]
        axes.plot(
            np.arange(1, len(percent) + 1),
            percent,
            marker=marker,
            markersize=4,
            label=f"{name} ({percent[0]:.1f}%)",
            **style,
        )
    axes.set_xlabel("rank k (images returned for a query)")
    axes.set_ylabel("queries matched at rank k or before (%)")
    axes.set_title("Cumulative matching characteristic", loc="left")
    axes.set_xlim(0.5, MAX_RANK + 0.5)
    axes.set_xticks([1, 5, 10, 15, 20])
    axes.set_ylim(0, 102)
    _tidy(axes)
    figure.legend(
        *axes.get_legend_handles_labels(),
        loc="outside right upper",
        title="row (its rank-1)",
        alignment="left",
        frameon=False,
    )
    _save(figure, path)


def loss_plot(
    histories: Mapping[str, Sequence[Mapping[str, float]]], path: str | os.PathLike
) -> None:
    """Draws training losses into a PNG file: a panel a term, a line a run.

    histories: name of the run -> the records of its metrics.jsonl, each with "step" and
    terms. Drawn is every term with "loss" in its name that some record has; the known
    ones of the GAN first, others after them by name. The faint line is the record's
    value, the strong one a centred moving mean over 2% of the run's records. Records
    without a term are passed over, values that are not finite leave a gap. Raises
    InputError where no record has a loss, and for losses without a "step".
    """
    present = {
        key
        for history in histories.values()
        for record in history
        for key in record
        if "loss" in key
    }
    if not present:
        raise InputError(
            "no losses to draw: no record of the histories has a term with 'loss' in "
            "its name; check that metrics.jsonl is of a training run"
        )
    terms = [key for key in _TERMS if key in present]
    terms += sorted(present - set(terms))
    columns = min(4, len(terms))
    rows = -(-len(terms) // columns)
    figure = _figure(max(5.0, 2.8 * columns), 2.4 * rows + 0.9)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(terms) :]:
        axes.set_visible(False)
    handles = {}
    for term, axes in zip(terms, grid.flat, strict=False):
        title, unit = _TERMS.get(term, (term, "loss"))
        for (name, history), style in zip(histories.items(), _styles(), strict=False):
            steps, values = _series(name, history, term)
            if not len(steps):
                continue
            axes.plot(steps, values, color=style["color"], linewidth=0.6, alpha=0.25)
            (handles[name],) = axes.plot(steps, _smooth(values), **style)
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_ylabel(unit, fontsize=8)
        axes.set_xlabel("step", fontsize=8)
        axes.tick_params(labelsize=8)
        axes.locator_params(axis="x", nbins=5)
        _tidy(axes)
    figure.suptitle(
        "Training losses (strong line: moving mean over "
        f"{_SMOOTHING:.0%} of a run; faint: every record)",
        x=0.01,
        ha="left",
        fontsize=11,
    )
    figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside lower left",
        ncols=max(1, min(4, len(handles))),
        frameon=False,
    )
    _save(figure, path)


def _series(name, history, term) -> tuple[np.ndarray, np.ndarray]:
    records = [record for record in history if record.get(term) is not None]
    if any("step" not in record for record in records):
        raise InputError(
            f"a record of {name!r} has {term!r} but no 'step'; expected both"
        )
    steps = np.array([record["step"] for record in records], float)
    values = np.array([record[term] for record in records], float)
    values[~np.isfinite(values)] = np.nan
    return steps, values


def _smooth(values: np.ndarray) -> np.ndarray:
    half = int(len(values) * _SMOOTHING / 2)
    window = np.ones(2 * half + 1)
    known = np.isfinite(values)
    # "full" and a cut, as "same" gives the window's length where that is the longer.
    cut = slice(half, half + len(values))
    sums = np.convolve(np.where(known, values, 0), window)[cut]
    counts = np.convolve(known, window)[cut]
    return np.where(known, sums / np.maximum(counts, 1), np.nan)


def _styles():
    for line in cycle(_LINES):
        for colour in _COLOURS:
            yield {"color": colour, "linestyle": line, "linewidth": 1.6}


def _figure(width: float, height: float):
    # Not pyplot: it keeps every figure in a global list and picks a backend by itself.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((width, height), dpi=120, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _tidy(axes) -> None:
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _save(figure, path: str | os.PathLike) -> None:
    # Matplotlib's version in the file would change its bytes with every release.
    with written_aside(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})
