import numpy as np
import pytest
from PIL import Image

from tfipgan.errors import InputError
from tfipgan.reports import bar_chart as module
from tfipgan.reports.bar_chart import bar_chart

SERIES = {
    "Baseline": {"StarGAN": [0.2, 0.3, 0.4], "IPGAN": [0.5]},
    "IBN-reID": {"IPGAN": [0.6, 0.6], "other": [1.0]},
}


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were drawn, before they became pixels."""
    kept = []
    save = module.save

    def keep(figure, path):
        kept.append(figure)
        save(figure, path)

    monkeypatch.setattr(module, "save", keep)
    return kept


def draw(series, path):
    bar_chart(series, path, title="mAP", label="mAP (%)")


def test_bars_are_means_and_error_bars_sample_deviations(tmp_path, drawn):
    draw(SERIES, tmp_path / "new" / "b.png")
    with Image.open(tmp_path / "new" / "b.png") as image:
        assert image.format == "PNG"
    (axes,) = drawn[0].axes
    assert [label.get_text() for label in axes.get_xticklabels()] == [
        "StarGAN", "IPGAN", "other",
    ]  # fmt: skip
    baseline, ibn = axes.containers[1::2]
    np.testing.assert_allclose([bar.get_height() for bar in baseline], [30, 50])
    np.testing.assert_allclose([bar.get_height() for bar in ibn], [60, 100])
    # A group's bars stand beside each other, around its place.
    starts = [bar.get_x() for bar in (*baseline, *ibn)]
    ends = [bar.get_x() + bar.get_width() for bar in (*baseline, *ibn)]
    assert starts[0] < ends[0] < 0.01 and starts[1] < ends[1] < 1 < starts[2] < ends[2]
    (segments,) = (
        container.lines[2][0].get_segments()
        for container in axes.containers[::2]
        if container.get_label() == "_nolegend_" and len(container.lines[2])
        and np.isclose(container.lines[2][0].get_segments()[0][0][1], 20)
    )  # fmt: skip
    np.testing.assert_allclose(np.array(segments[0])[:, 1], [20, 40])
    dots = [line for line in axes.lines if line.get_marker() == "."]
    assert [line.get_ydata() for line in dots] == [
        pytest.approx([20, 30, 40]), pytest.approx([60, 60]),
    ]  # fmt: skip
    assert len(set(dots[1].get_xdata())) == 2
    assert [text.get_text() for text in axes.texts] == ["30.0", "50.0", "60.0", "100.0"]
    # A number never stands in what it tells of.
    assert [text.xy[1] for text in axes.texts] == pytest.approx([40, 50, 60, 100])
    assert axes.get_ylim()[1] > 100
    names = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert names == ["Baseline", "IBN-reID"]


def test_equal_input_gives_equal_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        draw(SERIES, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_bars_of_nothing_but_zeros(tmp_path):
    draw({"x": {"y": [0.0]}}, tmp_path / "b.png")


@pytest.mark.parametrize(
    ("series", "message"),
    [
        ({}, "no bars"),
        ({"x": {}}, "no bars"),
        ({"x": {"y": []}}, "bar 'x', 'y' has no values"),
        ({"x": {"y": [0.5, 41.2]}}, r"outside \[0, 1\]"),
        ({"x": {"y": [float("nan")]}}, r"outside \[0, 1\]"),
    ],
)
def test_bars_that_cannot_be_drawn(tmp_path, series, message):
    with pytest.raises(InputError, match=message):
        draw(series, tmp_path / "b.png")
    assert not (tmp_path / "b.png").exists()
