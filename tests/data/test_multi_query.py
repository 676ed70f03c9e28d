"""Which images of gt_bbox are averaged to a query."""

import pytest

from tfipgan.data.datasets import read_dataset
from tfipgan.data.multi_query import multi_query_pool
from tfipgan.errors import InputError


def dataset(root, pool, queries=("0001_c1s1_000001_00.jpg", "-1_c2s1_000002_00.jpg")):
    for folder, names in (
        ("query", queries),
        ("bounding_box_test", ["0001_c2s1_000003_01.jpg"]),
        ("gt_bbox", pool),
    ):
        for name in names:
            (root / folder).mkdir(exist_ok=True)
            (root / folder / name).write_bytes(b"")
    return read_dataset(root, splits=("query", "gallery"))


def test_of_a_querys_person_and_camera(tmp_path):
    wanted = ["0001_c1s1_000001_00.jpg", "0001_c1s2_000009_00.jpg"]
    others = ["0001_c2s1_000001_00.jpg", "0002_c1s1_000001_00.jpg"]
    found = multi_query_pool(
        dataset(tmp_path, [*wanted, *others, "-1_c2s1_000002_00.jpg"])
    )
    assert [s.path for s in found] == [str(tmp_path / "gt_bbox" / n) for n in wanted]
    assert {(s.person_id, s.camera_id) for s in found} == {(1, 1)}


def test_a_dataset_without_the_folder(tmp_path):
    assert multi_query_pool(dataset(tmp_path, [])) is None


def test_a_folder_of_others(tmp_path):
    read = dataset(tmp_path, ["0001_c3s1_000001_00.jpg"])
    with pytest.raises(InputError, match="gt_bbox: none of the 1 images shows a query"):
        multi_query_pool(read)
    (tmp_path / "gt_bbox" / "holiday.jpg").write_bytes(b"")
    with pytest.raises(InputError, match=r"holiday\.jpg: 1 of 2 image names don't"):
        multi_query_pool(read)
