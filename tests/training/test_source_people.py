"""A source's people as clusters that need no clustering."""

import pytest

from tfipgan.data.filenames import Sample
from tfipgan.errors import InputError
from tfipgan.training.source_people import SourcePeople

SAMPLES = [Sample("a", 9, 2), Sample("b", 4, 2), Sample("c", 9, 5), Sample("d", 9, 2)]


def test_labels_cameras_and_pairs():
    people = SourcePeople(SAMPLES, by_camera=True)
    assert people.labels.tolist() == [1, 0, 1, 1]
    assert people.cameras.tolist() == [2, 2, 5, 2]
    assert people.pairs.of_image.tolist() == [1, 0, 2, 1]
    assert people.pairs.clusters.tolist() == [0, 1, 1]
    assert people.pairs.cameras.tolist() == [2, 2, 5]
    assert people.samples == tuple(SAMPLES)


@pytest.mark.parametrize(
    ("samples", "by_camera"), [(SAMPLES, False), ([*SAMPLES, Sample("e", 4, -1)], True)]
)
def test_without_cameras_all_are_alike(samples, by_camera):
    people = SourcePeople(samples, by_camera)
    assert set(people.cameras) == {0}
    assert people.pairs.clusters.tolist() == [0, 1]


def test_nobody_known():
    with pytest.raises(InputError, match="is not an identity"):
        SourcePeople([*SAMPLES, Sample("e", -2, 1)], by_camera=True)
