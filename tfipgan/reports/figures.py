"""Plots of rankings, distances and training losses, as PNG files."""

import os
from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np

from tfipgan.errors import InputError
from tfipgan.evaluation.per_query import CameraPairs
from tfipgan.evaluation.verification import DistanceHistogram
from tfipgan.reports.plotting import (
    COLOURS,
    LINES,
    MARKERS,
    line_styles,
    new_figure,
    save,
    tidy,
)

MAX_RANK = 20

_SMOOTHING = 0.02
_FEWEST_BARS, _MOST_BARS = 30, 100

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
    "G/loss_identity": ("G, own domain left as it is", "mean absolute difference"),
    "G/loss_siamese": ("G, SiaNet", "contrastive loss"),
    "M/loss": ("SiaNet", "contrastive loss"),
}


def cmc_plot(curves: Mapping[str, Sequence[float]], path: str | os.PathLike) -> None:
    """Draw a CMC curve for each row of a table, ranks 1 to 20, into a PNG file.

    The legend has the rows from the highest rank-1 to the lowest. If there is only one
    row, its values at ranks 1, 5, 10 and 20 are written to it instead.

    Args:
        curves: {name of the row: fractions of 1, the first one at rank 1} (the "cmc" of
            `evaluate_ranking`); shorter curves end early.

    Raises:
        InputError: no curves, or one that is empty or has a value outside of [0, 1].
    """
    if not curves:
        raise InputError("no CMC curves to draw, expected one or more")
    for name, curve in curves.items():
        if not len(curve) or not all(0 <= value <= 1 for value in curve):
            raise InputError(
                f"the CMC curve {name!r} is empty or has values outside [0, 1]"
            )
    figure = new_figure(7.5, 4.5)
    axes = figure.add_subplot()
    styles = zip(curves, line_styles(), cycle(MARKERS), strict=False)
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
    tidy(axes)
    if len(curves) > 1:
        figure.legend(
            *axes.get_legend_handles_labels(),
            loc="outside right upper",
            title="row (its rank-1)",
            alignment="left",
            frameon=False,
        )
    else:
        for rank, value in enumerate(percent, 1):
            if rank in (1, 5, 10, 20):
                beside = value - 7 if value > 10 else value + 4
                side = {1: "left", 20: "right"}.get(rank, "center")
                axes.text(rank, beside, f"{value:.1f}", ha=side)
    save(figure, path)


def distance_histogram(
    histogram: DistanceHistogram,
    path: str | os.PathLike,
    threshold: float | None = None,
    distance: str = "distance",
) -> None:
    """Draw the distances of pairs of the same person and of two, into a PNG file.

    Each of the two shapes has the area 1, because there are a thousand times more pairs
    of two persons.

    Args:
        histogram: any number of bins. Neighbouring bins are joined, to 30 bars over the
            distances that occur, and to up to 100 where there are enough pairs.
        threshold: a distance to mark, below which two images are taken for one person.
        distance: the label of the axis.

    Raises:
        InputError: a histogram without pairs.
    """
    edges, counts = _fewer_bins(histogram)
    figure = new_figure(7.5, 4)
    axes = figure.add_subplot()
    labels = ("same person", "different persons")
    for name, pairs, colour, line in zip(labels, counts, COLOURS, LINES, strict=False):
        if not pairs.sum():
            continue
        axes.stairs(
            pairs / pairs.sum() / np.diff(edges),
            edges,
            fill=True,
            facecolor=(colour, 0.3),
            edgecolor=colour,
            linestyle=line,
            linewidth=1.4,
            label=f"{name}\n({pairs.sum():,} pairs)",
        )
    axes.set_xlabel(distance)
    axes.set_ylabel("density (area of each: 1)")
    axes.set_title("Distances of pairs", loc="left")
    axes.set_xlim(edges[0], edges[-1])
    if threshold is not None:
        axes.set_xlim(min(edges[0], threshold), max(edges[-1], threshold))
        axes.axvline(
            threshold, color="black", linestyle=":", label=f"threshold {threshold:.4g}"
        )
    tidy(axes)
    figure.legend(loc="outside right upper", frameon=False, labelspacing=1)
    save(figure, path)


def roc_plot(
    false_accept_rates: Sequence[float],
    true_accept_rates: Sequence[float],
    path: str | os.PathLike,
    point: tuple[float, float] | None = None,
) -> None:
    """Draw the true accept rate over the false accept rate into a PNG file.

    Between the points are straight lines, which look bent because the axis of false
    accepts is logarithmic. It starts at the decade of the first rate above 0.

    Args:
        false_accept_rates, true_accept_rates: fractions of 1 at rising thresholds, as
            `roc` returns them.
        point: the two rates of an operating point, to mark.

    Raises:
        InputError: rates that differ in length, fall, or are outside of [0, 1], or no
            pair is ever falsely accepted.
    """
    false, true = (
        np.asarray(r, float) for r in (false_accept_rates, true_accept_rates)
    )
    if false.shape != true.shape or false.ndim != 1:
        raise InputError(
            f"accept rates have shapes {false.shape} and {true.shape}, expected two "
            "lists of one length"
        )
    for rates in (false, true):
        if not ((rates >= 0) & (rates <= 1)).all() or (np.diff(rates) < 0).any():
            raise InputError(
                "accept rates fall or have values outside [0, 1], expected fractions "
                "of 1 at rising thresholds"
            )
    if not (false > 0).any():
        raise InputError("no false accept rate is above 0: no curve to draw")
    lowest = min(0.1, 10 ** np.floor(np.log10(false[false > 0].min())))
    figure = new_figure(6.5, 5)
    axes = figure.add_subplot()
    axes.set_xscale("log")
    chance = np.geomspace(lowest, 1, 500)
    grid = np.append(false, chance)
    curve = np.append(true, np.interp(chance, false, true))
    order = np.lexsort((curve, grid))
    axes.plot(
        100 * np.maximum(grid, lowest)[order],
        100 * curve[order],
        color=COLOURS[0],
        linewidth=1.8,
        label="over all thresholds",
    )
    axes.plot(
        100 * chance, 100 * chance, color="#888888", linestyle=":", label="by chance"
    )
    if point is not None:
        axes.plot(
            100 * max(point[0], lowest),
            100 * point[1],
            "o",
            color=COLOURS[1],
            markersize=8,
            clip_on=False,
            zorder=3,
            label=f"threshold: {100 * point[1]:.1f}% of the same person accepted, "
            f"{100 * point[0]:.3g}% of different persons",
        )
    axes.set_xlim(100 * lowest, 100)
    axes.set_ylim(0, 102)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}%")
    axes.set_xlabel("pairs of different persons accepted")
    axes.set_ylabel("pairs of the same person accepted (%)")
    axes.set_title("Receiver operating characteristic", loc="left")
    tidy(axes)
    figure.legend(loc="outside lower left", frameon=False)
    save(figure, path)


def camera_heat_map(
    camera_pairs: CameraPairs, path: str | os.PathLike, value: str = "rank1"
) -> None:
    """Draw a table of cameras, the better the darker, into a PNG file.

    Rows are the query's cameras, columns the gallery's. A cell has the value in percent
    and, with up to 8 cameras, the number of queries below it. Cells without a query are
    empty. Colours always go from 0 to 100 %, so that two maps can be compared.

    Args:
        value: "rank1" or "mean_ap".

    Raises:
        InputError: another value, or no cameras.
    """
    titles = {"rank1": "rank-1", "mean_ap": "mAP"}
    if value not in titles:
        raise InputError(f"value is {value!r}, expected 'rank1' or 'mean_ap'")
    percent = 100 * np.asarray(getattr(camera_pairs, value), float)
    if not percent.size:
        raise InputError("no pairs of cameras to draw, expected one or more")
    rows, columns = percent.shape
    few = max(rows, columns) <= 8
    side = 0.75 if few else 0.5
    figure = new_figure(side * columns + 2.2, side * rows + 1.6)
    axes = figure.add_subplot()
    axes.set_facecolor("#eeeeee")
    image = axes.imshow(np.ma.masked_invalid(percent), "Blues", vmin=0, vmax=100)
    for (row, column), number in np.ndenumerate(percent):
        if np.isnan(number):
            continue
        text = f"{number:.0f}"
        if few:
            count = camera_pairs.num_queries[row, column]
            text = f"{number:.1f}\n(of {count})"
        axes.text(
            column,
            row,
            text,
            ha="center",
            va="center",
            color="white" if number > 70 else "black",
            fontsize=9,
        )
    axes.set_xticks(range(columns), [str(c) for c in camera_pairs.gallery_cameras])
    axes.set_yticks(range(rows), [str(c) for c in camera_pairs.query_cameras])
    axes.tick_params(length=0)
    axes.set_xlabel("gallery camera")
    axes.set_ylabel("query camera")
    axes.set_title(f"{titles[value]} by cameras (%)", loc="left")
    axes.spines[:].set_visible(False)
    # White lines between the cells.
    axes.set_xticks(np.arange(columns - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(rows - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="minor", length=0)
    bar = figure.colorbar(image, ax=axes, shrink=0.9)
    bar.outline.set_visible(False)
    save(figure, path)


def loss_plot(
    histories: Mapping[str, Sequence[Mapping[str, float]]], path: str | os.PathLike
) -> None:
    """Draw training losses into a PNG file: a panel for each term, a line for each run.

    Every term with "loss" in its name that some record has is drawn: the known ones of
    the GAN first, then others by name. The faint line is the record's value, the strong
    one a centred moving mean over 2% of the run's records. Records without a term are
    skipped; values that are not finite leave a gap.

    Args:
        histories: {name of the run: the records of its metrics.jsonl, each with "step"
            and terms}.

    Raises:
        InputError: no record has a loss, or one has losses but no "step".
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
    figure = new_figure(max(5.0, 2.8 * columns), 2.4 * rows + 0.9)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(terms) :]:
        axes.set_visible(False)
    handles = {}
    for term, axes in zip(terms, grid.flat, strict=False):
        title, unit = _TERMS.get(term, (term, "loss"))
        for (name, history), style in zip(
            histories.items(), line_styles(), strict=False
        ):
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
        tidy(axes)
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
    save(figure, path)


def _fewer_bins(histogram: DistanceHistogram) -> tuple[np.ndarray, list[np.ndarray]]:
    """Edges, and pairs of one and of two persons, of few bins."""
    occupied = np.flatnonzero(histogram.positives + histogram.negatives)
    if not len(occupied):
        raise InputError("no pairs of query and gallery images, expected one or more")
    first, end = occupied[0], occupied[-1] + 1
    fewest = min(histogram.positives.sum(), histogram.negatives.sum())
    # As Rice's rule: more bars than pairs allow would show noise.
    bars = np.clip(2 * np.cbrt(fewest), _FEWEST_BARS, _MOST_BARS)
    bars = min(round(bars), end - first)
    # Bars of nearly one width: a narrow one would be all noise.
    starts = np.linspace(first, end, bars, endpoint=False).astype(int)
    edges = histogram.edges[np.append(starts, end)]
    return edges, [
        np.add.reduceat(pairs[:end], starts)
        for pairs in (histogram.positives, histogram.negatives)
    ]


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
