"""Sheets of translated people, on images of one colour each."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfipgan.data.filenames import Sample
from tfipgan.errors import InputError
from tfipgan.reports import translated_sheet as module
from tfipgan.reports.translated_sheet import translated_sheet

SIZE = (8, 4)


@pytest.fixture
def sheet(monkeypatch):
    """What `image_sheet` was given: colours of the cells, titles, scale."""
    kept = []

    def keep(rows, columns, names, path, scale):
        colours = [
            [None if cell is None else tuple(cell[0, 0].tolist()) for cell in row]
            for row in rows
        ]
        shapes = {cell.shape[:2] for row in rows for cell in row if cell is not None}
        kept.append((colours, columns, names, scale, shapes))

    monkeypatch.setattr(module, "image_sheet", keep)
    return kept


def image(folder, name, person, camera, colour, size=SIZE):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size[::-1], colour).save(path)
    return Sample(str(path), person, camera)


@pytest.fixture
def world(tmp_path):
    """(source, target, translated): 3 people x 2 images; 2 cameras; no camera sees all.

    A source image is (person, image, 0), a real one (camera, person, 100) and a
    translation (person, image, camera).
    """
    source, translated = [], []
    for person in (1, 2, 3):
        for number in (0, 1):
            stem = f"{person:04d}_c1s1_{number:06d}_00"
            source.append(
                image(tmp_path / "source", f"{stem}.png", person, 1,
                      (person, number, 0), (16, 8))
            )  # fmt: skip
            translated += [
                image(tmp_path / "to", f"{stem}_to_c{camera}.png", person, camera,
                      (person, number, camera))
                for camera in (4, 7)
            ]  # fmt: skip
    target = [
        image(tmp_path / "target", f"{camera}_{person}.png", person, camera,
              (camera, person, 100))
        for camera, person in ((4, 11), (4, 12), (7, 11), (7, 12), (7, 13))
    ]  # fmt: skip
    return source, target, translated


def test_real_images_above_people_and_their_translations(world, sheet, tmp_path):
    translated_sheet(*world, tmp_path / "s.png", method="IPGAN", people=2)
    ((colours, columns, names, scale, shapes),) = sheet
    assert columns == ["source", "camera 4", "camera 7"]
    assert names == ["real", "IPGAN", "IPGAN"]
    # Another person in each camera; people and images from all over the set.
    assert colours == [
        [None, (4, 11, 100), (7, 12, 100)],
        [(1, 0, 0), (1, 0, 4), (1, 0, 7)],
        [(2, 1, 0), (2, 1, 4), (2, 1, 7)],
    ]
    # Source images are shown at the translated images' size.
    assert shapes == {SIZE} and scale == 3


def test_what_is_missing_is_an_empty_cell(world, sheet, tmp_path):
    source, target, translated = world
    translated_sheet(
        source,
        [sample for sample in target if sample.camera_id == 7],
        [s for s in translated if not s.path.endswith("0001_c1s1_000000_00_to_c4.png")],
        tmp_path / "s.png",
        method="IPGAN",
    )
    colours = sheet[0][0]
    assert colours[0] == [None, None, (7, 11, 100)]
    assert colours[1] == [(1, 0, 0), None, (1, 0, 7)]
    # No more rows than people.
    assert len(colours) == 4


def test_a_camera_without_new_people_shows_one_again(world, sheet, tmp_path):
    source, target, translated = world
    few = [sample for sample in target if sample.person_id == 11]
    translated_sheet(source, few, translated, tmp_path / "s.png", method="x")
    assert sheet[0][0][0] == [None, (4, 11, 100), (7, 11, 100)]


def test_a_source_image_is_shown_as_it_was_translated(world, sheet, tmp_path):
    """Turned upright, and on white where it is transparent."""
    source, target, translated = world
    exif = Image.Exif()
    exif[0x0112] = 3
    turned = Image.new("RGBA", (4, 8), (9, 9, 9, 0))
    turned.paste((1, 2, 3, 255), (2, 4, 4, 8))
    for sample in source:
        turned.save(sample.path, exif=exif)
    translated_sheet(source, target, translated, tmp_path / "s", method="m")
    assert [row[0] for row in sheet[0][0][1:]] == [(1, 2, 3)] * 3
    exif[0x0112] = 1
    for sample in source:
        turned.save(sample.path, exif=exif)
    translated_sheet(source, target, translated, tmp_path / "s", method="m")
    assert [row[0] for row in sheet[1][0][1:]] == [(255, 255, 255)] * 3


def test_the_sheet_is_drawn(world, tmp_path):
    translated_sheet(*world, tmp_path / "s.png", method="IPGAN")
    pixels = np.asarray(Image.open(tmp_path / "s.png"))
    found = (pixels == (3, 1, 7)).all(axis=2).sum()
    assert found == 9 * SIZE[0] * SIZE[1]


def test_sheets_that_cannot_be_drawn(world, tmp_path):
    source, target, translated = world
    path = tmp_path / "s.png"
    with pytest.raises(InputError, match="no translated images"):
        translated_sheet(source, target, [], path, method="x")
    # The same stem of another person is not its source.
    others = [Sample(s.path, s.person_id + 3, s.camera_id) for s in source]
    with pytest.raises(InputError) as caught:
        translated_sheet(others, target, translated, path, method="x")
    message = str(caught.value)
    assert message.startswith(
        f"{Path(translated[0].path)}: no image 0001_c1s1_000000_00"
    )
    assert "of person 1 among the 6" in message and "\n" not in message
    assert not path.exists()
