"""CamStyle for a new target: a CycleGAN from the source to each of its cameras.

A comparator of the paper's Tables 1 and 4 (Zhong et al. 2019). Each camera's is a whole
run of `tfipgan.training.cyclegan`, in a folder below that of them all.
"""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from tfipgan.config import Config
from tfipgan.config.workers import worker_share
from tfipgan.data.filenames import Sample
from tfipgan.errors import InputError
from tfipgan.runs.run import Run, camera_folder
from tfipgan.training.cyclegan import CycleGANMethod
from tfipgan.training.gan_inputs import target_domains
from tfipgan.training.runner import run_training
from tfipgan.training.start import start_run


def train_camstyle(
    config: Config,
    source: Sequence[Sample],
    target: Sequence[Sample],
    out: str | os.PathLike,
    *,
    devices: Sequence[str] | None = None,
    cache_gib: float | None = None,
    resume: bool = False,
    progress: bool = True,
    left_out: Mapping[str, str] | None = None,
) -> Run:
    """Train a CycleGAN to each camera of the target, one after the other.

    Args:
        config: of the run, with gan.method camstyle.
        source: training samples, of which the images alone are looked at.
        target: training samples with cameras.
        out, devices, cache_gib, progress, left_out: as for `train_gan`.
        resume: go on with the run in `out`: cameras whose training is at its end are
            left as they are.

    Returns:
        The run that holds them all: `load_translator` opens their generators.

    Raises:
        InputError: several workers; a camera with fewer images than a batch; or as
            `train_cyclegan`. No folder is made then.
        ConfigError, TrainingError, SystemExit: as `run_training`.
    """
    if worker_share().count > 1:
        raise InputError(
            "gan.method camstyle trains a network for each camera in one process, "
            "found several workers in TF_CONFIG: unset it, or use gan.method cyclegan"
        )
    target, domains = target_domains("cameras", target)
    parts = {
        camera: [sample for sample in target if sample.camera_id == camera]
        for camera in domains.cameras
    }
    _require_batches(config, parts)
    own = replace(
        config, gan=replace(config.gan, method="cyclegan", target_domains="one")
    )
    with _started(config, source, target, domains, out, resume, left_out) as run:
        for camera, images in parts.items():
            method = CycleGANMethod(own, source, images, cache_gib)
            method.title = f"train-gan, camera {camera}"
            method.is_last = camera == domains.cameras[-1]
            run_training(
                method,
                camera_folder(run, camera),
                devices=devices,
                resume=True,
                progress=progress,
            )
    return run


@contextmanager
def _started(config, source, target, domains, out, resume, left_out) -> Iterator[Run]:
    """Hold the folder of all; if nothing comes of the first camera, none is left."""
    there = os.path.lexists(out)
    with start_run(
        out,
        "gan",
        config,
        images={"source": source, "target": target},
        domains=domains,
        left_out=left_out,
        resume=resume,
        extendable=CycleGANMethod.extendable,
    ) as run:
        try:
            yield run
        except InputError:
            if not there and not camera_folder(run, domains.cameras[0]).exists():
                shutil.rmtree(run.path)
            raise


def _require_batches(config: Config, parts: Mapping[int, Sequence[Sample]]) -> None:
    for camera, images in parts.items():
        if len(images) < config.gan.batch_size:
            raise InputError(
                f"camera {camera} of the target has {len(images)} training images, "
                f"but one step takes {config.gan.batch_size}: lower gan.batch_size, or "
                "leave the camera out"
            )
