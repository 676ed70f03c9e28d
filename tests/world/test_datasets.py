"""The built-in world: what is written, and that it is the same each time."""

import io
import itertools
import re

import numpy as np
import pytest
from PIL import Image

from tfipgan.errors import InputError
from tfipgan.world import datasets as synthetic
from tfipgan.world.cameras import Look, draw_look, photograph
from tfipgan.world.datasets import synthesize
from tfipgan.world.people import draw_people
from tfipgan.world.scenes import cut_background, draw_panorama

SMALL = {
    "identities": 3,
    "test_identities": 2,
    "cameras": 2,
    "images_per_camera": 2,
    "image_size": (64, 32),
}
SPLITS = ("bounding_box_train", "query", "bounding_box_test")


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    out = tmp_path_factory.mktemp("world") / "made" / "here"
    return out, synthesize(out, seed=5, **SMALL)


def test_counts_and_names(world):
    out, counts = world
    assert [path.name for path in sorted(out.iterdir())] == ["source", "target"]
    for dataset in ("source", "target"):
        # 3 x 2 x 2 train; a query for each of 2 in 2; 4 others, 4 distractors, 2 junk.
        assert counts[dataset] == dict(zip(SPLITS, (12, 4, 10), strict=True))
        people = {}
        for split in SPLITS:
            names = [path.name for path in (out / dataset / split).iterdir()]
            assert len(names) == counts[dataset][split]
            pattern = r"(-1|\d{4})_c([12])s1_\d{6}_\d\d\.jpg"
            found = [re.fullmatch(pattern, name).groups() for name in names]
            people[split] = sorted(int(person) for person, _ in found)
        assert set(people["bounding_box_train"]) == {1, 2, 3}
        assert people["query"] == [4, 4, 5, 5]
        assert people["bounding_box_test"] == [-1] * 2 + [0] * 4 + [4, 4, 5, 5]


def test_images_open_at_the_asked_size(world):
    for path in world[0].rglob("*.jpg"):
        with Image.open(path) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (32, 64))
            image.load()


def test_same_seed_same_bytes_other_seed_others(world, tmp_path):
    first = files(world[0])
    synthesize(tmp_path / "same", seed=5, **SMALL)
    assert files(tmp_path / "same") == first
    synthesize(tmp_path / "other", seed=6, **SMALL)
    other = files(tmp_path / "other")
    assert other.keys() == first.keys()
    assert not any(other[name] == first[name] for name in first)


def test_images_do_not_depend_on_how_many_others_there_are(world, tmp_path):
    more = {**SMALL, "identities": 5, "cameras": 3, "images_per_camera": 3}
    synthesize(tmp_path / "more", seed=5, **more)
    few, many = files(world[0]), files(tmp_path / "more")
    train = [name for name in few if "bounding_box_train" in name]
    assert len(train) == 24
    assert all(many[name] == few[name] for name in train)


def test_no_two_people_look_alike_in_and_across_the_datasets():
    people = draw_people((0, 1), 60)
    assert people[:20] == draw_people((0, 1), 20)
    for one, other in itertools.combinations(people, 2):
        pairs = zip(one.traits(), other.traits(), strict=True)
        assert sum(a != b for a, b in pairs) >= 5


def test_the_datasets_share_nobody(monkeypatch, tmp_path):
    drawn = []
    write = synthetic._World.write

    def watch(self, folder, people, *rest):
        drawn.append(people)
        return write(self, folder, people, *rest)

    monkeypatch.setattr(synthetic._World, "write", watch)
    synthesize(tmp_path, **SMALL)
    source, target = ({person.traits() for person in people} for people in drawn)
    assert len(source) == len(target) == 5
    assert not source & target


def decode(data):
    return np.asarray(Image.open(io.BytesIO(data)), dtype=float)


def mean_colours(folder):
    """Returns the mean RGB of each camera's images, (cameras, 3)."""
    colours = {}
    for path in sorted(folder.rglob("*.jpg")):
        pixels = decode(path.read_bytes())
        camera = path.name.split("_")[1]
        colours.setdefault(camera, []).append(pixels.mean(axis=(0, 1)))
    return np.array([np.mean(colour, axis=0) for colour in colours.values()])


def test_cameras_are_further_apart_in_the_target(tmp_path):
    options = {**SMALL, "cameras": 4, "images_per_camera": 4}
    synthesize(tmp_path, **options)
    source, target = (
        min(
            np.linalg.norm(a - b)
            for a, b in itertools.combinations(mean_colours(tmp_path / name), 2)
        )
        for name in ("source", "target")
    )
    assert target > source


def test_strength_scales_the_looks_and_none_is_neutral():
    def look(camera, target, strength):
        rng = np.random.default_rng([1, camera])
        return draw_look(rng, camera, target=target, strength=strength)

    for camera, target in itertools.product(range(10), (False, True)):
        assert look(camera, target, 0) == Look()
        half, whole = look(camera, target, 0.5), look(camera, target, 1.0)
        assert half != Look()
        assert whole.exposure == pytest.approx(2 * half.exposure)
        assert whole.temperature == pytest.approx([2 * t for t in half.temperature])


def test_a_neutral_camera_keeps_colours():
    np.testing.assert_allclose(Look().matrix(), np.eye(3), atol=1e-6)
    colours = np.array([[0.2, 0.5, 0.8], [0.5, 0.5, 0.5]], dtype=np.float32)
    light = np.repeat(colours[:, None, None], 32, axis=1).repeat(32, axis=2)
    for flat in light:
        data = photograph(flat, Look(), np.random.default_rng(0))
        np.testing.assert_allclose(decode(data) / 255, flat, atol=0.02)


def test_strong_cameras_keep_colours_apart():
    rng = np.random.default_rng(0)
    for camera in range(8):
        look = draw_look(rng, camera, target=True, strength=1.0)
        seen = []
        for colour in (
            (0.8, 0.15, 0.15),
            (0.15, 0.3, 0.75),
            (0.9, 0.9, 0.9),
            (0.1,) * 3,
        ):
            flat = np.broadcast_to(np.float32(colour), (64, 32, 3))
            seen.append(decode(photograph(flat, look, rng)).mean((0, 1)))
        for one, other in itertools.combinations(seen, 2):
            assert np.linalg.norm(one - other) > 25


def test_backgrounds_move():
    rng = np.random.default_rng(0)
    for target, camera in itertools.product((False, True), range(4)):
        place = draw_panorama(rng, camera, target=target)
        views = [np.asarray(cut_background(place, rng, (64, 32))) for _ in range(6)]
        assert views[0].shape == (64, 32, 3)
        for one, other in itertools.combinations(views, 2):
            assert np.abs(one.astype(float) - other).mean() > 8


def test_every_occluder_is_drawn(monkeypatch):
    monkeypatch.setattr(synthetic, "OCCLUDED", 1.0)
    world = synthetic._World(0, 0, 2, (32, 16), 1.0)
    (person,) = draw_people((0,), 1)
    pose = synthetic.draw_pose(np.random.default_rng(0), person)
    images = {
        world.image(person, pose, 0, np.random.default_rng(seed)) for seed in range(16)
    }
    assert len(images) == 16


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": -1}, "seed is -1, expected 0 or more"),
        ({"identities": 1}, "identities is 1, expected 2 or more"),
        ({"test_identities": 0}, "test_identities is 0, expected 2 or more"),
        ({"cameras": 1}, "cameras is 1, expected 2 or more"),
        ({"images_per_camera": 1}, "images_per_camera is 1, expected 2 or more"),
        ({"image_size": (100, 64)}, "image size is 100x64, expected .* 16"),
        ({"image_size": (16, 16)}, "image size is 16x16, expected .* 32x16"),
        ({"strength": 3.5}, "strength is 3.5, expected 0 to 3"),
        ({"strength": float("nan")}, "strength is nan, expected 0 to 3"),
    ],
)
def test_bad_arguments(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        synthesize(tmp_path / "out", **{**SMALL, **change})
    assert not (tmp_path / "out").exists()


def test_what_is_there_stays(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="target already exists and isn't an empty"):
        synthesize(tmp_path, **SMALL)
    assert list(files(tmp_path)) == ["target/mine.txt"]
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file is a file: choose a folder"):
        synthesize(tmp_path / "file", **SMALL)


def test_an_empty_dataset_folder_is_filled(tmp_path):
    (tmp_path / "source").mkdir()
    counts = synthesize(tmp_path, **SMALL)
    assert counts["source"]["query"] == 4
    assert (tmp_path / "source" / "query").is_dir()


def test_nothing_is_left_of_a_run_that_fails(monkeypatch, tmp_path):
    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr(synthetic, "photograph", fail)
    with pytest.raises(OSError, match="no space left"):
        synthesize(tmp_path / "out", **SMALL)
    assert not list(tmp_path.iterdir())
