"""Checkpoints: all variables come back, the last three are kept."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfipgan.errors import InputError
from tfipgan.training.checkpoints import Checkpoints
from tfipgan.variables import named_variables


def make(units=2):
    """A model that hides a layer in a list, and an optimiser with slots."""
    inner = keras.layers.Dense(units, name="inner")

    class Model(keras.Model):
        def __init__(self):
            super().__init__(name="model")
            self.hidden = [inner]

        def call(self, inputs):
            return self.hidden[0](inputs)

    model = Model()
    model(tf.zeros((1, 3)))
    optimizer = keras.optimizers.SGD(0.5, momentum=0.9, name="sgd")
    optimizer.build(model.trainable_variables)
    return model, optimizer


def change(model, optimizer, by):
    gradients = [tf.fill(v.shape, float(by)) for v in model.trainable_variables]
    optimizer.apply(gradients, model.trainable_variables)


def values(*owners):
    return [v.numpy().copy() for owner in owners for v in owner.variables]


def test_nothing_to_restore_is_step_0(tmp_path):
    model, optimizer = make()
    before = values(model, optimizer)
    assert Checkpoints(tmp_path / "none", 1, model=model).restore_latest() == 0
    for one, other in zip(before, values(model, optimizer), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not (tmp_path / "none").exists()


def test_all_variables_and_the_step_come_back(tmp_path):
    model, optimizer = make()
    change(model, optimizer, 1)
    Checkpoints(tmp_path, 8, model=model, optimizer=optimizer).save(17)
    saved = values(model, optimizer)
    assert len(saved) >= 2 + 2 + 1
    other_model, other_optimizer = make()
    change(other_model, other_optimizer, 3)
    checkpoints = Checkpoints(tmp_path, 8, model=other_model, optimizer=other_optimizer)
    assert checkpoints.restore_latest() == 17
    for one, other in zip(saved, values(other_model, other_optimizer), strict=True):
        np.testing.assert_array_equal(one, other)
    reader = tf.train.load_checkpoint(str(tmp_path))
    assert reader.get_tensor("seed/.ATTRIBUTES/VARIABLE_VALUE") == 8


def test_the_last_three_are_kept_and_the_last_is_restored(tmp_path):
    model, optimizer = make()
    checkpoints = Checkpoints(tmp_path, 0, model=model)
    for step in (1, 2, 5, 9):
        change(model, optimizer, 1)
        checkpoints.save(step)
    assert sorted(p.name for p in tmp_path.glob("*.index")) == [
        "ckpt-2.index",
        "ckpt-5.index",
        "ckpt-9.index",
    ]
    last = values(model)
    change(model, optimizer, 1)
    # By a manager of its own, as after an interruption.
    assert Checkpoints(tmp_path, 0, model=model).restore_latest() == 9
    for one, other in zip(last, values(model), strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_shape_or_part_is_an_error(tmp_path):
    model, optimizer = make()
    Checkpoints(tmp_path, 0, model=model).save(1)
    wider, _ = make(units=3)
    with pytest.raises(InputError, match="of another network .*shape"):
        Checkpoints(tmp_path, 0, model=wider).restore_latest()
    with pytest.raises(InputError, match="or optimiser .* not bound to"):
        Checkpoints(tmp_path, 0, model=model, optimizer=optimizer).restore_latest()


def test_variables_have_names_of_their_own_in_a_stable_order():
    model, optimizer = make()
    names = list(named_variables(model))
    assert [name.split("_")[0] for name in names] == ["0000", "0001"]
    assert "inner" in names[0] and "kernel" in names[0]
    assert names == list(named_variables(make()[0]))
    assert all(
        isinstance(v, tf.Variable)
        for owner in (model, optimizer)
        for v in named_variables(owner).values()
    )
    assert len(named_variables(optimizer)) == len(optimizer.variables)
    assert named_variables(tf.Module()) == {}
    module = tf.Module()
    module.weight = tf.Variable(1.0, name="weight")
    assert named_variables(module) == {"0000_weight:0": module.weight}
