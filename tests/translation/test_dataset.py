"""The translated set: which files, what is in them, and all of them or none."""

import errno
import logging
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfipgan import __version__
from tfipgan.data.datasets import read_images
from tfipgan.data.filenames import Sample
from tfipgan.data.images import ImageEncoding, decode_image, signed_to_bytes, to_signed
from tfipgan.errors import InputError
from tfipgan.files.lock import locked
from tfipgan.files.partial_output import LOCK
from tfipgan.files.worker import Worker
from tfipgan.models.translator import Translator
from tfipgan.runs.run import load_generator, load_translator
from tfipgan.translation import dataset as translation
from tfipgan.translation import part as translation_part
from tfipgan.translation.dataset import Provenance, translate_dataset
from tfipgan.translation.manifest import file_digest, read_manifest
from tfipgan.translation.manifest_check import check_translated
from tfipgan.weights.fingerprint import weights_digest

SIZE = (32, 16)
CAMERAS = (2, 3, 7)


class Shift:
    """Stands in for the generator: adds a constant to a channel for each domain."""

    variables = ()

    def __init__(self, name="shift"):
        self.name = name

    def get_config(self):
        return {"name": self.name}

    def __call__(self, inputs):
        images, domains = inputs
        assert domains.shape[-1] == 4
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
    settings = {"batch_size": 7, "progress": False} | options
    translator = Translator(Shift(), CAMERAS, settings.pop("image_size", SIZE))
    encoding = ImageEncoding(
        settings.pop("format", "jpeg"), settings.pop("quality", 95)
    )
    settings["encoding"] = encoding
    return translate_dataset(translator, samples, folder, out, **settings)


def files_below(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.*"))


def images_below(folder):
    return [name for name in files_below(folder) if not name.endswith(".jsonl")]


def bytes_below(folder):
    return {name: (folder / name).read_bytes() for name in files_below(folder)}


def expected_pixels(sample, domain):
    image = decode_image(Path(sample.path).read_bytes(), SIZE)[None]
    one_hot = tf.one_hot([domain], 4)
    return signed_to_bytes(Shift()((to_signed(image), one_hot)))[0].numpy()


def test_every_image_in_the_style_of_every_camera(source, tmp_path):
    out = tmp_path / "deep" / "out"
    assert translate(source, out) == 5 * 3
    stems = [os.path.relpath(s.path, source[0]).rsplit(".")[0] for s in source[1]]
    assert images_below(out) == sorted(
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
        for domain, camera in enumerate(CAMERAS):
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


def test_an_empty_folder_may_be_there_and_nothing_else(source, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    assert translate(source, out) == 15
    before = bytes_below(out)
    with pytest.raises(InputError, match="exists and is not empty; .* --out"):
        translate(source, out)
    assert before == bytes_below(out)
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="exists and is not empty"):
        translate(source, tmp_path / "file")


def test_unknown_formats(source, tmp_path):
    with pytest.raises(InputError, match="'gif', expected one of jpeg, png"):
        translate(source, tmp_path / "out", format="gif")
    assert not (tmp_path / "out").exists()


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
        load_translator(tiny_gan_run), samples, root, tmp_path / "out",
        batch_size=2, encoding=ImageEncoding("png"), progress=False,
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
    assert len(images_below(tmp_path / "empty")) == 15


def test_a_link_to_a_folder_may_be_the_output(source, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    assert translate(source, tmp_path / "out") == 15
    assert (tmp_path / "out").is_symlink()
    assert len(images_below(tmp_path / "disk")) == 15


def test_a_sample_outside_the_root(source, tmp_path):
    folder, samples = source
    with pytest.raises(InputError, match=r"^\.\./.* is not below .*/below; "):
        translate((folder / "below", samples), tmp_path / "out")
    assert [*tmp_path.iterdir()] == [folder]


def test_the_manifest(source, tmp_path):
    provenance = Provenance(run="gan", step=7, source="market")
    left_out = {str(source[0] / "below" / "torn\n\udcff.jpg"): "empty"}
    translate(source, tmp_path / "out", provenance=provenance, left_out=left_out)
    manifest = read_manifest(tmp_path / "out")
    assert manifest.header == {
        "manifest": 2,
        "tfipgan": __version__,
        "model": {"run": "gan", "step": 7, "generator": weights_digest(Shift())},
        "source": "market",
        "image_size": [32, 16],
        "format": "jpeg",
        "quality": 95,
        "cameras": [2, 3, 7],
        "images": 15,
        "left_out": 1,
    }
    assert manifest.left_out == {"below/torn\n\udcff.jpg": "empty"}
    lines = [*manifest.images()]
    assert [line.image for line in lines] == [
        f"{Path(line.source).with_suffix('')}_to_c{line.camera}.jpg" for line in lines
    ]
    paths = [str(source[0] / line.source) for line in lines]
    assert paths == [s.path for s in source[1] for _ in range(3)]
    for path, line in zip(paths, lines, strict=True):
        assert line.source_sha256 == file_digest(path)
        assert line.sha256 == file_digest(tmp_path / "out" / line.image)
        assert line.size == (tmp_path / "out" / line.image).stat().st_size
    sources = dict(zip([line.source for line in lines], paths, strict=True))
    assert not check_translated(manifest, sources)


def test_nothing_in_the_manifest_is_of_a_place_or_a_time(source, tmp_path):
    translate(source, tmp_path / "out")
    moved = tmp_path / "elsewhere" / "moved"
    moved.parent.mkdir()
    source[0].rename(moved)
    translate((moved, read_images(moved)), tmp_path / "elsewhere" / "out")
    assert bytes_below(tmp_path / "out") == bytes_below(tmp_path / "elsewhere" / "out")
    translate((moved, read_images(moved)), tmp_path / "png", format="png")
    assert read_manifest(tmp_path / "png").header["quality"] is None


def test_names_of_all_kinds(tmp_path):
    """A line feed, another script, bytes that are no UTF-8, a space at the end."""
    folder = tmp_path / "source"
    folder.mkdir()
    stems = ["a\nb", "\u540d\u524d \u2028", "caf\udce9 ", '"quoted\\']
    for place, stem in enumerate(stems):
        name = f"{stem}_{place}.png"
        Image.new("RGB", SIZE[::-1], (place, 0, 0)).save(os.fsencode(folder / name))
    samples = read_images(folder, pattern=r"_(?P<person>\d)")
    translate((folder, samples), tmp_path / "out", format="png")
    manifest = read_manifest(tmp_path / "out")
    assert {line.source for line in manifest.images()} == set(os.listdir(folder))
    assert not check_translated(manifest)
    assert len(read_images(tmp_path / "out", pattern=r"_(?P<person>\d)")) == 12


@pytest.fixture
def whole(source, tmp_path):
    """All bytes of a translation without a break."""
    translate(source, tmp_path / "whole")
    return bytes_below(tmp_path / "whole")


@pytest.fixture
def broken_off(source, monkeypatch):
    """Function that translates until so many files could be written.

    Gives the error, which is that of a full disk.
    """

    def run(out, files, **options):
        room = [files]
        write, one_at_a_time = Path.write_bytes, threading.Lock()

        def until_full(path, contents):
            with one_at_a_time:
                if ".part" in str(path):
                    room[0] -= 1
                if room[0] < 0:
                    write(path, contents[:5])
                    raise OSError(errno.ENOSPC, "No space left on device")
                return write(path, contents)

        with monkeypatch.context() as patch, pytest.raises(OSError) as raised:
            patch.setattr(Path, "write_bytes", until_full)
            translate(source, out, **options)
        return raised.value

    return run


@pytest.fixture
def decoded(monkeypatch):
    """Numbers of source images that translations have decoded, one for each."""
    numbers = []
    batches = translation.inference_batches

    def spying(samples, *settings):
        numbers.append(len(samples))
        return batches(samples, *settings)

    monkeypatch.setattr(translation, "inference_batches", spying)
    return numbers


# Batches of two source images, so of six files.
@pytest.mark.parametrize(("files", "left"), [(3, 5), (7, 3), (14, 1)])
def test_a_full_disk_and_on(
    source, tmp_path, whole, broken_off, decoded, caplog, files, left
):
    out = tmp_path / "out"
    with caplog.at_level(logging.INFO):
        error = broken_off(out, files)
    assert error.errno == errno.ENOSPC
    assert error.filename.startswith(f"{out}.part/images/")
    assert f"{out}.part keeps what is done: the same command goes on" in caplog.text
    assert not out.exists()
    caplog.clear()
    with caplog.at_level(logging.INFO):
        assert translate(source, out) == 15
    assert decoded == [5, left]
    assert bytes_below(out) == whole
    assert not Path(f"{out}.part").exists()
    going_on = f"{out}.part: going on after {15 - 3 * left} of 15 images"
    assert [r.getMessage() for r in caplog.records] == [going_on] * (left < 5)


def test_what_is_not_as_noted_is_made_again(
    source, tmp_path, whole, broken_off, decoded
):
    """As after a machine lost its power: notes on the disk, images not."""
    out = tmp_path / "out"
    images = Path(f"{out}.part", "images")
    # The second batch has lost an image, then the first.
    for amiss, left in (("0003_c2s1_000003_00_to_c3.jpg", 3), ("0000_c1", 5)):
        broken_off(out, 14)
        name = next(name for name in files_below(images) if name.startswith(amiss))
        (images / name).write_bytes(b"")
        translate(source, out)
        assert decoded[-1] == left
        assert bytes_below(out) == whole
        out.rename(tmp_path / amiss)
    for cut in (lambda lines: lines[:8], lambda lines: [*lines[:7], lines[7][:9]]):
        broken_off(out, 14)
        notes = Path(f"{out}.part", "images.jsonl")
        notes.write_text("".join(cut(notes.read_text().splitlines(keepends=True))))
        translate(source, out)
        assert decoded[-1] == 3
        assert bytes_below(out) == whole
        out.rename(tmp_path / str(len(decoded)))


def test_what_decides_the_images(source, tmp_path, broken_off, decoded, caplog):
    folder, samples = source
    out = tmp_path / "out"

    def changed(reason, **options):
        caplog.clear()
        broken_off(out, 7)
        with caplog.at_level(logging.INFO):
            translate((folder, samples), out, **options)
        assert decoded[-1] == 5
        assert f"{out}.part is of other {reason}: starting anew" in caplog.text
        assert not check_translated(read_manifest(out))
        out.rename(tmp_path / f"out{len(decoded)}")

    changed("settings", image_size=(16, 8))
    changed("settings", batch_size=3)
    changed("settings", format="png")
    changed("settings", quality=90)
    samples = samples[::-1]
    changed("images")


def test_killed_between_the_last_two_acts(source, tmp_path, whole, decoded, caplog):
    """The output has its name, and its part is there yet."""
    out = tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(translation.PartialOutput, "remove", lambda part: None)
        translate(source, out)
    assert Path(f"{out}.part").exists()
    with pytest.raises(InputError, match="exists and is not empty"):
        translate(source, out, quality=50)
    assert translate(source, out) == 15
    assert decoded == [5]
    assert bytes_below(out) == whole
    assert not Path(f"{out}.part").exists()


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (2, 0, 1), (3, 2, 1, 0)])
def test_workers_make_the_same_as_one(source, tmp_path, whole, decoded, order):
    """Three batches, so that a fourth worker has nothing to do."""
    out = tmp_path / "out"
    for number, index in enumerate(order, start=1):
        written = translate(source, out, worker=Worker(index, len(order)))
        assert written == (15 if number == len(order) else None)
        assert out.exists() == (number == len(order))
    assert sum(decoded) == 5 and len(decoded) == len(order)
    assert bytes_below(out) == whole
    assert not Path(f"{out}.part").exists()


def test_a_worker_goes_on_with_its_share(
    source, tmp_path, whole, broken_off, decoded, caplog
):
    out = tmp_path / "out"
    worker = Worker(1, 2)  # the second and the third batch, so nine files
    broken_off(out, 7, worker=worker)
    with caplog.at_level(logging.INFO):
        assert translate(source, out, worker=worker) is None
    assert f"{out}.part/worker-1: going on after 6 of 9 images" in caplog.text
    # Done with it, it is done with at once.
    assert translate(source, out, worker=worker) is None
    assert translate(source, out, worker=Worker(0, 2)) == 15
    assert decoded == [3, 1, 2]
    assert bytes_below(out) == whole


def test_workers_with_other_settings(source, tmp_path, whole):
    out = tmp_path / "out"
    translate(source, out, worker=Worker(0, 2))
    for options in ({"quality": 90}, {"batch_size": 3}, {"format": "png"}):
        with pytest.raises(InputError, match="is of other settings than worker 1 of 2"):
            translate(source, out, worker=Worker(1, 2), **options)
    with pytest.raises(InputError, match="is of a work for 2 worker.*, expected 1 "):
        translate(source, out)
    translate(source, out, worker=Worker(1, 2))
    assert bytes_below(out) == whole


def test_one_process_at_a_time(source, tmp_path, broken_off):
    out = tmp_path / "out"
    broken_off(out, 7)
    before = bytes_below(Path(f"{out}.part"))
    with locked(Path(f"{out}.part", LOCK), "x"):
        with pytest.raises(InputError, match=f"^{out} is being written by another"):
            translate(source, out)
    assert bytes_below(Path(f"{out}.part")) == before


def test_something_that_came_to_be_there_meanwhile_stays(
    source, tmp_path, whole, monkeypatch
):
    out = tmp_path / "out"

    def meanwhile(*settings):
        out.mkdir()
        (out / "mine").touch()
        return batches(*settings)

    batches = translation.inference_batches
    with monkeypatch.context() as patch:
        patch.setattr(translation, "inference_batches", meanwhile)
        with pytest.raises(InputError, match="exists and is not empty"):
            translate(source, out)
    assert [*out.iterdir()] == [out / "mine"]
    out.rename(tmp_path / "mine")
    translate(source, out)
    assert bytes_below(out) == whole


def test_images_are_on_the_disk_before_the_output_has_its_name(
    source, tmp_path, monkeypatch
):
    synced, before = [], []
    sync, replace = translation_part.sync, os.replace

    def renaming(old, new):
        if Path(new) == tmp_path / "out":
            before.extend(os.path.relpath(path, old) for path in synced)
        replace(old, new)

    monkeypatch.setattr(
        translation_part, "sync", lambda path: [synced.append(path), sync(path)]
    )
    monkeypatch.setattr(os, "replace", renaming)
    translate(source, tmp_path / "out")
    assert set(files_below(tmp_path / "out")) <= set(before)
    # The folders, with all names in them, are last.
    assert set(before[-2:]) == {".", "below"}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [("KEEP_SECONDS", 0, [0, 6, 6, 3]), ("KEEP_IMAGES", 7, [12, 3])],
)
def test_images_are_kept_now_and_then(
    source, tmp_path, monkeypatch, name, value, expected
):
    kept = []
    keep = translation_part.TranslationPart._keep
    monkeypatch.setattr(
        translation_part.TranslationPart,
        "_keep",
        lambda part: [kept.append(len(part._unsafe)), keep(part)],
    )
    monkeypatch.setattr(translation_part, name, value)
    translate(source, tmp_path / "out")
    assert kept == expected


def test_a_diverged_generator(source, tmp_path):
    class Diverged(Shift):
        def __call__(self, inputs):
            return super().__call__(inputs) * float("nan")

    with pytest.raises(tf.errors.InvalidArgumentError, match="are not finite"):
        translate_dataset(
            Translator(Diverged(), CAMERAS, SIZE), source[1], source[0],
            tmp_path / "out", progress=False,
        )  # fmt: skip
    assert not (tmp_path / "out").exists()
