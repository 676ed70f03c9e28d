"""SPGAN: CycleGAN, and a SiaNet that keeps images alike (Deng et al. 2018).

A comparator of the paper's Table 4. `SPGAN` is the training step, `SPGANMethod` all
else of a run, `train_spgan` the run.
"""

import os
from collections.abc import Mapping, Sequence

import tensorflow as tf

from tfipgan import losses
from tfipgan.config import Config
from tfipgan.data.filenames import Sample
from tfipgan.data.pair_batches import pair_batches
from tfipgan.models.from_config import build_siamese
from tfipgan.models.siamese import HIDDEN_UNITS
from tfipgan.runs.run import Run
from tfipgan.training.cyclegan import CycleGAN, CycleGANMethod
from tfipgan.training.replicas import gradient_norm, mean_over_replicas
from tfipgan.training.runner import run_training


class SPGAN(CycleGAN):
    """The training step of CycleGAN's networks and a SiaNet M; no Keras model.

    A translated image should lie near the image that it was made of, and far from the
    domain that it goes to. The step draws no random numbers: those of M's dropout come
    with the batch.

    Args:
        siamese: `SiameseNetwork`, M.
        siamese_optimizer: built for its variables.
        lambda_siamese: float, weight of M's term in the generators' loss.
        margin: float, distance of M beyond which a pair that differs counts as 0.
        And those of `CycleGAN`.
    """

    def __init__(
        self, *networks, siamese, siamese_optimizer, lambda_siamese, margin, **options
    ):
        super().__init__(*networks, **options)
        self.siamese, self.siamese_optimizer = siamese, siamese_optimizer
        self.lambda_siamese, self.margin = lambda_siamese, margin

    def generator_terms(self, batch, to_target, to_source):
        """Return CycleGAN's terms and M's; G/loss has both."""
        terms = super().generator_terms(batch, to_target, to_source)
        source, translated, target, back = self._features(batch, to_target, to_source)
        together = losses.contrastive_loss(source, translated)
        together += losses.contrastive_loss(target, back)
        apart = losses.contrastive_loss(translated, target, self.margin)
        apart += losses.contrastive_loss(back, source, self.margin)
        own = mean_over_replicas({"G/loss_siamese": (together + 0.5 * apart) / 4.0})
        terms |= own
        terms["G/loss"] += self.lambda_siamese * own["G/loss_siamese"]
        return terms

    def update_others(self, batch, to_target, to_source):
        """Update M on this step's translations."""
        variables = self.siamese.trainable_variables
        with tf.GradientTape() as tape:
            source, translated, target, back = self._features(
                batch, tf.stop_gradient(to_target), tf.stop_gradient(to_source)
            )
            together = losses.contrastive_loss(source, translated)
            together += losses.contrastive_loss(target, back)
            apart = losses.contrastive_loss(source, target, self.margin)
            terms = mean_over_replicas({"M/loss": (together + 2.0 * apart) / 3.0})
        gradients = tape.gradient(terms["M/loss"], variables)
        self.siamese_optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return terms, {"M/gradient_norm": gradient_norm(gradients)}

    def _features(self, batch, to_target, to_source):
        """Return M's descriptors of source, translated, target and translated back."""
        images = batch["source"], to_target, batch["target"], to_source
        noise = tf.unstack(batch["dropout_noise"], axis=1)
        features = self.siamese(tf.concat(images, 0), dropout_noise=tf.concat(noise, 0))
        return tf.split(features, 4)


class SPGANMethod(CycleGANMethod):
    """An SPGAN run on the source and the whole target; see `train_spgan`."""

    def make_model(self, **options):
        gan = self.config.gan
        siamese = build_siamese(gan, gan.precision)
        optimizer = self.adam("siamese_optimizer")
        optimizer.build(siamese.trainable_variables)
        model = SPGAN(
            **self.networks,
            **self.optimizers,
            siamese=siamese,
            siamese_optimizer=optimizer,
            lambda_siamese=gan.lambda_siamese,
            margin=gan.siamese_margin,
            **options,
        )
        self.networks["siamese"] = siamese
        self.optimizers["siamese_optimizer"] = optimizer
        return model

    def batches(self, start_step, end_step, worker):
        options = self.batch_options(start_step, end_step, worker)
        noise_shape = (4, HIDDEN_UNITS)  # of four images in a row
        return pair_batches(
            self.source, self.target, noise_shape=noise_shape, **options
        )


def train_spgan(
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
    """Train as `train_cyclegan`, with a SiaNet beside; gan.method is spgan.

    Raises:
        InputError: images too small for the SiaNet; or as `train_cyclegan`.
        ConfigError, TrainingError, SystemExit: as `run_training`.
    """
    return run_training(
        SPGANMethod(config, source, target, cache_gib),
        out,
        devices=devices,
        resume=resume,
        progress=progress,
        left_out=left_out,
    )
