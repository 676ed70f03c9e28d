"""What decides the outputs of networks for image files."""

import hashlib
import json
import os

import numpy as np
import PIL
import pytest
import tensorflow as tf

from tfipgan import __version__
from tfipgan.data.filenames import Sample
from tfipgan.models import ReidNetwork
from tfipgan.weights.fingerprint import fingerprint, weights_digest


def network_of(**options):
    network = ReidNetwork(None, 18, None, 2, **options)
    network.pool(np.zeros((1, 32, 32, 3), np.float32))
    for variable in network.variables:
        variable.assign(np.ones(variable.shape))
    return network


@pytest.fixture
def samples(tmp_path):
    """Two files of two bytes and a known time."""
    made = [Sample(str(tmp_path / f"{i}\udcff.jpg"), -2, -1) for i in range(2)]
    for sample in made:
        with open(sample.path, "wb") as file:
            file.write(b"12")
        os.utime(sample.path, ns=(10**18, 10**18))
    return made


def test_what_decides_the_outputs(samples):
    network = network_of()
    first = fingerprint(samples, network)
    assert first.keys() == {"network", "images", "versions"}
    assert fingerprint(samples, network_of()) == first

    def changed(network, samples):
        other = fingerprint(samples, network)
        return {key for key in first if other[key] != first[key]}

    assert changed(network_of(mean=(0.5, 0.5, 0.0)), samples) == {"network"}
    network.variables[3].assign(network.variables[3] * 2)
    assert changed(network, samples) == {"network"}
    network = network_of()
    assert changed(network, samples[::-1]) == {"images"}
    # The names' meaning does not decide the outputs, the way of reading does.
    assert not changed(network, [Sample(s.path, 7, 2) for s in samples])
    assert changed(
        network, [Sample(s.path, -2, -1, needs_conversion=True) for s in samples]
    ) == {"images"}
    os.utime(samples[1].path, ns=(10**18, 10**18 + 1))
    assert changed(network, samples) == {"images"}
    with open(samples[1].path, "ab") as file:
        file.write(b"3")
    os.utime(samples[1].path, ns=(10**18, 10**18))
    assert changed(network, samples) == {"images"}


def test_one_networks_digest_is_that_of_before(samples):
    """Output that an earlier version began goes on."""
    network = network_of()
    config = json.dumps({**network.get_config(), "name": None})
    text = f"{config}\n{weights_digest(network)}"
    expected = hashlib.sha256(text.encode()).hexdigest()
    assert fingerprint(samples, network)["network"] == expected


def test_several_networks(samples):
    """Each one's weights and config decide, and which is which."""
    first, second, other = network_of(), network_of(), network_of(mean=(0.5, 0.5, 0.0))
    second.variables[3].assign(second.variables[3] * 2)
    sets = [(first,), (first, first), (first, second), (second, first), (first, other)]
    told = [fingerprint(samples, *networks)["network"] for networks in sets]
    assert len(set(told)) == 5
    # Of `other` only the config differs.
    assert len({weights_digest(*networks) for networks in sets}) == 4


def test_the_versions(samples):
    told = fingerprint(samples, network_of())["versions"]
    assert told == (
        f"tfipgan {__version__}, TensorFlow {tf.__version__} on "
        f"{'GPU' if tf.config.list_logical_devices('GPU') else 'CPU'}, "
        f"Pillow {PIL.__version__}"
    )


def test_a_file_that_is_gone(samples):
    os.unlink(samples[1].path)
    with pytest.raises(FileNotFoundError):
        fingerprint(samples, network_of())


def test_the_digest_of_weights_is_the_weights_alone():
    network = network_of(mean=(0.5, 0.5, 0.0))
    digest = weights_digest(network)
    assert digest == weights_digest(network_of())
    assert len(digest) == 64
    variable = network.backbone.stem.kernel
    values = variable.numpy()
    values[0, 0, 0, 0] = np.nextafter(np.float32(1), np.float32(2))
    variable.assign(values)
    assert weights_digest(network) != digest
