"""Which devices a run trains on."""

import functools

import tensorflow as tf

from tfipgan.errors import InputError


def make_strategy(devices=None):
    """Return a MirroredStrategy over the named devices, or over all that are there.

    Args:
        devices: names such as ["GPU:0", "GPU:1"]; None takes all GPUs, or the CPUs
            (one, unless logical devices were configured) where there is none.

    Raises:
        InputError: a device that isn't there.
    """
    there = [
        device.name.removeprefix("/physical_device:").removeprefix("/device:")
        for kind in ("GPU", "CPU")
        for device in tf.config.list_logical_devices(kind)
    ]
    if devices is None:
        gpus = [name for name in there if name.startswith("GPU")]
        devices = gpus or there
    missing = [name for name in devices if name not in there]
    if missing:
        raise InputError(
            f"device {', '.join(missing)} is not there; this machine has "
            f"{', '.join(there)}"
        )
    return _mirrored(tuple(f"/{name}" for name in devices))


@functools.cache
def _mirrored(devices):
    """Return the process's strategy of these devices.

    One object for each set: the strategies of a process number their sums alike, and
    TensorFlow takes the second's for the first's, of another shape.
    """
    return tf.distribute.MirroredStrategy(list(devices))


def check_batch_size(strategy, batch_size):
    """Raise InputError unless the global batch splits evenly over the replicas."""
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        raise InputError(
            f"batch size {batch_size} does not split over {replicas} devices: use a "
            f"multiple of {replicas}, or fewer devices"
        )
