"""What a dataset of the built-in world was drawn with."""

import json

import pytest

from tfipgan.errors import InputError
from tfipgan.world.record import EDITION, WorldOptions, read_record, write_record


def test_what_is_written_is_read(tmp_path):
    options = WorldOptions(seed=3, image_size=(64, 32), strength=0.5)
    write_record(tmp_path, "target", options)
    assert read_record(tmp_path) == ("target", options)


def test_a_folder_without_a_record(tmp_path):
    with pytest.raises(InputError, match="can't be drawn again: it has no world.json"):
        read_record(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        json.dumps({"edition": EDITION, "dataset": "source", "image_size": 3}),
        json.dumps({"edition": EDITION, "dataset": "source", "image_size": [64, 32],
                    "feet": 2}),
        json.dumps({"edition": EDITION, "dataset": "source", "image_size": [64, 32],
                    "seed": "2"}),
    ],
)  # fmt: skip
def test_a_damaged_record(tmp_path, text):
    (tmp_path / "world.json").write_text(text)
    with pytest.raises(InputError, match="its world.json is damaged .*it anew"):
        read_record(tmp_path)


def test_another_edition(tmp_path):
    write_record(tmp_path, "source", WorldOptions())
    text = (tmp_path / "world.json").read_text()
    newer = text.replace(f'"edition": {EDITION}', '"edition": 9')
    (tmp_path / "world.json").write_text(newer)
    with pytest.raises(InputError, match="it is of edition 9 .* draws edition 2"):
        read_record(tmp_path)
