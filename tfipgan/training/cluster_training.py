"""The training step of `tfipgan adapt`: features against what clusters remember."""

import tensorflow as tf

from tfipgan import losses
from tfipgan.training.cluster_memory import updated_memory
from tfipgan.training.replicas import (
    gradient_norm,
    mean_over_replicas,
    num_replicas,
    rows_of_all,
    sum_over_replicas,
)
from tfipgan.weights.local_copies import LocalCopies


class ClusterTraining:
    """The training step by a memory of clusters and camera proxies; no Keras model.

    To be made in the strategy's scope. Its memories have as many rows as an epoch has
    clusters, and proxies; the step is traced once for all.

    Args:
        network: `ReidNetwork`, built.
        optimizer: built for its trainable variables.
        weight_decay: float; weight_decay * w joins the gradient, as PyTorch has it.
        temperature, momentum: of `losses.cluster_loss` and `updated_memory`.
        lambda_camera: weight of `losses.camera_loss`, to which `camera_temperature` and
            `camera_negatives` belong; 0 leaves it out.
    """

    def __init__(
        self,
        network,
        optimizer,
        *,
        weight_decay,
        temperature,
        momentum,
        lambda_camera,
        camera_temperature,
        camera_negatives,
    ):
        self.network, self.optimizer = network, optimizer
        self.weight_decay = weight_decay
        self.temperature, self.momentum = temperature, momentum
        self.lambda_camera = lambda_camera
        self.camera_temperature = camera_temperature
        self.camera_negatives = camera_negatives
        self.memory = _unsized_variable(2, tf.float32)
        self.proxies = _unsized_variable(2, tf.float32)
        self.proxy_clusters = _unsized_variable(1, tf.int64)
        self.proxy_cameras = _unsized_variable(1, tf.int64)

    def memories(self):
        """Return {"memory": ..., "proxies": ...} as arrays."""
        return {
            "memory": LocalCopies(self.memory).numpy(),
            "proxies": LocalCopies(self.proxies).numpy(),
        }

    def set_memories(self, memory, proxies, proxy_clusters, proxy_cameras):
        """Take an epoch's memories, on all devices of this process.

        Args:
            memory: float32 (clusters, size), L2-normalised.
            proxies: float32 (proxies, size), L2-normalised, fixed for the epoch.
            proxy_clusters, proxy_cameras: int64 (proxies,), what each is of.
        """
        for variable, values in (
            (self.memory, memory),
            (self.proxies, proxies),
            (self.proxy_clusters, proxy_clusters),
            (self.proxy_cameras, proxy_cameras),
        ):
            LocalCopies(variable).assign(values)

    def train_step(self, batch):
        """Run one update.

        Args:
            batch: of `reid_batches`, whose identities are the rows' proxies, that is
                their clusters in their cameras.

        Returns:
            Dict of scalars over the global batch: adapt/loss, of the clusters;
            adapt/camera_loss, if lambda_camera is not 0, without its weight;
            adapt/gradient_norm of both together, without weight decay.
        """
        network = self.network
        proxy_clusters = tf.convert_to_tensor(self.proxy_clusters)
        proxy_cameras = tf.convert_to_tensor(self.proxy_cameras)
        clusters = tf.gather(proxy_clusters, batch["identities"])
        cameras = tf.gather(proxy_cameras, batch["identities"])
        with tf.GradientTape() as tape:
            pooled = network.pool(batch["images"], training=True)
            features = network.describe(pooled, training=True)
            memory = tf.convert_to_tensor(self.memory)
            loss = mean_over_replicas(
                losses.cluster_loss(features, memory, clusters, self.temperature)
            )
            terms, total = {"adapt/loss": loss}, loss
            if self.lambda_camera:
                camera = mean_over_replicas(
                    losses.camera_loss(
                        features,
                        tf.convert_to_tensor(self.proxies),
                        clusters[:, tf.newaxis] == proxy_clusters[tf.newaxis],
                        cameras[:, tf.newaxis] == proxy_cameras[tf.newaxis],
                        self.camera_temperature,
                        self.camera_negatives,
                    )
                )
                terms["adapt/camera_loss"] = camera
                total = loss + self.lambda_camera * camera
        variables = network.trainable_variables
        gradients = tape.gradient(total, variables)
        # The replicas' gradients are added up, so each brings its share of the decay.
        decay = self.weight_decay / num_replicas()
        decayed = [
            gradient + decay * tf.convert_to_tensor(variable)
            for gradient, variable in zip(gradients, variables, strict=True)
        ]
        self.optimizer.apply_gradients(zip(decayed, variables, strict=True))
        # Of all rows, on each replica; whole numbers are not added up everywhere.
        everyone = rows_of_all(tf.stop_gradient(features))
        owners = tf.cast(rows_of_all(tf.cast(clusters, tf.float32)), tf.int64)
        self.memory.assign(updated_memory(memory, everyone, owners, self.momentum))
        return {
            **sum_over_replicas(terms),
            "adapt/gradient_norm": gradient_norm(gradients),
        }


def _unsized_variable(rank, dtype):
    """Make a variable of any shape of this rank, with equal copies on all replicas."""
    return tf.Variable(
        tf.zeros([0] * rank, dtype), trainable=False, shape=[None] * rank
    )
