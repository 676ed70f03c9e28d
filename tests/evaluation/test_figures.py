import os

import numpy as np
import pytest
from PIL import Image

from tfipgan.errors import InputError
from tfipgan.evaluation import figures
from tfipgan.evaluation.figures import cmc_plot, loss_plot
from tfipgan.evaluation.sheets import image_sheet


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were drawn, before they became pixels."""
    kept = []
    save = figures._save

    def keep(figure, path):
        kept.append(figure)
        save(figure, path)

    monkeypatch.setattr(figures, "_save", keep)
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
    assert reconstruction.lines[3].get_color() == figures._COLOURS[1]
    assert "2%" in drawn[0].get_suptitle()
    legend = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert sorted(legend) == ["ipgan", "stargan"]


def test_unused_panels_are_hidden(tmp_path, drawn):
    record = {"step": 1} | {f"loss_{number}": 1.0 for number in range(5)}
    loss_plot({"run": [record]}, tmp_path / "l.png")
    assert [axes.get_visible() for axes in drawn[0].axes] == [True] * 5 + [False] * 3


def test_smoothing():
    values = np.zeros(100)
    values[[0, 50]] = 3
    values[99] = np.nan
    smooth = figures._smooth(values)
    assert smooth[0] == 1.5  # of two values, as there is none before the first
    np.testing.assert_array_equal(smooth[48:53], [0, 1, 1, 1, 0])
    assert smooth[98] == 0 and np.isnan(smooth[99])
    assert figures._smooth(np.array([4.0])) == [4]


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
