"""The translated set: which files, what is in them, and all of them or none."""

import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfipgan import translation
from tfipgan.data.datasets import read_images
from tfipgan.data.filenames import Sample
from tfipgan.data.images import decode_image, signed_to_bytes, to_signed
from tfipgan.data.labels import DomainMap
from tfipgan.errors import InputError
from tfipgan.runs import load_generator
from tfipgan.translation import translate_dataset

SIZE = (32, 16)
DOMAINS = DomainMap((2, 3, 7))


class Shift:
    """Stands in for the generator: adds a constant to a channel for each domain."""

    def __call__(self, inputs):
        images, domains = inputs
        assert domains.shape[-1] == DOMAINS.num_domains
        return tf.clip_by_value(images + domains[:, None, None, :3] * 0.4, -1.0, 1.0)


@pytest.fixture
def source(tmp_path):
    """(folder, samples): smooth images, one of them in a folder below."""
    folder = tmp_path / "source"
    names = [f"000{i}_c{1 + i % 2}s1_00000{i}_00.jpg" for i in range(4)]
    names.append("below/0005_c4s1_000001_00.png")
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        y, x = np.mgrid[:40, :20]
        pixels = np.stack([60 + 2 * y, 70 + 3 * x, 40 * number + y], -1)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    return folder, read_images(folder)


def translate(source, out, **options):
    folder, samples = source
    settings = {"image_size": SIZE, "batch_size": 7, "progress": False} | options
    return translate_dataset(Shift(), DOMAINS, samples, folder, out, **settings)


def files_below(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.*"))


def expected_pixels(sample, domain):
    image = decode_image(Path(sample.path).read_bytes(), SIZE)[None]
    one_hot = tf.one_hot([domain], DOMAINS.num_domains)
    return signed_to_bytes(Shift()((to_signed(image), one_hot)))[0].numpy()


def test_every_image_in_the_style_of_every_camera(source, tmp_path):
    out = tmp_path / "deep" / "out"
    assert translate(source, out) == 5 * 3
    stems = [os.path.relpath(s.path, source[0]).rsplit(".")[0] for s in source[1]]
    assert files_below(out) == sorted(
        f"{stem}_to_c{camera}.jpg" for stem in stems for camera in (2, 3, 7)
    )
    assert [p.name for p in out.parent.iterdir()] == ["out"]
    # As the readers see it: the same people, the camera of the style, the real one.
    real = {(s.person_id, s.camera_id) for s in source[1]}
    translated = read_images(out)
    assert {(s.person_id, s.source_camera_id) for s in translated} == real
    for person in {person for person, _ in real}:
        cameras = [s.camera_id for s in translated if s.person_id == person]
        assert sorted(cameras) == [2, 3, 7]


@pytest.mark.parametrize("format", ["jpeg", "png"])
def test_the_files_are_what_the_generator_made(source, tmp_path, format):
    translate(source, tmp_path / "out", format=format)
    ending = {"jpeg": ".jpg", "png": ".png"}[format]
    for sample in source[1]:
        stem = os.path.relpath(sample.path, source[0]).rsplit(".")[0]
        for domain, camera in enumerate(DOMAINS.cameras):
            path = tmp_path / "out" / f"{stem}_to_c{camera}{ending}"
            got = np.asarray(Image.open(path), np.float32)
            expected = expected_pixels(sample, domain)
            assert got.shape == (*SIZE, 3)
            if format == "png":
                # A value on the edge between two whole ones may fall to either side.
                np.testing.assert_allclose(got, expected, atol=1)
                assert (got == expected).mean() > 0.97
            else:
                np.testing.assert_allclose(got, expected, atol=8)
                assert np.abs(got - expected).mean() < 1.5


def test_jpeg_keeps_its_colours_and_the_quality_asked_for(source, tmp_path):
    name = "0000_c1s1_000000_00_to_c2.jpg"
    tables = {}
    for quality in (95, 50):
        translate(source, tmp_path / str(quality), quality=quality)
        with Image.open(tmp_path / str(quality) / name) as image:
            # (horizontal, vertical) sampling of each channel: 4:4:4.
            assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3
            tables[quality] = image.quantization[0]
        reference = tmp_path / "reference.jpg"
        Image.new("RGB", (8, 8)).save(reference, quality=quality)
        with Image.open(reference) as image:
            assert tables[quality] == image.quantization[0]
    assert sum(tables[50]) > sum(tables[95])


def test_the_run_functions_eagerly_too(source, tmp_path):
    """What `tf.function` compiles, run as it stands."""
    translate_one = translation._translator(Shift(), DOMAINS, "png", 95)
    images = tf.fill((2, *SIZE, 3), 100.0)
    tf.config.run_functions_eagerly(True)
    try:
        eager = translate_one(images).numpy()
    finally:
        tf.config.run_functions_eagerly(False)
    assert eager.shape == (2, 3)
    assert (eager == translate_one(images).numpy()).all()
    jpeg = translation._translator(Shift(), DOMAINS, "jpeg", 95)(images)
    assert jpeg.numpy()[0, 0][:2] == b"\xff\xd8"


def test_an_empty_folder_may_be_there_and_nothing_else(source, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    assert translate(source, out) == 15
    before = {name: (out / name).read_bytes() for name in files_below(out)}
    with pytest.raises(InputError, match="exists and is not empty; .* --out"):
        translate(source, out)
    assert before == {name: (out / name).read_bytes() for name in files_below(out)}
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="exists and is not empty"):
        translate(source, tmp_path / "file")


def test_unknown_formats(source, tmp_path):
    with pytest.raises(InputError, match="'gif', expected one of jpeg, png"):
        translate(source, tmp_path / "out", format="gif")
    assert not (tmp_path / "out").exists()


def test_a_failure_on_the_way_leaves_nothing(source, tmp_path, monkeypatch):
    written = []
    write = translation._write

    def full_disk(job):
        written.append(job)
        if len(written) > 8:
            raise OSError(28, "No space left on device")
        return write(job)

    monkeypatch.setattr(translation, "_write", full_disk)
    with pytest.raises(OSError, match="No space left"):
        translate(source, tmp_path / "out")
    assert len(written) > 8
    assert [p.name for p in tmp_path.iterdir()] == ["source"]


def test_the_progress_bar_counts_source_images(source, tmp_path, capsys):
    translate(source, tmp_path / "out", progress=True)
    out, err = capsys.readouterr()
    assert out == "" and "5/5" in err


def test_a_trained_generator(tiny_gan_run, tiny_samples, tmp_path):
    """Batches of another number than the samples', against one image at a time."""
    generator = load_generator(tiny_gan_run)
    samples = tiny_samples[0][:3]
    root = os.path.dirname(samples[0].path)
    domains = tiny_gan_run.domains
    written = translate_dataset(
        generator, domains, samples, root, tmp_path / "out",
        image_size=SIZE, batch_size=2, format="png", progress=False,
    )  # fmt: skip
    assert written == 9
    for sample in read_images(tmp_path / "out"):
        name = os.path.basename(sample.path).split("_to_c")[0]
        contents = Path(root, f"{name}.jpg").read_bytes()
        image = to_signed(decode_image(contents, SIZE))[None]
        one_hot = tf.one_hot([domains.index(sample.camera_id)], domains.num_domains)
        expected = signed_to_bytes(generator((image, one_hot)))[0].numpy()
        got = np.asarray(Image.open(sample.path))
        np.testing.assert_allclose(got, expected.astype(int), atol=1)
        assert (got == expected).mean() > 0.97


def test_two_sources_never_share_a_name(tmp_path):
    """Only the ending differs, which the translated names don't keep."""
    folder = tmp_path / "source"
    folder.mkdir()
    for ending in ("jpg", "png"):
        Image.new("RGB", (4, 8)).save(folder / f"0001_c1s1_000001_00.{ending}")
    samples = read_images(folder)
    assert len(samples) == 2 and isinstance(samples[0], Sample)
    with pytest.raises(InputError, match="same name"):
        translate((folder, samples), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_empty_working_directory_may_be_the_output(source, tmp_path, monkeypatch):
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    assert translate(source, Path()) == 15
    assert len(files_below(tmp_path / "empty")) == 15
