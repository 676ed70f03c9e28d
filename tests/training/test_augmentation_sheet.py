"""The sheet of augmented images: its cells are what a run is fed, and no others."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tfipgan.config import load_config
from tfipgan.data.labels import LabelMap
from tfipgan.data.pipelines import inference_batches, reid_batches
from tfipgan.errors import ConfigError, InputError
from tfipgan.training import augmentation_sheet
from tfipgan.training.augmentation_sheet import DRAWS, ROWS, write_augmentation_sheet

AUGMENTED = (
    "reid.random_sized_crop=false",
    "reid.pad_crop=3",
    "reid.color_jitter=0.2",
    "reid.random_erasing=0.5",
    "backbone.mean=[0.2, 0.4, 0.6]",
    "reid.epochs=6",
)
SETTINGS = {"image_size": (32, 16), "batch_size": 8, "seed": 3}


@pytest.fixture(scope="module")
def config(tiny_overrides):
    return load_config("synthetic/ipgan", [*tiny_overrides, *AUGMENTED])


@pytest.fixture
def drawn(monkeypatch):
    """What was given to `image_sheet`."""
    calls = []
    monkeypatch.setattr(
        augmentation_sheet, "image_sheet", lambda *a, **o: calls.append(a)
    )
    return calls


def fed(samples):
    """{place of a sample: its images in [0, 1], in the run's order}, by the batches."""
    numbered = [replace(s, person_id=place) for place, s in enumerate(samples)]
    batches = reid_batches(
        numbered, LabelMap(tuple(range(len(samples)))), **SETTINGS, crop=False,
        pad_crop=3, jitter=0.2, erasing=0.5, fill=(0.2, 0.4, 0.6),
        end_step=6 * (len(samples) // 8),
    )  # fmt: skip
    found = {place: [] for place in range(len(samples))}
    for batch in batches.as_numpy_iterator():
        for image, place in zip(batch["images"], batch["identities"], strict=True):
            found[place].append(image)
    return found


def test_cells_are_what_the_run_is_fed(config, drawn, tiny_samples, tmp_path):
    samples = tiny_samples[0]
    write_augmentation_sheet(config, samples, tmp_path / "x.png")
    ((rows, columns, titles, path),) = drawn
    assert path == tmp_path / "x.png" and columns[:2] == ["image", "draw 1"]
    (plain,) = inference_batches(samples, (32, 16), 99)
    plain, expected = np.round(plain).astype(np.uint8), fed(samples)
    seen, empty = [], 0
    for row, title in zip(rows, titles, strict=True):
        (place,) = np.flatnonzero((plain == row[0]).all(axis=(1, 2, 3)))
        sample = samples[place]
        assert title == f"person {sample.person_id}\ncamera {sample.camera_id}"
        seen.append(sample)
        cells = [cell for cell in row[1:] if cell is not None]
        images = np.round(np.array(expected[place]) * 255).astype(np.uint8)
        # In 6 epochs of 24 of 30 images, each comes 6 times or fewer.
        assert 2 <= len(cells) == len(images) <= 6
        np.testing.assert_array_equal(cells, images)
        empty += DRAWS - len(cells)
    assert empty == sum(cell is None for row in rows for cell in row) > ROWS
    assert len({s.path for s in seen}) == ROWS
    assert (
        len({s.person_id for s in seen}) == 5 and len({s.camera_id for s in seen}) == 3
    )


def test_no_more_draws_than_columns(config, drawn, tiny_samples, tmp_path):
    config = replace(config, reid=replace(config.reid, epochs=12))
    write_augmentation_sheet(config, tiny_samples[0], tmp_path / "x.png")
    ((rows, *_),) = drawn
    assert {len(row) for row in rows} == {1 + DRAWS}
    assert not any(cell is None for row in rows for cell in row)


def test_a_sheet_is_a_png_also_of_few_images(config, tiny_samples, tmp_path):
    config = replace(config, reid=replace(config.reid, batch_size=2, epochs=1))
    write_augmentation_sheet(config, tiny_samples[0][5:8], tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as image:
        # Eight columns of images at eight times their size, three rows.
        assert image.width > 8 * 16 * 8 and 3 * 32 * 8 < image.height < 4 * 32 * 8


def test_what_can_not_be_trained_on_is_not_drawn(config, tiny_samples, tmp_path):
    with pytest.raises(InputError, match="30 training images, but one step takes 31"):
        write_augmentation_sheet(
            replace(config, reid=replace(config.reid, batch_size=31)),
            tiny_samples[0],
            tmp_path / "x.png",
        )
    with pytest.raises(ConfigError, match="reid.batch_size: expected at least 2"):
        write_augmentation_sheet(
            replace(config, reid=replace(config.reid, batch_size=1)),
            tiny_samples[0],
            tmp_path / "x.png",
        )
    assert not (tmp_path / "x.png").exists()
