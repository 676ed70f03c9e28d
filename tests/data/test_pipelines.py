"""Pipelines: what is in a row, which rows make an epoch, and that a start is a tail."""

import os
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from tfipgan.data import batching
from tfipgan.data.filenames import Sample
from tfipgan.data.images import to_signed, to_unit
from tfipgan.data.labels import DomainMap, LabelMap
from tfipgan.data.local_images import converted
from tfipgan.data.pipelines import (
    gan_batches,
    inference_batches,
    reid_batches,
    steps_per_epoch,
)
from tfipgan.errors import InputError
from tfipgan.files.worker import Worker

SIZE = (32, 16)
BATCH, CRITIC = 4, 2
# 30 source and 30 target images.
GAN_STEPS = 60 // (BATCH * CRITIC)
REID_BATCH = 8
REID_STEPS = 30 // REID_BATCH
DTYPES = {
    "images": tf.float32,
    "domains": tf.int32,
    "identities": tf.int32,
    "is_source": tf.int32,
    "interpolation": tf.float32,
    "target_domains": tf.int32,
}


@pytest.fixture(scope="module")
def maps(tiny_samples):
    source, target = tiny_samples
    return LabelMap.from_samples(source), DomainMap.from_samples(target)


@pytest.fixture(scope="module")
def gan(tiny_samples, maps):
    """Function of (seed, end_step=..): the steps of the GAN's pipeline, as arrays."""

    def read(seed=7, **options):
        settings = {"image_size": SIZE, "batch_size": BATCH, "n_critic": CRITIC}
        batches = gan_batches(*tiny_samples, *maps, **settings, seed=seed, **options)
        return list(batches.as_numpy_iterator())

    return read


@pytest.fixture(scope="module")
def reid(tiny_samples, maps):
    def read(seed=7, **options):
        settings = {"image_size": SIZE, "batch_size": REID_BATCH, "dropout_units": 5}
        settings |= options
        batches = reid_batches(tiny_samples[0], maps[0], seed=seed, **settings)
        return list(batches.as_numpy_iterator())

    return read


@pytest.fixture(scope="module")
def augmented(reid):
    """`reid` with all that a row can be augmented by."""
    more = {"crop": False, "pad_crop": 3, "jitter": 0.3, "erasing": 0.5}
    return lambda *args, **options: reid(*args, **more | options)


@pytest.fixture(scope="module")
def people(reid):
    """The same of four people with two images each."""

    def read(seed=7, **options):
        return reid(seed, images_per_identity=2, **options)

    return read


@pytest.fixture(scope="module")
def finder(tiny_samples):
    """Function of an image in [0, 255]: the sample that it is exactly."""
    samples = [s for split in tiny_samples for s in split]
    (images,) = inference_batches([s.path for s in samples], SIZE, 999)
    images = images.numpy()
    assert len(np.unique(images.reshape(len(samples), -1), axis=0)) == len(samples)

    def find(image, change):
        (place,) = np.flatnonzero((change(images) == image).all(axis=(1, 2, 3)))
        return samples[place]

    return find


def test_steps_in_an_epoch():
    assert steps_per_epoch(60, 8) == 7
    assert steps_per_epoch(8, 8) == 1
    with pytest.raises(InputError, match="7 training images, but one step takes 8: "):
        steps_per_epoch(7, 8)


def test_gan_batches_have_the_shapes_and_ranges_they_promise(tiny_samples, maps, gan):
    spec = gan_batches(
        *tiny_samples, *maps, image_size=SIZE, batch_size=BATCH, n_critic=CRITIC, seed=0
    ).element_spec
    assert {name: column.dtype for name, column in spec.items()} == DTYPES
    for step in gan(end_step=GAN_STEPS):
        assert step["images"].shape == (BATCH, CRITIC, *SIZE, 3)
        assert step["images"].min() >= -1 and step["images"].max() <= 1
        for name in DTYPES.keys() - {"images"}:
            assert step[name].shape == (BATCH, CRITIC)
        share = step["interpolation"]
        assert 0 <= share.min() and share.max() < 1
        assert len(np.unique(share)) == share.size


def test_gan_rows_say_what_the_names_say(tiny_samples, maps, gan, finder):
    labels, domains = maps
    source = {s.path for s in tiny_samples[0]}
    for step in gan(end_step=GAN_STEPS, flip=False):
        for row in np.ndindex(BATCH, CRITIC):
            sample = finder(step["images"][row], to_signed)
            from_source = sample.path in source
            assert step["is_source"][row] == from_source
            assert step["domains"][row] == (
                len(domains.cameras) if from_source else domains.index(sample.camera_id)
            )
            expected = labels.index(sample.person_id) if from_source else 0
            assert step["identities"][row] == expected


def test_identities_are_not_needed_without_a_semantic_loss(tiny_samples, maps):
    nameless = [Sample(s.path, -2, s.camera_id) for s in tiny_samples[0]]
    batches = gan_batches(
        nameless, tiny_samples[1], None, maps[1],
        image_size=SIZE, batch_size=2, n_critic=1, seed=0, end_step=4,
    )  # fmt: skip
    assert not any(step["identities"].any() for step in batches.as_numpy_iterator())


def test_each_gan_epoch_is_another_permutation_without_the_rest(gan, finder):
    epochs = []
    steps = gan(end_step=2 * GAN_STEPS, flip=False)
    for epoch in (steps[:GAN_STEPS], steps[GAN_STEPS:]):
        images = [
            image for step in epoch for image in step["images"].reshape(-1, *SIZE, 3)
        ]
        epochs.append([finder(image, to_signed).path for image in images])
    first, second = epochs
    assert len(set(first)) == len(set(second)) == GAN_STEPS * BATCH * CRITIC == 56
    assert first != second
    assert sum(a == b for a, b in zip(first, second, strict=True)) < 10


def test_target_domains_are_a_permutation_of_each_critic_batch(gan):
    moved = 0
    for step in gan(end_step=GAN_STEPS):
        own, wanted = np.sort(step["domains"], 0), np.sort(step["target_domains"], 0)
        np.testing.assert_array_equal(own, wanted)
        moved += np.sum(step["domains"] != step["target_domains"])
    assert moved > 0


@pytest.mark.parametrize(
    ("pipeline", "steps"),
    [
        ("gan", GAN_STEPS),
        ("reid", REID_STEPS),
        ("augmented", REID_STEPS),
        ("people", REID_STEPS),
    ],
)
def test_a_later_start_gives_the_tail(request, pipeline, steps):
    read = request.getfixturevalue(pipeline)
    # From within the first epoch into the second, past the steps of one.
    whole = read(end_step=steps + 3)
    start = steps - 1
    tail = read(start_step=start, end_step=steps + 3)
    assert (len(whole), len(tail)) == (steps + 3, 4)
    for one, other in zip(whole[start:], tail, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize(
    ("pipeline", "steps"),
    [
        ("gan", GAN_STEPS),
        ("reid", REID_STEPS),
        ("augmented", REID_STEPS),
        ("people", REID_STEPS),
    ],
)
def test_the_shares_of_workers_are_the_whole(request, pipeline, steps, count):
    read = request.getfixturevalue(pipeline)
    some = {"start_step": steps - 1, "end_step": steps + 2}
    shares = [read(**some, worker=Worker(k, count)) for k in range(count)]
    for whole, *parts in zip(read(**some), *shares, strict=True):
        for name, column in whole.items():
            of_parts = [part[name] for part in parts]
            assert {len(part) for part in of_parts} == {len(column) // count}
            np.testing.assert_array_equal(np.concatenate(of_parts), column)


def test_a_worker_reads_its_own_images_only(odd_samples, maps, monkeypatch):
    called = []

    def spying(path):
        called.append(os.fsdecode(path))
        return converted(path)

    monkeypatch.setattr(batching, "converted", spying)

    def read(worker):
        called.clear()
        settings = {"image_size": SIZE, "batch_size": BATCH, "n_critic": CRITIC}
        settings |= {"seed": 7, "end_step": GAN_STEPS, "worker": worker}
        list(gan_batches(*odd_samples, *maps, **settings))
        return sorted(called)

    first, second = read(Worker(0, 2)), read(Worker(1, 2))
    assert first and second
    assert sorted(first + second) == read(Worker(0, 1))


@pytest.mark.parametrize("pipeline", ["gan", "reid", "augmented", "people"])
def test_the_seed_decides_every_random_number(request, pipeline):
    read = request.getfixturevalue(pipeline)
    (one,), (same,), (other,) = (read(seed, end_step=1) for seed in (7, 7, 8))
    for name in one:
        np.testing.assert_array_equal(one[name], same[name])
    for name in ("images", "interpolation", "dropout_noise"):
        if name in one:
            assert (one[name] != other[name]).any()


def test_without_an_end_a_pipeline_goes_on(tiny_samples, maps):
    batches = reid_batches(
        tiny_samples[0], maps[0], image_size=SIZE, batch_size=30, seed=0
    )
    assert len(list(batches.take(3))) == 3


def test_reid_batches_have_the_shapes_and_ranges_they_promise(reid):
    for step in reid(end_step=REID_STEPS):
        assert step["images"].shape == (REID_BATCH, *SIZE, 3)
        assert step["images"].dtype == step["dropout_noise"].dtype == np.float32
        assert step["images"].min() >= 0 and 0.3 < step["images"].max() <= 1
        assert step["identities"].dtype == np.int32
        noise = step["dropout_noise"]
        assert noise.shape == (REID_BATCH, 5)
        assert 0 <= noise.min() and noise.max() < 1
        assert len(np.unique(noise)) == noise.size


def test_reid_rows_and_epochs(maps, reid, finder):
    plain = {"crop": False, "flip": False}
    steps = reid(end_step=2 * REID_STEPS, **plain)
    epochs = []
    for epoch in (steps[:REID_STEPS], steps[REID_STEPS:]):
        paths = []
        for step in epoch:
            for image, label in zip(step["images"], step["identities"], strict=True):
                sample = finder(image, to_unit)
                assert maps[0].index(sample.person_id) == label
                paths.append(sample.path)
        assert len(paths) == len(set(paths)) == 24
        epochs.append(paths)
    assert epochs[0] != epochs[1]


def test_rows_of_people(tiny_samples, maps, reid, finder):
    """Identities and images are of the same sample, and each camera's turn comes."""
    for step in reid(end_step=4, images_per_identity=2, crop=False, flip=False):
        found = [finder(image, to_unit) for image in step["images"]]
        labels = [maps[0].index(sample.person_id) for sample in found]
        assert list(step["identities"]) == labels
        assert labels[::2] == labels[1::2] and len(set(labels)) == 4
        pairs = zip(found[::2], found[1::2], strict=True)
        assert all(one.camera_id != other.camera_id for one, other in pairs)
    with pytest.raises(InputError, match="5 training identities, .* 12 images takes 6"):
        reid(batch_size=12, images_per_identity=2)


def test_augmentation_is_what_was_asked_for(reid):
    (plain,), (flipped,), (cropped,) = (
        reid(end_step=1, crop=crop, flip=flip)
        for crop, flip in ((False, False), (False, True), (True, False))
    )
    mirrored = [
        (b == a[:, ::-1]).all()
        for a, b in zip(plain["images"], flipped["images"], strict=True)
    ]
    kept = [
        (b == a).all() for a, b in zip(plain["images"], flipped["images"], strict=True)
    ]
    assert any(mirrored) and any(kept)
    assert all(m or k for m, k in zip(mirrored, kept, strict=True))
    different = (cropped["images"] != plain["images"]).any(axis=(1, 2, 3))
    assert different.sum() >= 6


def test_jitter_is_of_colours_alone(reid):
    (plain,), (none,), (jittered,) = (
        reid(end_step=1, crop=False, flip=False, jitter=jitter)
        for jitter in (0.0, 1e-9, 0.4)
    )
    np.testing.assert_allclose(none["images"], plain["images"], atol=1e-5)
    away = np.abs(jittered["images"] - plain["images"]).mean(axis=(1, 2, 3))
    assert (away > 0.01).all() and len(np.unique(away.round(4))) > 6
    for name in ("identities", "dropout_noise"):
        np.testing.assert_array_equal(jittered[name], plain[name])


def test_a_padded_crop_in_a_batch(reid):
    plain = {"crop": False, "flip": False}
    (whole,), (shifted,) = (reid(end_step=1, **plain, pad_crop=k) for k in (0, 2))
    moved = set()
    for image, other in zip(whole["images"], shifted["images"], strict=True):
        wide = np.pad(image, [(2, 2), (2, 2), (0, 0)])
        (place,) = (
            (top, left)
            for top in range(5)
            for left in range(5)
            if (wide[top : top + SIZE[0], left : left + SIZE[1]] == other).all()
        )
        moved.add(place)
    assert len(moved) > 4
    np.testing.assert_array_equal(shifted["identities"], whole["identities"])


def test_what_is_erased_is_0_to_the_network(reid):
    """Half of the rows, after all else, by the mean that the network subtracts."""
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    more = {"jitter": 0.4, "end_step": 8}
    erased = 0
    for one, other in zip(
        reid(**more), reid(**more, erasing=0.5, fill=mean), strict=True
    ):
        for image, painted in zip(one["images"], other["images"], strict=True):
            normalised = (painted - np.float32(mean)) / np.float32(std)
            box = (normalised == 0).all(axis=-1)
            np.testing.assert_array_equal(painted[~box], image[~box])
            erased += box.any()
        for name in ("identities", "dropout_noise"):
            np.testing.assert_array_equal(one[name], other[name])
    assert 20 <= erased <= 44


def test_no_two_uses_share_their_random_numbers(gan, reid):
    (one,), (other,) = gan(end_step=1), reid(end_step=1)
    drawn = np.concatenate(
        [one["interpolation"].ravel(), other["dropout_noise"].ravel()]
    )
    assert len(np.unique(drawn)) == drawn.size


@pytest.mark.parametrize("pipeline", ["gan", "reid", "augmented", "people"])
def test_the_graph_does_what_the_python_says(request, monkeypatch, pipeline):
    """The functions that AutoGraph compiles, run as they stand."""
    functions = []
    real_map = tf.data.Dataset.map

    def spying_map(dataset, function, **options):
        functions.append(function)
        return real_map(dataset, function, **options)

    monkeypatch.setattr(tf.data.Dataset, "map", spying_map)
    (step,) = request.getfixturevalue(pipeline)(start_step=1, end_step=2)
    rows = BATCH * CRITIC
    loaded = [functions[0](tf.constant(rows + i, tf.int64)) for i in range(rows)]
    loaded = {name: tf.stack([row[name] for row in loaded]) for name in loaded[0]}
    if pipeline == "gan":
        loaded = functions[1](tf.constant(1, tf.int64), loaded)
    assert loaded.keys() == step.keys()
    for name, column in loaded.items():
        np.testing.assert_allclose(
            np.asarray(column, np.float64), np.asarray(step[name], np.float64),
            atol=1e-5, err_msg=name,
        )  # fmt: skip


def test_too_few_images(tiny_samples, maps):
    source, target = tiny_samples
    with pytest.raises(InputError, match="60 training images, but one step takes 64"):
        gan_batches(
            source, target, *maps, image_size=SIZE, batch_size=16, n_critic=4, seed=0
        )
    with pytest.raises(InputError, match="lower the batch size"):
        reid_batches(source, maps[0], image_size=SIZE, batch_size=31, seed=0)


def test_inference_keeps_the_order_and_the_rest(tiny_samples, finder):
    samples = tiny_samples[0][::-1]
    batches = list(inference_batches([s.path for s in samples], SIZE, 7))
    assert [len(batch) for batch in batches] == [7, 7, 7, 7, 2]
    images = np.concatenate(batches)
    assert images.dtype == np.float32 and images.shape == (30, *SIZE, 3)
    assert images.min() >= 0 and 100 < images.max() <= 255
    found = [finder(image, np.asarray).path for image in images]
    assert found == [s.path for s in samples]


@pytest.fixture
def odd_samples(tiny_samples, tmp_path):
    """The source's and target's samples, every third one turned upside down."""

    def turned(sample, number):
        if number % 3:
            return sample
        path = tmp_path / f"{number}\u00e9\n{os.fsdecode(bytes([0xE9]))}.png"
        exif = Image.Exif()
        exif[0x0112] = 3
        with Image.open(sample.path) as image:
            image.save(path, exif=exif)
        return replace(sample, path=str(path), needs_conversion=True)

    places = iter(range(999))
    return tuple([turned(s, next(places)) for s in split] for split in tiny_samples)


def seen(path):
    """Pixels as a person sees them, by Pillow alone."""
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
        return np.asarray(upright.resize(SIZE[::-1], Image.Resampling.BILINEAR), float)


def test_odd_files_are_read_as_people_see_them(odd_samples):
    samples = odd_samples[0]
    images = np.concatenate(list(inference_batches(samples, SIZE, 7)))
    # All have the size already. Of a JPEG the two decoders differ by some rounding.
    for sample, image in zip(samples, images, strict=True):
        difference = np.abs(image - seen(sample.path))
        assert difference.mean() <= (0 if sample.needs_conversion else 4)


def test_training_reads_odd_files_like_inference(odd_samples, maps):
    samples = [s for split in odd_samples for s in split]
    images = np.concatenate(list(inference_batches(samples, SIZE, 7)))
    batches = gan_batches(
        *odd_samples, *maps, image_size=SIZE, batch_size=4, n_critic=2, seed=1,
        flip=False, end_step=7,
    )  # fmt: skip
    rows = [b["images"].reshape(-1, *SIZE, 3) for b in batches.as_numpy_iterator()]
    expected = {image.tobytes() for image in to_signed(images)}
    assert {row.tobytes() for row in np.concatenate(rows)} < expected
    plain = {"image_size": SIZE, "batch_size": 30, "crop": False, "flip": False}
    (batch,) = reid_batches(odd_samples[0], maps[0], **plain, seed=1, end_step=1)
    expected = {image.tobytes() for image in to_unit(images[:30])}
    assert {row.tobytes() for row in batch["images"].numpy()} == expected


def test_only_odd_files_are_converted(odd_samples, monkeypatch):
    called = []

    def spying(path):
        called.append(os.fsdecode(path))
        return converted(path)

    monkeypatch.setattr(batching, "converted", spying)
    list(inference_batches(odd_samples[0], SIZE, 7))
    assert sorted(called) == sorted(
        s.path for s in odd_samples[0] if s.needs_conversion
    )


def test_plain_files_are_read_without_python(tiny_samples, odd_samples, monkeypatch):
    def forbidden(*args):
        raise AssertionError("Python in the pipeline")

    monkeypatch.setattr(tf, "numpy_function", forbidden)
    list(inference_batches(tiny_samples[0], SIZE, 7))
    with pytest.raises(AssertionError, match="Python in the pipeline"):
        inference_batches(odd_samples[0], SIZE, 7)


def test_odd_files_on_two_devices(odd_samples, maps, two_devices):
    def batches():
        return reid_batches(
            odd_samples[0], maps[0], image_size=SIZE, batch_size=8, seed=1, end_step=3
        )

    strategy = tf.distribute.MirroredStrategy(two_devices)
    shared = []
    for batch in strategy.experimental_distribute_dataset(batches()):
        parts = strategy.experimental_local_results(batch["images"])
        shared.append(np.concatenate([part.numpy() for part in parts]))
    for one, other in zip(shared, batches(), strict=True):
        np.testing.assert_array_equal(one, other["images"])


def test_a_file_that_changed_is_named(odd_samples):
    odd = next(s for s in odd_samples[0] if s.needs_conversion)
    with open(odd.path, "wb") as file:
        file.write(b"gone")
    with pytest.raises(tf.errors.InvalidArgumentError, match="has changed: not an im"):
        list(inference_batches(odd_samples[0], SIZE, 7))


def test_no_images_are_no_batches():
    assert list(inference_batches([], SIZE, 7)) == []
