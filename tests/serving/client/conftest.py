"""A client and the server that it asks, on tensorflow-serving-api's own stubs."""

import fake_serving as fake
import numpy as np
import pytest
from PIL import Image

from tfipgan.data.filenames import Sample
from tfipgan.serving import client as client_module
from tfipgan.serving.client import Client


@pytest.fixture
def running():
    server = fake.Running()
    yield server
    server.kill()


@pytest.fixture
def serving(running):
    return running.serving


@pytest.fixture
def client(running, monkeypatch):
    monkeypatch.setattr(client_module, "_FIRST_PAUSE", 0.01)
    with Client(running.address, timeout=20) as client:
        yield client


@pytest.fixture
def samples(tmp_path):
    """Seven images, no two alike; their files' bytes differ in length."""
    folder = tmp_path / "images"
    folder.mkdir()
    found = []
    for number in range(7):
        path = folder / f"{number:04d}_c{number % 3 + 1}s1_000001_00.jpg"
        noise = np.random.default_rng(number).integers(0, 256, (16, 8 + number, 3))
        Image.fromarray(noise.astype(np.uint8)).save(path)
        found.append(Sample(str(path), number, number % 3 + 1))
    return found
