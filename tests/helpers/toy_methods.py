"""Two training methods of no time, with state beside their networks."""

import keras
import numpy as np
import tensorflow as tf

from tfipgan.data.labels import LabelMap
from tfipgan.training.method import Method
from tfipgan.training.replicas import mean_over_replicas, sum_over_replicas
from tfipgan.weights.local_copies import LocalCopies, copy_weights


class Dense(keras.Model):
    """One layer, its weights drawn by the run's seed."""

    def __init__(self, units, inputs):
        super().__init__(name="toy")  # or optimisers' state has the process's count
        self.dense = keras.layers.Dense(units, name="dense")
        self(tf.zeros((1, inputs)))

    def call(self, inputs):
        return self.dense(inputs)


def memory_of(values):
    """A variable whose rows may become more or fewer; all replicas write the same."""
    rows = tf.zeros((0, values))
    return tf.Variable(rows, trainable=False, shape=(None, values))


class Clustering(Method):
    """Learns labels that it clusters from its own features at each epoch's start.

    From the second epoch on it learns from a new start, drawn by the epoch.
    """

    kind, title, remedy = "reid", "train-clustering", "cluster otherwise"
    epochs, epoch_steps, batch_size = 3, 4, 4
    remakes_batches = True

    def prepare(self):
        self.labels = LabelMap((1, 2))
        self.rows = np.random.default_rng(1).normal(size=(24, 5)).astype(np.float32)
        self.clusters = np.zeros(24, np.int64)

    def build(self):
        self.network = Dense(3, 5)
        self.memory = memory_of(3)
        optimizer = keras.optimizers.SGD(0.1, momentum=0.9, name="sgd")
        optimizer.build(self.network.trainable_variables)
        self.networks, self.optimizers = {"net": self.network}, {"sgd": optimizer}

    def on_epoch_begin(self, epoch):
        plain = Dense(3, 5)
        copy_weights(self.network, plain)
        features = plain(self.rows).numpy()
        # More clusters in each epoch, around the first features.
        seeds = features[: 2 + epoch, None]
        self.clusters = ((features - seeds) ** 2).sum(axis=2).argmin(axis=0)
        means = [features[self.clusters == k].mean(axis=0) for k in range(2 + epoch)]
        LocalCopies(self.memory).assign(np.stack(means))

    def renew(self, epoch):
        if epoch:
            kernel = np.random.default_rng(epoch).normal(size=(5, 3))
            LocalCopies(self.network.dense.kernel).assign(np.float32(kernel))

    def batches(self, start_step, end_step, worker):
        places = np.arange(start_step * 4, end_step * 4).reshape(-1, 4) % 24
        places = places[:, worker.share(4, 1)]
        columns = {"rows": self.rows[places], "clusters": self.clusters[places]}
        return tf.data.Dataset.from_tensor_slices(columns)

    def train_step(self, batch):
        clusters = batch["clusters"]
        with tf.GradientTape() as tape:
            features = self.network(batch["rows"])
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                clusters, features @ tf.transpose(self.memory)
            )
            loss = mean_over_replicas(tf.reduce_mean(losses))
        variables = self.network.trainable_variables
        gradients = tape.gradient(loss, variables)
        self.optimizers["sgd"].apply_gradients(zip(gradients, variables, strict=True))
        hot = tf.one_hot(clusters, tf.shape(self.memory)[0])
        moved = sum_over_replicas(tf.transpose(hot) @ features)
        self.memory.assign(0.9 * self.memory + 0.1 * moved)
        return sum_over_replicas({"loss": loss})

    def arrays(self):
        memory = LocalCopies(self.memory).numpy()
        return {"clusters": self.clusters, "memory": memory}

    def set_arrays(self, arrays):
        if arrays:
            self.clusters = arrays["clusters"]
            LocalCopies(self.memory).assign(arrays["memory"])


class Pair(Method):
    """Two networks against each other, the one shown earlier outputs of the other."""

    kind, title, remedy = "reid", "train-pair", "play otherwise"
    epochs, epoch_steps, batch_size = 2, 5, 4

    def prepare(self):
        self.labels = LabelMap((1, 2))

    def build(self):
        self.networks = {"maker": Dense(2, 3), "judge": Dense(1, 2)}
        self.optimizers = {
            name: keras.optimizers.Adam(0.02, name=name) for name in ("make", "judged")
        }
        for network, optimizer in zip(*self._both(), strict=True):
            optimizer.build(network.trainable_variables)
        self.pool = memory_of(2)

    def batches(self, start_step, end_step, worker):
        rows = [np.random.default_rng(k).random((4, 3)) for k in range(end_step)]
        rows = np.float32(rows[start_step:])[:, worker.share(4, 1)]
        return tf.data.Dataset.from_tensor_slices(rows)

    def train_step(self, batch):
        (maker, judge), (make, judged) = self._both()
        replica = tf.distribute.get_replica_context()
        with tf.GradientTape(persistent=True) as tape:
            made = maker(batch)
            everyone = tf.stop_gradient(replica.all_gather(made, axis=0))
            known = tf.concat([self.pool, everyone], axis=0)
            count = tf.shape(batch)[0]
            place = replica.replica_id_in_sync_group * count + tf.range(count)
            shown = judge(tf.gather(known, place)) - judge(batch[:, :2])
            losses = {"judge": tf.reduce_mean(tf.square(shown - 1.0))}
            losses["maker"] = tf.reduce_mean(tf.square(judge(made)))
            losses = mean_over_replicas(losses)
        for name, network, optimizer in (
            ("judge", judge, judged),
            ("maker", maker, make),
        ):
            variables = network.trainable_variables
            gradients = tape.gradient(losses[name], variables)
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
        self.pool.assign(known[-10:])
        return sum_over_replicas(losses)

    def arrays(self):
        return {"pool": LocalCopies(self.pool).numpy()}

    def set_arrays(self, arrays):
        if arrays:
            LocalCopies(self.pool).assign(arrays["pool"])

    def _both(self):
        return self.networks.values(), self.optimizers.values()
