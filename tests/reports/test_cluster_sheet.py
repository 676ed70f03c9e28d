"""A sheet of clusters: which are drawn, which of their images, and the captions."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tfipgan.data.filenames import Sample
from tfipgan.errors import InputError
from tfipgan.reports import cluster_sheet as module
from tfipgan.reports.cluster_sheet import cluster_sheet
from tfipgan.reports.sheets import image_sheet


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """What `cluster_sheet` hands to `image_sheet`, for (cameras seen by, labels)."""
    handed = {}

    def note(rows, column_titles, row_titles, path, scale, captions):
        firsts = [[None if i is None else int(i[0, 0, 0]) for i in row] for row in rows]
        handed.update(rows=firsts, titles=row_titles, captions=captions, scale=scale)
        image_sheet(rows, column_titles, row_titles, path, scale, captions)

    monkeypatch.setattr(module, "image_sheet", note)

    def call(seen_by, labels, **options):
        samples = []
        for number, camera in enumerate(seen_by):
            path = tmp_path / f"{number}.png"
            Image.new("RGB", (8, 16), (number, 0, 0)).save(path)
            samples.append(Sample(str(path), -2, camera))
        out = tmp_path / "out" / "sheet.png"
        cluster_sheet(samples, np.array(labels), out, image_size=(16, 8), **options)
        with Image.open(out) as sheet:
            assert sheet.format == "PNG"
        return handed

    return call


def test_rows_are_clusters_and_the_last_one_who_is_in_none(drawn):
    handed = drawn([3, 1, 1, 2, 1, 2], [1, 0, 1, -1, 1, 0])
    # The largest first; images in the order of their cameras.
    assert handed["rows"] == [[2, 4, 0], [1, 5, None], [3, None, None]]
    assert handed["titles"] == [
        "cluster 1\n3 images\n2 cameras", "cluster 0\n2 images\n2 cameras",
        "in none\n1 images",
    ]  # fmt: skip
    assert handed["captions"] == [
        ["camera 1", "camera 1", "camera 3"], ["camera 1", "camera 2", ""],
        ["camera 2", "", ""],
    ]  # fmt: skip


def test_without_cameras_and_without_outliers(drawn):
    handed = drawn([-1, -1], [0, 0], cameras=False)
    assert handed["titles"] == ["cluster 0\n2 images"]
    assert handed["captions"] == [["", ""]]


def test_many_are_evenly_picked(drawn):
    labels = np.repeat(np.arange(30), 2).tolist() + [30] * 25
    handed = drawn([1] * len(labels), labels)
    assert len(handed["rows"]) == module.ROWS
    assert handed["rows"][0] == [60 + k * 25 // 10 for k in range(10)]
    assert [title.split("\n")[0] for title in handed["titles"][:3]] == [
        "cluster 30", "cluster 1", "cluster 4",
    ]  # fmt: skip


def test_a_caption_stands_under_its_cell(tmp_path):
    colour = 0, 90, 200  # which no letter has
    image = np.full((40, 60, 3), colour, np.uint8)
    sizes = {}
    for name, captions in {"none": None, "said": [["camera 1", ""]]}.items():
        image_sheet([[image, None]], ["", ""], [""], tmp_path / name, 1, captions)
        with Image.open(tmp_path / name) as opened:
            sheet = np.asarray(opened)
        sizes[name] = sheet.shape
        last = np.flatnonzero((sheet == colour).all(axis=2).any(axis=1))[-1]
        below = sheet[last + 1 :]
        black = (below < 100).all(axis=2)
        left, right = np.split(black, [8 + 8 + 60], axis=1)
        assert left.any() == (name == "said")
        assert not right.any()
    assert sizes["said"][0] > sizes["none"][0]
    assert sizes["said"][1] == sizes["none"][1]


def test_captions_are_one_a_cell(tmp_path):
    image = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(InputError, match="^1 captions, expected one a cell, 1 x 2"):
        image_sheet([[image, image]], ["", ""], [""], tmp_path / "a", 1, [["one"]])


def test_who_is_on_an_image_is_not_looked_at(drawn, tmp_path):
    drawn([1, 2], [0, 0])
    first = (tmp_path / "out" / "sheet.png").read_bytes()
    samples = [Sample(str(tmp_path / f"{k}.png"), k + 5, k + 1) for k in range(2)]
    other = tmp_path / "other.png"
    cluster_sheet(
        [replace(s, distractor=True) for s in samples],
        np.array([0, 0]),
        other,
        image_size=(16, 8),
    )
    assert other.read_bytes() == first
