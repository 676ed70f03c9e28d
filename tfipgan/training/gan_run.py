"""A whole GAN run: from two datasets' samples to a run folder."""

import logging
import os
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from tfipgan.config import Config
from tfipgan.data.filenames import Sample
from tfipgan.data.images import signed_to_bytes, to_signed
from tfipgan.data.labels import DomainMap
from tfipgan.data.pipelines import gan_batches, inference_batches, steps_per_epoch
from tfipgan.errors import InputError
from tfipgan.evaluation.sheets import image_sheet
from tfipgan.networks import build_discriminator, build_generator
from tfipgan.pretrained import load_pretrained_gan
from tfipgan.runs import Run, load_reid_network, require_classifier, start_run
from tfipgan.training.checkpoints import Checkpoints
from tfipgan.training.ipgan import IPGAN
from tfipgan.training.log import MetricsLog
from tfipgan.training.loop import run_steps
from tfipgan.training.schedules import LinearDecay
from tfipgan.training.strategy import check_batch_size, make_strategy

SHEET_ROWS = 8
METRICS_EVERY = 10

logger = logging.getLogger(__name__)


def train_gan(
    config: Config,
    source: Sequence[Sample],
    target: Sequence[Sample],
    semantic: Run | None,
    out: str | os.PathLike,
    *,
    devices: Sequence[str] | None = None,
    resume: bool = False,
    progress: bool = True,
) -> Run:
    """Train G and D_dom on the source and the target's cameras (paper section 3.3).

    Args:
        config: of the run; with gan.lambda_semantic 0 it trains StarGAN.
        source: training samples with identities.
        target: training samples with cameras; their identities are not looked at.
        semantic: run of D_sem; not needed if gan.lambda_semantic is 0.
        out: the run folder to make.
        devices: names such as "GPU:0"; None takes all GPUs, or the CPU.
        resume: go on from the last checkpoint in `out`, if it is there.
        progress: whether to show a progress bar on stderr.

    Returns:
        The run, its folder complete.

    Raises:
        InputError: D_sem is missing, of another image size or of other identities;
            weights to start from that can't be had or don't fit;
            too few images; a batch that does not split over the devices; `out` is not
            empty, or not a run of this config.
    """
    gan = config.gan
    domains = DomainMap.from_samples(target)
    labels = _semantic_labels(config, semantic, source)
    strategy = make_strategy(devices)
    check_batch_size(strategy, gan.batch_size)
    epoch_steps = steps_per_epoch(
        len(source) + len(target), gan.batch_size * gan.n_critic
    )
    num_steps = epoch_steps * (gan.constant_epochs + gan.decay_epochs)
    keras.utils.set_random_seed(config.seed)
    # Before the folder is made: a D_sem that can't be loaded is an error.
    with strategy.scope():
        model = _build(config, domains, semantic, epoch_steps)
    run = start_run(out, "gan", config, domains=domains, resume=resume)
    checkpoints = Checkpoints(
        run.checkpoints,
        {"generator": model.generator, "discriminator": model.discriminator},
        {
            "generator_optimizer": model.generator_optimizer,
            "discriminator_optimizer": model.discriminator_optimizer,
        },
    )
    start_step = checkpoints.restore_latest()
    logger.info(
        "%d source and %d target images, %d domains, %d steps of %d in each epoch",
        len(source), len(target), domains.num_domains, num_steps, epoch_steps,
    )  # fmt: skip
    batches = gan_batches(
        source,
        target,
        labels,
        domains,
        image_size=gan.image_size,
        batch_size=gan.batch_size,
        n_critic=gan.n_critic,
        seed=config.seed,
        flip=gan.random_flip,
        start_step=start_step,
        end_step=num_steps,
    )
    log = MetricsLog(run.path, start_step)
    sheet_images = _sheet_images(source, gan.image_size)

    def on_metrics(step, values):
        # Asked of the schedule: of the optimiser Keras 2 and 3 tell different steps'.
        rate = float(_rates(gan, epoch_steps, updates_per_step=1)(step))
        log.write(step, {**values, "G/learning_rate": rate})

    def on_step(step):
        if step % epoch_steps and step != num_steps:
            return
        epoch = step // epoch_steps
        if epoch % gan.checkpoint_every_epochs == 0 or step == num_steps:
            checkpoints.save(step)
        if epoch % gan.sample_every_epochs == 0 or step == num_steps:
            path = run.path / "samples" / f"epoch_{epoch:04d}.png"
            write_sample_sheet(model.generator, sheet_images, domains, path)

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
        title="train-gan",
    )
    log.close()
    return run


def write_sample_sheet(generator, images, domains: DomainMap, path) -> None:
    """Draw a row per source image: the image, then its translation to each camera.

    Args:
        generator: `Generator`.
        images: float32 (n, height, width, 3) in [-1, 1].
        domains: whose cameras are the columns.
        path: the PNG file.
    """
    columns = [images]
    for domain in range(len(domains.cameras)):
        one_hot = tf.one_hot([domain] * len(images), domains.num_domains)
        columns.append(generator((images, one_hot)))
    cells = [signed_to_bytes(column).numpy() for column in columns]
    image_sheet(
        [list(row) for row in zip(*cells, strict=True)],
        ["source", *(f"camera {camera}" for camera in domains.cameras)],
        [""] * len(images),
        path,
    )


def _semantic_labels(config, semantic, source):
    """Return D_sem's label map once it is seen to fit this run; None without one."""
    if not config.gan.lambda_semantic:
        return None
    if semantic is None:
        raise InputError(
            f"gan.lambda_semantic is {config.gan.lambda_semantic:g} but no semantic "
            "discriminator is given: add --semantic RUN (a train-reid run on the "
            "source), or --set gan.lambda_semantic=0 for StarGAN"
        )
    labels = require_classifier(semantic)
    own, wanted = semantic.config.reid.image_size, config.gan.image_size
    if own != wanted:
        raise InputError(
            f"{semantic.path} was trained on {own[0]}x{own[1]} images, this GAN makes "
            f"{wanted[0]}x{wanted[1]} (height x width): train the semantic "
            "discriminator with reid.image_size set to gan.image_size"
        )
    missing = {s.person_id for s in source} - set(labels.person_ids)
    if missing:
        raise InputError(
            f"{semantic.path} does not know {len(missing)} of the source's identities "
            f"(such as {min(missing)}): train it on the same source dataset, with "
            "reid.held_out_identities=0"
        )
    return labels


def _build(config, domains, semantic, epoch_steps):
    """Return the compiled `IPGAN`; call it in the strategy's scope."""
    gan = config.gan
    generator = build_generator(gan, domains.num_domains)
    discriminator = build_discriminator(gan, domains.num_domains)
    load_pretrained_gan(generator, discriminator, gan)
    model = IPGAN(
        generator,
        discriminator,
        load_reid_network(semantic) if gan.lambda_semantic else None,
        adversarial=gan.adversarial,
        n_critic=gan.n_critic,
        lambda_domain=gan.lambda_domain,
        lambda_reconstruction=gan.lambda_reconstruction,
        lambda_semantic=gan.lambda_semantic,
        lambda_gradient_penalty=gan.lambda_gradient_penalty,
    )

    # Named, because checkpoints know optimisers' variables by names.
    def adam(name, updates_per_step):
        return keras.optimizers.Adam(
            _rates(gan, epoch_steps, updates_per_step),
            beta_1=gan.beta_1,
            beta_2=gan.beta_2,
            epsilon=gan.epsilon,
            name=name,
        )

    model.compile(
        generator_optimizer=adam("generator_optimizer", 1),
        discriminator_optimizer=adam("discriminator_optimizer", gan.n_critic),
    )
    return model


def _rates(gan, epoch_steps, updates_per_step):
    """Return the learning rate's schedule, by updates."""
    return LinearDecay(
        gan.learning_rate,
        gan.constant_epochs * epoch_steps,
        gan.decay_epochs * epoch_steps,
        updates_per_step,
    )


def _sheet_images(source, image_size):
    """Return one image of each of the first few identities, in [-1, 1]."""
    first = {}
    for sample in source:
        first.setdefault(sample.person_id, sample.path)
    paths = list(first.values())[:SHEET_ROWS]
    batches = inference_batches(paths, image_size, SHEET_ROWS)
    return to_signed(np.concatenate(list(batches.as_numpy_iterator())))
