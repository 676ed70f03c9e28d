"""A user's own Keras settings: another backend is named, the rest changes nothing."""

import json
import os
import subprocess
import sys

import pytest

from tfipgan.config.keras_settings import keras_file, keras_floatx
from tfipgan.errors import ConfigError

keras_3 = pytest.mark.skipif(
    "__import__('importlib.metadata').metadata.version('keras') < '3'",
    reason="Keras 2 has one backend",
)


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Function of keras.json's content, and of KERAS_BACKEND."""

    def write(content=None, backend=None):
        monkeypatch.setenv("KERAS_HOME", str(tmp_path))
        monkeypatch.delenv("KERAS_BACKEND", raising=False)
        if backend is not None:
            monkeypatch.setenv("KERAS_BACKEND", backend)
        if content is not None:
            (tmp_path / "keras.json").write_text(content)
        return tmp_path / "keras.json"

    return write


@keras_3
def test_another_backend_is_named(settings, refused, tiny_world, tmp_path):
    path = settings('{"backend": "torch"}')
    with pytest.raises(ConfigError, match="backend is 'torch', expected tensorflow"):
        keras_floatx()
    line = refused(2, "translate", "--source", tiny_world / "source", "--out", "x")
    assert line.startswith(f"{path}: backend is 'torch'")
    settings(backend="jax")
    line = refused(2, "extract", "--model", "x", "--images", "x", "--out", "x")
    assert line.startswith("KERAS_BACKEND is 'jax', expected tensorflow")


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"backend": "tensorflow"}'])
def test_what_asks_for_nothing(settings, content):
    settings(content)
    assert keras_floatx() == "float32"


@keras_3
def test_the_environment_goes_first(settings):
    settings('{"backend": "jax"}', backend="tensorflow")
    assert keras_floatx() == "float32"
    settings('{"backend": "tensorflow"}', backend="")
    assert keras_floatx() == "float32"


def test_where_keras_looks(monkeypatch, tmp_path):
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert keras_file() == tmp_path / ".keras" / "keras.json"
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert str(keras_file()) == "/tmp/.keras/keras.json"


NUMBERS = """
from tfipgan.cli.common import set_up_tensorflow
set_up_tensorflow(1)
import keras, numpy as np, tensorflow as tf
from tfipgan.models import Generator
keras.utils.set_random_seed(0)
images = tf.random.stateless_uniform((2, 16, 16, 3), (1, 2))
network = Generator(num_domains=2, width=4, num_blocks=1)
out = network((images, tf.one_hot([0, 1], 2)))
assert out.dtype == tf.float32
print(float(tf.reduce_sum(out)))
network = keras.layers.Dense(1)
print(network(images).dtype)
"""


def test_settings_change_no_number(tmp_path):
    printed = []
    for name, content in (
        ("usual", {}),
        ("odd", {"image_data_format": "channels_first", "floatx": "float16"}),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "keras.json").write_text(json.dumps(content))
        environment = {**os.environ, "KERAS_HOME": str(tmp_path / name)}
        words = [sys.executable, "-c", NUMBERS]
        done = subprocess.run(
            words, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    assert printed[0] == printed[1]
