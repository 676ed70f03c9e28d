"""The training step of `tfipgan adapt`, and what clustering takes of an epoch.

    python tests/bench/adaptation.py [RUN TARGET]

The step stands beside that of `train-reid` with the same network, a ResNet-50 of
today's recipe, on as many images. The epochs are those of configs/synthetic/adapt, from
RUN to the dataset TARGET; without them, from direct transfer on the built-in world 0,
which is made first.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import training
from measure import Side, compare, print_machine, print_table, serve

CLUSTERS, CAMERAS = 700, 6
EPOCHS = 6


def adapt():
    """Serve a step of `ClusterTraining` with the network of `training.strong`."""
    import keras
    import numpy as np
    import tensorflow as tf

    from tfipgan.config import load_config
    from tfipgan.models.from_config import build_reid_network
    from tfipgan.training.cluster_training import ClusterTraining

    config = load_config(
        "market_to_duke/direct_transfer_strong",
        ["backbone.pooling=avg", "backbone.weights=none"],
    )
    adapt = load_config("market_to_duke/adapt").adapt
    network = build_reid_network(config.backbone, config.reid, None)
    optimizer = keras.optimizers.Adam(adapt.learning_rate, epsilon=1e-8)
    optimizer.build(network.trainable_variables)
    model = ClusterTraining(
        network,
        optimizer,
        weight_decay=adapt.weight_decay,
        temperature=adapt.temperature,
        momentum=adapt.memory_momentum,
        lambda_camera=adapt.lambda_camera,
        camera_temperature=adapt.camera_temperature,
        camera_negatives=adapt.camera_negatives,
    )
    rng = np.random.default_rng(0)
    size = network.extract_features(tf.zeros((1, *training.REID_SIZE, 3))).shape[1]

    def directions(count):
        rows = rng.standard_normal((count, size)).astype(np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    # Every cluster is in each camera.
    clusters, cameras = np.divmod(np.arange(CLUSTERS * CAMERAS), CAMERAS)
    model.set_memories(
        directions(CLUSTERS), directions(CLUSTERS * CAMERAS), clusters, cameras
    )
    shape = training.STRONG_BATCH, *training.REID_SIZE, 3
    proxies = rng.permutation(CLUSTERS * CAMERAS)[: training.STRONG_BATCH]
    batch = {
        "images": tf.constant(rng.random(shape), tf.float32),
        "identities": tf.constant(proxies, tf.int32),
    }
    step = tf.function(model.train_step)
    serve(lambda: step(batch)["adapt/loss"].numpy())


def start_of(folder):
    """Make world 0 and a run on its source; return the run and the target."""
    run, world = folder / "run", folder / "world"
    source = world / "source"
    for words in (
        ["synthesize", world, "--seed", "0"],
        ["train-reid", "--config", "synthetic/direct_transfer", "--data", source]
        + ["--out", run],
    ):
        subprocess.run(["tfipgan", *map(str, words), "--no-progress"], check=True)
    return run, world / "target"


def epochs(run, target, out):
    """Return the seconds of an epoch's features and clusters, and of its steps."""
    from tfipgan.clustering import cluster_images
    from tfipgan.config import load_config
    from tfipgan.data.datasets import camera_samples, read_dataset
    from tfipgan.runs.run import open_run
    from tfipgan.training.adapt import AdaptMethod
    from tfipgan.training.runner import run_training

    class Timed(AdaptMethod):
        """Notes when an epoch's clusters are begun, are there, and have trained."""

        times: list[float] = []

        def on_epoch_begin(self, epoch):
            self.times.append(time.perf_counter())
            super().on_epoch_begin(epoch)
            self.times.append(time.perf_counter())

        def on_epoch_end(self, run, step, log):
            self.times.append(time.perf_counter())
            super().on_epoch_end(run, step, log)

    samples = camera_samples(read_dataset(Path(target), splits=("train",)))
    config = load_config("synthetic/adapt", [f"adapt.epochs={EPOCHS}"])
    method = Timed(config, open_run(run, "reid"), samples, cluster_images, 2**30)
    run_training(method, out, progress=False)
    clusters, steps = [], []
    # The first epoch traces the step.
    for at in range(3, len(method.times), 3):
        begun, there, trained = method.times[at : at + 3]
        clusters.append(there - begun)
        steps.append(trained - there)
    return clusters, steps


def main():
    print_machine("tensorflow", "keras", "scikit-learn")
    ours = Side(__file__, "--adapt")
    steps, others = compare(ours, Side(training.__file__, "--strong"))
    ratios = sorted(b / a for a, b in zip(steps, others, strict=True))
    medians = statistics.median(steps), statistics.median(others)
    print_table(
        ["step", "adapt, images/s", "train-reid, images/s", "ratio", "in single runs"],
        [
            [
                f"{training.STRONG_BATCH} images, {CLUSTERS} clusters",
                *(f"{training.STRONG_BATCH / median:.2f}" for median in medians),
                f"{medians[1] / medians[0]:.2f}",
                f"{ratios[0]:.2f} to {ratios[-1]:.2f}",
            ]
        ],
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = sys.argv[1:] or start_of(folder)
        clusters, steps = epochs(*start, folder / "adapted")
    print_table(
        ["seconds of an epoch", "features and clusters", "steps", "share of the first"],
        [
            [
                f"median of {len(steps)}",
                f"{statistics.median(clusters):.2f}",
                f"{statistics.median(steps):.2f}",
                f"{sum(clusters) / sum([*clusters, *steps]):.0%}",
            ]
        ],
    )


if __name__ == "__main__":
    if sys.argv[1:] == ["--adapt"]:
        adapt()
    else:
        main()
