import os

import numpy as np
import pytest
from PIL import Image

from tfipgan.errors import InputError
from tfipgan.evaluation.per_query import CameraPairs
from tfipgan.evaluation.verification import DistanceHistogram
from tfipgan.reports import figures
from tfipgan.reports.figures import (
    camera_heat_map,
    cmc_plot,
    distance_histogram,
    loss_plot,
    roc_plot,
)
from tfipgan.reports.sheets import image_sheet


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were drawn, before they became pixels."""
    kept = []
    save = figures.save

    def keep(figure, path):
        kept.append(figure)
        save(figure, path)

    monkeypatch.setattr(figures, "save", keep)
    return kept


def is_png(path):
    with Image.open(path) as image:
        image.load()
        return image.format == "PNG"


def test_cmc_plot(tmp_path, drawn):
    curves = {"low": np.linspace(0.25, 1, 50), "high": [0.5, 0.75]}
    cmc_plot(curves, tmp_path / "new" / "cmc.png")
    assert os.listdir(tmp_path / "new") == ["cmc.png"]
    assert is_png(tmp_path / "new" / "cmc.png")
    (axes,) = drawn[0].axes
    lines = {line.get_label(): line.get_xydata() for line in axes.lines}
    assert list(lines) == ["high (50.0%)", "low (25.0%)"]
    np.testing.assert_allclose(lines["high (50.0%)"], [[1, 50], [2, 75]])
    assert lines["low (25.0%)"][-1, 0] == 20


def test_more_rows_than_colours(tmp_path, drawn):
    cmc_plot({f"row {number}": [0.5] for number in range(9)}, tmp_path / "c.png")
    lines = drawn[0].axes[0].lines
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 9


def test_equal_input_gives_equal_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        cmc_plot({"x": [0.5]}, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ({}, "no CMC curves"),
        ({"ibn": []}, "'ibn' is empty"),
        ({"ibn": [0.5, 76.0]}, r"outside \[0, 1\]"),
        ({"ibn": [float("nan")]}, r"outside \[0, 1\]"),
    ],
)
def test_cmc_plot_errors(tmp_path, curves, message):
    with pytest.raises(InputError, match=message):
        cmc_plot(curves, tmp_path / "cmc.png")


def test_cmc_plot_of_one_row_has_its_values_instead_of_a_legend(tmp_path, drawn):
    cmc_plot({"x": np.linspace(0.05, 1, 20)}, tmp_path / "c.png")
    (axes,) = drawn[0].axes
    assert [text.get_text() for text in axes.texts] == ["5.0", "25.0", "50.0", "100.0"]
    assert not drawn[0].legends
    cmc_plot({"x": [0.5] * 5, "y": [0.6]}, tmp_path / "c.png")
    assert not drawn[1].axes[0].texts and len(drawn[1].legends) == 1


def legend_texts(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def histogram(positives, negatives, edges=None):
    edges = np.arange(len(positives) + 1.0) if edges is None else edges
    return DistanceHistogram(edges, np.array(positives), np.array(negatives))


def areas(figure):
    """(values, edges) of each shape, which have the area 1."""
    shapes = [patch.get_data() for patch in figure.axes[0].patches]
    for shape in shapes:
        np.testing.assert_allclose(np.sum(shape.values * np.diff(shape.edges)), 1)
    return [(shape.values, shape.edges) for shape in shapes]


def test_distance_histogram(tmp_path, drawn):
    found = histogram([0, 3, 1, 0, 0], [0, 0, 10, 30, 0], np.linspace(0, 1, 6))
    distance_histogram(found, tmp_path / "d.png", 0.5, "cosine distance")
    assert is_png(tmp_path / "d.png")
    (positives, edges), (negatives, _) = areas(drawn[0])
    # Bars of the distances that occur only.
    np.testing.assert_allclose(edges, [0.2, 0.4, 0.6, 0.8])
    np.testing.assert_allclose(positives, [3.75, 1.25, 0])
    np.testing.assert_allclose(negatives, [0, 1.25, 3.75])
    (axes,) = drawn[0].axes
    assert axes.get_xlabel() == "cosine distance"
    assert axes.get_xlim() == pytest.approx((0.2, 0.8))
    assert axes.lines[0].get_xdata() == [0.5, 0.5]
    assert legend_texts(drawn[0]) == [
        "same person\n(4 pairs)",
        "different persons\n(40 pairs)",
        "threshold 0.5",
    ]


def test_distance_histogram_puts_bins_together(tmp_path, drawn):
    # 2 * cbrt(125,000) = 100 bars of many pairs, 30 of few; no narrow one at the end.
    fine = np.zeros(2**16, int)
    fine[10_000:20_003] = 50
    for pairs in (fine, fine // 50):
        distance_histogram(histogram(pairs, 9 * pairs), tmp_path / "d.png")
    for figure, bars in zip(drawn, (100, 43), strict=True):
        for values, edges in areas(figure):
            assert len(values) == bars and (edges[0], edges[-1]) == (10_000, 20_003)
            np.testing.assert_allclose(np.diff(edges), 10_003 / bars, atol=1)
            np.testing.assert_allclose(values, 1 / 10_003)
    few = np.zeros(1000, int)
    few[::100] = 1
    distance_histogram(histogram(few, few), tmp_path / "d.png")
    assert len(areas(drawn[2])[0][0]) == 30


def test_distance_histogram_of_one_kind_and_of_one_bin(tmp_path, drawn):
    for threshold in (3, 0.5):
        distance_histogram(histogram([0, 2], [0, 0]), tmp_path / "d.png", threshold)
    # The threshold is in sight wherever it lies.
    for figure, limits in zip(drawn, ((1, 3), (0.5, 2)), strict=True):
        assert len(areas(figure)) == 1
        assert figure.axes[0].get_xlim() == limits
    with pytest.raises(InputError, match="no pairs of query and gallery"):
        distance_histogram(histogram([0], [0]), tmp_path / "e.png")


def test_roc_plot(tmp_path, drawn):
    false, true = [0, 0, 0.003, 0.5, 1], [0, 0.2, 0.6, 0.6, 1]
    roc_plot(false, true, tmp_path / "r.png", (0.003, 0.6))
    assert is_png(tmp_path / "r.png")
    (axes,) = drawn[0].axes
    assert axes.get_xscale() == "log" and axes.get_xlim() == (0.1, 100)
    curve, chance, point = (line.get_xydata() for line in axes.lines)
    # Starts at the left edge with what no false accept gives, and never falls.
    assert curve[:2].tolist() == [[0.1, 0], [0.1, 20]]
    assert (np.diff(curve, axis=0) >= 0).all() and curve[-1].tolist() == [100, 100]
    # A straight line in the rates, not in their logarithms.
    np.testing.assert_allclose(np.interp(75, *curve.T), 80, atol=0.1)
    np.testing.assert_allclose(np.interp(0.15, *curve.T), 40, atol=0.1)
    np.testing.assert_allclose(chance[:, 0], chance[:, 1])
    np.testing.assert_allclose(point, [[0.3, 60]])
    assert legend_texts(drawn[0])[2] == (
        "threshold: 60.0% of the same person accepted, 0.3% of different persons"
    )


def test_roc_plot_of_few_pairs(tmp_path, drawn):
    roc_plot([0, 1], [0, 1], tmp_path / "r.png", (0, 0.5))
    (axes,) = drawn[0].axes
    assert axes.get_xlim() == (10, 100)
    # A point without false accepts stands at the edge.
    np.testing.assert_allclose(axes.lines[2].get_xydata(), [[10, 50]])


@pytest.mark.parametrize(
    ("false", "true", "message"),
    [
        ([0, 1], [1], r"shapes \(2,\) and \(1,\)"),
        ([[0, 1]], [[0, 1]], "two lists of one length"),
        ([0, 2], [0, 1], "fall or have values outside"),
        ([0, 1], [0, float("nan")], "fall or have values outside"),
        ([0, 0.5, 0.4, 1], [0, 0.1, 0.2, 1], "fall or have values outside"),
        ([0, 0], [0, 1], "no false accept rate is above 0"),
        ([], [], "no false accept rate is above 0"),
    ],
)
def test_roc_plot_errors(tmp_path, false, true, message):
    with pytest.raises(InputError, match=message):
        roc_plot(false, true, tmp_path / "r.png")
    assert not (tmp_path / "r.png").exists()


def camera_pairs(rows, columns):
    """All cells are 1, but the first is 0.5 and the last of its row is empty."""
    values = np.ones((rows, columns))
    values[0, 0] = 0.5
    values[0, -1] = np.nan
    counts = np.where(np.isnan(values), 0, 12)
    return CameraPairs(
        np.arange(rows) + 3, np.arange(columns) + 1, values, values / 8, counts
    )


def test_camera_heat_map(tmp_path, drawn):
    camera_heat_map(camera_pairs(2, 3), tmp_path / "c.png")
    assert is_png(tmp_path / "c.png")
    axes = drawn[0].axes[0]
    cells = {text.get_position(): text for text in axes.texts}
    # (column, row): query cameras go down; the empty cell has no text.
    assert set(cells) == {(0, 0), (1, 0), (0, 1), (1, 1), (2, 1)}
    assert cells[0, 0].get_text() == "50.0\n(of 12)"
    assert {text.get_text() for text in axes.texts[1:]} == {"100.0\n(of 12)"}
    assert [cells[0, row].get_color() for row in range(2)] == ["black", "white"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "3"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["3", "4"]
    assert axes.images[0].get_array().mask.tolist() == [[0, 0, 1], [0, 0, 0]]
    assert axes.get_title(loc="left") == "rank-1 by cameras (%)"


def test_camera_heat_map_of_many_and_of_map(tmp_path, drawn):
    camera_heat_map(camera_pairs(2, 9), tmp_path / "c.png", value="mean_ap")
    axes = drawn[0].axes[0]
    assert [text.get_text() for text in axes.texts] == ["6", *["12"] * 16]
    assert axes.get_title(loc="left") == "mAP by cameras (%)"
    # Colours mean the same in every map.
    assert axes.images[0].get_clim() == (0, 100)


def test_camera_heat_map_errors(tmp_path):
    with pytest.raises(InputError, match="'mAP', expected 'rank1' or 'mean_ap'"):
        camera_heat_map(camera_pairs(2, 2), tmp_path / "c.png", "mAP")
    empty = np.zeros((0, 0))
    with pytest.raises(InputError, match="no pairs of cameras"):
        camera_heat_map(CameraPairs(empty, empty, *[empty] * 3), tmp_path / "c.png")


def test_equal_input_gives_equal_bytes_again(tmp_path):
    for name in ("a", "b"):
        distance_histogram(histogram([1, 0], [1, 2]), tmp_path / f"{name}0")
        roc_plot([0, 0.1, 1], [0, 0.9, 1], tmp_path / f"{name}1")
        camera_heat_map(camera_pairs(2, 2), tmp_path / f"{name}2")
    for number in range(3):
        first, second = (tmp_path / f"{name}{number}" for name in "ab")
        assert first.read_bytes() == second.read_bytes()


def test_loss_plot(tmp_path, drawn):
    stargan = [{"step": i, "G/loss_rec": 1.0, "rate": 0.1} for i in range(3)]
    ipgan = [
        {"step": 0, "reid/loss": 3.0, "G/loss_rec": 2.0, "D/loss_gp": None},
        {"step": 9, "G/loss_rec": float("nan"), "D/loss_gp": 1.0},
        {"step": 10, "seconds": 3},
    ]
    loss_plot({"stargan": stargan, "ipgan": ipgan, "new": []}, tmp_path / "l.png")
    assert is_png(tmp_path / "l.png")
    titles = [axes.get_title(loc="left") for axes in drawn[0].axes]
    assert titles == ["D, gradient penalty", "G, reconstruction", "reid/loss"]
    reconstruction = drawn[0].axes[1]
    # A faint and a strong line for each run.
    assert len(reconstruction.lines) == 4
    np.testing.assert_array_equal(reconstruction.lines[3].get_xdata(), [0, 9])
    np.testing.assert_array_equal(reconstruction.lines[3].get_ydata(), [2, np.nan])
    assert reconstruction.lines[3].get_color() == figures.COLOURS[1]
    assert "2%" in drawn[0].get_suptitle()
    legend = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert sorted(legend) == ["ipgan", "stargan"]


def test_unused_panels_are_hidden(tmp_path, drawn):
    record = {"step": 1} | {f"loss_{number}": 1.0 for number in range(5)}
    loss_plot({"run": [record]}, tmp_path / "l.png")
    assert [axes.get_visible() for axes in drawn[0].axes] == [True] * 5 + [False] * 3


def test_the_strong_line_is_a_moving_mean(tmp_path, drawn):
    values = np.zeros(100)
    values[[0, 50]] = 3
    values[99] = np.nan
    long = [{"step": step, "reid/loss": value} for step, value in enumerate(values)]
    short = [{"step": 0, "reid/loss": 4.0}]
    loss_plot({"long": long, "short": short}, tmp_path / "l.png")
    _, smooth, _, alone = (line.get_ydata() for line in drawn[0].axes[0].lines)
    assert smooth[0] == 1.5  # of two values, as there is none before the first
    np.testing.assert_array_equal(smooth[48:53], [0, 1, 1, 1, 0])
    assert smooth[98] == 0 and np.isnan(smooth[99])
    assert alone == [4]


@pytest.mark.parametrize(
    ("histories", "message"),
    [
        ({}, "no losses to draw"),
        ({"a": [{"step": 1, "rate": 2}]}, "no losses to draw"),
        ({"a": [{"G/loss_rec": 2}]}, "'a' has 'G/loss_rec' but no 'step'"),
    ],
)
def test_loss_plot_errors(tmp_path, histories, message):
    with pytest.raises(InputError, match=message):
        loss_plot(histories, tmp_path / "l.png")


def plain(colour, height=8, width=4):
    return np.full((height, width, 3), colour, np.uint8)


def test_image_sheet(tmp_path):
    red, blue = plain((255, 0, 0)), plain((0, 0, 255), 4, 2)
    path = tmp_path / "sheet.png"
    image_sheet([[red, None], [blue, red]], ["a", "b"], ["x", "y\nz"], path, scale=3)
    sheet = np.asarray(Image.open(path))
    is_red = (sheet == [255, 0, 0]).all(axis=2)
    is_blue = (sheet == [0, 0, 255]).all(axis=2)
    assert is_red.sum() == 2 * (8 * 3) * (4 * 3)
    assert is_blue.sum() == (4 * 3) * (2 * 3)
    # Blue stands below the first red, in the middle of its cell.
    top = np.flatnonzero(is_red.any(axis=1))[0]
    left = np.flatnonzero(is_red[top])[0]
    columns = np.flatnonzero(is_blue.any(axis=0))
    assert columns.tolist() == list(range(left + 3, left + 9))
    # Titles are dark, above and on the left.
    ink = (sheet < 128).all(axis=2)
    assert ink[:, :left].any() and ink[:top].any()
    assert not ink[top:, left:].any()


def test_pixels_are_repeated_not_smoothed(tmp_path):
    image = np.zeros((2, 2, 3), np.uint8)
    image[0, 0] = image[1, 1] = (0, 255, 0)
    image_sheet([[image]], ["wide title"], ["row"], tmp_path / "s.png", scale=5)
    sheet = np.asarray(Image.open(tmp_path / "s.png"))
    assert (sheet == [0, 255, 0]).all(axis=2).sum() == 2 * 25


@pytest.mark.parametrize(
    ("rows", "columns", "scale", "message"),
    [
        ([[plain(0)]], ["a"], 0, "scale is 0"),
        ([[plain(0)]], ["a"], 1.5, "scale is 1.5"),
        ([[plain(0)], [plain(0)]], ["a"], 1, "2 rows of images but 1 row titles"),
        ([[plain(0)]], ["a", "b"], 1, "row 0 has 1 cells but there are 2 column"),
        ([[plain(0) / 255]], ["a"], 1, "an image of type float64"),
        ([[plain(0)[..., 0]]], ["a"], 1, r"shape \(8, 4\), expected uint8"),
        ([[None]], ["a"], 1, "no image to draw"),
    ],
)
def test_image_sheet_errors(tmp_path, rows, columns, scale, message):
    with pytest.raises(InputError, match=message):
        image_sheet(rows, columns, ["row"], tmp_path / "s.png", scale)
