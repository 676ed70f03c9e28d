"""`tfipgan train-gan`: what it trains on, and that each option arrives."""

import shutil
from types import SimpleNamespace

import pytest
from PIL import Image

from tfipgan.config import load_config
from tfipgan.data.datasets import read_images
from tfipgan.data.filenames import Sample
from tfipgan.training import ipgan


@pytest.fixture
def called(monkeypatch):
    """The arguments that `ipgan.train_gan` was called with, and not run."""
    calls = SimpleNamespace()

    def note(config, source, target, semantic_run, out, **options):
        calls.config, calls.source, calls.target = config, source, target
        calls.semantic_run, calls.options = semantic_run, options
        return SimpleNamespace(path=out)

    monkeypatch.setattr(ipgan, "train_gan", note)
    return calls


@pytest.fixture
def train(tfipgan, tiny_world, tmp_path):
    def run(*words, source=tiny_world / "source", target=tiny_world / "target"):
        return tfipgan(
            "train-gan", "--config", "synthetic/ipgan", "--source", source,
            "--target", target, "--out", tmp_path / "out", *words,
        )  # fmt: skip

    return run


def test_options_arrive(train, called, tiny_world, tiny_reid_run, tmp_path):
    result = train(
        "--semantic", tiny_reid_run.path, "--set", "gan.n_critic=3", "--resume",
        "--devices", "CPU:0", "--cache-images", "1.5", "--no-progress",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{tmp_path / 'out'}\n"
    assert called.config == load_config("synthetic/ipgan", ["gan.n_critic=3"])
    for name in ("source", "target"):
        expected = read_images(tiny_world / name / "bounding_box_train")
        assert tuple(getattr(called, name)) == expected
    assert called.semantic_run == tiny_reid_run
    assert called.options == {
        "left_out": {},
        "devices": ["CPU:0"],
        "cache_gib": 1.5,
        "resume": True,
        "progress": False,
    }


def test_defaults(train, called):
    assert train("--set", "gan.lambda_semantic=0").exit_code == 0
    assert called.semantic_run is None
    assert called.options == {
        "left_out": {},
        "devices": None,
        "cache_gib": None,
        "resume": False,
        "progress": True,
    }


def test_a_target_of_cameras_alone(train, called, tiny_world, tmp_path):
    """Nobody has labelled it: a folder of images whose names hold the camera."""
    images = sorted((tiny_world / "target" / "bounding_box_train").iterdir())
    for number, path in enumerate(images[:6]):
        place = tmp_path / "mine" / f"gate{number % 2 + 4}" / f"{number}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    result = train("--target-pattern", r"gate(?P<camera>\d)/", target=tmp_path / "mine")
    assert result.exit_code == 0, result.output
    assert [s.camera_id for s in called.target] == [4, 4, 4, 5, 5, 5]
    assert {s.person_id for s in called.target} == {-2}


def test_junk_is_left_out_of_the_source_and_stays_in_the_target(
    train, called, tiny_world, tmp_path
):
    """The gallery folders, which have junk and distractors, as train splits."""
    for name in ("source", "target"):
        split = tiny_world / name / "bounding_box_test"
        shutil.copytree(split, tmp_path / name / "train")
    result = train(source=tmp_path / "source", target=tmp_path / "target")
    assert result.exit_code == 0, result.output

    def people(samples: list[Sample]):
        return {s.person_id for s in samples}

    assert people(called.source) == {6, 7}
    assert people(called.target) == {-1, 0, 6, 7}


@pytest.fixture
def damaged(tiny_world, tmp_path):
    """Folder of a copy of the world, a file of each dataset empty and one turned."""
    shutil.copytree(tiny_world, tmp_path / "world")
    exif = Image.Exif()
    exif[0x0112] = 3
    for name in ("source", "target"):
        folder = tmp_path / "world" / name / "bounding_box_train"
        empty, turned = sorted(folder.iterdir())[:2]
        empty.write_bytes(b"")
        with Image.open(turned) as image:
            image.load()
        image.save(turned, exif=exif)
    return tmp_path / "world"


def test_unreadable_images_are_an_error(train, called, damaged):
    result = train(source=damaged / "source", target=damaged / "target")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert "can't be read (1 of 30): " in line and "--skip-unreadable" in line
    assert not vars(called)


def test_unreadable_images_are_left_out_if_asked(train, called, damaged):
    words = ["--skip-unreadable"]
    result = train(*words, source=damaged / "source", target=damaged / "target")
    assert result.exit_code == 0, result.output
    left_out = called.options["left_out"]
    assert [path.split("/")[-3] for path in left_out] == ["source", "target"]
    assert set(left_out.values()) == {"empty"}
    for samples in (called.source, called.target):
        assert len(samples) == 29
        assert [s.needs_conversion for s in samples] == [True] + [False] * 28


def test_a_camera_without_a_readable_image(
    train, tiny_world, tiny_overrides, tmp_path, called, monkeypatch
):
    """With two cameras the target is none any more."""
    monkeypatch.undo()
    for path in (tiny_world / "target" / "bounding_box_train").iterdir():
        copy = tmp_path / "two" / path.name
        copy.parent.mkdir(exist_ok=True)
        if "_c2s" in path.name:
            copy.write_bytes(b"")
        elif "_c1s" in path.name:
            shutil.copy(path, copy)
    words = [word for value in tiny_overrides for word in ("--set", value)]
    result = train(
        *words, "--set", "gan.lambda_semantic=0", "--skip-unreadable",
        "--no-progress", target=tmp_path / "two",
    )  # fmt: skip
    assert result.exit_code == 1
    assert "at least two cameras, found only camera 1" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["source", "target"])
@pytest.mark.parametrize("more", [[], ["--resume"]])
def test_a_run_inside_its_data(refused, tiny_world, name, more):
    """Its sheets of samples are images."""
    out = tiny_world / name / "bounding_box_train" / "run"
    line = refused(
        1, "train-gan", "--config", "synthetic/stargan", "--out", out, *more,
        "--source", tiny_world / "source", "--target", tiny_world / "target",
    )  # fmt: skip
    assert line.startswith(f"{out} lies in ")
    assert not out.exists()


def test_a_semantic_run_is_asked_for(refused, tiny_world, tiny_overrides, tmp_path):
    words = [word for value in tiny_overrides for word in ("--set", value)]
    line = refused(
        1, "train-gan", "--config", "synthetic/ipgan", *words,
        "--source", tiny_world / "source", "--target", tiny_world / "target",
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert "add --semantic RUN" in line and "--set gan.lambda_semantic=0" in line
    assert not (tmp_path / "out").exists()
