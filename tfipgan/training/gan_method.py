"""What the runs of all GANs share: their lengths, rates, sheets and inputs."""

from collections.abc import Sequence

import keras

from tfipgan.config import Config
from tfipgan.config.training_checks import check_gan_training
from tfipgan.data.filenames import Sample
from tfipgan.models.translator import Translator
from tfipgan.reports.sample_sheet import sheet_images, write_sample_sheet
from tfipgan.training.method import Method
from tfipgan.training.schedules import ConstantThenLinearDecay


class GANMethod(Method):
    """A GAN run on the source and the target.

    A subclass has `prepare`, which sets `domains`, the `target` with their numbers and
    `epoch_steps`; `build`, whose networks have a "generator"; `train_step`; and
    `batches`, of `batch_options`.

    Args:
        config: of the run.
        source, target: training samples.
        cache_gib: memory to keep the decoded images in; None keeps none.

    Attributes:
        source, target, cache_gib: as given.
    """

    kind, title = "gan", "train-gan"
    remedy = "start a new one with a lower gan.learning_rate"
    extendable = ("gan.constant_epochs", "gan.decay_epochs")

    def __init__(
        self,
        config: Config,
        source: Sequence[Sample],
        target: Sequence[Sample],
        cache_gib: float | None = None,
    ):
        super().__init__(config, {"source": source, "target": target})
        self.source, self.target, self.cache_gib = source, target, cache_gib
        gan = config.gan
        self.epochs = gan.constant_epochs + gan.decay_epochs
        self.checkpoint_every = gan.checkpoint_every_epochs
        self.batch_size, self.jit_compile = gan.batch_size, gan.jit_compile

    def check_config(self):
        return check_gan_training(self.config)

    def learning_rates(self, step):
        # Asked of the schedule: of the optimiser Keras 2 and 3 tell different steps'.
        return {"G/learning_rate": float(self._rates(1)(step))}

    def on_train_begin(self, run, checkpoints, step):
        self._shown = sheet_images(self.source, self.config.gan.image_size)

    def on_epoch_end(self, run, step, log):
        epoch, gan = step // self.epoch_steps, self.config.gan
        if epoch % gan.sample_every_epochs == 0 or step == self.num_steps:
            path = run.path / "samples" / f"epoch_{epoch:04d}.png"
            generator, cameras = self.networks["generator"], self.domains.cameras
            translator = Translator(generator, cameras, gan.image_size)
            write_sample_sheet(translator, self._shown, path)

    def adam(self, name: str, updates_per_step: int = 1) -> keras.optimizers.Adam:
        """Return a new optimiser; checkpoints know its variables by its name."""
        gan = self.config.gan
        return keras.optimizers.Adam(
            self._rates(updates_per_step),
            beta_1=gan.beta_1,
            beta_2=gan.beta_2,
            epsilon=gan.epsilon,
            name=name,
        )

    def batch_options(self, start_step, end_step, worker) -> dict:
        """Return what `gan_batches` and `pair_batches` both take."""
        gan = self.config.gan
        return {
            "image_size": gan.image_size,
            "batch_size": gan.batch_size,
            "seed": self.config.seed,
            "flip": gan.random_flip,
            "start_step": start_step,
            "end_step": end_step,
            "worker": worker,
            "cache": self.cache_gib is not None,
        }

    def _rates(self, updates_per_step):
        """Return the learning rate's schedule, by updates."""
        gan = self.config.gan
        return ConstantThenLinearDecay(
            gan.learning_rate,
            gan.constant_epochs * self.epoch_steps,
            gan.decay_epochs * self.epoch_steps,
            updates_per_step,
        )
