"""Re-ID: cross-entropy over identities (paper sections 3.1 and 3.4).

`ReidTraining` is the training step, `ReidMethod` all else of a run, `train_reid` the
run. The semantic discriminator and classifiers of cameras are trained by it too.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

import keras
import tensorflow as tf

from tfipgan import losses
from tfipgan.config import Config
from tfipgan.config.training_checks import check_reid_training
from tfipgan.data.filenames import Sample
from tfipgan.data.identity_sampler import check_identities
from tfipgan.data.image_cache import check_cache
from tfipgan.data.joining import by_dataset, join
from tfipgan.data.labels import LabelMap, camera_classes
from tfipgan.data.pipelines import reid_batches, steps_per_epoch
from tfipgan.errors import InputError
from tfipgan.models.from_config import build_reid_network
from tfipgan.runs.pretrained import load_pretrained_backbone, resolve_weights
from tfipgan.runs.run import Run
from tfipgan.training.checkpoints import BestCheckpoints
from tfipgan.training.held_out import (
    HELD_OUT_MAP,
    draw_held_out,
    held_out_map,
    logged_map,
)
from tfipgan.training.method import Method
from tfipgan.training.reid_optimizers import (
    freeze_stages,
    learning_rates,
    make_optimizers,
)
from tfipgan.training.replicas import (
    gradient_norm,
    mean_over_replicas,
    num_replicas,
    rows_of_all,
    sum_over_replicas,
)
from tfipgan.training.runner import run_training
from tfipgan.weights.local_copies import copy_weights

_CLASSES = {"person": ("identity", "identities"), "camera": ("camera", "cameras")}
ONLY_REAL = (
    "translated images are given, but a classifier of cameras (reid.labels camera) is "
    "trained on real ones, or it could not judge them: leave out --translated, or set "
    "reid.labels=person"
)


class ReidTraining(keras.Model):
    """The training step of a `ReidNetwork`; not used with Keras's fit.

    It has one optimiser for the backbone and one for the head. Runs call `train_step`
    by `StepLoop`; fit would give the same.

    Args:
        network: `ReidNetwork`, built.
        weight_decay: float; weight_decay * w joins the gradient before the momentum, as
            PyTorch has it, for all trainable parameters. Keras's own is decoupled.
        label_smoothing: of `losses.identity_loss`.
        triplet_margin: of `losses.triplet_loss`, which is added to it, over all pooled
            features of the global batch; None adds none.
        frozen_batch_norm: whether the backbone normalises by the statistics it has.
    """

    # What the step returns is equal on all replicas; Keras 2's fit would add it up.
    distribute_reduction_method = "first"

    def __init__(
        self,
        network,
        weight_decay=5e-4,
        label_smoothing=0.0,
        triplet_margin=None,
        frozen_batch_norm=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.network = network
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.triplet_margin = triplet_margin
        self.frozen_batch_norm = frozen_batch_norm
        self.built = True

    def compile(self, backbone_optimizer, head_optimizer, **kwargs):
        """Set both optimisers, make their slots; call it in the strategy's scope."""
        super().compile(**kwargs)
        backbone_optimizer.build(self.network.backbone_variables)
        head_optimizer.build(self.network.head_variables)
        self.backbone_optimizer = backbone_optimizer
        self.head_optimizer = head_optimizer

    def call(self, images):
        """Return identity logits; `images` as `ReidNetwork` takes them."""
        return self.network(images)

    def train_step(self, batch):
        """Run one update.

        Args:
            batch: dict of this replica's rows: images float32 (batch, height, width, 3)
                in [0, 1]; identities int32 (batch,); dropout_noise float32 (batch,
                fc_units) in [0, 1).

        Returns:
            Dict of scalars over the global batch: reid/loss, the cross-entropy;
            reid/triplet_loss, if there is one; the length of the gradient of their sum,
            reid/gradient_norm, without weight decay; reid/accuracy, a fraction.
        """
        parts = (
            (self.backbone_optimizer, self.network.backbone_variables),
            (self.head_optimizer, self.network.head_variables),
        )
        with tf.GradientTape() as tape:
            features = self.network.pool(
                batch["images"], training=not self.frozen_batch_norm
            )
            logits = self.network.classify(
                features, training=True, dropout_noise=batch["dropout_noise"]
            )
            loss = mean_over_replicas(
                losses.identity_loss(logits, batch["identities"], self.label_smoothing)
            )
            terms, total = {}, loss
            if self.triplet_margin is not None:
                # Of all rows, on each replica; it gives the gradient of its own rows.
                triplet = losses.triplet_loss(
                    rows_of_all(features),
                    rows_of_all(tf.cast(batch["identities"], tf.float32)),
                    self.triplet_margin,
                )
                terms, total = {"reid/triplet_loss": triplet}, loss + triplet
        gradients = tape.gradient(total, [variables for _, variables in parts])
        for (optimizer, variables), part in zip(parts, gradients, strict=True):
            if not variables:  # all frozen, which Keras would call an error
                continue
            # The replicas' gradients are added up, so each brings its share of decay.
            decay = self.weight_decay / num_replicas()
            decayed = [
                gradient + decay * tf.convert_to_tensor(variable)
                for gradient, variable in zip(part, variables, strict=True)
            ]
            optimizer.apply_gradients(zip(decayed, variables, strict=True))
        right = tf.equal(
            tf.argmax(logits, axis=-1, output_type=tf.int32), batch["identities"]
        )
        accuracy = mean_over_replicas(tf.reduce_mean(tf.cast(right, tf.float32)))
        return {
            **sum_over_replicas({"reid/loss": loss, "reid/accuracy": accuracy}),
            **terms,
            "reid/gradient_norm": gradient_norm([*gradients[0], *gradients[1]]),
        }


class ReidMethod(Method):
    """A re-ID run on identities, or on cameras; see `train_reid`."""

    kind, title = "reid", "train-reid"
    remedy = (
        "start a new one with lower reid.learning_rate and reid.backbone_learning_rate"
    )
    extendable = ("reid.epochs",)
    # A checkpoint each epoch: the best weights since the oldest one are kept too.

    def __init__(
        self,
        config: Config,
        samples: Sequence[Sample],
        translated: Sequence[Sample] | None = None,
        cache_gib: float | None = None,
    ):
        super().__init__(config, {})
        self._samples, self._translated = samples, translated
        self._cache_gib = cache_gib
        self.epochs = config.reid.epochs
        self.batch_size = config.reid.batch_size
        self.jit_compile = config.reid.jit_compile

    def check_config(self):
        backbone = resolve_weights(self.config.backbone)
        self.config = replace(self.config, backbone=backbone)
        found = check_reid_training(self.config)
        smoothing = self.config.reid.translated_label_smoothing
        if smoothing and self._translated is None:
            found.append(
                f"reid.translated_label_smoothing is {smoothing:g} but no translated "
                "images are given: it smooths nothing; give them, or set "
                "reid.label_smoothing for real images"
            )
        return found

    def prepare(self):
        reid, samples, translated = self.config.reid, self._samples, self._translated
        if reid.labels == "camera":
            if translated is not None:
                raise InputError(ONLY_REAL)
            samples = camera_classes(samples)
        self.images = _by_name("data", samples)
        if translated is not None:
            self.images |= _by_name("translated", translated)
        numbers = ()
        if len(by_dataset(samples)) > 1:
            joined = join(samples, translated)
            samples, translated = joined.samples, joined.translated
            numbers = joined.people
        held_out = draw_held_out(samples, reid.held_out_identities, self.config.seed)
        self._validation = [s for s in samples if s.person_id in held_out]
        self.labels = replace(
            LabelMap.from_samples(s for s in samples if s.person_id not in held_out),
            datasets=numbers,
        )
        if len(self.labels) < 2:
            one_class, _ = _CLASSES[reid.labels]
            raise InputError(
                f"{len(self.labels)} training {one_class}, expected at least 2 to tell "
                "apart"
            )
        self._training = [
            s
            for s in (samples if translated is None else translated)
            if s.person_id not in held_out
        ]
        check_cache(len(self._training), reid.image_size, self._cache_gib)
        self.epoch_steps = steps_per_epoch(len(self._training), reid.batch_size)
        if self._images_per_identity is not None:
            check_identities(self._training, reid.batch_size, self._images_per_identity)
        # Before the folder is made: an identity that the dataset lacks is an error.
        for sample in self._training:
            self.labels.index(sample.person_id)

    def build(self):
        reid = self.config.reid
        network = self._network(reid.precision)
        load_pretrained_backbone(network, self.config.backbone)
        self.networks = {"network": network}
        freeze_stages(network.backbone, reid.frozen_stages)
        self.optimizers = make_optimizers(reid, self.epoch_steps)
        self.model = ReidTraining(
            network,
            reid.weight_decay,
            self._label_smoothing,
            reid.triplet_margin,
            reid.frozen_batch_norm,
        )
        self.model.compile(**self.optimizers)

    def train_step(self, batch):
        return self.model.train_step(batch)

    @property
    def training(self) -> Sequence[Sample]:
        """The samples that are trained on, once it is prepared."""
        return self._training

    def batches(self, start_step, end_step, worker):
        return self.pipeline(start_step=start_step, end_step=end_step, worker=worker)

    def pipeline(self, **which):
        """Return `reid_batches` of this run; `which` says of what steps or rows."""
        reid = self.config.reid
        return reid_batches(
            self._training,
            self.labels,
            image_size=reid.image_size,
            batch_size=reid.batch_size,
            seed=self.config.seed,
            crop=reid.random_sized_crop,
            flip=reid.random_flip,
            pad_crop=reid.pad_crop,
            jitter=reid.color_jitter,
            erasing=reid.random_erasing,
            fill=self.config.backbone.mean,
            dropout_units=reid.fc_units,
            images_per_identity=self._images_per_identity,
            cache=self._cache_gib is not None,
            **which,
        )

    def learning_rates(self, step):
        # Asked of the schedule: of the optimiser Keras 2 and 3 tell different steps'.
        reid = self.config.reid
        rates = learning_rates(reid, self.epoch_steps, reid.learning_rate)
        return {"reid/learning_rate": float(rates(step))}

    def summary(self):
        _, classes = _CLASSES[self.config.reid.labels]
        if self.labels.datasets:
            classes += f" of {len(self.labels.datasets)} datasets"
        return (
            f"{len(self._training)} images of {len(self.labels)} {classes}, "
            f"{self.num_steps} steps of {self.epoch_steps} in each epoch"
        )

    def on_train_begin(self, run, checkpoints, step):
        self._best = BestCheckpoints(run.best, self.networks, checkpoints)
        best_step = self._best.go_back(step)
        self._best_map = logged_map(run.path / "metrics.jsonl", best_step)

    def on_epoch_end(self, run, step, log):
        if not self._validation:
            return
        # Not the trained network itself, which all workers would have to run.
        plain = self._network()
        copy_weights(self.networks["network"], plain)
        score = held_out_map(plain, self._validation, self.config)
        log.write(step, {HELD_OUT_MAP: score})
        if score > self._best_map:
            self._best_map = score
            self._best.save(step)

    @property
    def _label_smoothing(self):
        reid = self.config.reid
        translated = self._translated is not None and reid.translated_label_smoothing
        return translated or reid.label_smoothing

    def _network(self, precision="float32"):
        config = self.config
        return build_reid_network(
            config.backbone, config.reid, len(self.labels), precision
        )

    @property
    def _images_per_identity(self):
        """K of the sampler of identities; None shuffles all images."""
        reid = self.config.reid
        return reid.images_per_identity if reid.sampler == "identities" else None


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
            Of several datasets (`Sample.dataset`), people and cameras are kept apart.
        out: the run folder to make.
        translated: train on these instead; their identities are the dataset's.
        devices, resume, progress, left_out: as for `run_training`.
        cache_gib: memory to keep the decoded images in; None keeps none.

    Returns:
        The run, as `run_training`.

    Raises:
        InputError: too few images or identities (or cameras); translated identities
            that the dataset lacks; translated images for a classifier of cameras; an
            image that is of two datasets; more images than `cache_gib` holds; weights
            that can't be had or don't fit; or as `run_training`.
        ConfigError, TrainingError, SystemExit: as `run_training`.
    """
    return run_training(
        ReidMethod(config, samples, translated, cache_gib),
        out,
        devices=devices,
        resume=resume,
        progress=progress,
        left_out=left_out,
    )


def _by_name(what, samples):
    """Return the samples by what a run calls them: "data", "data 2" of a second one."""
    parts = enumerate(by_dataset(samples), start=1)
    return {what if n == 1 else f"{what} {n}": part for n, part in parts}
