"""Batches of P identities and K images: who comes how often, from which cameras."""

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from tfipgan.data.filenames import Sample
from tfipgan.data.identity_sampler import IdentityOrder, check_identities
from tfipgan.errors import InputError

# Images of each person by camera. Numbers of people and cameras have gaps.
SEEN = {
    3: {1: 5, 2: 1, 6: 3},  # more cameras than one, unevenly
    4: {2: 1},  # one image
    8: {1: 2, 6: 1},  # fewer images than K
    9: {6: 9},  # one camera
    12: {1: 1, 2: 1, 3: 1, 4: 1, 6: 1},  # more cameras than K
    20: {3: 2, 4: 2},
    21: {3: 4},
}
K, PER_BATCH = 4, 3


@pytest.fixture(scope="module")
def samples():
    """In an order that is not that of people or cameras."""
    every = [
        Sample(f"{person}_{camera}_{number}", person, camera)
        for person, cameras in SEEN.items()
        for camera, count in cameras.items()
        for number in range(count)
    ]
    return [every[place] for place in np.random.default_rng(0).permutation(len(every))]


@pytest.fixture(scope="module")
def batches(samples):
    """Function of (steps, seed): lists of batches, each a list of samples."""
    orders = {}

    def read(steps, seed=5):
        if seed not in orders:
            order = IdentityOrder(samples, PER_BATCH * K, K, seed)
            orders[seed] = tf.function(order.sample_of)
        rows = PER_BATCH * K
        return [
            [
                samples[int(orders[seed](tf.constant(step * rows + row, tf.int64)))]
                for row in range(rows)
            ]
            for step in steps
        ]

    return read


def of_each(batch):
    """[K samples] of each identity of a batch."""
    return [batch[start : start + K] for start in range(0, len(batch), K)]


def test_a_batch_has_different_people(batches):
    for batch in batches(range(30)):
        people = [{s.person_id for s in images} for images in of_each(batch)]
        assert all(len(one) == 1 for one in people)
        assert len(set.union(*people)) == PER_BATCH


def test_people_come_equally_often_and_none_twice_in_a_round(batches):
    """Of seven people two batches take six; the one left out is another each time."""
    left_out = Counter()
    for start in range(0, 60, 2):
        two = [s.person_id for b in batches((start, start + 1)) for s in b[::K]]
        assert len(set(two)) == 2 * PER_BATCH
        left_out.update(SEEN.keys() - set(two))
    assert len(left_out) >= 5 and max(left_out.values()) <= 12


def test_images_of_a_person(batches):
    """All different if there are so many, else each once before any comes again."""
    for batch in batches(range(30)):
        for images in of_each(batch):
            total = sum(SEEN[images[0].person_id].values())
            paths = [s.path for s in images]
            assert len(set(paths)) == min(K, total)
            assert max(Counter(paths).values()) == -(-K // total)


def test_cameras_take_turns(batches):
    """No camera gives a second image before all have given one, and so on."""
    for batch in batches(range(30)):
        for images in of_each(batch):
            seen = SEEN[images[0].person_id]
            taken = Counter()
            for sample in images[: sum(seen.values())]:
                camera = sample.camera_id
                fewer = [
                    c
                    for c, count in seen.items()
                    if taken[c] < min(taken[camera], count)
                ]
                assert not fewer
                taken[camera] += 1


def test_every_image_comes_and_evenly(samples, batches):
    """Over many batches each camera's images do, and the cameras that come first."""
    images, first = Counter(), Counter()
    for batch in batches(range(400)):
        for group in of_each(batch):
            if group[0].person_id == 9:
                images.update(s.path for s in group)
            if group[0].person_id == 12:
                first[group[0].camera_id] += 1
    assert len(images) == 9 and len(first) == 5
    for counts in (images, first):
        mean = sum(counts.values()) / len(counts)
        assert max(abs(count - mean) for count in counts.values()) < 4 * mean**0.5


def test_an_order_of_the_seed(batches):
    one, same, other = batches([0, 7]), batches([7]), batches([7], seed=6)
    assert one[1] == same[0] != other[0]


def test_too_few_people(samples):
    message = (
        "^7 training identities, but a batch of 32 images takes 8 with 4 of each: set "
        "reid.batch_size lower, or reid.images_per_identity higher$"
    )
    with pytest.raises(InputError, match=message):
        check_identities(samples, 32, 4)
    with pytest.raises(InputError, match=message):
        IdentityOrder(samples, 32, 4, 0)
    check_identities(samples, 28, 4)
