"""What all tests share: TensorFlow on two logical CPU devices, and opt-in markers."""

import importlib.util
import os
import sys
from importlib.abc import MetaPathFinder

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")


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


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the slow tests too")
    parser.addoption(
        "--gpu", action="store_true", help="let the tests see the GPUs; run gpu tests"
    )


def pytest_configure(config):
    if not config.getoption("--gpu"):
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    sys.meta_path.insert(0, _TwoCpuDevices())


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
