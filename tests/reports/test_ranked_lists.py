import os

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tfipgan.errors import InputError
from tfipgan.evaluation import FeatureSet
from tfipgan.evaluation.per_query import RankingDetail
from tfipgan.evaluation.verification import DistanceHistogram
from tfipgan.reports.ranked_lists import (
    _RIGHT,
    _UNREADABLE,
    _WRONG,
    _read,
    choose_queries,
    ranked_list_sheet,
)

BLUE, YELLOW = (0, 0, 255), (255, 255, 0)


def ranking(precision, first=None, top=((),), distance=((),)):
    return RankingDetail(
        np.array(precision, float),
        np.array(first if first is not None else [1] * len(precision)),
        np.array(top, int),
        np.array(distance, np.float32),
        None,
        DistanceHistogram(np.arange(2.0), np.ones(1, int), np.ones(1, int)),
    )


@pytest.mark.parametrize(
    ("how", "count", "rows"),
    [
        ("worst", 9, [2, 4, 0, 5, 3]),
        ("worst", 1, [2]),
        ("best", 3, [3, 5, 0]),
        ("first", 2, [0, 2]),
        ("spread", 9, [3, 5, 0, 2, 4]),
        ("spread", 2, [5, 2]),
        ("spread", 1, [0]),
    ],
)
def test_choose_queries(how, count, rows):
    detail = ranking([0.5, np.nan, 0.1, 0.9, 0.1, 0.7])
    assert choose_queries(detail, how, count).tolist() == rows


def test_spread_is_from_all_parts():
    detail = ranking(np.linspace(1, 0, 1200))
    rows = choose_queries(detail)
    assert rows.tolist() == list(range(50, 1200, 100))


def test_choose_queries_of_none():
    for how in ("spread", "worst", "best", "first"):
        assert choose_queries(ranking([np.nan]), how).tolist() == []


def test_choose_queries_errors():
    with pytest.raises(InputError, match="'random', expected one of: spread, worst"):
        choose_queries(ranking([1]), "random")
    with pytest.raises(InputError, match="0 queries to show, expected 1 or more"):
        choose_queries(ranking([1]), "best", 0)


def image_file(path, size, colour):
    Image.new("RGB", size, colour).save(path)
    return str(path)


@pytest.fixture
def small(tmp_path):
    """Two queries and four gallery images: (query, gallery, detail)."""
    query = FeatureSet(
        np.ones((2, 3)),
        [7, 8],
        [1, -1],
        [image_file(tmp_path / f"q{i}.png", (40, 80), YELLOW) for i in range(2)],
    )
    files = [
        image_file(tmp_path / "tall.png", (10, 40), BLUE),
        image_file(tmp_path / "wide.png", (600, 300), BLUE),
        str(tmp_path / "nowhere.jpg"),
        str(tmp_path / "torn.png"),
    ]
    (tmp_path / "torn.png").write_bytes((tmp_path / "tall.png").read_bytes()[:60])
    gallery = FeatureSet(np.ones((4, 3)), [7, 9, 8, 9], [2, 3, 15, 4], files)
    detail = ranking(
        [0.25, np.nan],
        [4, 0],
        [[1, 0, -1], [2, 3, 1]],
        [[0.5, 123.456, np.inf], [0.0, 1, 2]],
    )
    return query, gallery, detail


@pytest.fixture
def texts(monkeypatch):
    """What is written into images, in its order."""
    written = []
    write = ImageDraw.ImageDraw.text

    def keep(self, xy, text, *args, **kwargs):
        written.append(text)
        return write(self, xy, text, *args, **kwargs)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", keep)
    return written


def extent(mask):
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return rows[0], rows[-1] + 1, columns[0], columns[-1] + 1


def pixels(path, colour):
    return (np.asarray(Image.open(path)) == colour).all(axis=2)


def test_sheet(tmp_path, small, texts):
    path = tmp_path / "new" / "sheet.png"
    assert ranked_list_sheet(*small, path, rows=[0]) == 0
    assert os.listdir(tmp_path / "new") == ["sheet.png"]
    cells = ["camera 1", "camera 3", "0.500", "camera 2", "123.5"]
    title = ["person 7", "AP 0.250", "first match", "at rank 4"]
    assert [text for text in texts if text in cells] == cells
    assert [text for text in texts if text in title] == title
    assert not any("can't be read" in text for text in texts)
    # Fitted into 160 x 80 with their aspect: 40 x 80 of the wide one, then all of the
    # height of the tall one, 40 wide; both end at the same height.
    blue = pixels(path, BLUE)
    top, bottom, left, right = extent(pixels(path, YELLOW))
    assert (bottom - top, right - left) == (160, 80)
    wide = extent(blue[:, : right + 140])
    assert (wide[1] - wide[0], wide[3] - wide[2]) == (40, 80)
    tall = extent(blue[:, right + 140 :])
    assert (tall[0], tall[1], tall[3] - tall[2]) == (top, bottom, 40)
    assert wide[1] == bottom


def test_frames_say_right_and_wrong_without_colour(tmp_path, small):
    path = tmp_path / "sheet.png"
    ranked_list_sheet(*small, path, rows=[0])
    top, bottom, _, right = extent(pixels(path, YELLOW))
    wide = extent(pixels(path, BLUE)[:, : right + 140])
    tall = extent(pixels(path, BLUE)[:, right + 140 :])
    # The line just below the images: dashed and red at the first, solid at the second.
    line = np.asarray(Image.open(path))[bottom + 1]
    wrong = line[wide[2] : wide[3]]
    is_red = (wrong == _WRONG).all(axis=1)
    assert 0.5 < is_red.mean() < 0.8 and (wrong[~is_red] == 255).all()
    right_line = line[right + 140 :][tall[2] : tall[3]]
    assert (right_line == _RIGHT).all()
    # Below them a mark on a disc of the same colour, with white strokes.
    below = np.asarray(Image.open(path))[bottom + 8 : bottom + 22]
    for colour, is_first in ((_RIGHT, False), (_WRONG, True)):
        disc = (below == colour).all(axis=2)
        first, last, start, end = extent(disc)
        assert (end < right + 140) == is_first
        inside = below[first:last, start:end]
        assert 8 <= end - start <= 13
        assert (inside[3:-3, 3:-3] > 230).all(axis=2).any()


def test_unreadable_images_are_grey_and_counted(tmp_path, small, texts):
    path = tmp_path / "sheet.png"
    assert ranked_list_sheet(*small, path, rows=[0, 1]) == 2
    assert "2 of 7 images can't be read" in texts
    assert {"no camera", "no match", "camera 15"} <= set(texts)
    assert pixels(path, _UNREADABLE).sum() > 2 * 0.8 * 160 * 80
    # All of them: the cells keep their size.
    query, gallery, detail = small
    lost = [
        FeatureSet(s.features, s.person_ids, s.camera_ids, ["x"] * len(s))
        for s in (query, gallery)
    ]
    assert ranked_list_sheet(*lost, detail, path, rows=[0, 1]) == 7
    assert pixels(path, _UNREADABLE).sum() > 7 * 0.8 * 160 * 80


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "I;16", "CMYK", "1"])
@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1)])
def test_any_image_is_drawn(tmp_path, small, mode, size):
    query, gallery, detail = small
    name = "q.tif" if mode == "CMYK" else "q.png"
    Image.new(mode, size).save(tmp_path / name)
    query.paths[0] = str(tmp_path / name)
    assert (
        ranked_list_sheet(*small, tmp_path / "s.png", rows=[0], cell_size=(9, 5)) == 0
    )


def test_images_are_shown_as_the_network_sees_them(tmp_path):
    """On white where they are transparent, and of 16 bits the upper 8."""
    path = str(tmp_path / "image.png")
    Image.new("RGBA", (2, 4), (9, 8, 7, 0)).save(path)
    assert _read(path, (4, 2)).getcolors() == [(8, (255, 255, 255))]
    Image.fromarray(np.full((4, 2), 0x4000, np.uint16)).save(path)
    assert _read(path, (4, 2)).getcolors() == [(8, (0x40, 0x40, 0x40))]


def test_count_of_columns(tmp_path, small, texts):
    ranked_list_sheet(*small, tmp_path / "s.png", rows=[1, 0], count=1)
    assert [text for text in texts if text.isdigit()] == ["1"]
    assert "0.500" in texts and "123.5" not in texts


def test_equal_input_gives_equal_bytes(tmp_path, small):
    for name in ("a.png", "b.png"):
        ranked_list_sheet(*small, tmp_path / name, rows=[0, 1])
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def without_paths(features):
    return FeatureSet(features.features, features.person_ids, features.camera_ids)


def test_sheet_errors(tmp_path, small):
    query, gallery, detail = small
    path = tmp_path / "s.png"

    def refused(message, *sets, rows=(0,), **options):
        with pytest.raises(InputError, match=message):
            ranked_list_sheet(*sets, path, rows=rows, **options)

    said = "features were written without paths.*: extract again"
    refused(f"query {said}", without_paths(query), gallery, detail)
    refused(f"gallery {said}", query, without_paths(gallery), detail)
    refused("of 3 queries, expected 2", query, gallery, ranking([1, 1, 1]))
    refused("no queries to show", *small, rows=())
    refused("query 2 does not exist, expected 0 to 1", *small, rows=[0, 2])
    refused("query -1 does not exist", *small, rows=[-1])
    refused("count is 0", *small, count=0)
    refused(r"cell_size \(0, 80\)", *small, cell_size=(0, 80))
    assert not path.exists()


def test_a_photo_is_shown_as_exif_turns_it(tmp_path):
    image = Image.new("RGB", (8, 4), BLUE)
    image.paste(YELLOW, (0, 0, 4, 4))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned to the right: what was left is at the top
    image.save(tmp_path / "a.png", exif=exif)
    shown = _read(str(tmp_path / "a.png"), (8, 8))
    assert shown.size == (4, 8)
    assert (shown.getpixel((2, 1)), shown.getpixel((2, 6))) == (YELLOW, BLUE)
