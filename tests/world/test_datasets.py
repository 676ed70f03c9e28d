"""The built-in world: what is written, and that it is the same each time."""

import itertools
import re

import pytest
from PIL import Image

from tfipgan.errors import InputError
from tfipgan.world import datasets as synthetic
from tfipgan.world import network
from tfipgan.world.datasets import (
    DATASETS,
    DISTRACTORS_PER_CAMERA,
    JUNK_PER_CAMERA,
    redraw,
    synthesize,
)
from tfipgan.world.folders import image_name
from tfipgan.world.network import Network
from tfipgan.world.record import WorldOptions

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
    return out, synthesize(out, WorldOptions(seed=5, **SMALL))


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
    synthesize(tmp_path / "same", WorldOptions(seed=5, **SMALL))
    assert files(tmp_path / "same") == first
    synthesize(tmp_path / "other", WorldOptions(seed=6, **SMALL))
    other = files(tmp_path / "other")
    assert len(other.keys() & first.keys()) > 30
    assert not any(other[name] == first[name] for name in other.keys() & first.keys())


def test_images_do_not_depend_on_how_many_others_there_are(world, tmp_path):
    more = {**SMALL, "identities": 5, "test_identities": 7}
    synthesize(tmp_path / "more", WorldOptions(seed=5, **more))
    few, many = files(world[0]), files(tmp_path / "more")
    train = [name for name in few if "bounding_box_train" in name]
    assert len(train) == 24
    assert all(many[name] == few[name] for name in train)
    # Test identity 4 of the one is 6 of the other.
    renamed = {name.replace("/0004_", "/0006_"): few[name] for name in few}
    query = [name for name in renamed if "query/0006" in name]
    assert len(query) == 4
    assert all(many[name] == renamed[name] for name in query)


def test_threads_do_not_change_a_byte(world, monkeypatch, tmp_path):
    for threads in (1, 3):
        monkeypatch.setattr(synthetic, "THREADS", threads)
        synthesize(tmp_path / str(threads), WorldOptions(seed=5, **SMALL))
        assert files(tmp_path / str(threads)) == files(world[0])


def cameras_by_person(folder):
    """{person: [camera of each image]} of a split's folder."""
    found = {}
    for path in sorted(folder.iterdir()):
        person, camera = re.match(r"(-1|\d{4})_c(\d)", path.name).groups()
        found.setdefault(int(person), []).append(int(camera))
    return found


@pytest.fixture(scope="module")
def middling(tmp_path_factory):
    out = tmp_path_factory.mktemp("middling")
    options = WorldOptions(identities=12, test_identities=24, image_size=(32, 16))
    counts = synthesize(out, options)
    return out, counts


def test_training_people_have_as_many_images_as_if_all_cameras_saw_them(middling):
    for name in DATASETS:
        seen = cameras_by_person(middling[0] / name / "bounding_box_train")
        assert sorted(seen) == list(range(1, 13))
        assert {len(cameras) for cameras in seen.values()} == {2 * 4}
        assert min(len(set(cameras)) for cameras in seen.values()) == 2
        assert set().union(*seen.values()) == {1, 2, 3, 4}
        # Few are seen by all, and cameras have unequal shares of a person.
        assert sum(len(set(cameras)) == 4 for cameras in seen.values()) < 6
        assert any(
            len(set(map(cameras.count, set(cameras)))) > 1 for cameras in seen.values()
        )


def test_every_query_has_a_right_match_in_another_camera(middling):
    for name in DATASETS:
        query = cameras_by_person(middling[0] / name / "query")
        gallery = cameras_by_person(middling[0] / name / "bounding_box_test")
        assert sorted(query) == list(range(13, 37))
        for person, cameras in query.items():
            assert len(cameras) == len(set(cameras)) >= 2
            assert gallery[person] == cameras
        assert set(query[13]) == {1, 2, 3, 4}
        assert gallery[0] == [1, 1, 2, 2, 3, 3, 4, 4]
        assert gallery[-1] == [1, 2, 3, 4]


def test_the_default_size(monkeypatch, tmp_path):
    monkeypatch.setattr(Network, "light", lambda *_: None)
    monkeypatch.setattr(Network, "photograph", lambda *_: b"")
    counts = synthesize(tmp_path)
    for name in DATASETS:
        assert counts[name]["bounding_box_train"] == 1280
        assert 400 <= counts[name]["query"] <= 500
        others = 4 * (DISTRACTORS_PER_CAMERA + JUNK_PER_CAMERA)
        assert counts[name]["bounding_box_test"] == counts[name]["query"] + others


def test_redraw_is_the_same_scene_by_the_other_cameras(world, tmp_path):
    for dataset, other in itertools.permutations(DATASETS):
        out = tmp_path / dataset
        assert redraw(out, world[0] / dataset, world[0] / other) == 24
        real = world[0] / dataset / "bounding_box_train"
        stems = {path.stem for path in real.iterdir()}
        names = {path.name for path in out.iterdir()}
        assert names == {f"{stem}_to_c{c}.jpg" for stem in stems for c in (1, 2)}
        # By its own camera's look it would be the image itself, to the byte.
        own = Network(5, DATASETS.index(dataset), 2, (64, 32), 1.0)
        looks = Network(5, DATASETS.index(other), 2, (64, 32), 1.0).looks
        people = synthetic._draw_everybody(5, 3)[DATASETS.index(dataset)][0]
        for shot in own.train_shots(1, 2):
            light = own.light(people[1], shot)
            path = real / image_name(2, shot)
            data = own.photograph(light, shot, own.looks[shot.camera])
            assert path.read_bytes() == data
            redrawn = (out / f"{path.stem}_to_c2.jpg").read_bytes()
            assert redrawn == own.photograph(light, shot, looks[1]) != data


def test_redraw_at_strength_0_changes_nothing(tmp_path):
    synthesize(tmp_path, WorldOptions(**{**SMALL, "strength": 0}))
    redraw(tmp_path / "redrawn", tmp_path / "source", tmp_path / "target")
    for name, data in files(tmp_path / "source" / "bounding_box_train").items():
        redrawn = tmp_path / "redrawn" / f"{name.removesuffix('.jpg')}_to_c1.jpg"
        assert redrawn.read_bytes() == data


def test_redraw_of_what_is_no_pair(world, tmp_path):
    source, target = world[0] / "source", world[0] / "target"
    with pytest.raises(
        InputError, match="source is source of world 5 and .*source is so"
    ):
        redraw(tmp_path / "out", source, source)
    synthesize(tmp_path / "other", WorldOptions(seed=6, **SMALL))
    with pytest.raises(InputError, match="of world 5 and .* is target of world 6; e"):
        redraw(tmp_path / "out", source, tmp_path / "other" / "target")
    (tmp_path / "mine").touch()
    with pytest.raises(InputError, match="already exists and isn't an empty folder"):
        redraw(tmp_path, source, target)
    assert {path.name for path in tmp_path.iterdir()} == {"mine", "other"}


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
def test_bad_options(change, message):
    with pytest.raises(InputError, match=message):
        WorldOptions(**{**SMALL, **change})


def test_what_is_there_stays(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="target already exists and isn't an empty"):
        synthesize(tmp_path, WorldOptions(**SMALL))
    assert list(files(tmp_path)) == ["target/mine.txt"]
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file is a file: choose a folder"):
        synthesize(tmp_path / "file", WorldOptions(**SMALL))


def test_an_empty_dataset_folder_is_filled(tmp_path):
    (tmp_path / "source").mkdir()
    counts = synthesize(tmp_path, WorldOptions(**SMALL))
    assert counts["source"]["query"] == 4
    assert (tmp_path / "source" / "query").is_dir()


def test_nothing_is_left_of_a_run_that_fails(monkeypatch, tmp_path):
    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr(network, "photograph", fail)
    with pytest.raises(OSError, match="no space left"):
        synthesize(tmp_path / "out", WorldOptions(**SMALL))
    assert not list(tmp_path.iterdir())
