"""The training step of PUL: a classifier of clusters on features, from one start."""

import keras
import numpy as np
import tensorflow as tf

from tfipgan import losses
from tfipgan.training.replicas import (
    gradient_norm,
    mean_over_replicas,
    sum_over_replicas,
)
from tfipgan.weights.local_copies import LocalCopies, local_copies
from tfipgan.weights.variables import named_weights

# Standard deviation of a classifier's first weights, PUL's and CamStyle's.
_FIRST = 0.001


class PulTraining:
    """The training step of a network and a classifier of clusters; no Keras model.

    Both can start anew. To be made in the strategy's scope. The classifier has the same
    classes in every round; of those that are no cluster then, no image is shown.

    Args:
        network: `ReidNetwork`, built, as each round starts from it.
        size: of its features.
        classes: of the classifier.
        dropout: float in [0, 1), the share of feature values dropped in training.
        learning_rate, momentum: of SGD.
    """

    def __init__(self, network, size, classes, *, dropout, learning_rate, momentum):
        self.network, self.dropout = network, dropout
        self._start = {
            name: copies.numpy()
            for name, copies in local_copies(named_weights(network)).items()
        }
        self.classifier = keras.layers.Dense(classes, name="classifier")
        self.classifier.build((None, size))
        self.optimizer = keras.optimizers.SGD(
            learning_rate, momentum=momentum, name="optimizer"
        )
        self.optimizer.build(self.trainable_variables)

    @property
    def trainable_variables(self):
        return [
            *self.network.trainable_variables,
            *self.classifier.trainable_variables,
        ]

    def start_anew(self, seed, number):
        """Take the first weights again, draw a new classifier, forget the momentum.

        All copies on this process's devices; nothing is run.

        Args:
            seed, number: ints that the classifier is drawn by.
        """
        for name, copies in local_copies(named_weights(self.network)).items():
            copies.assign(self._start[name])
        kernel, bias = map(LocalCopies, self.classifier.trainable_variables)
        draw = np.random.default_rng([seed, number])
        kernel.assign(draw.normal(0, _FIRST, kernel.shape).astype(np.float32))
        bias.assign(np.zeros(bias.shape, np.float32))
        for moment in map(LocalCopies, self.optimizer.momentums):
            moment.assign(np.zeros(moment.shape, np.float32))

    def train_step(self, batch):
        """Run one update.

        Args:
            batch: of `reid_batches`, whose identities are the rows' clusters and whose
                dropout_noise has a value for each of the feature's.

        Returns:
            Dict of scalars over the global batch: adapt/loss, the cross-entropy;
            adapt/accuracy, a fraction; adapt/gradient_norm.
        """
        network = self.network
        with tf.GradientTape() as tape:
            features = network.pool(batch["images"], training=True)
            if network.neck is not None:
                features = network.neck(features, training=True)
            if self.dropout:
                keep = tf.cast(batch["dropout_noise"] >= self.dropout, features.dtype)
                features = features * keep / (1.0 - self.dropout)
            logits = self.classifier(features)
            loss = mean_over_replicas(losses.identity_loss(logits, batch["identities"]))
        variables = self.trainable_variables
        gradients = tape.gradient(loss, variables)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        right = tf.equal(
            tf.argmax(logits, axis=-1, output_type=tf.int32), batch["identities"]
        )
        accuracy = mean_over_replicas(tf.reduce_mean(tf.cast(right, tf.float32)))
        return {
            **sum_over_replicas({"adapt/loss": loss, "adapt/accuracy": accuracy}),
            "adapt/gradient_norm": gradient_norm(gradients),
        }
