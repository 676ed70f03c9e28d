"""Runs a training: what every method shares.

Devices and workers, the run folder and what --resume compares, checkpoints, numbers,
signals, divergence and full disks are here, once; `tfipgan.training.method` has what a
method says of itself.

A checkpoint of a step is written when all else of that step is: its line of numbers,
its sheet, its validation. So a run that goes on from it does what is missing, once.
"""

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import keras
from tqdm import tqdm

from tfipgan.errors import TrainingError
from tfipgan.runs.metrics_log import MetricsLog
from tfipgan.runs.run import Run
from tfipgan.training.checkpoints import Checkpoints
from tfipgan.training.loop import StepLoop
from tfipgan.training.loss_means import DivergedError, LossMeans
from tfipgan.training.method import Method
from tfipgan.training.start import run_identity, start_run
from tfipgan.training.stop import SIGNALS, StopSignals
from tfipgan.training.strategy import (
    check_batch_size,
    check_compiler,
    make_strategy,
)
from tfipgan.training.worker_group import WorkerGroup

# Steps to a line of numbers, which are means over them.
METRICS_EVERY = 10
# An epoch at full size may take days on a CPU: what a crash costs is bounded by time.
SAVE_SECONDS = 15 * 60

logger = logging.getLogger(__name__)


def run_training(
    method: Method,
    out: str | os.PathLike,
    *,
    devices: Sequence[str] | None = None,
    resume: bool = False,
    progress: bool = True,
    left_out: Mapping[str, str] | None = None,
) -> Run:
    """Train by a method into a run folder, to the run's end or to a signal.

    Args:
        method: as it was made, not yet prepared.
        out: the run folder to make; of several workers the chief alone makes it.
        devices: names such as "GPU:0"; None takes all GPUs, or the CPU. Where TF_CONFIG
            names several workers, they all share each batch; see docs/devices.md.
        resume: go on from the last checkpoint in `out`, if it is there.
        progress: whether to show a progress bar on stderr.
        left_out: why each image that isn't used could not be read, by path.

    Returns:
        The run, its folder complete; of another worker than the chief, its folder is
        not there.

    Raises:
        InputError: the method can't be prepared or built; a batch that does not split
            over the devices, or a compiler that can't be used there; `out` is not
            empty, or not a run of this config and data, or another process trains it.
            Or the workers were not started alike, or do not all come.
        ConfigError: values that nothing is learnt with.
        TrainingError: a loss term is NaN or infinite, a file can't be written, or
            another worker has ended. What was saved before stays.
        SystemExit: after SIGTERM or Ctrl-C, with 128 and the signal's number; the step
            under way, or of several workers the one after it, is finished and saved.
    """
    # Before anything that may be an error here: so the other workers see that we end.
    workers = WorkerGroup(make_strategy(devices))
    for line in method.check_config():
        if workers.is_chief:
            logger.warning(line)
    method.prepare()
    check_batch_size(workers.strategy, method.batch_size)
    check_compiler(workers.strategy, method.jit_compile, method.kind)
    keras.utils.set_random_seed(method.config.seed)
    # Before the folder is made: weights that can't be had are an error.
    with workers.lost_worker_as_training_error(out), workers.strategy.scope():
        method.build()
    identity = run_identity(method.config, method.images, method.digests)
    with workers.lost_worker_as_training_error(out):
        workers.require_same(identity)
        if not workers.is_chief:
            return _follow(method, workers, Path(out))
    with (
        workers.lost_worker_as_training_error(out),
        start_run(
            out,
            method.kind,
            method.config,
            images=method.images,
            labels=method.labels,
            domains=method.domains,
            adapted=method.adapted,
            digests=method.digests,
            left_out=left_out,
            resume=resume,
            extendable=method.extendable,
        ) as run,
    ):
        _lead(method, workers, run, progress)
    return run


def _lead(method, workers, run, progress) -> None:
    """Run the steps that are left and write all that a run leaves.

    What a process does that trains alone, and the chief of several workers.
    """
    checkpoints = Checkpoints(run.checkpoints, method.networks, method.optimizers)
    start_step, arrays, pending = checkpoints.restore_latest()
    method.set_arrays(arrays)
    method.on_train_begin(run, checkpoints, start_step)
    logger.info("%s", method.summary())
    workers.broadcast_from_chief(start_step, checkpoints.variables())
    workers.broadcast_arrays(method.arrays())
    means = LossMeans(pending)
    saved = time.monotonic()
    with (
        _one_line_errors(method, run, checkpoints),
        StopSignals() as stop,
        closing(MetricsLog(run.path, start_step)) as log,
    ):
        for step, terms in _steps(method, workers, start_step, progress):
            means.add(step, terms)
            last = step == method.num_steps
            if step % METRICS_EVERY == 0 or last:
                log.write(step, {**means.pop_means(), **method.learning_rates(step)})
            epoch, rest = divmod(step, method.epoch_steps)
            if rest == 0:
                method.on_epoch_end(run, step, log)
            due = rest == 0 and epoch % method.checkpoint_every == 0
            late = time.monotonic() - saved > SAVE_SECONDS
            signal = _agreed_signal(workers, stop)
            if due or last or late or signal:
                pending = means.pending()
                log.flush()
                path = checkpoints.save(step, method.arrays(), pending)
                saved = time.monotonic()
            if signal and not (last and method.is_last):
                logger.warning(
                    "%s stopped the run after step %d of %d, saved as %s; the same "
                    "command with --resume goes on from there",
                    signal.name, step, method.num_steps, path,
                )  # fmt: skip
                workers.barrier()
                raise SystemExit(128 + signal)
        workers.barrier()


def _follow(method, workers, out) -> Run:
    """Train along with the chief: what another worker does, which writes nothing.

    It reads no numbers either: if the chief ends for what it has read, it is gone.
    """
    run = Run(
        out,
        method.kind,
        method.config,
        labels=method.labels,
        domains=method.domains,
        adapted=method.adapted,
    )
    checkpoints = Checkpoints(run.checkpoints, method.networks, method.optimizers)
    start_step = workers.broadcast_from_chief(0, checkpoints.variables())
    method.set_arrays(workers.broadcast_arrays({}))
    logger.info("%s trains along, worker 0 writes", workers.worker)
    with StopSignals() as stop:
        for step, _ in _steps(method, workers, start_step, progress=False):
            signal = _agreed_signal(workers, stop)
            if signal and step < method.num_steps:
                logger.warning("%s stopped the run after step %d", signal.name, step)
                workers.barrier()
                raise SystemExit(128 + signal)
        workers.barrier()
    return run


def _steps(method, workers, start_step, progress) -> Iterator[tuple[int, dict]]:
    """Yield the number and the terms of each step that is left, as `StepLoop`."""
    loop = StepLoop(method.train_step, workers.strategy, method.jit_compile)
    bar = tqdm(
        initial=start_step,
        total=method.num_steps,
        desc=method.title,
        unit="step",
        disable=not progress,
        mininterval=1.0,
        dynamic_ncols=True,
    )
    step = start_step
    with bar:
        while step < method.num_steps:
            end_step = method.num_steps
            if method.remakes_batches:
                epoch, done = divmod(step, method.epoch_steps)
                end_step = (epoch + 1) * method.epoch_steps
                if not done:
                    _begin_epoch(method, workers, epoch)
            batches = method.batches(step, end_step, workers.worker)
            for number, terms in loop.steps(batches, step, end_step):
                bar.update()
                yield number, terms
            step = end_step


def _begin_epoch(method, workers, epoch):
    """Have the chief make an epoch's state, and all workers begin with it."""
    if workers.is_chief:
        method.on_epoch_begin(epoch)
    arrays = workers.broadcast_arrays(method.arrays() if workers.is_chief else {})
    if not workers.is_chief:
        method.set_arrays(arrays)
    method.renew(epoch)


def _agreed_signal(workers, stop):
    """Return the signal that all workers stop for after this step, or None."""
    flags = workers.any_worker([stop.received == number for number in SIGNALS])
    agreed = [number for number, wished in zip(SIGNALS, flags, strict=True) if wished]
    return agreed[0] if agreed else None


@contextmanager
def _one_line_errors(method, run, checkpoints):
    """Turn divergence and the system's errors into a line that says what is saved."""
    try:
        yield
    except DivergedError as error:
        raise TrainingError(
            f"{error}; the last checkpoint before it is "
            f"{checkpoints.last() or 'none'}; the same run would diverge again: "
            f"{method.remedy}"
        ) from None
    except OSError as error:
        last = checkpoints.last()
        kept = f"the last checkpoint is {last}" if last else "there is no checkpoint"
        raise TrainingError(
            f"{error.filename or run.path}: {error.strerror}; the training stopped "
            f"and {kept}; put that right, then --resume goes on with {run.path}"
        ) from error
