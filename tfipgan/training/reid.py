"""The re-ID training step: cross-entropy over identities (paper section 3.1)."""

import keras
import tensorflow as tf

from tfipgan import losses
from tfipgan.training.replicas import (
    gradient_norm,
    mean_over_replicas,
    num_replicas,
    sum_over_replicas,
)


class ReidTraining(keras.Model):
    """Trains a `ReidNetwork` with one optimiser for its backbone and one for its head.

    Args:
        network: `ReidNetwork`, built.
        weight_decay: float; weight_decay * w joins the gradient before the momentum, as
            PyTorch has it, for all trainable parameters. Keras's own is decoupled.
    """

    # What the step returns is equal on all replicas; Keras 2's fit would add it up.
    distribute_reduction_method = "first"

    def __init__(self, network, weight_decay=5e-4, **kwargs):
        super().__init__(**kwargs)
        self.network = network
        self.weight_decay = weight_decay
        self.built = True

    def compile(self, backbone_optimizer, head_optimizer, **kwargs):
        """Set both optimisers, make their slots; call it in the strategy's scope."""
        super().compile(**kwargs)
        backbone_optimizer.build(self.network.backbone.trainable_variables)
        head_optimizer.build(self.network.head.trainable_variables)
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
            Dict of scalars over the global batch: reid/loss and the length of its
            gradient, reid/gradient_norm, both without weight decay; reid/accuracy, a
            fraction.
        """
        parts = (
            (self.backbone_optimizer, self.network.backbone.trainable_variables),
            (self.head_optimizer, self.network.head.trainable_variables),
        )
        with tf.GradientTape() as tape:
            logits = self.network(
                batch["images"], training=True, dropout_noise=batch["dropout_noise"]
            )
            loss = mean_over_replicas(losses.identity_loss(logits, batch["identities"]))
        gradients = tape.gradient(loss, [variables for _, variables in parts])
        for (optimizer, variables), part in zip(parts, gradients, strict=True):
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
            "reid/gradient_norm": gradient_norm([*gradients[0], *gradients[1]]),
        }
