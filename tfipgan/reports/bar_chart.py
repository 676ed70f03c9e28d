"""Bars with error bars, as a PNG file."""

import math
import os
from collections.abc import Mapping, Sequence
from statistics import mean, stdev

from tfipgan.errors import InputError
from tfipgan.reports.plotting import COLOURS, new_figure, save, tidy

# Tell series apart where colours are not seen.
_HATCHES = ("", "//", "..", "xx", "\\\\", "++", "oo")


def bar_chart(
    series: Mapping[str, Mapping[str, Sequence[float]]],
    path: str | os.PathLike,
    *,
    title: str,
    label: str,
) -> None:
    """Draw the mean of repeated measurements as bars into a PNG file.

    The number above a bar is its mean. If there is more than one value, the dots are
    the values, and the error bar is one sample standard deviation to each side.

    Args:
        series: {name of a series: {name of a group: fractions of 1, one for each
            repetition}}. A group has a bar for each series with values for it; groups
            and series keep their order.
        title: of the figure.
        label: of the axis, which is in percent.

    Raises:
        InputError: there is nothing to draw, or a value is outside of [0, 1].
    """
    groups = list(dict.fromkeys(group for bars in series.values() for group in bars))
    if not groups:
        raise InputError("no bars to draw, expected one or more")
    for name, bars in series.items():
        for group, values in bars.items():
            if not len(values) or not all(0 <= value <= 1 for value in values):
                raise InputError(
                    f"the bar {name!r}, {group!r} has no values, or some outside [0, 1]"
                )
    figure = new_figure(max(5.0, 1.5 * len(groups) + 2), 3.8)
    axes = figure.add_subplot()
    width = 0.8 / len(series)
    tops = []
    for number, (name, bars) in enumerate(series.items()):
        left = (number - (len(series) - 1) / 2) * width
        places = [groups.index(group) + left for group in bars]
        percent = [[100 * value for value in values] for values in bars.values()]
        heights = [mean(values) for values in percent]
        spreads = [stdev(v) if len(v) > 1 else math.nan for v in percent]
        axes.bar(
            places,
            heights,
            0.92 * width,
            yerr=spreads,
            color=(COLOURS[number % len(COLOURS)], 0.45),
            edgecolor=COLOURS[number % len(COLOURS)],
            hatch=_HATCHES[number % len(_HATCHES)],
            capsize=4,
            label=name,
        )
        for place, height, spread, values in zip(
            places, heights, spreads, percent, strict=True
        ):
            if len(values) > 1:
                # Beside each other, so that equal values are seen to be several.
                step = 0.4 * width / (len(values) - 1)
                dots = [place - 0.2 * width + step * k for k in range(len(values))]
                axes.plot(dots, values, ".", color="black", markersize=4)
            tops.append(max(height if math.isnan(spread) else height + spread, *values))
            axes.annotate(
                f"{height:.1f}",
                (place, tops[-1]),
                (0, 3),
                textcoords="offset points",
                ha="center",
                fontsize=9,
            )
    axes.set_xticks(range(len(groups)), groups)
    axes.set_xlim(-0.6, len(groups) - 0.4)
    axes.set_ylim(0, max(1.12 * max(tops), 1))
    axes.set_ylabel(label)
    axes.set_title(title, loc="left")
    tidy(axes)
    axes.grid(axis="x", visible=False)
    figure.legend(
        *axes.get_legend_handles_labels(), loc="outside right upper", frameon=False
    )
    save(figure, path)
