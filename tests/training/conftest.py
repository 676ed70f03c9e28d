"""A training of no time at all, with all that surrounds one."""

from types import SimpleNamespace

import numpy as np
import pytest

EPOCH_STEPS, EPOCHS, METRICS_EVERY = 5, 2, 4


def make_line():
    """Return a model that learns the sum of three numbers, as a training step."""
    # Not above: TensorFlow's import waits for tests/conftest.py.
    import keras
    import tensorflow as tf

    class Line(keras.Model):
        def __init__(self):
            super().__init__(name="line")
            self.dense = keras.layers.Dense(1, name="dense")

        def call(self, inputs):
            return self.dense(inputs)

    class LineTraining:
        def __init__(self):
            keras.utils.set_random_seed(1)
            self.network = Line()
            self.network(tf.zeros((1, 3)))
            self.optimizer = keras.optimizers.SGD(0.1, momentum=0.9, name="sgd")
            self.optimizer.build(self.network.trainable_variables)

        def train_step(self, rows):
            variables = self.network.trainable_variables
            with tf.GradientTape() as tape:
                right = tf.reduce_sum(rows, axis=1, keepdims=True)
                loss = tf.reduce_mean((self.network(rows) - right) ** 2)
            gradients = tape.gradient(loss, variables)
            self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
            return {"loss": loss, "gradient_norm": tf.linalg.global_norm(gradients)}

    return LineTraining()


def rows_of_step(step):
    return np.random.default_rng(step).random((2, 3)).astype(np.float32)


@pytest.fixture
def line_training(tiny_config, tmp_path):
    """Trains a toy model in a run folder, from where it is to its end.

    Function of the run's name and of hooks {what: function}: "rows" (step, rows) ->
    rows of a step, "epoch" (step, log) at an epoch's end. Gives what the run is like
    then: path, weights, state (all arrays of the last checkpoint), records, steps
    (saved ones).
    """
    import tensorflow as tf

    from tfipgan.data.labels import LabelMap
    from tfipgan.runs.run import create_run, open_run
    from tfipgan.training.checkpoints import Checkpoints
    from tfipgan.training.resumable import Plan, train_resumably
    from tfipgan.training.strategy import make_strategy
    from tfipgan.training.team import Team

    def train(name="run", rows=lambda step, rows: rows, epoch=lambda step, log: None):
        path = tmp_path / name
        if path.exists():
            run = open_run(path, "reid")
        else:
            run = create_run(path, "reid", tiny_config, labels=LabelMap((1, 2)))
        team = Team(make_strategy(["CPU:0"]))
        with team.strategy.scope():
            model = make_line()
        checkpoints = Checkpoints(
            run.checkpoints, {"line": model.network}, {"sgd": model.optimizer}
        )
        plan = Plan(
            "train-line",
            EPOCH_STEPS,
            EPOCHS,
            METRICS_EVERY,
            checkpoint_every=1,
            learning_rates=lambda step: {"rate": 0.1},
            on_epoch=epoch,
            remedy="learn slower",
        )

        def make_batches(start_step):
            steps = range(start_step + 1, plan.num_steps + 1)
            batches = [rows(step, rows_of_step(step)) for step in steps]
            return tf.data.Dataset.from_tensor_slices(np.reshape(batches, (-1, 2, 3)))

        train_resumably(
            run,
            plan,
            model,
            team,
            checkpoints,
            make_batches,
            checkpoints.restore_latest(),
            progress=False,
        )
        return state_of(path, model)

    return train


def state_of(path, model=None):
    """Return what a run is like; also one that has not come to its end."""
    from tfipgan.files.tensor_file import load_arrays
    from tfipgan.runs.metrics_log import read_metrics
    from tfipgan.weights.variables import named_weights

    saved = sorted((path / "checkpoints").glob("step-*"))
    weights = named_weights(model.network) if model else {}
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
