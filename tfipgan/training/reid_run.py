"""A whole re-ID run: from training samples to a run folder."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from tfipgan.config import Config
from tfipgan.config.training_checks import check_reid_training
from tfipgan.data.filenames import Sample
from tfipgan.data.image_cache import check_cache
from tfipgan.data.labels import LabelMap, camera_classes
from tfipgan.data.pipelines import reid_batches, steps_per_epoch
from tfipgan.errors import InputError
from tfipgan.evaluation import evaluate_ranking
from tfipgan.evaluation.features import extract_features
from tfipgan.models.from_config import build_reid_network
from tfipgan.runs.metrics_log import read_metrics
from tfipgan.runs.pretrained import load_pretrained_backbone, resolve_weights
from tfipgan.runs.run import Run
from tfipgan.training.checkpoints import BestCheckpoints, Checkpoints
from tfipgan.training.reid import ReidTraining
from tfipgan.training.resumable import Plan, train_as_worker, train_resumably
from tfipgan.training.schedules import StepDecay
from tfipgan.training.start import run_identity, start_run
from tfipgan.training.strategy import (
    check_batch_size,
    check_compiler,
    make_strategy,
)
from tfipgan.training.team import Team
from tfipgan.weights.local_copies import local_copies
from tfipgan.weights.variables import named_weights

METRICS_EVERY = 10
# Each, because the best weights since the oldest checkpoint are kept too.
CHECKPOINT_EVERY_EPOCHS = 1
_HELD_OUT = "held_out/mAP"
_CLASSES = {"person": ("identity", "identities"), "camera": ("camera", "cameras")}
ONLY_REAL = (
    "translated images are given, but a classifier of cameras (reid.labels camera) is "
    "trained on real ones, or it could not judge them: leave out --translated, or set "
    "reid.labels=person"
)

logger = logging.getLogger(__name__)


def train_reid(
    config: Config,
    samples: Sequence[Sample],
    out: str | os.PathLike,
    *,
    translated: Sequence[Sample] | None = None,
    devices: Sequence[str] | None = None,
    cache_gib: float | None = None,
    resume: bool = False,
    progress: bool = True,
    left_out: Mapping[str, str] | None = None,
) -> Run:
    """Train a re-ID network, or the semantic discriminator (paper section 3.1 and 3.4).

    With reid.labels camera it is a classifier of cameras, by the same recipe.

    Args:
        config: of the run; the run keeps it with what `backbone.weights` asks for.
        samples: the dataset's training samples; they give the label map and the
            held-out images. With reid.labels camera their identities are not looked at.
        out: the run folder to make; of several workers the chief alone makes it.
        translated: train on these instead; their identities are the dataset's.
        devices: names such as "GPU:0"; None takes all GPUs, or the CPU. Where TF_CONFIG
            names several workers, they all share each batch; see docs/devices.md.
        cache_gib: memory to keep the decoded images in; None keeps none.
        resume: go on from the last checkpoint in `out`, if it is there.
        progress: whether to show a progress bar on stderr.
        left_out: why each image that isn't used could not be read, by path.

    Returns:
        The run, its folder complete; of another worker than the chief, its folder is
        not there.

    Raises:
        InputError: too few images or identities (or cameras); translated identities
            that the dataset lacks; translated images for a classifier of cameras; a
            batch that does not split over the devices;
            reid.jit_compile on several; more images than `cache_gib` holds; weights
            that can't be had or don't fit; `out` is not empty, or not a run of this
            config and data, or another process trains it.
            Or the workers were not started alike, or do not all come.
        ConfigError: values that nothing is learnt with (`check_reid_training`).
        TrainingError, SystemExit: as `train_resumably`; or another worker has ended.
    """
    # Before anything that may be an error here: so the other workers see that we end.
    team = Team(make_strategy(devices))
    config = replace(config, backbone=resolve_weights(config.backbone))
    for line in check_reid_training(config):
        if team.is_chief:
            logger.warning(line)
    reid = config.reid
    one_class, classes = _CLASSES[reid.labels]
    if reid.labels == "camera":
        if translated is not None:
            raise InputError(ONLY_REAL)
        samples = camera_classes(samples)
    held_out = _held_out_identities(samples, reid.held_out_identities, config.seed)
    validation = [s for s in samples if s.person_id in held_out]
    labels = LabelMap.from_samples(s for s in samples if s.person_id not in held_out)
    if len(labels) < 2:
        raise InputError(
            f"{len(labels)} training {one_class}, expected at least 2 to tell apart"
        )
    training = [
        s
        for s in (samples if translated is None else translated)
        if s.person_id not in held_out
    ]
    check_batch_size(team.strategy, reid.batch_size)
    check_compiler(team.strategy, reid.jit_compile, "reid")
    check_cache(len(training), reid.image_size, cache_gib)
    epoch_steps = steps_per_epoch(len(training), reid.batch_size)
    # Before the folder is made: an identity that the dataset lacks is an error.
    for sample in training:
        labels.index(sample.person_id)
    keras.utils.set_random_seed(config.seed)
    # Before the folder too: weights that can't be fetched are an error.
    with team.one_line_errors(out), team.strategy.scope():
        model = _build(config, len(labels), epoch_steps)

    def make_batches(start_step):
        return reid_batches(
            training,
            labels,
            image_size=reid.image_size,
            batch_size=reid.batch_size,
            seed=config.seed,
            crop=reid.random_sized_crop,
            flip=reid.random_flip,
            dropout_units=reid.fc_units,
            start_step=start_step,
            end_step=plan.num_steps,
            worker=team.worker,
            cache=cache_gib is not None,
        )

    def learning_rates(step):
        # Asked of the schedule: of the optimiser Keras 2 and 3 tell different steps'.
        rates = _rates(reid, reid.learning_rate, epoch_steps)
        return {"reid/learning_rate": float(rates(step))}

    def validate(step, log):
        nonlocal best_map
        if not validation:
            return
        # Not the trained network itself, which all workers would have to run.
        plain = build_reid_network(config.backbone, reid, len(labels))
        trained = local_copies(named_weights(model.network))
        for name, variable in named_weights(plain).items():
            variable.assign(trained[name].numpy())
        score = _held_out_map(plain, validation, config)
        log.write(step, {_HELD_OUT: score})
        if score > best_map:
            best_map = score
            best.save(step)

    plan = Plan(
        "train-reid",
        epoch_steps,
        epochs=reid.epochs,
        metrics_every=METRICS_EVERY,
        checkpoint_every=CHECKPOINT_EVERY_EPOCHS,
        learning_rates=learning_rates,
        on_epoch=validate,
        remedy="start a new one with lower reid.learning_rate and "
        "reid.backbone_learning_rate",
    )
    networks = {"network": model.network}

    def checkpoints_in(folder):
        optimizers = {
            "backbone_optimizer": model.backbone_optimizer,
            "head_optimizer": model.head_optimizer,
        }
        return Checkpoints(folder, networks, optimizers)

    images = {"data": samples}
    if translated is not None:
        images["translated"] = translated
    with team.one_line_errors(out):
        team.require_same(run_identity(config, images))
        if not team.is_chief:
            run = Run(Path(out), "reid", config, labels=labels)
            train_as_worker(
                plan, model, team, checkpoints_in(run.checkpoints), make_batches
            )
            return run
    with (
        team.one_line_errors(out),
        start_run(
            out,
            "reid",
            config,
            images=images,
            labels=labels,
            left_out=left_out,
            resume=resume,
        ) as run,
    ):
        checkpoints = checkpoints_in(run.checkpoints)
        restored = checkpoints.restore_latest()
        best = BestCheckpoints(run.best, networks, checkpoints)
        best_map = _score_at(run, best.go_back(restored[0]))
        logger.info(
            "%d images of %d %s, %d steps of %d in each epoch",
            len(training), len(labels), classes, plan.num_steps, epoch_steps,
        )  # fmt: skip
        train_resumably(
            run,
            plan,
            model,
            team,
            checkpoints,
            make_batches,
            restored,
            jit_compile=reid.jit_compile,
            progress=progress,
        )
    return run


def _score_at(run, step):
    """Return the held-out mAP that was logged at a step; below all others without."""
    records = read_metrics(run.path / "metrics.jsonl")
    scores = [r[_HELD_OUT] for r in records if r["step"] == step and _HELD_OUT in r]
    return scores[0] if scores else -1.0


def _build(config, num_classes, epoch_steps):
    """Return the compiled `ReidTraining`; call it in the strategy's scope."""
    reid = config.reid
    network = build_reid_network(config.backbone, reid, num_classes, reid.precision)
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
