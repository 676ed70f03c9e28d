"""A dataset of some of another's cameras."""

from pathlib import Path

import pytest
from PIL import Image

from tfipgan.data.datasets import read_dataset, read_split
from tfipgan.data.layouts import find_layout
from tfipgan.data.subset import write_subset
from tfipgan.errors import InputError


def make(root: Path, names):
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 16), (number, 0, 0)).save(path)


def names_of(root, split):
    return [
        Path(sample.path).relative_to(root).as_posix()
        for sample in read_split(find_layout(root), split)
    ]


def test_market_names(tmp_path):
    whole = tmp_path / "whole"
    make(
        whole,
        [
            "bounding_box_train/0001_c1s1_000001_00.jpg",
            "bounding_box_train/0001_c2s1_000002_00.jpg",
            "bounding_box_train/0002_c3s1_000003_00.jpg",
            "query/0003_c1s1_000004_00.jpg",
            "bounding_box_test/0000_c2s1_000005_00.jpg",
            "bounding_box_test/-1_c3s1_000006_00.jpg",
        ],
    )
    out = tmp_path / "some"
    counts = write_subset(find_layout(whole), {2, 3}, out)
    assert counts == {"train": 2, "gallery": 2}
    assert sorted(path.name for path in out.iterdir()) == [
        "dataset.yaml",
        "gallery",
        "train",
    ]
    data = read_dataset(out, splits=("train", "gallery"))
    assert data.format == "market1501"
    assert [(s.person_id, s.camera_id) for s in data.train] == [(1, 2), (2, 3)]
    assert [s.person_id for s in data.gallery] == [-1, 0]
    copy = out / "train" / "0002_c3s1_000003_00.jpg"
    original = whole / "bounding_box_train" / copy.name
    assert copy.read_bytes() == original.read_bytes()


def test_a_pattern_of_ones_own_and_folders_below(tmp_path):
    whole = tmp_path / "whole"
    make(whole, ["train/c1/7_a.jpg", "train/c2/7_b.jpg", "query/c2/8_c.jpg"])
    pattern = r"c(?P<camera>\d)/(?P<person>\d+)_"
    write_subset(find_layout(whole, pattern=pattern), {2}, tmp_path / "some")
    assert names_of(tmp_path / "some", "train") == ["train/c2/7_b.jpg"]
    assert names_of(tmp_path / "some", "query") == ["query/c2/8_c.jpg"]


def test_lists_of_msmt17(tmp_path):
    whole = tmp_path / "whole"
    names = [f"0000/0000_000_0{c}_0303morning_0015_0.jpg" for c in (1, 2)]
    make(whole / "train", names)
    make(whole / "test", names)
    for name in ("train", "query", "gallery"):
        (whole / f"list_{name}.txt").write_text("".join(f"{n} 0\n" for n in names))
    (whole / "list_val.txt").touch()
    counts = write_subset(find_layout(whole), [2], tmp_path / "some")
    assert counts == {"train": 1, "query": 1, "gallery": 1}
    assert names_of(tmp_path / "some", "gallery") == [f"gallery/{names[1]}"]


def test_a_camera_that_is_not_there(tmp_path):
    make(tmp_path / "whole", ["train/0001_c1s1_000001_00.jpg"])
    layout = find_layout(tmp_path / "whole", flat=True)
    with pytest.raises(
        InputError, match="no image of camera 5; expected .* cameras 1$"
    ):
        write_subset(layout, {1, 5}, tmp_path / "some")
    assert not (tmp_path / "some").exists()
