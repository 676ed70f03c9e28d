"""CycleGAN: source to the whole target and back, by two generators (Zhu et al. 2017).

The paper's comparator "Baseline+CycleGAN" (its Table 1). `CycleGAN` is the training
step, `CycleGANMethod` all else of a run, `train_cyclegan` the run.
"""

import os
from collections.abc import Mapping, Sequence

import tensorflow as tf

from tfipgan import losses
from tfipgan.config import Config
from tfipgan.data.filenames import Sample
from tfipgan.data.image_cache import check_cache
from tfipgan.data.pair_batches import pair_batches
from tfipgan.data.pipelines import steps_per_epoch
from tfipgan.models.from_config import build_discriminator, build_generator
from tfipgan.runs.run import Run
from tfipgan.training.gan_inputs import target_domains
from tfipgan.training.gan_method import GANMethod
from tfipgan.training.image_pool import ImagePool
from tfipgan.training.replicas import (
    gradient_norm,
    mean_over_replicas,
    sum_over_replicas,
)
from tfipgan.training.runner import run_training

# The networks by what a run calls them. "generator" and "discriminator" are those of
# the target, which `load_generator` opens.
NETWORKS = ("generator", "generator_back", "discriminator", "discriminator_back")


class CycleGAN:
    """The training step of two generators and two patch discriminators; no Keras model.

    To be made in the strategy's scope. The step draws no random numbers but the pools',
    whose seeds come with the batch.

    Args:
        generator, generator_back: `Generator` without domains, to the target's style
            and to the source's.
        discriminator, discriminator_back: `PatchDiscriminator` of target and source.
        generator_optimizer: built for both generators' variables.
        discriminator_optimizer: built for both discriminators' variables.
        lambda_reconstruction: float, weight of the cycle term, 10 in the paper.
        lambda_identity: float, a part of that, weight of the identity term; 0 leaves
            it out.
        pools: two `ImagePool`s, of images in the target's and in the source's style.
    """

    def __init__(
        self,
        generator,
        generator_back,
        discriminator,
        discriminator_back,
        generator_optimizer,
        discriminator_optimizer,
        *,
        lambda_reconstruction,
        lambda_identity,
        pools,
    ):
        self.generator, self.generator_back = generator, generator_back
        self.discriminator, self.discriminator_back = discriminator, discriminator_back
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = discriminator_optimizer
        self.lambda_reconstruction = lambda_reconstruction
        self.lambda_identity = lambda_identity
        self.pools = pools

    @property
    def generator_variables(self):
        """Both generators' variables, in the order of their optimiser's."""
        return variables_of(self.generator, self.generator_back)

    @property
    def discriminator_variables(self):
        """Both discriminators' variables, in the order of their optimiser's."""
        return variables_of(self.discriminator, self.discriminator_back)

    def train_step(self, batch):
        """Run one update of both generators, then one of both discriminators.

        Args:
            batch: of `pair_batches`.

        Returns:
            Dict of scalars over the global batch: terms under G/ and D/ without their
            weights, each the sum of both directions; G/loss and D/loss with them, and
            the lengths of their gradients.
        """
        source, target = batch["source"], batch["target"]
        with tf.GradientTape() as tape:
            to_target = translate(self.generator, source)
            to_source = translate(self.generator_back, target)
            terms = self.generator_terms(batch, to_target, to_source)
        gradients = tape.gradient(terms["G/loss"], self.generator_variables)
        self.generator_optimizer.apply_gradients(
            zip(gradients, self.generator_variables, strict=True)
        )
        # A seed for each pool, so that their draws have nothing to do with each other.
        seeds = tf.random.experimental.stateless_split(batch["pool_seeds"][0], 2)
        shown = [
            pool.show(images, seeds[i])
            for i, (pool, images) in enumerate(
                zip(self.pools, (to_target, to_source), strict=True)
            )
        ]
        with tf.GradientTape() as tape:
            discriminator_terms = self._discriminator_terms(source, target, *shown)
        discriminator_gradients = tape.gradient(
            discriminator_terms["D/loss"], self.discriminator_variables
        )
        self.discriminator_optimizer.apply_gradients(
            zip(discriminator_gradients, self.discriminator_variables, strict=True)
        )
        others, norms = self.update_others(batch, to_target, to_source)
        return {
            **sum_over_replicas({**terms, **discriminator_terms, **others}),
            "G/gradient_norm": gradient_norm(gradients),
            "D/gradient_norm": gradient_norm(discriminator_gradients),
            **norms,
        }

    def update_others(self, batch, to_target, to_source):
        """Update what stands beside these networks, of which there is nothing here.

        Returns:
            Terms, this replica's share of each, and lengths of gradients, by name.
        """
        return {}, {}

    def generator_terms(self, batch, to_target, to_source):
        """Return the generators' terms, this replica's share of each, and G/loss."""
        source, target = batch["source"], batch["target"]
        terms = {
            "G/loss_fake": losses.least_squares_loss(self.discriminator(to_target), 1.0)
            + losses.least_squares_loss(self.discriminator_back(to_source), 1.0),
            "G/loss_rec": losses.reconstruction_loss(
                source, translate(self.generator_back, to_target)
            )
            + losses.reconstruction_loss(target, translate(self.generator, to_source)),
        }
        if self.lambda_identity:
            terms["G/loss_identity"] = losses.reconstruction_loss(
                target, translate(self.generator, target)
            ) + losses.reconstruction_loss(
                source, translate(self.generator_back, source)
            )
        terms = mean_over_replicas(terms)
        terms["G/loss"] = terms["G/loss_fake"] + self.lambda_reconstruction * (
            terms["G/loss_rec"]
            + self.lambda_identity * terms.get("G/loss_identity", 0.0)
        )
        return terms

    def _discriminator_terms(self, source, target, to_target, to_source):
        terms = mean_over_replicas(
            {
                "D/loss_real": losses.least_squares_loss(
                    self.discriminator(target), 1.0
                )
                + losses.least_squares_loss(self.discriminator_back(source), 1.0),
                "D/loss_fake": losses.least_squares_loss(
                    self.discriminator(to_target), 0.0
                )
                + losses.least_squares_loss(self.discriminator_back(to_source), 0.0),
            }
        )
        # Halved, so that D learns at half of G's rate (Zhu et al. 2017, section 7.1).
        terms["D/loss"] = 0.5 * (terms["D/loss_real"] + terms["D/loss_fake"])
        return terms


def translate(generator, images):
    """Translate by a generator that is told no domain."""
    return generator((images, tf.zeros((tf.shape(images)[0], 0))))


def variables_of(*networks):
    """Return the trainable variables of networks, one after the other."""
    return [
        variable for network in networks for variable in network.trainable_variables
    ]


class CycleGANMethod(GANMethod):
    """A CycleGAN run on the source and the whole target; see `train_cyclegan`."""

    def prepare(self):
        gan = self.config.gan
        self.target, self.domains = target_domains("one", self.target)
        self.images["target"] = self.target
        sizes = len(self.source), len(self.target)
        check_cache(sum(sizes), gan.image_size, self.cache_gib)
        # Of the larger set; both must have the images of a batch.
        self.epoch_steps = max(steps_per_epoch(n, gan.batch_size) for n in sizes)

    def build(self):
        gan = self.config.gan
        self.networks = {
            name: (build_generator if "generator" in name else build_discriminator)(
                gan, 0, gan.precision
            )
            for name in NETWORKS
        }
        self.optimizers = {}
        for side in ("generator", "discriminator"):
            optimizer = self.adam(f"{side}_optimizer")
            networks = self.networks[side], self.networks[f"{side}_back"]
            optimizer.build(variables_of(*networks))
            self.optimizers[f"{side}_optimizer"] = optimizer
        self._pools = [ImagePool(gan.pool_size, gan.image_size) for _ in range(2)]
        self.model = self.make_model(
            lambda_reconstruction=gan.lambda_reconstruction,
            lambda_identity=gan.lambda_identity,
            pools=self._pools,
        )

    def make_model(self, **options) -> CycleGAN:
        """Return the step of the networks and optimisers that `build` made."""
        return CycleGAN(**self.networks, **self.optimizers, **options)

    def train_step(self, batch):
        return self.model.train_step(batch)

    def batches(self, start_step, end_step, worker):
        options = self.batch_options(start_step, end_step, worker)
        return pair_batches(self.source, self.target, **options)

    def summary(self):
        return (
            f"{len(self.source)} source and {len(self.target)} target images, "
            f"{self.num_steps} steps of {self.epoch_steps} in each epoch"
        )

    def arrays(self):
        arrays = {}
        for place, pool in enumerate(self._pools):
            for name, values in pool.arrays().items():
                arrays[f"pool_{place}_{name}"] = values
        return arrays

    def set_arrays(self, arrays: Mapping):
        if not arrays:
            return
        for place, pool in enumerate(self._pools):
            pool.set_arrays(
                arrays[f"pool_{place}_images"], arrays[f"pool_{place}_filled"]
            )


def train_cyclegan(
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
    """Train two generators between the source and the target as a whole.

    Args:
        config: of the run, with gan.method cyclegan.
        source, target: training samples, of which the images alone are looked at.
        out, devices, cache_gib, resume, progress, left_out: as for `train_gan`.

    Returns:
        The run: `load_translator` opens its generator of the target's style.

    Raises:
        InputError: fewer images than a batch in one of them; more than `cache_gib`
            holds; or as `run_training`.
        ConfigError, TrainingError, SystemExit: as `run_training`.
    """
    return run_training(
        CycleGANMethod(config, source, target, cache_gib),
        out,
        devices=devices,
        resume=resume,
        progress=progress,
        left_out=left_out,
    )
