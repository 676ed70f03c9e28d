"""Several datasets as one: who is who afterwards, by hand; and what can't be joined."""

import os
from dataclasses import replace

import pytest

from tfipgan.data.filenames import NO_CAMERA, Sample
from tfipgan.data.joining import by_dataset, join
from tfipgan.errors import InputError

# Person 3 and camera 1 are in both; 10**17 is as long as numbers get.
FIRST = [
    Sample("a/7_1.jpg", 7, 1),
    Sample("a/3_2.jpg", 3, 2),
    Sample("a/3_1.jpg", 3, 1, needs_conversion=True),
]
SECOND = [
    Sample("b/5_1.jpg", 5, 1, dataset=1),
    Sample("b/3.jpg", 3, NO_CAMERA, dataset=1),
    Sample("b/9_8.jpg", 10**17, 8, dataset=1),
]


def translation(sample, camera, folder="new"):
    name = os.path.basename(sample.path).replace(".jpg", f"_to_c{camera}.png")
    return replace(
        sample, path=f"{folder}/{name}", camera_id=camera, source_camera_id=1
    )


def test_people_and_cameras_of_two_datasets_stay_apart():
    joined = join([*FIRST, *SECOND], None)
    assert joined.people == ((3, 7), (3, 5, 10**17))
    assert joined.translated is None
    # People 3 7 | 3 5 10**17 are 0 1 | 2 3 4, cameras 1 2 | 1 8 are 0 1 | 2 3.
    numbers = [(1, 0), (0, 1), (0, 0), (3, 2), (2, NO_CAMERA), (4, 3)]
    assert [(s.person_id, s.camera_id) for s in joined.samples] == numbers
    for new, old in zip(joined.samples, [*FIRST, *SECOND], strict=True):
        same = {"person_id": 0, "camera_id": 0}
        assert replace(new, **same) == replace(old, **same)


def test_translated_images_are_of_their_datasets_people():
    new = [
        translation(FIRST[1], 6),
        translation(SECOND[1], 6),
        translation(SECOND[0], 4),
    ]
    plain = Sample("mine/x.png", 5, 2, dataset=1)  # its name says no source
    joined = join([*FIRST, *SECOND], [*new, plain])
    found = [(s.path, s.person_id, s.camera_id) for s in joined.translated]
    assert found == [
        ("new/3_2_to_c6.png", 0, 6), ("new/3_to_c6.png", 2, 6),
        ("new/5_1_to_c4.png", 3, 4), ("mine/x.png", 3, 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "stranger",
    [
        # Of person 3, whom both have, but of the other's image.
        replace(translation(FIRST[1], 6), dataset=1),
        replace(translation(FIRST[0], 6), dataset=1),
        Sample("new/mine.png", 7, 2, dataset=1),
    ],
)
def test_translations_in_another_order(stranger):
    line = "of no image, or person, of --data number 2; expected one --translated for"
    with pytest.raises(InputError, match=line):
        join([*FIRST, *SECOND], [translation(FIRST[1], 6), stranger])


def test_a_dataset_twice_or_within_another(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("a")
    first = [Sample(f"{tmp_path}/a/{k}.jpg", k, 1) for k in (1, 2)]
    for folder in ("a", "link", "a/../a"):
        again = [
            replace(s, path=f"{tmp_path}/{folder}/{k}.jpg", dataset=1)
            for k, s in enumerate(first, start=2)
        ]
        line = (
            f"^{tmp_path}/{folder}/2.jpg is of two datasets, --data number 1 and "
            r"number 2 \(1 such images\), .*; give each folder once"
        )
        with pytest.raises(InputError, match=line):
            join([*first, *again], None)


def test_translations_that_are_of_two_datasets():
    """Of datasets whose images have the same names, as the built-in world's may have"""
    other = [replace(s, path=f"b/{os.path.basename(s.path)}", dataset=1) for s in FIRST]
    new = [translation(sample, 6) for sample in (FIRST[0], other[0])]
    message = "^new/7_1_to_c6.png is of two datasets, --translated number 1 and .* 2 "
    with pytest.raises(InputError, match=message):
        join([*FIRST, *other], new)
    own = [new[0], translation(other[0], 6, "newer")]
    assert [s.person_id for s in join([*FIRST, *other], own).translated] == [1, 3]


def test_samples_by_dataset():
    assert by_dataset([*FIRST, *SECOND]) == [FIRST, SECOND]
    assert by_dataset(FIRST) == [FIRST] and by_dataset([]) == []
