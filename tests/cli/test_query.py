"""`tfipgan query` against a server that answers like TensorFlow Serving."""

import io
import json
import shutil
from pathlib import Path

import fake_serving as fake
import grpc
import numpy as np
import pytest
from PIL import Image

from tfipgan.data.datasets import read_images
from tfipgan.evaluation import FeatureSet


@pytest.fixture(scope="module")
def running():
    server = fake.Running()
    yield server
    server.kill()


@pytest.fixture
def serving(running):
    """The servicer, as new."""
    running.serving.__init__()
    return running.serving


@pytest.fixture
def extract(running, tfipgan, tmp_path):
    """Function of (images, words): `query extract` to tmp_path / "out.npz"."""

    def run(images, *words):
        out = ["--out", tmp_path / "out.npz", "--server", running.address]
        return tfipgan("query", "extract", images, *out, *words)

    return run


@pytest.fixture
def translate(running, tfipgan, tmp_path):
    """Function of (images, camera, words): `query translate` to tmp_path / "out"."""

    def run(images, camera, *words):
        out = ["--out", tmp_path / "out", "--server", running.address]
        return tfipgan("query", "translate", images, "--camera", camera, *out, *words)

    return run


@pytest.fixture
def folder(tiny_world, tmp_path):
    """Folder of three images, one of them deeper, one unlabelled."""
    images = sorted((tiny_world / "source" / "bounding_box_train").iterdir())
    (tmp_path / "in" / "below").mkdir(parents=True)
    shutil.copy(images[0], tmp_path / "in" / "0031_c2s1_000001_01.jpg")
    shutil.copy(images[1], tmp_path / "in" / "below" / "holiday.jpg")
    shutil.copy(images[2], tmp_path / "in" / "below" / "0007_c1s1_000001_01.jpg")
    return tmp_path / "in"


def failed(result, exit_code=1):
    """The one line of a command that failed, after the log's."""
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == exit_code, result.output
    assert result.stdout == ""
    line = result.stderr.splitlines()[-1]
    assert line.startswith("Error: ")
    return line.removeprefix("Error: ")


def files_below(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.*"))


def test_features_of_a_gallery(serving, extract, tiny_world, tmp_path):
    images = tiny_world / "target" / "bounding_box_test"
    result = extract(images)
    assert result.exit_code == 0, result.output
    samples = read_images(images, labelled=False)
    assert result.stdout == f"{len(samples)} images, 4 values each\n"
    assert f"{len(samples)}/{len(samples)}" in result.stderr
    features = FeatureSet.load(tmp_path / "out.npz")
    assert features.paths.tolist() == [s.path for s in samples]
    assert features.person_ids.tolist() == [s.person_id for s in samples]
    assert features.camera_ids.tolist() == [s.camera_id for s in samples]
    expected = [fake.embedding(Path(s.path).read_bytes()) for s in samples]
    np.testing.assert_array_equal(features.features, expected)


def test_features_go_to_evaluate(serving, tfipgan, running, tiny_world, tmp_path):
    for split, name in (("query", "q"), ("bounding_box_test", "g")):
        result = tfipgan(
            "query", "extract", tiny_world / "target" / split, "--no-progress",
            "--server", running.address, "--out", tmp_path / f"{name}.npz",
        )  # fmt: skip
        assert result.exit_code == 0, result.output
    result = tfipgan(
        "evaluate", "--query", tmp_path / "q.npz", "--gallery", tmp_path / "g.npz",
        "--json", tmp_path / "metrics.json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert 0 < json.loads((tmp_path / "metrics.json").read_text())["mAP"] < 1


def test_one_file_and_images_that_nobody_labelled(serving, extract, folder, tmp_path):
    assert extract(folder, "--no-progress").exit_code == 0
    features = FeatureSet.load(tmp_path / "out.npz")
    assert [Path(path).name for path in features.paths] == [
        "0031_c2s1_000001_01.jpg", "0007_c1s1_000001_01.jpg", "holiday.jpg",
    ]  # fmt: skip
    assert features.person_ids.tolist() == [31, 7, -2]
    (tmp_path / "out.npz").unlink()
    result = extract(folder / "0031_c2s1_000001_01.jpg")
    assert result.stdout == "1 images, 4 values each\n"
    one = FeatureSet.load(tmp_path / "out.npz")
    assert one.person_ids.tolist() == [31] and one.camera_ids.tolist() == [2]
    np.testing.assert_array_equal(one.features, features.features[:1])
    (tmp_path / "out.npz").unlink()
    assert extract(folder / "below" / "holiday.jpg").exit_code == 0
    assert FeatureSet.load(tmp_path / "out.npz").person_ids.tolist() == [-2]


def test_names_of_ones_own(serving, extract, folder, tmp_path):
    shutil.copy(folder / "below" / "holiday.jpg", folder / "cam5-p12.jpg")
    pattern = ("--pattern", r"cam(?P<camera>\d+)-p(?P<person>\d+)")
    assert extract(folder / "cam5-p12.jpg", *pattern).exit_code == 0
    features = FeatureSet.load(tmp_path / "out.npz")
    assert (features.person_ids[0], features.camera_ids[0]) == (12, 5)


def test_one_camera(serving, translate, folder, tmp_path, caplog):
    with caplog.at_level("INFO"):
        result = translate(folder, "4")
    assert result.exit_code == 0, result.output
    assert result.stdout == "3 images written\n"
    assert "translator version 3 at localhost" in caplog.text
    assert "3/3" in result.stderr
    names = ["0031_c2s1_000001_01", "below/0007_c1s1_000001_01", "below/holiday"]
    assert files_below(tmp_path / "out") == [f"{name}_to_c4.jpg" for name in names]
    for name in names:
        contents = (folder / f"{name}.jpg").read_bytes()
        made = (tmp_path / "out" / f"{name}_to_c4.jpg").read_bytes()
        assert made == fake.translation(contents, 4)


def test_all_cameras_and_once_more(serving, translate, folder, tmp_path):
    words = ["--batch-size", 1, "--no-progress"]
    result = translate(folder, "all", *words)
    assert result.stdout == "9 images written\n"
    found = files_below(tmp_path / "out")
    assert len(found) == 9 and found[0] == "0031_c2s1_000001_01_to_c1.jpg"
    line = failed(translate(folder, "all"))
    assert "out exists and is not empty" in line and line.endswith("or add --resume")
    (tmp_path / "out" / "below" / "holiday_to_c4.jpg").unlink()
    shutil.copy(folder / "below" / "holiday.jpg", folder / "new.jpg")
    result = translate(folder, "all", "--resume", *words)
    # The first is asked again for the cameras, the second is read ahead by then.
    assert result.stdout == "12 images written\n"
    shutil.rmtree(tmp_path / "out")
    translate(folder, "all", *words)
    result = translate(folder, "all", "--resume", *words)
    assert result.stdout == "6 images written, 2 of 4 were there already\n"
    result = translate(folder / "new.jpg", "all", "--resume", *words)
    assert result.stdout == "3 images written\n"


def test_a_bad_image_is_named(serving, extract, translate, folder, tmp_path, caplog):
    bad = folder / "below" / "holiday.jpg"
    bad.write_bytes(bad.read_bytes()[:200])
    for result in (extract(folder), translate(folder, "1")):
        line = failed(result)
        assert f"(1 of 3): {bad} (" in line and "--skip-unreadable" in line
    assert not serving.requests and not (tmp_path / "out").exists()
    result = extract(folder, "--skip-unreadable")
    assert result.stdout == "2 images, 4 values each\n"
    assert f"left out: {bad} (" in caplog.text
    assert translate(folder, "1", "--skip-unreadable").stdout == "2 images written\n"


def test_what_the_server_does_not_read(serving, extract, folder, tmp_path):
    bad = folder / "below" / "holiday.jpg"
    with Image.open(bad) as image:
        image.save(bad, comment=fake.UNDECODABLE)
    line = failed(extract(folder))
    assert line.startswith(f"{bad}: model extractor at localhost") and "Unknown" in line
    assert not (tmp_path / "out.npz").exists()
    assert extract(folder, "--skip-unreadable").stdout == "2 images, 4 values each\n"


def test_what_a_person_sees_is_sent(serving, extract, folder):
    turned = folder / "below" / "holiday.jpg"
    with Image.open(turned) as image:
        exif = Image.Exif()
        exif[0x0112] = 6
        image.save(turned, exif=exif)
        width, height = image.size
    assert extract(turned).exit_code == 0
    (sent,) = serving.requests[0].inputs["image_bytes"].string_val
    assert sent.startswith(b"\x89PNG")
    # Width and height have changed places.
    assert int.from_bytes(sent[16:20]) == height
    assert int.from_bytes(sent[20:24]) == width


def test_what_is_transparent_is_sent_on_white(serving, extract, folder):
    cut_out = folder / "below" / "holiday.png"
    Image.new("RGBA", (3, 2), (9, 8, 7, 0)).save(cut_out)
    assert extract(cut_out).exit_code == 0
    (sent,) = serving.requests[0].inputs["image_bytes"].string_val
    with Image.open(io.BytesIO(sent)) as image:
        assert image.mode == "RGB" and image.getcolors() == [(6, (255, 255, 255))]


def test_names_that_would_be_the_same(serving, translate, folder):
    shutil.copy(folder / "below" / "holiday.jpg", folder / "below" / "holiday.png")
    line = failed(translate(folder, "1"))
    assert "below/holiday.jpg and below/holiday.png differ in their ending" in line


def test_nobody_there(tfipgan, folder, tmp_path):
    result = tfipgan(
        "query", "extract", folder, "--server", "localhost:1", "--retries", 0,
        "--out", tmp_path / "out.npz", "--no-progress",
    )  # fmt: skip
    line = failed(result)
    assert line.startswith("no gRPC server answers at localhost:1 without TLS: ")


def test_versions_and_labels(serving, extract, folder):
    line = failed(extract(folder, "--version", 7))
    assert "asked for version 7, of which there are: 3 is AVAILABLE" in line
    told = "Unrecognized servable version label: canary"
    serving.always = (grpc.StatusCode.INVALID_ARGUMENT, told)
    line = failed(extract(folder, "--label", "canary"))
    assert "has no version label 'canary'" in line
    assert serving.requests[-1].model_spec.version_label == "canary"
    line = failed(extract(folder, "--label", "a", "--version", 1), exit_code=2)
    assert "both a version and a label" in line


def test_what_is_passed_over_or_cut_is_a_warning(
    serving, extract, folder, tmp_path, caplog
):
    (folder / "below" / "photo.heic").write_bytes(b"x")
    assert extract(folder).exit_code == 0
    (line,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert line.startswith(f"{folder}: files passed over")
    assert "(1 .heic): below/photo.heic" in line
    caplog.clear()
    junk = tmp_path / "-1_c1s1_000401_00.jpg"
    shutil.copy(folder / "below" / "holiday.jpg", junk)
    (tmp_path / "out.npz").unlink()
    pattern = "(?P<person>[0-9]+)_c(?P<camera>[0-9]+)"
    assert extract(junk, "--pattern", pattern).exit_code == 0
    (line,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert line.startswith(f"{junk}: the pattern's group person cuts numbers (1 of 1)")


def test_outputs_that_are_there_or_cannot_be(serving, extract, tfipgan, folder):
    assert extract(folder).exit_code == 0
    assert "out.npz exists; expected a new file" in failed(extract(folder))
    place = folder / "below" / "holiday.jpg" / "out.npz"
    result = tfipgan("query", "extract", folder, "--out", place, "--no-progress")
    assert str(folder / "below" / "holiday.jpg") in failed(result)
    assert len(serving.requests) == 1


def test_images_that_are_not_there(extract, folder, tmp_path):
    assert failed(extract(tmp_path / "no")).startswith(f"{tmp_path / 'no'} does not ex")
    (tmp_path / "empty").mkdir()
    assert "no images found" in failed(extract(tmp_path / "empty"))


@pytest.mark.parametrize(
    "words",
    [
        ["--camera", "front"], ["--camera", "-1"], ["--camera", str(2**31)], [],
        ["--camera", "1", "--ca", __file__], ["--camera", "1", "--key", __file__],
        ["--camera", "1", "--tls", "--cert", __file__],
        ["--camera", "1", "--timeout", "0"], ["--camera", "1", "--batch-size", "0"],
        ["--camera", "1", "--in-flight", "0"], ["--camera", "1", "--server", "here"],
    ],
)  # fmt: skip
def test_usage_errors_exit_with_2(tfipgan, folder, tmp_path, words):
    result = tfipgan("query", "translate", folder, "--out", tmp_path / "out", *words)
    failed(result, exit_code=2)
    assert not (tmp_path / "out").exists()


def test_certificates_that_are_none(tfipgan, folder, tmp_path):
    words = ["query", "extract", folder, "--out", tmp_path / "out.npz", "--retries", 0]
    words += ["--server", "localhost:1", "--tls", "--ca", tmp_path / "ca.pem"]
    (tmp_path / "ca.pem").write_text("x")
    line = failed(tfipgan(*words))
    assert line.startswith(f"{tmp_path / 'ca.pem'} holds no key or certificate")
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\nx\n")
    line = failed(tfipgan(*words, "--no-progress"))
    assert "no gRPC server answers at localhost:1 with TLS" in line


def test_help_is_instant_and_says_what_there_is(tfipgan):
    assert "translate" in tfipgan("query", "--help").stdout
    for command in ("translate", "extract"):
        result = tfipgan("query", command, "--help")
        assert result.exit_code == 0 and "--skip-unreadable" in result.stdout


def test_an_output_inside_the_images(serving, folder, tfipgan, running):
    before = files_below(folder)
    words = ["query", "translate", folder, "--camera", 4, "--server", running.address]
    for out, told in (
        (folder, " lies in "),
        (folder / "out", " lies in "),
        (folder.parent, " holds "),
    ):
        line = failed(tfipgan(*words, "--out", out, "--resume"))
        assert told in line
    assert files_below(folder) == before
