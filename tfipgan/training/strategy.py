"""Which devices a run trains on: this process's, and those of other workers."""

import functools

import tensorflow as tf

from tfipgan.config.workers import VARIABLE, worker_addresses, worker_share
from tfipgan.errors import InputError
from tfipgan.training.rendezvous import check_addresses, wait_for_others


def make_strategy(devices=None):
    """Return the strategy of the named devices, or of all that are there.

    A MirroredStrategy; or, where TF_CONFIG names several workers, a
    MultiWorkerMirroredStrategy, once all of them are there. That one has to be made
    before TensorFlow computes anything.

    Args:
        devices: names such as ["GPU:0", "GPU:1"]; None takes all GPUs, or the CPUs
            (one, unless logical devices were configured) where there is none. Each
            worker names its own, as many as the others.

    Raises:
        InputError: a device that isn't there; TF_CONFIG that can't be used, a worker
            that does not come, a port in use, or TensorFlow has computed something.
    """
    worker = worker_share()
    devices = None if devices is None else tuple(devices)
    if worker.count > 1:
        addresses = worker_addresses()
        check_addresses(addresses)
        return _multi_worker(devices, worker, addresses)
    available = _names(tf.config.list_logical_devices)
    if devices is None:
        gpus = [name for name in available if name.startswith("GPU")]
        devices = tuple(gpus or available)
    _require_available(devices, available)
    return _mirrored(tuple(f"/{name}" for name in devices))


@functools.cache
def _mirrored(devices):
    """Return the process's strategy of these devices.

    One object for each set: the strategies of a process number their sums alike, and
    TensorFlow takes the second's for the first's, of another shape.
    """
    return tf.distribute.MirroredStrategy(list(devices))


@functools.cache
def _multi_worker(devices, worker, addresses):
    """Return the process's strategy of several workers; it can make one only."""
    if devices is not None:
        _show_only(devices)
    wait_for_others(worker, addresses)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        if "startup" not in str(error):
            raise
        raise InputError(
            f"{VARIABLE} names {worker.count} workers, but TensorFlow has computed "
            "something in this process already; expected a training to be its first "
            "work: start it in a new process"
        ) from error


def _show_only(devices):
    """Let TensorFlow see these of the machine's devices only."""
    available = _names(tf.config.list_physical_devices)
    _require_available(devices, available)
    gpus = [name for name in devices if name.startswith("GPU")]
    if gpus != list(devices) and len(devices) > 1:
        raise InputError(
            f"--devices {','.join(devices)} with {VARIABLE}: expected GPUs only, or "
            "CPU:0 alone; start a worker for each of what else there is"
        )
    shown = [available[name] for name in gpus]
    try:
        tf.config.set_visible_devices(shown, "GPU")
    except RuntimeError as error:
        raise InputError(
            f"TensorFlow has its devices already ({error}): start in a new process"
        ) from error


def _names(list_devices):
    """Return devices by the names that users give them, GPUs first."""
    return {
        device.name.removeprefix("/physical_device:").removeprefix("/device:"): device
        for kind in ("GPU", "CPU")
        for device in list_devices(kind)
    }


def _require_available(devices, available):
    missing = [name for name in devices if name not in available]
    if missing:
        raise InputError(
            f"device {', '.join(missing)} is not there; this machine has "
            f"{', '.join(available)}"
        )


def check_batch_size(strategy, batch_size):
    """Raise InputError unless the global batch splits evenly over the replicas."""
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        raise InputError(
            f"batch size {batch_size} does not split over {replicas} devices: use a "
            f"multiple of {replicas}, or fewer devices"
        )


def check_compiler(strategy, jit_compile, section):
    """Raise InputError if XLA is to compile the step of several devices.

    XLA compiles for one device, and the sums over devices are part of the step.
    """
    replicas = strategy.num_replicas_in_sync
    if jit_compile and replicas > 1:
        raise InputError(
            f"{section}.jit_compile is true and there are {replicas} devices, but XLA "
            "compiles a step of one device only: set it to false, or name one device "
            "in --devices"
        )
