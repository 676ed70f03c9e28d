"""`tfipgan translate`, and what the next commands make of its folder."""

import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfipgan.data.datasets import read_dataset, read_images
from tfipgan.evaluation.features import identity_accuracy
from tfipgan.runs.run import load_generator
from tfipgan.translation import dataset as translation
from tfipgan.translation.manifest import read_manifest
from tfipgan.weights.checkpoints import checkpoint_step, latest_checkpoint
from tfipgan.weights.fingerprint import weights_digest


@pytest.fixture(scope="module")
def translated(tfipgan, tiny_gan_run, tiny_world, tmp_path_factory):
    """(folder, result) of the tiny source, translated."""
    out = tmp_path_factory.mktemp("translated") / "out"
    words = ["--model", tiny_gan_run.path, "--source", tiny_world / "source"]
    return out, tfipgan("translate", *words, "--out", out)


def test_each_training_image_for_each_camera(translated, tiny_samples):
    out, result = translated
    assert result.exit_code == 0, result.output
    assert result.stdout == "90 images, 3 for each source image\n"
    assert "30/30" in result.stderr
    samples = read_images(out)
    assert len(samples) == 90
    assert {(s.person_id, s.source_camera_id, s.camera_id) for s in samples} == {
        (s.person_id, s.camera_id, camera)
        for s in tiny_samples[0]
        for camera in (1, 2, 3)
    }
    for sample in samples:
        with Image.open(sample.path) as image:
            assert image.format == "JPEG" and image.size == (16, 32)


def test_identity_accuracy_of_the_translated_images(
    tfipgan, translated, tiny_reid_run, tiny_network
):
    words = ["--classifier", tiny_reid_run.path, "--images", translated[0]]
    result = tfipgan("identity-accuracy", *words)
    assert result.exit_code == 0, result.output
    samples = read_images(translated[0])
    labels = tiny_reid_run.labels
    expected = identity_accuracy(tiny_network, labels, samples, (32, 16))
    assert result.stdout == f"{expected:.4f}\n"


def test_a_plain_folder_as_png(tfipgan, tiny_gan_run, tiny_world, tmp_path):
    folder = tmp_path / "some"
    folder.mkdir()
    images = sorted((tiny_world / "source" / "bounding_box_train").iterdir())
    for path in images[:2]:
        shutil.copy(path, folder)
    result = tfipgan(
        "translate", "--model", tiny_gan_run.path, "--source", folder,
        "--out", tmp_path / "out", "--image-format", "png", "--no-progress",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    stems = [path.stem for path in images[:2]]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        *(f"{stem}_to_c{camera}.png" for stem in stems for camera in (1, 2, 3)),
        "manifest.jsonl",
    ]


def test_folders_of_ones_own_are_kept(tfipgan, tiny_gan_run, tiny_world, tmp_path):
    path = next((tiny_world / "source" / "bounding_box_train").iterdir())
    for place in ("c7/p12.jpg", "c8/deep/p13.jpg"):
        (tmp_path / "own" / place).parent.mkdir(parents=True)
        shutil.copy(path, tmp_path / "own" / place)
    pattern = r"c(?P<camera>\d)/.*p(?P<person>\d+)"
    result = tfipgan(
        "translate", "--model", tiny_gan_run.path, "--source", tmp_path / "own",
        "--pattern", pattern, "--out", tmp_path / "out",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    out = tmp_path / "out"
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*.jpg")) == [
        f"{stem}_to_c{camera}.jpg"
        for stem in ("c7/p12", "c8/deep/p13")
        for camera in (1, 2, 3)
    ]
    back = read_images(out, pattern=pattern)
    assert {(s.person_id, s.source_camera_id) for s in back} == {(12, 7), (13, 8)}


def test_the_manifest(translated, tiny_gan_run):
    header = read_manifest(translated[0]).header
    assert header["model"] == {
        "run": "gan",
        "step": checkpoint_step(latest_checkpoint(tiny_gan_run.checkpoints)),
        "generator": weights_digest(load_generator(tiny_gan_run)),
    }
    assert header["source"] == "source"
    text = (translated[0] / "manifest.jsonl").read_text()
    assert "/tmp" not in text and str(Path.cwd()) not in text
    # It is in no reader's way.
    assert len(read_dataset(translated[0], splits=("train",)).train) == 90


def words_for(run, world, out):
    return [
        "translate",
        "--model",
        run.path,
        "--source",
        world / "source",
        "--out",
        out,
    ]


def test_ctrl_c_and_on(
    tfipgan, translated, tiny_gan_run, tiny_world, tmp_path, caplog, monkeypatch
):
    """tests/torture has it with real signals."""
    out = tmp_path / "out"
    words = words_for(tiny_gan_run, tiny_world, out)
    batches = translation.inference_batches

    def interrupted(*settings):
        yield from batches(*settings).take(5)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, caplog.at_level(logging.INFO):
        patch.setattr(translation, "inference_batches", interrupted)
        result = tfipgan(*words)
        assert result.exit_code not in (0, None)
    assert f"{out}.part keeps what is done: the same command goes on" in caplog.text
    assert not out.exists() and Path(f"{out}.part").exists()
    with caplog.at_level(logging.INFO):
        result = tfipgan(*words)
    assert result.exit_code == 0, result.output
    assert "out.part: going on after 15 of 90 images" in caplog.text
    assert result.stdout == "90 images, 3 for each source image\n"
    assert contents(out) == contents(translated[0])
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def contents(folder):
    return {
        p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def test_two_workers(
    tfipgan, translated, tiny_gan_run, tiny_world, tmp_path, monkeypatch
):
    out = tmp_path / "out"
    words = ["translate", "--model", tiny_gan_run.path, "--source"]
    words += [tiny_world / "source", "--out", out]
    cluster = {"worker": ["a:1", "b:1"]}
    told = [
        f"worker 0 of 2 has done its share; the last one to end makes {out}\n",
        "90 images, 3 for each source image\n",
    ]
    for index, line in enumerate(told):
        assert not out.exists()
        task = {"type": "worker", "index": index}
        monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
        result = tfipgan(*words)
        assert (result.exit_code, result.stdout) == (0, line), result.output
    for path in translated[0].iterdir():
        assert (out / path.name).read_bytes() == path.read_bytes()
    assert len([*out.iterdir()]) == len([*translated[0].iterdir()])


def test_two_at_a_time(refused, tiny_gan_run, tiny_world, tmp_path):
    out = tmp_path / "out"
    holder = (
        "import sys; from tfipgan.files.lock import locked\n"
        "with locked(sys.argv[1], ''): print(flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", holder, f"{out}.part/tfipgan.lock"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as other:
        other.stdout.readline()
        line = refused(1, *words_for(tiny_gan_run, tiny_world, out), "--no-progress")
        other.kill()
    assert line.startswith(f"{out} is being written by another process")


def test_an_output_inside_the_source(
    refused, tfipgan, tiny_gan_run, tiny_world, tmp_path
):
    """It would be read as more of the source by the next call."""
    root = Path(shutil.copytree(tiny_world / "source", tmp_path / "source"))
    before = contents(tmp_path)
    words = ["translate", "--model", tiny_gan_run.path, "--source"]
    for source, out in (
        (root, root / "bounding_box_train" / "out"),
        (root, root / "bounding_box_train"),
        (root / "query", root / "query" / "a" / "out"),
    ):
        line = refused(1, *words, source, "--out", out)
        assert " lies in " in line and "give a place outside of it" in line
    assert " holds " in refused(1, *words, root, "--out", tmp_path)
    assert contents(tmp_path) == before
    for _ in range(2):
        result = tfipgan(*words, root, "--out", root / "translated", "--no-progress")
        assert result.stdout == "90 images, 3 for each source image\n", result.output
        shutil.rmtree(root / "translated")


def test_a_folder_that_is_there_stays(refused, tiny_gan_run, tiny_world, tmp_path):
    (tmp_path / "mine").touch()
    line = refused(1, *words_for(tiny_gan_run, tiny_world, tmp_path))
    assert line.startswith(f"{tmp_path} exists and is not empty; expected a new folder")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_images_that_can_not_be_read(
    tfipgan, refused, tiny_gan_run, tiny_world, tmp_path, caplog
):
    folder = tmp_path / "some"
    folder.mkdir()
    images = sorted((tiny_world / "source" / "bounding_box_train").iterdir())
    for path in images[:2]:
        shutil.copy(path, folder)
    (folder / "0001_c1s1_000099_00.jpg").write_bytes(b"torn")
    out = tmp_path / "out"
    words = ["translate", "--model", tiny_gan_run.path, "--source", folder]
    line = refused(1, *words, "--out", out)
    assert "000099_00.jpg" in line and not out.exists()
    result = tfipgan(*words, "--out", out, "--skip-unreadable")
    assert result.exit_code == 0, result.output
    assert result.stdout == "6 images, 3 for each source image\n"
    assert "000099_00.jpg" in caplog.text
    assert [*read_manifest(out).left_out] == ["0001_c1s1_000099_00.jpg"]
    assert tfipgan("translate", "--verify", out, "--source", folder).exit_code == 0


def test_a_damaged_last_checkpoint(tfipgan, tiny_gan_run, tiny_world, tmp_path, caplog):
    """It is told once, and the manifest has the step whose weights are used."""
    run = Path(shutil.copytree(tiny_gan_run.path, tmp_path / "run"))
    last = latest_checkpoint(run / "checkpoints")
    (last / "generator.safetensors").write_bytes(b"")
    (tmp_path / "some").mkdir()
    images = sorted((tiny_world / "source" / "bounding_box_train").iterdir())
    shutil.copy(images[0], tmp_path / "some")
    out = tmp_path / "out"
    words = ["--model", run, "--source", tmp_path / "some", "--out", out]
    result = tfipgan("translate", *words)
    assert result.exit_code == 0, result.output
    assert caplog.text.count("; going back to step-00000007") == 1
    assert read_manifest(out).header["model"]["step"] == 7


@pytest.mark.parametrize("without", ["--model", "--source", "--out"])
def test_what_it_needs(refused, tiny_gan_run, tiny_world, tmp_path, without, tfipgan):
    words = words_for(tiny_gan_run, tiny_world, tmp_path / "out")
    place = words.index(without)
    result = tfipgan(*words[:place], *words[place + 2 :])
    assert result.exit_code == 2
    assert f"Error: Missing option '{without}'." in result.stderr


@pytest.fixture
def copy(translated, tmp_path):
    """A copy of the translated folder, to be changed."""
    return shutil.copytree(translated[0], tmp_path / "copy")


def test_verify(tfipgan, copy):
    result = tfipgan("translate", "--verify", copy)
    assert (result.exit_code, result.stdout) == (
        0,
        "90 images: all as the manifest says\n",
    )
    assert "90/90" in result.stderr
    name = read_images(copy)[0].path
    Path(name).unlink()
    result = tfipgan("translate", "--verify", copy, "--no-progress")
    assert result.exit_code == 1
    assert result.stdout == f"images missing (1): {Path(name).name}\n"
    assert result.stderr == ""


def test_what_reads_a_translated_folder(
    refused, copy, tiny_reid_run, tiny_gan_run, tiny_world, tmp_path
):
    """With images gone, one changed in its size, and one too many."""
    first, second, third, *_ = sorted(copy.glob("*.jpg"))
    first.unlink()
    second.write_bytes(second.read_bytes() + b"\0")
    shutil.copy(third, copy / third.name.replace("_c1s1_", "_c2s9_"))
    told = (
        f"{copy} is not as its manifest.jsonl says: images missing (1): {first.name}; "
        f"images changed (1): {second.name}; images that the manifest lacks (1): "
    )
    target, out = tiny_world / "target", tmp_path / "x"
    for words in (
        ("identity-accuracy", "--classifier", tiny_reid_run.path, "--images", copy),
        ("identity-accuracy", "--classifier", tiny_reid_run.path, "--data", copy),
        ("extract", "--model", tiny_reid_run.path, "--images", copy, "--out", out),
        ("translate", "--model", tiny_gan_run.path, "--source", copy, "--out", out),
        ("train-gan", "--config", "synthetic/stargan", "--source", copy, "--target",
         target, "--out", out),
        ("train-gan", "--config", "synthetic/stargan", "--source", target, "--target",
         copy, "--out", out),
    ):  # fmt: skip
        assert refused(1, *words, "--no-progress").startswith(told), words
        assert not out.exists()


def test_verify_with_the_source_and_the_model(
    tfipgan, copy, tiny_gan_run, tiny_world, tmp_path
):
    source = Path(shutil.copytree(tiny_world / "source", tmp_path / "source"))
    run = Path(shutil.copytree(tiny_gan_run.path, tmp_path / "run"))
    words = ["translate", "--verify", copy, "--source", source, "--model", run]
    result = tfipgan(*words)
    assert result.exit_code == 0, result.output
    assert result.stdout == (
        "90 images, its source, its model: all as the manifest says\n"
    )
    image = sorted((source / "bounding_box_train").iterdir())[0]
    image.write_bytes(image.read_bytes() + b"\0")
    last = latest_checkpoint(run / "checkpoints")
    shutil.rmtree(last)
    result = tfipgan(*words)
    assert result.exit_code == 1
    assert result.stdout == (
        f"{run} has other weights\nsource images changed (1): {image.name}\n"
    )


def test_verify_needs_no_tensorflow(copy):
    command = (
        "import sys; from tfipgan.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print('tensorflow' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", command, "translate", "--verify", copy],
        capture_output=True,
        text=True,
    )
    assert ran.stdout == "90 images: all as the manifest says\nFalse\n", ran.stderr


def test_verify_what_can_not_be(refused, tfipgan, copy, tmp_path):
    line = refused(1, "translate", "--verify", tmp_path / "none")
    assert line.startswith(f"{tmp_path / 'none'} has no manifest.jsonl; expected")
    (copy / "manifest.jsonl").write_text("{}")
    line = refused(1, "translate", "--verify", copy)
    assert line.startswith(f"{copy / 'manifest.jsonl'} is damaged")
    result = tfipgan("translate", "--verify", copy, "--out", copy)
    assert result.exit_code == 2 and "leave out --out" in result.stderr


# ----------------------------------------------------------------- the colour map


def test_colour_map(tfipgan, tiny_world, tmp_path):
    source, target = tiny_world / "source", tiny_world / "target"
    out = tmp_path / "out"
    words = ["translate", "--method", "colour-map", "--source", source]
    words += ["--target", target, "--out", out, "--image-size", "32x16"]
    result = tfipgan(*words, "--no-progress")
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith(", 3 for each source image\n")
    images = sorted(out.rglob("*.jpg"))
    assert len(images) == 3 * len(list((source / "bounding_box_train").iterdir()))
    with Image.open(images[0]) as image:
        assert image.size == (16, 32)
    checked = tfipgan("translate", "--verify", out, "--source", source)
    assert checked.exit_code == 0 and "all as the manifest says" in checked.stdout
    # The target's colours: its mean, but for what rounding and clipping change.
    for camera in (1, 2, 3):
        real = mean_colour(target.glob(f"bounding_box_train/*_c{camera}s*"))
        made = mean_colour(out.rglob(f"*_to_c{camera}.jpg"))
        before = mean_colour(source.glob("bounding_box_train/*"))
        away = np.abs(before - real).max()
        assert np.abs(made - real).max() < max(3, away / 3)


def test_verify_a_colour_map(tfipgan, tiny_world, tmp_path):
    """The map is fitted again; what has no meaning beside it is refused."""
    source, target, out = tiny_world / "source", tiny_world / "target", tmp_path / "out"
    by_colours = ["--method", "colour-map", "--source", source]
    words = ["translate", *by_colours, "--target", target, "--image-size", "32x16"]
    assert tfipgan(*words, "--out", out).exit_code == 0
    verify = ["translate", "--verify", out]
    result = tfipgan(*verify, *by_colours, "--target", target)
    assert result.exit_code == 0, result.output
    assert result.stdout == (
        "90 images, its source, its target: all as the manifest says\n"
    )
    result = tfipgan(*verify, *by_colours, "--target", source)
    assert result.exit_code == 1
    assert result.stdout == f"{source} gives another colour map\n"
    assert tfipgan(*verify, "--method", "colour-map").exit_code == 0
    for given, found in (
        (["--target", target], "--target has no meaning with --method gan"),
        ([*by_colours, "--model", "x"], "--model has no meaning with --method colour"),
        (["--method", "colour-map", "--target", target], "--target is compared with "),
    ):
        result = tfipgan(*verify, *given)
        assert result.exit_code == 2 and found in result.stderr
    header = json.loads((out / "manifest.jsonl").read_text().splitlines()[0])
    assert header["model"]["run"] == "colour-map"
    header["model"] |= {"run": "gan", "step": 7}
    lines = (out / "manifest.jsonl").read_text().splitlines()[1:]
    (out / "manifest.jsonl").write_text("\n".join([json.dumps(header), *lines, ""]))
    result = tfipgan(*verify, "--method", "colour-map")
    assert result.exit_code == 1
    assert result.stdout == f"{out} was not made with --method colour-map\n"


def test_redraw(tfipgan, refused, tiny_world, tmp_path, monkeypatch):
    """The built-in world drawn again: as many images, the target's cameras."""
    source, target, out = tiny_world / "source", tiny_world / "target", tmp_path / "out"
    words = ["translate", "--method", "redraw", "--source", source]
    result = tfipgan(*words, "--target", target, "--out", out)
    assert result.exit_code == 0, result.output
    assert result.stdout == "90 images\n"
    stems = {path.stem for path in (source / "bounding_box_train").iterdir()}
    names = {path.name for path in out.iterdir()}
    assert names == {f"{stem}_to_c{c}.jpg" for stem in stems for c in (1, 2, 3)}
    line = refused(1, *words, "--target", target, "--out", out)
    assert "exists and is not empty" in line
    line = refused(1, *words, "--target", source, "--out", tmp_path / "other")
    assert "expected the source and the target of one `tfipgan synthesize`" in line
    for more, found in (
        ([], "Missing option '--target'."),
        (["--target", target, "--model", "x"], "--model has no meaning with --method"),
        (["--target", target, "--image-format", "png"], "--image-format has no meani"),
        (["--target", target, "--skip-unreadable"], "--skip-unreadable has no meaning"),
        (["--target", target, "--format", "msmt17"], "--format has no meaning with"),
        (["--target", target, "--target-pattern", "x"], "--target-pattern has no mea"),
    ):
        result = tfipgan(*words, "--out", tmp_path / "other", *more)
        assert result.exit_code == 2 and found in result.stderr
    result = tfipgan("translate", "--verify", out, "--method", "redraw")
    assert result.exit_code == 2 and "--method redraw writes none" in result.stderr
    # One of several workers draws all.
    cluster = {"cluster": {"worker": ["a:1", "b:1"]}}
    task = {"task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster | task))
    result = tfipgan(*words, "--target", target, "--out", tmp_path / "other")
    assert result.stdout == f"the first worker draws {tmp_path / 'other'}\n"
    assert not (tmp_path / "other").exists()


def test_names_that_do_not_match(tfipgan, refused, tiny_world, tmp_path):
    """A file manager's copy stops it, or is left out and listed."""
    for name in ("source", "target"):
        shutil.copytree(tiny_world / name, tmp_path / name)
        first = min((tmp_path / name / "bounding_box_train").iterdir())
        shutil.copy(first, first.with_name(f"{first.stem} (1).jpg"))
    out, source = tmp_path / "out", tmp_path / "source"
    words = ["translate", "--method", "colour-map", "--image-size", "32x16"]
    words += ["--source", source, "--target", tmp_path / "target", "--out", out]
    line = refused(1, *words)
    assert "(1).jpg" in line and "--skip-unreadable" in line and not out.exists()
    result = tfipgan(*words, "--skip-unreadable")
    assert result.exit_code == 0, result.output
    assert result.stdout == "90 images, 3 for each source image\n"
    ((left_out, why),) = read_manifest(out).left_out.items()
    assert left_out.endswith(" (1).jpg") and "a market1501 name like" in why
    words = ["translate", "--verify", out, "--source", source, "--skip-unreadable"]
    assert tfipgan(*words).exit_code == 0


def test_colours_of_cameras_without_people(tfipgan, tiny_world, tmp_path):
    crops = tmp_path / "crops" / "cam7"
    crops.mkdir(parents=True)
    for number in range(2):
        Image.new("RGB", (8, 16), (200, 100 * number, 50)).save(crops / f"{number}.png")
    words = ["translate", "--method", "colour-map", "--image-size", "32x16"]
    words += ["--source", tiny_world / "source", "--target", crops.parent]
    words += ["--target-pattern", "cam(?P<camera>[0-9]+)/", "--out", tmp_path / "out"]
    result = tfipgan(*words, "--no-progress")
    assert result.exit_code == 0, result.output
    assert {s.camera_id for s in read_images(tmp_path / "out")} == {7}
    words[-3] = "(?P<person>[0-9])"
    result = tfipgan(*words[:-1], tmp_path / "other")
    assert result.exit_code == 1 and "2 of 2 images have no camera" in result.stderr


def mean_colour(paths):
    images = [np.asarray(Image.open(path)).mean(axis=(0, 1)) for path in paths]
    return np.mean(images, axis=0)


def test_options_of_another_method(tfipgan, tiny_gan_run, tiny_world, tmp_path):
    source = ["--source", tiny_world / "source", "--out", tmp_path / "out"]
    target = ["--target", tiny_world / "target"]
    model = ["--model", tiny_gan_run.path]
    mapped = ["--method", "colour-map"]
    for words, expected in (
        ([*mapped, *model, *target], "--model has no meaning with --method colour-map"),
        ([*model, *target], "--target has no meaning with --method gan; leave it out"),
        (
            [*model, "--image-size", "8x8"],
            "--image-size has no meaning with --method g",
        ),
        (mapped, "Missing option '--target'."),
        ([], "Missing option '--model'."),
    ):
        result = tfipgan("translate", *source, *words)
        assert result.exit_code == 2 and expected in result.stderr
    assert not (tmp_path / "out").exists()
