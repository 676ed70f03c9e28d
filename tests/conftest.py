"""What all tests share: TensorFlow on two logical CPU devices, and opt-in markers."""

import copy
import functools
import importlib.util
import os
import shutil
import signal
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")
# `make test &` in a script starts with Ctrl-C ignored, and so would all it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


class _TwoCpuDevices(MetaPathFinder):
    """Splits the CPU in two logical devices as soon as TensorFlow is imported.

    TensorFlow fixes its devices at the first operation, so this can't wait for a
    fixture; and importing it here would make every run of a test without TensorFlow
    seconds slower.
    """

    def find_spec(self, fullname, path, target=None):
        if fullname != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        run_module = spec.loader.exec_module

        def exec_module(module):
            run_module(module)
            (cpu,) = module.config.list_physical_devices("CPU")
            module.config.set_logical_device_configuration(
                cpu, [module.config.LogicalDeviceConfiguration()] * 2
            )

        spec.loader.exec_module = exec_module
        return spec


# Not in pytest_configure: a folder's own conftest.py, which may import TensorFlow, is
# read before it if the folder is named on the command line.
sys.meta_path.insert(0, _TwoCpuDevices())


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the slow tests too")
    parser.addoption(
        "--gpu", action="store_true", help="let the tests see the GPUs; run gpu tests"
    )
    parser.addoption(
        "--torture", action="store_true", help="tests/torture in its whole length"
    )


def pytest_configure(config):
    if not config.getoption("--gpu"):
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"


def pytest_collection_modifyitems(config, items):
    for marker in ("slow", "gpu"):
        if not config.getoption(f"--{marker}"):
            skip = pytest.mark.skip(reason=f"run with --{marker}")
            for item in items:
                if marker in item.keywords:
                    item.add_marker(skip)


@pytest.fixture(scope="session")
def two_devices():
    """Names of two logical CPU devices, for tf.distribute.MirroredStrategy."""
    import tensorflow as tf

    names = [device.name for device in tf.config.list_logical_devices("CPU")]
    assert len(names) == 2, "TensorFlow was imported before tests/conftest.py"
    return names


@pytest.fixture(scope="session", autouse=True)
def _cache_of_ones_own(tmp_path_factory):
    """Keeps what the tests remember of images out of the user's cache folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFIPGAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def _collectives_of_ones_own():
    """Keeps the sums over devices of a test apart from those of the tests before.

    Strategies of one process number them alike, and TensorFlow takes a second one of
    another shape for an error; its own tests raise this number too.
    """
    if "tensorflow" in sys.modules:
        strategy = sys.modules["tensorflow"].distribute.MirroredStrategy
        strategy._collective_key_base += 100_000


@pytest.fixture(scope="session")
def _parsed():
    from tfipgan.config.yaml_files import parse_yaml

    return functools.cache(parse_yaml)


@pytest.fixture
def yaml_parsed_once(_parsed, monkeypatch):
    """Has the same text of YAML parsed once in all tests: most of a plan's time."""
    from tfipgan.config import yaml_files

    monkeypatch.setattr(
        yaml_files, "parse_yaml", lambda *given: copy.deepcopy(_parsed(*given))
    )


# Small enough that a training takes seconds, and of sizes that all differ, so that a
# mix-up of two shows: 5 identities, 3 cameras, 2 images of each in each.
# Batches of 8 leave 6 of the 30 source images over in an epoch of 3 steps. A step of
# the GAN takes 4 x 2 of the 60 images, so an epoch of 7 steps leaves 4 over.
TINY = (
    "seed=3",
    "gan.image_size=[32, 16]",
    "gan.width=4",
    "gan.num_blocks=1",
    "gan.num_layers=4",
    "gan.batch_size=4",
    "gan.n_critic=2",
    # By normalization all domains start alike, and so few steps don't part them.
    "gan.conditioning=planes",
    "gan.constant_epochs=1",
    "gan.decay_epochs=1",
    "gan.checkpoint_every_epochs=1",
    "gan.sample_every_epochs=1",
    "reid.image_size=[32, 16]",
    "backbone.width=4",
    "reid.fc_units=8",
    "reid.batch_size=8",
    "reid.epochs=2",
    "reid.decay_epoch=1",
    "translation.batch_size=4",
    "evaluation.batch_size=7",
)


@pytest.fixture(scope="session")
def tiny_overrides():
    """Values for --set that make `synthetic/ipgan` a training of seconds."""
    return TINY


@pytest.fixture(scope="session")
def tiny_config():
    """`Config` of the tiny runs."""
    from tfipgan.config import load_config

    return load_config("synthetic/ipgan", TINY)


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory):
    """Folder of the built-in world's source and target, as small as it gets."""
    from tfipgan.world.datasets import synthesize
    from tfipgan.world.record import WorldOptions

    out = tmp_path_factory.mktemp("world")
    options = WorldOptions(
        seed=11,  # all three cameras see both test identities
        identities=5,
        test_identities=2,
        cameras=3,
        images_per_camera=2,
        image_size=(32, 16),
    )
    synthesize(out, options)
    return out


@pytest.fixture(scope="session")
def tiny_samples(tiny_world):
    """(source, target): training samples of the tiny world."""
    from tfipgan.data.datasets import read_dataset

    return tuple(
        read_dataset(tiny_world / name, splits=("train",)).train
        for name in ("source", "target")
    )


@pytest.fixture(scope="session")
def tiny_reid_run(tiny_samples, tiny_config, tmp_path_factory):
    """`Run` of a re-ID network on the tiny source, two epochs of three steps.

    On one device, with a line of numbers for every step and a checkpoint for every
    epoch; not to be changed.
    """
    from tfipgan.training import reid, runner

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "METRICS_EVERY", 1)
        return reid.train_reid(
            tiny_config,
            tiny_samples[0],
            tmp_path_factory.mktemp("runs") / "reid",
            devices=["CPU:0"],
            progress=False,
        )


@pytest.fixture(scope="session")
def tiny_network(tiny_reid_run):
    """`ReidNetwork` of tiny_reid_run; not to be changed."""
    from tfipgan.runs.run import load_reid_network

    return load_reid_network(tiny_reid_run)


@pytest.fixture(scope="session")
def tiny_gan_run(tiny_samples, tiny_config, tiny_reid_run, tmp_path_factory):
    """`Run` of IPGAN on the tiny world, two epochs of seven steps; as tiny_reid_run."""
    from tfipgan.training import ipgan, runner

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "METRICS_EVERY", 1)
        return ipgan.train_gan(
            tiny_config,
            *tiny_samples,
            tiny_reid_run,
            tmp_path_factory.mktemp("runs") / "gan",
            devices=["CPU:0"],
            progress=False,
        )


@pytest.fixture
def killed_after(tmp_path):
    """Function of (run, step): path of a copy that has no checkpoint after the step.

    As it would be found had the run been killed before its next checkpoint.
    """

    def copy(run, step):
        path = Path(shutil.copytree(run.path, tmp_path / "run"))
        for checkpoint in (path / "checkpoints").iterdir():
            if checkpoint.name > f"step-{step:08d}":
                shutil.rmtree(checkpoint)
        return path

    return copy


@pytest.fixture(scope="session")
def checkpoint_values():
    """Function of a folder of checkpoints: {name: array} of all files of its last."""
    from tfipgan.files.tensor_file import load_arrays
    from tfipgan.weights.checkpoints import latest_checkpoint

    def read(folder):
        return {
            f"{file.stem}/{name}": array
            for file in latest_checkpoint(folder).iterdir()
            for name, array in load_arrays(file)[0].items()
        }

    return read


@pytest.fixture(scope="session")
def tfipgan():
    """Function of a command line's words: runs it here, gives click's `Result`.

    Not for --threads, which TensorFlow takes before its first operation only.
    """
    from click.testing import CliRunner

    from tfipgan.cli.main import main

    def run(*words):
        words = [str(word) for word in words]
        return CliRunner().invoke(main, words, prog_name="tfipgan")

    return run


@pytest.fixture(scope="session")
def refused(tfipgan):
    """Function of (exit code, words): runs a command that must fail in a line.

    Gives that line without "Error: ".
    """

    def run(exit_code, *words):
        result = tfipgan(*words)
        assert isinstance(result.exception, SystemExit), result.exception
        assert result.exit_code == exit_code, result.output
        assert result.stdout == ""
        (line,) = result.stderr.splitlines()
        assert line.startswith("Error: ")
        return line.removeprefix("Error: ")

    return run
