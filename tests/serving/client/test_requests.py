"""Many images: how they are put in requests, and what becomes of bad ones."""

import threading
import time
from functools import partial
from pathlib import Path

import fake_serving as fake
import grpc
import numpy as np
import pytest

from tfipgan.errors import InputError
from tfipgan.serving import client as client_module
from tfipgan.serving import (
    client_batches,
    client_files,
    client_translation,
)
from tfipgan.serving.client import Client
from tfipgan.serving.client_errors import ServerError

Code = grpc.StatusCode


def test_requests_by_count(client, serving, samples):
    features = client_files.extract_files(client, samples, batch_size=3)
    assert sorted(serving.sizes()) == [1, 3, 3] and serving.sizes()[0] == 3
    expected = [fake.embedding(image) for image in fake.contents(samples)]
    np.testing.assert_array_equal(features.features, expected)
    assert features.person_ids.tolist() == list(range(7))
    assert features.camera_ids.tolist() == [1, 2, 3, 1, 2, 3, 1]
    assert features.paths.tolist() == [sample.path for sample in samples]


def test_requests_by_bytes(client, serving, samples, monkeypatch):
    lengths = [len(image) for image in fake.contents(samples)]
    limit = lengths[0] + lengths[1]
    bounded = partial(client_batches.each_answer, max_bytes=limit)
    monkeypatch.setattr(client_files, "each_answer", bounded)
    client_files.extract_files(client, samples, in_flight=1)
    assert serving.sizes()[0] == 2
    for request in serving.requests:
        images = request.inputs["image_bytes"].string_val
        assert sum(map(len, images)) <= limit or len(images) == 1
    assert sum(serving.sizes()) == 7


def test_a_few_requests_at_a_time(client, serving, samples):
    serving.hold = threading.Event()
    result = []
    thread = threading.Thread(
        target=lambda: result.append(
            client_files.extract_files(client, samples, batch_size=1, in_flight=3)
        )
    )
    thread.start()
    # The first is made alone.
    for under_way in (1, 4):
        give_up = time.monotonic() + 20
        while len(serving.requests) < under_way and time.monotonic() < give_up:
            time.sleep(0.01)
        time.sleep(0.1)  # in which one too many would come
        assert len(serving.requests) == under_way
        now, serving.hold = serving.hold, threading.Event()
        now.set()
    serving.hold.set()
    thread.join(10)
    assert serving.most == 3
    expected = [fake.embedding(image) for image in fake.contents(samples)]
    np.testing.assert_array_equal(result[0].features, expected)


def test_too_much_for_the_server_is_halved(client, serving, samples):
    told = "Task size 7 is larger than maximum input batch size 3"
    serving.failures = [(Code.INVALID_ARGUMENT, told)]
    client_files.extract_files(client, samples)
    assert serving.sizes() == [7, 3, 4]


def test_too_much_for_the_client_is_halved(running, serving, samples, monkeypatch):
    # Room for the answer to two images: 3 files of 35 bytes each, and frames.
    monkeypatch.setattr(client_module, "MAX_REPLY_BYTES", 360)
    with Client(running.address, timeout=20) as client:
        rows = list(
            client_batches.each_answer(
                zip(*local(samples), strict=True),
                lambda images: client.translate_all(images)[0],
                lambda: 7,
            )
        )
    assert [key for key, _ in rows] == samples
    assert [row[0] for _, row in rows] == [
        fake.translation(image, 1) for image in fake.contents(samples)
    ]
    assert serving.sizes()[:2] == [7, 3]


def test_one_image_that_is_too_much(running, samples, monkeypatch):
    monkeypatch.setattr(client_module, "MAX_REPLY_BYTES", 10)
    with Client(running.address, timeout=20) as client:
        with pytest.raises(
            InputError, match="it alone is too large: .*larger than max"
        ):
            client_files.extract_files(client, samples[:1])


def local(samples):
    images, broken = client_files.check_images([s.path for s in samples])
    assert not broken
    return samples, images


def test_an_image_that_the_server_refuses_is_named(client, serving, samples):
    fake.spoil(samples[4])
    with pytest.raises(InputError, match=r"0004_c2s1_000001_00\.jpg: .*Unknown image"):
        client_files.extract_files(client, samples)
    assert serving.sizes() == [7] + [1] * 7


def test_images_that_the_server_refuses_are_left_out(client, samples, caplog):
    for index in (1, 6):
        fake.spoil(samples[index])
    features = client_files.extract_files(
        client, samples, batch_size=3, skip_unreadable=True
    )
    assert features.person_ids.tolist() == [0, 2, 3, 4, 5]
    assert features.paths.tolist() == [samples[i].path for i in (0, 2, 3, 4, 5)]
    assert features.camera_ids.tolist() == [
        samples[i].camera_id for i in (0, 2, 3, 4, 5)
    ]
    left = [line for line in caplog.messages if line.startswith("left out: ")]
    assert [samples[1].path in left[0], samples[6].path in left[1]] == [True, True]


def test_a_server_that_refuses_all(client, serving, samples, tmp_path):
    """Such as for a camera that it does not know: not the fault of an image."""
    with pytest.raises(
        InputError, match=r"^model .* camera 9 is not one of .*all 3 images of"
    ):
        client_translation.translate_files(
            client, samples, tmp_path, tmp_path / "out", 9,
            batch_size=3, skip_unreadable=True,
        )  # fmt: skip
    assert serving.sizes() == [3, 1, 1, 1]
    assert not (tmp_path / "out").exists()


def test_bad_images_are_found_before_anything_is_sent(client, serving, samples, caplog):
    Path(samples[2].path).write_bytes(b"")
    Path(samples[5].path).write_bytes(b"x")
    words = r"can't be read \(2 of 7\): .*0002_.*\(empty\), .*0005_.*\(not an image\);"
    with pytest.raises(InputError, match=words):
        client_files.extract_files(client, samples)
    assert not serving.requests
    features = client_files.extract_files(client, samples, skip_unreadable=True)
    assert features.person_ids.tolist() == [0, 1, 3, 4, 6]
    assert [line for line in caplog.messages if "0005_" in line]
    with pytest.raises(InputError, match=r"\(1 of 1\)"):
        client_files.extract_files(client, samples[2:3], skip_unreadable=True)


def test_translations_of_all_cameras_make_smaller_requests(
    client, serving, samples, tmp_path
):
    out = tmp_path / "out"
    written = client_translation.translate_files(
        client, samples, tmp_path, out, None, batch_size=6
    )
    # 6 // 8 cameras guessed, at least one; then 6 // 3.
    assert sorted(serving.sizes()[1:]) == [2, 2, 2] and serving.sizes()[0] == 1
    assert written == (21, 0)
    for sample, image in zip(samples, fake.contents(samples), strict=True):
        stem = out / "images" / Path(sample.path).stem
        for camera in fake.CAMERAS:
            file = Path(f"{stem}_to_c{camera}.jpg")
            assert file.read_bytes() == fake.translation(image, camera)


@pytest.mark.parametrize("camera", [None, 2])
def test_a_server_killed_in_the_middle(running, samples, tmp_path, camera, monkeypatch):
    monkeypatch.setattr(client_module, "_FIRST_PAUSE", 0.01)
    serving, out = running.serving, tmp_path / "out"
    per_image = 3 if camera is None else 1

    def dies_after_the_third(response):
        if len(serving.requests) > 3:
            threading.Thread(target=running.kill).start()
            time.sleep(2)

    serving.change = dies_after_the_third
    with Client(running.address, timeout=20) as client:
        words = (
            "stopped answering .*start the server again, then this command; "
            f"{3 * per_image} files are written and whole: --resume leaves them out$"
        )
        with pytest.raises(ServerError, match=words):
            client_translation.translate_files(
                client, samples, tmp_path / "images", out, camera,
                batch_size=1, in_flight=1,
            )  # fmt: skip
    files = sorted(out.rglob("*"))
    assert len(files) == 3 * per_image
    assert all(len(file.read_bytes()) == 35 for file in files)
    # Another server goes on; only the first request is made again, and what is missing.
    second = fake.Running()
    with Client(second.address, timeout=20) as client:
        written, there = client_translation.translate_files(
            client, samples, tmp_path / "images", out, camera,
            batch_size=1, resume=True,
        )  # fmt: skip
    second.kill()
    # One image is read ahead before the first answer tells what to look for.
    assert (written, there) == (6 * per_image, 1)
    assert len(list(out.rglob("*"))) == 7 * per_image
    assert sum(second.serving.sizes()) == 6


def test_a_disk_that_is_full(client, samples, tmp_path, monkeypatch):
    write = Path.write_bytes

    def half(path, data):
        write(path, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    out = tmp_path / "out"
    with pytest.raises(OSError, match="No space left"):
        client_translation.translate_files(client, samples, tmp_path, out, 1)
    assert not [path for path in out.rglob("*") if path.is_file()]


def test_translations_that_are_no_images(client, serving, samples, tmp_path):
    serving.change = fake.changed("image_bytes", np.array([b"<html>"]))
    with pytest.raises(InputError, match="begins with b'<html>', expected a JPEG"):
        client_translation.translate_files(
            client, samples[:1], tmp_path, tmp_path / "out", 1
        )
    assert not list(tmp_path.rglob("*_to_c*"))
    png = b"\x89PNG\r\n\x1a\n..."
    serving.change = fake.changed("image_bytes", np.array([png], object))
    client_translation.translate_files(
        client, samples[:1], tmp_path, tmp_path / "out", 1
    )
    (file,) = tmp_path.rglob("*_to_c1.png")
    assert file.read_bytes() == png


def test_nothing_is_promised_where_nothing_is_written(
    running, samples, tmp_path, monkeypatch
):
    monkeypatch.setattr(client_module, "_FIRST_PAUSE", 0.01)
    with Client(running.address, timeout=20) as client:
        client.extract([b"a"])
        running.kill()
        for ask in (
            lambda: client_files.extract_files(client, samples),
            lambda: client_translation.translate_files(
                client, samples, tmp_path / "images", tmp_path / "out", 2
            ),
        ):
            with pytest.raises(ServerError, match="stopped answering") as failure:
                ask()
            assert str(failure.value).endswith("again, then this command")
