"""A whole re-ID run: from training samples to a run folder."""

import logging
import os
from collections.abc import Sequence
from dataclasses import replace

import keras
import numpy as np

from tfipgan.config import Config
from tfipgan.data.filenames import Sample
from tfipgan.data.labels import LabelMap
from tfipgan.data.pipelines import reid_batches, steps_per_epoch
from tfipgan.errors import InputError
from tfipgan.evaluation import evaluate_ranking
from tfipgan.evaluation.features import extract_features
from tfipgan.networks import build_reid_network
from tfipgan.pretrained import load_pretrained_backbone, resolve_weights
from tfipgan.runs import Run, start_run
from tfipgan.training.checkpoints import Checkpoints
from tfipgan.training.log import MetricsLog, read_metrics
from tfipgan.training.loop import run_steps
from tfipgan.training.reid import ReidTraining
from tfipgan.training.schedules import StepDecay
from tfipgan.training.strategy import check_batch_size, make_strategy

METRICS_EVERY = 10
CHECKPOINT_EVERY_EPOCHS = 5

logger = logging.getLogger(__name__)


def train_reid(
    config: Config,
    samples: Sequence[Sample],
    out: str | os.PathLike,
    *,
    translated: Sequence[Sample] | None = None,
    devices: Sequence[str] | None = None,
    resume: bool = False,
    progress: bool = True,
) -> Run:
    """Train a re-ID network, or the semantic discriminator (paper section 3.1 and 3.4).

    Args:
        config: of the run; the run keeps it with what `backbone.weights` asks for.
        samples: the dataset's training samples; they give the label map and the
            held-out images.
        out: the run folder to make.
        translated: train on these instead; their identities are the dataset's.
        devices: names such as "GPU:0"; None takes all GPUs, or the CPU.
        resume: go on from the last checkpoint in `out`, if it is there.
        progress: whether to show a progress bar on stderr.

    Returns:
        The run, its folder complete.

    Raises:
        InputError: too few images or identities; translated identities that the
            dataset lacks; a batch that does not split over the devices; weights that
            can't be had or don't fit; `out` is not empty, or not a run of this config.
    """
    config = replace(config, backbone=resolve_weights(config.backbone))
    reid = config.reid
    held_out = _held_out_identities(samples, reid.held_out_identities, config.seed)
    validation = [s for s in samples if s.person_id in held_out]
    labels = LabelMap.from_samples(s for s in samples if s.person_id not in held_out)
    if len(labels) < 2:
        raise InputError(
            f"{len(labels)} training identity, expected at least 2 to tell apart"
        )
    training = [
        s
        for s in (samples if translated is None else translated)
        if s.person_id not in held_out
    ]
    strategy = make_strategy(devices)
    check_batch_size(strategy, reid.batch_size)
    epoch_steps = steps_per_epoch(len(training), reid.batch_size)
    num_steps = epoch_steps * reid.epochs
    # Before the folder is made: an identity that the dataset lacks is an error.
    for sample in training:
        labels.index(sample.person_id)
    keras.utils.set_random_seed(config.seed)
    # Before the folder too: weights that can't be fetched are an error.
    with strategy.scope():
        model = _build(config, len(labels), epoch_steps)
    run = start_run(out, "reid", config, labels=labels, resume=resume)
    networks = {"network": model.network}
    optimizers = {
        "backbone_optimizer": model.backbone_optimizer,
        "head_optimizer": model.head_optimizer,
    }
    checkpoints = Checkpoints(run.checkpoints, networks, optimizers)
    start_step = checkpoints.restore_latest()
    best = Checkpoints(run.best, networks)
    logger.info(
        "%d images of %d identities, %d steps of %d in each epoch",
        len(training), len(labels), num_steps, epoch_steps,
    )  # fmt: skip
    batches = reid_batches(
        training,
        labels,
        image_size=reid.image_size,
        batch_size=reid.batch_size,
        seed=config.seed,
        crop=reid.random_sized_crop,
        flip=reid.random_flip,
        dropout_units=reid.fc_units,
        start_step=start_step,
        end_step=num_steps,
    )
    log = MetricsLog(run.path, start_step)
    earlier = read_metrics(run.path / "metrics.jsonl")
    best_map = max((r.get("held_out/mAP", -1.0) for r in earlier), default=-1.0)

    def on_metrics(step, values):
        # Asked of the schedule: of the optimiser Keras 2 and 3 tell different steps'.
        rate = float(_rates(reid, reid.learning_rate, epoch_steps)(step))
        log.write(step, {**values, "reid/learning_rate": rate})

    def on_step(step):
        nonlocal best_map
        if step % epoch_steps:
            return
        if validation:
            score = _held_out_map(model.network, validation, config)
            log.write(step, {"held_out/mAP": score})
            if score > best_map:
                best_map = score
                best.save(step)
        if step // epoch_steps % CHECKPOINT_EVERY_EPOCHS == 0 or step == num_steps:
            checkpoints.save(step)

    run_steps(
        model,
        batches,
        strategy,
        start_step=start_step,
        num_steps=num_steps,
        on_metrics=on_metrics,
        on_step=on_step,
        metrics_every=METRICS_EVERY,
        progress=progress,
        title="train-reid",
    )
    log.close()
    return run


def _build(config, num_classes, epoch_steps):
    """Return the compiled `ReidTraining`; call it in the strategy's scope."""
    reid = config.reid
    network = build_reid_network(config.backbone, reid, num_classes)
    load_pretrained_backbone(network, config.backbone)
    model = ReidTraining(network, reid.weight_decay)

    # Named, because checkpoints know optimisers' variables by names.
    def sgd(name, learning_rate):
        return keras.optimizers.SGD(
            _rates(reid, learning_rate, epoch_steps),
            momentum=reid.momentum,
            nesterov=True,
            name=name,
        )

    model.compile(
        backbone_optimizer=sgd("backbone_optimizer", reid.backbone_learning_rate),
        head_optimizer=sgd("head_optimizer", reid.learning_rate),
    )
    return model


def _rates(reid, learning_rate, epoch_steps):
    """Return the learning rate's schedule, by updates."""
    return StepDecay(learning_rate, reid.decay_epoch * epoch_steps, reid.decay_factor)


def _held_out_identities(samples, count, seed):
    """Draw the identities that choose the checkpoint instead of being trained on."""
    people = sorted({s.person_id for s in samples})
    if count and count > len(people) - 2:
        raise InputError(
            f"reid.held_out_identities is {count}, but the dataset has {len(people)} "
            "identities and training needs at least 2 of them"
        )
    drawn = np.random.default_rng(seed).choice(people, size=count, replace=False)
    held_out = set(drawn.tolist())
    cameras = {}
    for sample in samples:
        if sample.person_id in held_out:
            cameras.setdefault(sample.person_id, set()).add(sample.camera_id)
    if held_out and all(len(seen) < 2 for seen in cameras.values()):
        raise InputError(
            f"none of the {count} held-out identities was seen by two cameras, so they "
            "can't be ranked: set reid.held_out_identities higher, or to 0"
        )
    return held_out


def _held_out_map(network, validation, config):
    """Return the mAP of the held-out images, each a query against all others."""
    features = extract_features(
        network, validation, config.reid.image_size, config.evaluation.batch_size
    )
    return evaluate_ranking(features, features)["mAP"]
