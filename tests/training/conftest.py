"""A training of no time at all, with all that surrounds one."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

EPOCH_STEPS, EPOCHS, METRICS_EVERY = 5, 2, 4


def line_method(config, rows, epoch):
    """Return a method that learns the sum of three numbers.

    rows, epoch: the hooks of `line_training`.
    """
    # Not above: TensorFlow's import waits for tests/conftest.py.
    import keras
    import tensorflow as tf

    from tfipgan.data.labels import LabelMap
    from tfipgan.training.method import Method

    class Line(keras.Model):
        def __init__(self):
            super().__init__(name="line")
            self.dense = keras.layers.Dense(1, name="dense")

        def call(self, inputs):
            return self.dense(inputs)

    class LineMethod(Method):
        kind, title, remedy = "reid", "train-line", "learn slower"
        epoch_steps, batch_size = EPOCH_STEPS, 2
        extendable = ("reid.epochs",)

        def prepare(self):
            self.labels = LabelMap((1, 2))
            self.epochs = self.config.reid.epochs

        def build(self):
            self.line = Line()
            self.line(tf.zeros((1, 3)))
            optimizer = keras.optimizers.SGD(0.1, momentum=0.9, name="sgd")
            optimizer.build(self.line.trainable_variables)
            self.networks, self.optimizers = {"line": self.line}, {"sgd": optimizer}

        def train_step(self, batch):
            variables = self.line.trainable_variables
            with tf.GradientTape() as tape:
                right = tf.reduce_sum(batch, axis=1, keepdims=True)
                loss = tf.reduce_mean((self.line(batch) - right) ** 2)
            gradients = tape.gradient(loss, variables)
            self.optimizers["sgd"].apply_gradients(
                zip(gradients, variables, strict=True)
            )
            return {"loss": loss, "gradient_norm": tf.linalg.global_norm(gradients)}

        def batches(self, start_step, end_step, worker):
            steps = range(start_step + 1, end_step + 1)
            batches = [rows(step, rows_of_step(step)) for step in steps]
            return tf.data.Dataset.from_tensor_slices(np.reshape(batches, (-1, 2, 3)))

        def learning_rates(self, step):
            return {"rate": 0.1}

        def on_epoch_end(self, run, step, log):
            epoch(step, log)

    return LineMethod(config, {})


def rows_of_step(step):
    return np.random.default_rng(step).random((2, 3)).astype(np.float32)


@pytest.fixture
def line_training(tiny_config, tmp_path, monkeypatch):
    """Trains a toy model in a run folder, from where it is to its end.

    Function of the run's name and of hooks {what: function}: "rows" (step, rows) ->
    rows of a step, "epoch" (step, log) at an epoch's end; and of options for
    `run_training`. Gives what the run is like then: path, weights, state (all arrays of
    the last checkpoint), records, steps (saved ones).
    """
    from tfipgan.training import runner

    monkeypatch.setattr(runner, "METRICS_EVERY", METRICS_EVERY)

    def train(
        name="run",
        rows=lambda step, rows: rows,
        epoch=lambda step, log: None,
        progress=False,
        epochs=EPOCHS,
    ):
        reid = replace(tiny_config.reid, epochs=epochs)
        method = line_method(replace(tiny_config, reid=reid), rows, epoch)
        run = runner.run_training(
            method, tmp_path / name, devices=["CPU:0"], resume=True, progress=progress
        )
        return state_of(run.path, method.line)

    return train


def state_of(path, network=None):
    """Return what a run is like; also one that has not come to its end."""
    from tfipgan.files.tensor_file import load_arrays
    from tfipgan.runs.metrics_log import read_metrics
    from tfipgan.weights.variables import named_weights

    saved = sorted((path / "checkpoints").glob("step-*"))
    weights = named_weights(network) if network else {}
    return SimpleNamespace(
        path=path,
        weights={name: variable.numpy() for name, variable in weights.items()},
        state={
            f"{file.stem}/{name}": array
            for file in (saved[-1].glob("*.safetensors") if saved else ())
            for name, array in load_arrays(file)[0].items()
        },
        records=read_metrics(path / "metrics.jsonl"),
        steps=[int(checkpoint.name.removeprefix("step-")) for checkpoint in saved],
    )


@pytest.fixture
def line_state(tmp_path):
    """Function of a run's name: what it is like; see `line_training`."""
    return lambda name="run": state_of(tmp_path / name)
