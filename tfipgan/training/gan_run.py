"""A whole GAN run: from two datasets' samples to a run folder."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import keras

from tfipgan.config import Config
from tfipgan.config.training_checks import check_gan_training
from tfipgan.data.filenames import Sample
from tfipgan.data.image_cache import check_cache
from tfipgan.data.labels import WHOLE_TARGET, DomainMap
from tfipgan.data.pipelines import gan_batches, steps_per_epoch
from tfipgan.errors import InputError
from tfipgan.models.from_config import (
    build_discriminator,
    build_generator,
)
from tfipgan.reports.sample_sheet import sheet_images, write_sample_sheet
from tfipgan.runs.pretrained import load_pretrained_gan
from tfipgan.runs.run import Run, load_reid_network, require_classifier
from tfipgan.training.checkpoints import Checkpoints
from tfipgan.training.ipgan import IPGAN
from tfipgan.training.resumable import Plan, train_as_worker, train_resumably
from tfipgan.training.schedules import LinearDecay
from tfipgan.training.start import run_identity, start_run
from tfipgan.training.strategy import (
    check_batch_size,
    check_compiler,
    make_strategy,
)
from tfipgan.training.team import Team
from tfipgan.weights.fingerprint import weights_digest

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
    cache_gib: float | None = None,
    resume: bool = False,
    progress: bool = True,
    left_out: Mapping[str, str] | None = None,
) -> Run:
    """Train G and D_dom on the source and the target's cameras (paper section 3.3).

    Args:
        config: of the run; with gan.lambda_semantic 0 it trains StarGAN, with
            gan.target_domains one it makes one domain of the whole target.
        source: training samples with identities.
        target: training samples with cameras; their identities are not looked at.
        semantic: run of D_sem; not needed if gan.lambda_semantic is 0.
        out: the run folder to make; of several workers the chief alone makes it.
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
        InputError: D_sem is missing, of another image size or of other identities;
            weights to start from that can't be had or don't fit;
            too few images; a batch that does not split over the devices;
            gan.jit_compile on several; more images than `cache_gib` holds; `out` is not
            empty, or not a run of this config and data, or another process trains it.
            Or the workers were not started alike, or do not all come.
        ConfigError: values that nothing is learnt with (`check_gan_training`).
        TrainingError, SystemExit: as `train_resumably`; or another worker has ended.
    """
    # Before anything that may be an error here: so the other workers see that we end.
    team = Team(make_strategy(devices))
    for line in check_gan_training(config):
        if team.is_chief:
            logger.warning(line)
    gan = config.gan
    target, domains = _target_domains(gan.target_domains, target)
    labels = _semantic_labels(config, semantic, source)
    check_batch_size(team.strategy, gan.batch_size)
    check_compiler(team.strategy, gan.jit_compile, "gan")
    check_cache(len(source) + len(target), gan.image_size, cache_gib)
    epoch_steps = steps_per_epoch(
        len(source) + len(target), gan.batch_size * gan.n_critic
    )
    # Loaded outside of the strategy, where a digest does not depend on the devices.
    digest = weights_digest(load_reid_network(semantic)) if labels else None
    keras.utils.set_random_seed(config.seed)
    # Before the folder is made: a D_sem that can't be loaded is an error.
    with team.one_line_errors(out), team.strategy.scope():
        model = _build(config, domains, semantic, epoch_steps)

    def make_batches(start_step):
        return gan_batches(
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
            end_step=plan.num_steps,
            worker=team.worker,
            cache=cache_gib is not None,
        )

    def learning_rates(step):
        # Asked of the schedule: of the optimiser Keras 2 and 3 tell different steps'.
        rates = _rates(gan, epoch_steps, updates_per_step=1)
        return {"G/learning_rate": float(rates(step))}

    shown = sheet_images(source, gan.image_size)

    def draw_sheet(step, log):
        epoch = step // epoch_steps
        if epoch % gan.sample_every_epochs == 0 or step == plan.num_steps:
            path = run.path / "samples" / f"epoch_{epoch:04d}.png"
            write_sample_sheet(model.generator, shown, domains, path)

    plan = Plan(
        "train-gan",
        epoch_steps,
        epochs=gan.constant_epochs + gan.decay_epochs,
        metrics_every=METRICS_EVERY,
        checkpoint_every=gan.checkpoint_every_epochs,
        learning_rates=learning_rates,
        on_epoch=draw_sheet,
        remedy="start a new one with a lower gan.learning_rate, if you like from this "
        "one's weights, by gan.generator_weights and gan.discriminator_weights",
    )

    def checkpoints_in(folder):
        return Checkpoints(
            folder,
            {"generator": model.generator, "discriminator": model.discriminator},
            {
                "generator_optimizer": model.generator_optimizer,
                "discriminator_optimizer": model.discriminator_optimizer,
            },
        )

    images = {"source": source, "target": target}
    with team.one_line_errors(out):
        team.require_same(run_identity(config, images, digest))
        if not team.is_chief:
            run = Run(Path(out), "gan", config, domains=domains)
            train_as_worker(
                plan, model, team, checkpoints_in(run.checkpoints), make_batches
            )
            return run
    with (
        team.one_line_errors(out),
        start_run(
            out,
            "gan",
            config,
            images=images,
            domains=domains,
            semantic=digest,
            left_out=left_out,
            resume=resume,
        ) as run,
    ):
        checkpoints = checkpoints_in(run.checkpoints)
        restored = checkpoints.restore_latest()
        logger.info(
            "%d source and %d target images, %d domains, %d steps of %d in each epoch",
            len(source), len(target), domains.num_domains, plan.num_steps, epoch_steps,
        )  # fmt: skip
        train_resumably(
            run,
            plan,
            model,
            team,
            checkpoints,
            make_batches,
            restored,
            jit_compile=gan.jit_compile,
            progress=progress,
        )
    return run


def _target_domains(kind, target):
    """Return the target's samples with their domains' numbers, and the domains."""
    if kind == "cameras":
        return target, DomainMap.from_samples(target)
    whole = [replace(sample, camera_id=WHOLE_TARGET) for sample in target]
    return whole, DomainMap((WHOLE_TARGET,))


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
    generator = build_generator(gan, domains.num_domains, gan.precision)
    discriminator = build_discriminator(gan, domains.num_domains, gan.precision)
    load_pretrained_gan(generator, discriminator, gan)
    model = IPGAN(
        generator,
        discriminator,
        # In the GAN's precision, not in that of its own training.
        load_reid_network(semantic, gan.precision) if gan.lambda_semantic else None,
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
