"""What the client makes of a server's answers, and which version it asks."""

import fake_serving as fake
import numpy as np
import pytest

from tfipgan.errors import InputError
from tfipgan.serving.client import Client


def test_answers(client, samples, caplog):
    images = fake.contents(samples)
    with caplog.at_level("INFO"):
        rows = client.extract(images)
        client.extract(images)
    expected = [fake.embedding(image) for image in images]
    np.testing.assert_array_equal(rows, expected)
    assert client.translate(images, 4) == [fake.translation(i, 4) for i in images]
    files, cameras = client.translate_all(images)
    assert cameras == (1, 2, 4)
    assert files == [
        [fake.translation(i, camera) for camera in cameras] for i in images
    ]
    assert client.extract([]).shape == (0, 4)
    assert client.translate_all([]) == ([], ())
    assert client.versions == {"extractor": 3, "translator": 3}
    # Once for each model that is asked, not for each request.
    assert caplog.messages == [f"extractor version 3 at {client.server} answers"]


def test_one_version_makes_one_result(client, serving):
    serving.states = {3: 30, 4: 30}
    client.extract([b"a"])
    serving.version = 4
    client.extract([b"a"])
    client.translate([b"a"], 1)
    specs = [request.model_spec for request in serving.requests]
    assert [spec.HasField("version") for spec in specs] == [False, True, False]
    assert specs[1].version.value == 3
    assert client.versions == {"extractor": 3, "translator": 4}
    del serving.states[3]
    words = "version 3 answered until now; there are: 4 is AVAILABLE; one result"
    with pytest.raises(InputError, match=words):
        client.extract([b"a"])


def test_a_server_that_does_not_tell_its_version(client, serving):
    serving.change = lambda response: response.ClearField("model_spec")
    client.extract([b"a"])
    client.extract([b"a"])
    assert client.versions == {}


def test_a_version_or_a_label(running, serving):
    serving.states = {2: 30, 3: 30}
    with Client(running.address, version=2) as client:
        client.extract([b"a"])
    with Client(running.address, label="stable") as client:
        client.extract([b"a"])
        client.extract([b"a"])
    specs = [request.model_spec for request in serving.requests]
    assert [spec.version.value for spec in specs] == [2, 0, 3]
    assert [spec.version_label for spec in specs] == ["", "stable", ""]
