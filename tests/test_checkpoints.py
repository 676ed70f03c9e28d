"""Checkpoints: everything comes back, the last three are kept, the rest is refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfipgan.checkpoints import (
    checkpoint_step,
    latest_checkpoint,
    load_network,
    load_optimizers,
    save_checkpoint,
)
from tfipgan.errors import InputError
from tfipgan.tensor_file import load_arrays, save_arrays
from tfipgan.training.checkpoints import Checkpoints


def make(units=2):
    """A model that keeps a layer in a list, and an optimiser with slots."""
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
    variables = model.trainable_variables
    gradients = [tf.fill(v.shape, float(by)) for v in variables]
    optimizer.apply_gradients(zip(gradients, variables, strict=True))


def values(*owners):
    return [v.numpy().copy() for owner in owners for v in owner.variables]


def assert_equal(some, others):
    for one, other in zip(some, others, strict=True):
        np.testing.assert_array_equal(one, other)


def test_nothing_to_restore_is_step_0(tmp_path):
    model, optimizer = make()
    before = values(model, optimizer)
    checkpoints = Checkpoints(tmp_path / "none", {"m": model}, {"o": optimizer})
    assert checkpoints.restore_latest() == 0
    assert latest_checkpoint(tmp_path / "none") is None
    assert_equal(before, values(model, optimizer))
    assert not (tmp_path / "none").exists()


def test_all_variables_and_the_step_come_back(tmp_path):
    model, optimizer = make()
    change(model, optimizer, 1)
    Checkpoints(tmp_path, {"m": model}, {"o": optimizer}).save(17)
    saved = values(model, optimizer)
    assert len(saved) >= 2 + 2 + 1
    other_model, other_optimizer = make()
    change(other_model, other_optimizer, 3)
    checkpoints = Checkpoints(tmp_path, {"m": other_model}, {"o": other_optimizer})
    assert checkpoints.restore_latest() == 17
    assert_equal(saved, values(other_model, other_optimizer))


def test_the_files_are_flat_and_of_stable_names(tmp_path):
    model, optimizer = make()
    path = save_checkpoint(tmp_path, 5, {"m": model}, {"o": optimizer})
    assert path == tmp_path / "step-00000005" and checkpoint_step(path) == 5
    names = sorted(file.name for file in path.iterdir())
    assert names == ["m.safetensors", "optimizers.safetensors"]
    arrays, about = load_arrays(path / "m.safetensors")
    assert about == {
        "step": "5", "keras": keras.__version__, "tensorflow": tf.__version__,
    }  # fmt: skip
    assert arrays.keys() == {"hidden.0.kernel", "hidden.0.bias"}
    np.testing.assert_array_equal(arrays["hidden.0.kernel"], model.hidden[0].kernel)
    assert all(n.startswith("o/0") for n in load_arrays(path / names[1])[0])


def test_the_last_three_are_kept_and_the_last_is_restored(tmp_path):
    model, optimizer = make()
    checkpoints = Checkpoints(tmp_path, {"m": model})
    # By number and not by name, and whatever else lies there is left alone.
    (tmp_path / "step-notes").mkdir()
    (tmp_path / ".step-00000007.1.tmp").mkdir()
    for step in (9, 1, 20, 100_000_000):
        change(model, optimizer, 1)
        checkpoints.save(step)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        ".step-00000007.1.tmp",
        "step-00000009",
        "step-00000020",
        "step-100000000",
        "step-notes",
    ]
    last = values(model)
    change(model, optimizer, 1)
    assert Checkpoints(tmp_path, {"m": model}).restore_latest() == 100_000_000
    assert_equal(last, values(model))


def test_a_step_that_is_saved_again(tmp_path):
    model, optimizer = make()
    save_checkpoint(tmp_path, 1, {"m": model}, {"o": optimizer})
    change(model, optimizer, 1)
    path = save_checkpoint(tmp_path, 1, {"m": model})
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert [p.name for p in path.iterdir()] == ["m.safetensors"]
    saved = load_arrays(path / "m.safetensors")[0]
    np.testing.assert_array_equal(saved["hidden.0.bias"], model.hidden[0].bias)


def test_a_save_that_fails_leaves_what_was_there(tmp_path):
    model, _ = make()
    save_checkpoint(tmp_path, 1, {"m": model})
    with pytest.raises(TypeError):
        save_checkpoint(tmp_path, 2, {"m": model, "broken": object()})
    assert [p.name for p in tmp_path.iterdir()] == ["step-00000001"]


def test_another_shape_or_part_is_an_error(tmp_path):
    model, optimizer = make()
    path = save_checkpoint(tmp_path, 1, {"m": model})
    wider, _ = make(units=3)
    before = values(wider)
    with pytest.raises(InputError, match=r"m\.safetensors does not fit .*\(3, 3\)"):
        Checkpoints(tmp_path, {"m": wider}).restore_latest()
    assert_equal(before, values(wider))
    with pytest.raises(InputError, match="has no optimisers' state"):
        Checkpoints(tmp_path, {"m": model}, {"o": optimizer}).restore_latest()
    with pytest.raises(InputError, match="00000001 has no other, only m$"):
        load_network(path, "other", model)
    save_checkpoint(tmp_path, 1, {"m": model}, {"another": optimizer})
    with pytest.raises(InputError, match="missing: o/0000.*; unused: another/0000"):
        load_optimizers(path, {"o": optimizer})


def test_optimisers_are_for_the_same_keras(tmp_path):
    model, optimizer = make()
    path = save_checkpoint(tmp_path, 1, {"m": model}, {"o": optimizer})
    state = path / "optimizers.safetensors"
    arrays, about = load_arrays(state)
    # Another version of the same Keras will do.
    own = keras.__version__.split(".")[0]
    save_arrays(state, arrays, about | {"keras": f"{own}.99.0"})
    load_optimizers(path, {"o": optimizer})
    for other in ({"keras": "4.0.0"}, {}):
        save_arrays(state, arrays, other)
        expected = (
            f"was saved by Keras {other.get('keras', 'unknown')}, this is Keras "
            ".*: network weights load across the two, but optimiser state and exact "
            "resume are promised within a stack; "
        )
        with pytest.raises(InputError, match=expected) as error:
            Checkpoints(tmp_path, {"m": model}, {"o": optimizer}).restore_latest()
        assert "\n" not in str(error.value)
    # The network is not held up by that.
    assert Checkpoints(tmp_path, {"m": model}).restore_latest() == 1
