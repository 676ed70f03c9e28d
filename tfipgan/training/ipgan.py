"""IPGAN: updates of D_dom, then one of G (paper sections 3.3 and 4.2).

`IPGAN` is the training step, `IPGANMethod` all else of a run, `train_gan` the run.
"""

import os
from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf

from tfipgan import losses
from tfipgan.config import Config
from tfipgan.data.filenames import Sample
from tfipgan.data.image_cache import check_cache
from tfipgan.data.images import signed_to_unit
from tfipgan.data.pipelines import gan_batches, steps_per_epoch
from tfipgan.errors import InputError
from tfipgan.models.from_config import build_discriminator, build_generator
from tfipgan.runs.pretrained import load_pretrained_gan
from tfipgan.runs.run import Run, load_reid_network
from tfipgan.training.gan_inputs import semantic_labels, target_domains
from tfipgan.training.gan_method import GANMethod
from tfipgan.training.replicas import (
    gradient_norm,
    mean_over_replicas,
    sum_over_replicas,
)
from tfipgan.training.runner import run_training
from tfipgan.weights.fingerprint import weights_digest


class IPGAN(keras.Model):
    """The training step of G and D_dom, with D_sem frozen; not used with Keras's fit.

    Runs call `train_step` by `StepLoop`; fit would give the same. With
    `lambda_semantic=0` it is StarGAN. The step draws no random numbers: everything
    random comes with the batch, so one device and several give the same update.

    Args:
        generator: `Generator`.
        discriminator: `Discriminator`, D_dom.
        semantic_network: `ReidNetwork` trained on the source, D_sem; None if
            lambda_semantic is 0. It is only read.
        adversarial: "wgan-gp" or "vanilla".
        n_critic: int, D updates a step.
        lambda_domain, lambda_reconstruction, lambda_semantic,
        lambda_gradient_penalty: float weights of the loss terms (eq. 8 and 9).

    Raises:
        InputError: lambda_semantic without a semantic discriminator.
    """

    # What the step returns is equal on all replicas; Keras 2's fit would add it up.
    distribute_reduction_method = "first"

    def __init__(
        self,
        generator,
        discriminator,
        semantic_network=None,
        adversarial="wgan-gp",
        n_critic=5,
        lambda_domain=1.0,
        lambda_reconstruction=10.0,
        lambda_semantic=1.0,
        lambda_gradient_penalty=10.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if lambda_semantic and semantic_network is None:
            raise InputError(
                f"lambda_semantic is {lambda_semantic} but there is no semantic "
                "discriminator: give one (--semantic RUN), or set "
                "gan.lambda_semantic=0 for StarGAN"
            )
        if adversarial not in losses.ADVERSARIAL_KINDS:
            raise InputError(
                f"adversarial is {adversarial!r}, expected one of "
                f"{', '.join(losses.ADVERSARIAL_KINDS)}"
            )
        self.generator = generator
        self.discriminator = discriminator
        self.semantic_network = semantic_network
        if semantic_network is not None:
            semantic_network.trainable = False
        self.adversarial = adversarial
        self.n_critic = n_critic
        self.lambda_domain = lambda_domain
        self.lambda_reconstruction = lambda_reconstruction
        self.lambda_semantic = lambda_semantic
        self.lambda_gradient_penalty = lambda_gradient_penalty
        # The networks come built, and this model has no call of its own to build it.
        self.built = True

    def compile(self, generator_optimizer, discriminator_optimizer, **kwargs):
        """Set both optimisers, make their slots; call it in the strategy's scope.

        Slots made inside the first distributed step would fail (keras issue 19246).
        """
        super().compile(**kwargs)
        generator_optimizer.build(self.generator.trainable_variables)
        discriminator_optimizer.build(self.discriminator.trainable_variables)
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = discriminator_optimizer

    def call(self, inputs):
        """Translate: `inputs` as `Generator` takes them."""
        return self.generator(inputs)

    def train_step(self, batch):
        """Run n_critic D updates and one G update on the last of their batches.

        Args:
            batch: dict of this replica's rows, the critic's batches on axis 1:
                images float32 (batch, n_critic, height, width, 3) in [-1, 1];
                domains, target_domains int32 (batch, n_critic), each image's own domain
                and the one it is translated to; identities int32 (batch, n_critic);
                is_source 0/1 int32 (batch, n_critic); interpolation float32
                (batch, n_critic) in [0, 1), the share of the real image in the
                gradient penalty's input.

        Returns:
            Dict of scalars, means over the global batch: every loss term under D/ and
            G/, terms without their weights, D/loss and G/loss with them; and the length
            of their gradients, D/gradient_norm and G/gradient_norm. D's are those of
            its last update.
        """
        rounds = [
            {name: value[:, k] for name, value in batch.items()}
            for k in range(self.n_critic)
        ]
        for last in rounds[:-1]:
            fake = self._translate(last["images"], last["target_domains"])
            self._update_discriminator(last, fake)
        last = rounds[-1]
        variables = self.generator.trainable_variables
        with tf.GradientTape() as tape:
            # G has not changed since the last translation, so D's last update and G's
            # own share one forward pass.
            fake = self._translate(last["images"], last["target_domains"])
            with tape.stop_recording():
                terms, discriminator_gradients = self._update_discriminator(last, fake)
            generator_terms = self._generator_terms(last, fake)
        gradients = tape.gradient(generator_terms["G/loss"], variables)
        self.generator_optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return {
            **sum_over_replicas({**terms, **generator_terms}),
            "D/gradient_norm": gradient_norm(discriminator_gradients),
            "G/gradient_norm": gradient_norm(gradients),
        }

    def _translate(self, images, domains):
        num_domains = self.generator.num_domains
        return self.generator((images, tf.one_hot(domains, num_domains)))

    def _update_discriminator(self, batch, fake):
        """Update D_dom by eq. 8; return terms and gradients, this replica's shares."""
        images = batch["images"]
        share = batch["interpolation"][:, None, None, None]
        mixed = share * images + (1.0 - share) * fake
        rows = tf.shape(images)[0]
        variables = self.discriminator.trainable_variables
        with tf.GradientTape() as tape:
            source_map, domain_logits = self.discriminator(
                tf.concat([images, fake], axis=0)
            )
            terms = {
                "D/loss_real": losses.real_loss(source_map[:rows], self.adversarial),
                "D/loss_fake": losses.fake_loss(source_map[rows:], self.adversarial),
                "D/loss_domain": losses.domain_loss(
                    domain_logits[:rows], batch["domains"]
                ),
            }
            if self.adversarial == "wgan-gp":
                with tf.GradientTape(watch_accessed_variables=False) as inner:
                    inner.watch(mixed)
                    mixed_map, _ = self.discriminator(mixed)
                terms["D/loss_gp"] = losses.gradient_penalty(
                    inner.gradient(mixed_map, mixed)
                )
            terms["D/loss"] = (
                terms["D/loss_real"]
                + terms["D/loss_fake"]
                + self.lambda_domain * terms["D/loss_domain"]
                + self.lambda_gradient_penalty * terms.get("D/loss_gp", 0.0)
            )
            terms = mean_over_replicas(terms)
        gradients = tape.gradient(terms["D/loss"], variables)
        self.discriminator_optimizer.apply_gradients(
            zip(gradients, variables, strict=True)
        )
        return terms, gradients

    def _generator_terms(self, batch, fake):
        """Return the terms of eq. 9, this replica's share of each."""
        images = batch["images"]
        source_map, domain_logits = self.discriminator(fake)
        reconstructed = self._translate(fake, batch["domains"])
        terms = mean_over_replicas(
            {
                "G/loss_fake": losses.generator_loss(source_map, self.adversarial),
                "G/loss_domain": losses.domain_loss(
                    domain_logits, batch["target_domains"]
                ),
                "G/loss_rec": losses.reconstruction_loss(images, reconstructed),
            }
        )
        terms["G/loss"] = (
            terms["G/loss_fake"]
            + self.lambda_domain * terms["G/loss_domain"]
            + self.lambda_reconstruction * terms["G/loss_rec"]
        )
        if self.lambda_semantic:
            is_source = tf.cast(batch["is_source"], tf.bool)
            # Counted over all replicas, and outside of any condition.
            num_source = sum_over_replicas(
                tf.reduce_sum(tf.cast(is_source, tf.float32))
            )
            identity_logits = self.semantic_network(
                signed_to_unit(fake), training=False
            )
            terms["G/loss_sem"] = losses.semantic_loss(
                identity_logits, batch["identities"], is_source, num_source
            )
            terms["G/loss"] += self.lambda_semantic * terms["G/loss_sem"]
        return terms


class IPGANMethod(GANMethod):
    """A GAN run on the source and the target's cameras; see `train_gan`."""

    remedy = (
        "start a new one with a lower gan.learning_rate, if you like from this one's "
        "weights, by gan.generator_weights and gan.discriminator_weights"
    )

    def __init__(
        self,
        config: Config,
        source: Sequence[Sample],
        target: Sequence[Sample],
        semantic_run: Run | None,
        cache_gib: float | None = None,
    ):
        super().__init__(config, source, target, cache_gib)
        self._semantic_run = semantic_run

    def prepare(self):
        gan = self.config.gan
        self.target, self.domains = target_domains(gan.target_domains, self.target)
        self.images["target"] = self.target
        self._identities = semantic_labels(self.config, self._semantic_run, self.source)
        num_images = len(self.source) + len(self.target)
        check_cache(num_images, gan.image_size, self.cache_gib)
        self.epoch_steps = steps_per_epoch(num_images, gan.batch_size * gan.n_critic)
        if self._identities:
            # Outside of the strategy, where it does not depend on the devices.
            semantic_digest = weights_digest(load_reid_network(self._semantic_run))
            self.digests["semantic"] = semantic_digest

    def build(self):
        gan = self.config.gan
        sizes = gan, self.domains.num_domains, gan.precision
        generator, discriminator = build_generator(*sizes), build_discriminator(*sizes)
        load_pretrained_gan(generator, discriminator, gan)
        semantic_network = None
        if gan.lambda_semantic:
            # In the GAN's precision, not in that of its own training.
            semantic_network = load_reid_network(self._semantic_run, gan.precision)
        self.model = IPGAN(
            generator,
            discriminator,
            semantic_network,
            adversarial=gan.adversarial,
            n_critic=gan.n_critic,
            lambda_domain=gan.lambda_domain,
            lambda_reconstruction=gan.lambda_reconstruction,
            lambda_semantic=gan.lambda_semantic,
            lambda_gradient_penalty=gan.lambda_gradient_penalty,
        )
        self.networks = {"generator": generator, "discriminator": discriminator}
        self.optimizers = {
            "generator_optimizer": self.adam("generator_optimizer"),
            "discriminator_optimizer": self.adam(
                "discriminator_optimizer", gan.n_critic
            ),
        }
        self.model.compile(**self.optimizers)

    def train_step(self, batch):
        return self.model.train_step(batch)

    def batches(self, start_step, end_step, worker):
        return gan_batches(
            self.source,
            self.target,
            self._identities,
            self.domains,
            n_critic=self.config.gan.n_critic,
            **self.batch_options(start_step, end_step, worker),
        )

    def summary(self):
        return (
            f"{len(self.source)} source and {len(self.target)} target images, "
            f"{self.domains.num_domains} domains, {self.num_steps} steps of "
            f"{self.epoch_steps} in each epoch"
        )


def train_gan(
    config: Config,
    source: Sequence[Sample],
    target: Sequence[Sample],
    semantic_run: Run | None,
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
        config: of the run; with gan.lambda_semantic 0 it trains StarGAN.
        source: training samples with identities.
        target: training samples with cameras; their identities are not looked at.
        semantic_run: run of D_sem; not needed if gan.lambda_semantic is 0.
        out: the run folder to make.
        devices, resume, progress, left_out: as for `run_training`, which returns the
            run.
        cache_gib: memory to keep the decoded images in; None keeps none.

    Raises:
        InputError: D_sem is missing, of another image size or of other identities;
            weights to start from don't fit; too few images; more images than
            `cache_gib` holds; or as `run_training`.
        ConfigError, TrainingError, SystemExit: as `run_training`.
    """
    return run_training(
        IPGANMethod(config, source, target, semantic_run, cache_gib),
        out,
        devices=devices,
        resume=resume,
        progress=progress,
        left_out=left_out,
    )
