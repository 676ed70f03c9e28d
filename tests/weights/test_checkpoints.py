"""Checkpoints: everything comes back, the last three are kept, damage is found."""

import logging
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfipgan.errors import InputError
from tfipgan.files.output_file import remove_stale_files
from tfipgan.files.tensor_file import load_arrays, save_arrays
from tfipgan.training.checkpoints import BestCheckpoints, Checkpoints
from tfipgan.weights.checkpoints import (
    DamagedCheckpoint,
    checkpoint_step,
    intact_checkpoint,
    latest_checkpoint,
    load_network,
    load_optimizers,
    save_checkpoint,
)


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
    assert checkpoints.restore_latest() == (0, {}, [])
    assert (checkpoints.last(), checkpoints.oldest_step()) == (None, 0)
    assert latest_checkpoint(tmp_path / "none") is None
    assert_equal(before, values(model, optimizer))
    assert not (tmp_path / "none").exists()


def test_all_variables_and_the_step_come_back(tmp_path):
    model, optimizer = make()
    change(model, optimizer, 1)
    pending = [{"D/loss": 0.1}, {"D/loss": float(np.float32(0.1))}]
    arrays = {"labels": np.arange(3), "pool": np.zeros((0, 2), np.float32)}
    Checkpoints(tmp_path, {"m": model}, {"o": optimizer}).save(17, arrays, pending)
    saved = values(model, optimizer)
    assert len(saved) >= 2 + 2 + 1
    other_model, other_optimizer = make()
    change(other_model, other_optimizer, 3)
    checkpoints = Checkpoints(tmp_path, {"m": other_model}, {"o": other_optimizer})
    step, found, losses = checkpoints.restore_latest()
    assert (step, losses) == (17, pending)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
    assert_equal(saved, values(other_model, other_optimizer))


def test_the_files_are_flat_and_of_stable_names(tmp_path):
    model, optimizer = make()
    path = save_checkpoint(tmp_path, 5, {"m": model}, {"o": optimizer})
    assert path == tmp_path / "step-00000005" and checkpoint_step(path) == 5
    names = sorted(file.name for file in path.iterdir())
    assert names == ["m.safetensors", "optimizers.safetensors"]
    arrays, about = load_arrays(path / "m.safetensors")
    assert len(about.pop("sha256")) == 64
    assert about == {
        "step": "5", "keras": keras.__version__, "tensorflow": tf.__version__,
        "files": "m optimizers",
    }  # fmt: skip
    assert arrays.keys() == {"hidden.0.kernel", "hidden.0.bias"}
    np.testing.assert_array_equal(arrays["hidden.0.kernel"], model.hidden[0].kernel)
    assert all(n.startswith("o/0") for n in load_arrays(path / names[1])[0])


def test_the_last_three_are_kept_and_the_last_is_restored(tmp_path):
    model, optimizer = make()
    checkpoints = Checkpoints(tmp_path, {"m": model}, {"o": optimizer})
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
    last = values(model, optimizer)
    change(model, optimizer, 1)
    assert checkpoints.oldest_step() == 9
    assert checkpoints.restore_latest() == (100_000_000, {}, [])
    assert_equal(last, values(model, optimizer))


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


def test_a_replacement_that_fails_leaves_the_old_one(tmp_path, monkeypatch):
    model, optimizer = make()
    path = save_checkpoint(tmp_path, 1, {"m": model})
    before = (path / "m.safetensors").read_bytes()
    rename = Path.rename

    def fail(self, target):
        if self.suffix == ".tmp":
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    change(model, optimizer, 1)
    with pytest.raises(OSError, match="Input/output error"):
        save_checkpoint(tmp_path, 1, {"m": model})
    assert [p.name for p in tmp_path.iterdir()] == ["step-00000001"]
    assert (path / "m.safetensors").read_bytes() == before


def test_a_replacement_that_is_killed_half_way_leaves_the_old_one(tmp_path):
    """Between the old one's renaming and the new one's."""
    model, _ = make()
    path = save_checkpoint(tmp_path, 1, {"m": model})
    path.rename(tmp_path / ".step-00000001.9.old")
    remove_stale_files(tmp_path)
    assert intact_checkpoint(tmp_path) == path


def test_another_shape_or_part_is_an_error(tmp_path):
    model, optimizer = make()
    path = save_checkpoint(tmp_path, 1, {"m": model})
    wider, _ = make(units=3)
    before = values(wider)
    with pytest.raises(InputError, match=r"m\.safetensors does not fit .*\(3, 3\)"):
        load_network(path, "m", wider)
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
    # Of an earlier version, or else the words are not those of the digest.
    del about["sha256"]
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
    load_network(path, "m", model)


@pytest.fixture
def three(tmp_path):
    """(model, optimiser, their values at steps 1, 2 and 3), saved in tmp_path."""
    model, optimizer = make()
    saved = {}
    for step in (1, 2, 3):
        change(model, optimizer, step)
        save_checkpoint(tmp_path, step, {"m": model}, {"o": optimizer})
        saved[step] = values(model, optimizer)
    return model, optimizer, saved


def cut(path):
    file = path / "optimizers.safetensors"
    file.write_bytes(file.read_bytes()[:-1])


def flip(path, place=-1):
    file = path / "m.safetensors"
    contents = bytearray(file.read_bytes())
    contents[place] ^= 4
    file.write_bytes(contents)


def lose(path):
    (path / "m.safetensors").unlink()


def empty(path):
    for file in path.iterdir():
        file.unlink()


def replace_by_a_file(path):
    shutil.rmtree(path)
    path.write_text("x")


DAMAGES = {
    cut: "optimizers.safetensors is damaged or not a .safetensors file",
    flip: "m.safetensors is damaged (its values are not those of its checksum)",
    lose: "is damaged (m.safetensors is missing)",
    empty: "is damaged (it is empty)",
    replace_by_a_file: "is damaged (it is empty)",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_set_aside_for_the_one_before(
    three, tmp_path, caplog, damage
):
    model, optimizer, saved = three
    damage(tmp_path / "step-00000003")
    checkpoints = Checkpoints(tmp_path, {"m": model}, {"o": optimizer})
    with caplog.at_level(logging.WARNING):
        assert checkpoints.restore_latest() == (2, {}, [])
    assert_equal(saved[2], values(model, optimizer))
    (line,) = (record.getMessage() for record in caplog.records)
    assert DAMAGES[damage] in line and str(tmp_path / "step-00000003") in line
    kept = ", kept as damaged-step-00000003; going back to step-00000002"
    assert line.endswith(kept)
    assert "\n" not in line
    there = ["damaged-step-00000003", "step-00000001", "step-00000002"]
    assert sorted(path.name for path in tmp_path.iterdir()) == there
    # The step comes again, and is damaged again.
    checkpoints.save(3)
    damage(tmp_path / "step-00000003")
    assert checkpoints.restore_latest()[0] == 2
    assert "damaged-step-00000003-2" in [path.name for path in tmp_path.iterdir()]


def test_who_only_reads_changes_nothing(three, tmp_path, caplog):
    for step in (2, 3):
        flip(tmp_path / f"step-0000000{step}")
    with caplog.at_level(logging.WARNING):
        assert intact_checkpoint(tmp_path) == tmp_path / "step-00000001"
    assert len(caplog.records) == 2
    assert all("step-00000001" in record.getMessage() for record in caplog.records)
    assert len(list(tmp_path.iterdir())) == 3


def test_all_damaged_is_an_error_and_nothing_is_set_aside(three, tmp_path):
    model, optimizer, _ = three
    for step in (1, 2, 3):
        flip(tmp_path / f"step-0000000{step}")
    for _ in range(2):
        with pytest.raises(InputError, match="is whole; of its 3 ") as e:
            Checkpoints(tmp_path, {"m": model}, {"o": optimizer}).restore_latest()
        assert "step-00000003/m.safetensors is damaged" in str(e.value)
        assert "\n" not in str(e.value)
    assert len(list(tmp_path.iterdir())) == 3


def test_any_bit_is_noticed(tmp_path):
    """In the arrays, their names and shapes, and the words about them."""
    model, optimizer = make()
    path = save_checkpoint(tmp_path, 1, {"m": model})
    whole = (path / "m.safetensors").read_bytes()
    arrays, about = load_arrays(path / "m.safetensors")
    unnoticed = 0
    for place in range(len(whole)):
        (path / "m.safetensors").write_bytes(whole)
        flip(path, place)
        try:
            intact_checkpoint(tmp_path)
        except InputError:
            continue
        # All that may change is the digest's own name, or the blanks of a header.
        unnoticed += 1
        got, words = load_arrays(path / "m.safetensors")
        assert got.keys() == arrays.keys()
        for name, array in arrays.items():
            np.testing.assert_array_equal(got[name], array)
        assert words.keys() - about.keys() or words == about
    assert unnoticed < 20


def test_a_file_that_may_not_be_read_is_not_damaged(three, tmp_path, monkeypatch):
    """Run as root, the tests can't be refused by the system itself."""

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("tfipgan.weights.checkpoints.load_arrays", refuse)
    with pytest.raises(PermissionError):
        intact_checkpoint(tmp_path)


def test_an_unreadable_disk_is_damage(three, tmp_path, monkeypatch):
    def fail(path):
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr("tfipgan.weights.checkpoints.load_arrays", fail)
    with pytest.raises(InputError, match="whole; of its 3 .*Input/output error"):
        intact_checkpoint(tmp_path)


def test_checkpoints_without_digests_are_read_as_they_are(three, tmp_path):
    """As versions before had them; a file that is cut short is found all the same."""
    for path in sorted(tmp_path.iterdir()):
        for file in path.iterdir():
            arrays, about = load_arrays(file)
            save_arrays(file, arrays, {"step": "1", "keras": about["keras"]})
    model, optimizer, saved = three
    checkpoints = Checkpoints(tmp_path, {"m": model}, {"o": optimizer})
    assert checkpoints.restore_latest() == (3, {}, [])
    assert_equal(saved[3], values(model, optimizer))
    cut(tmp_path / "step-00000003")
    assert checkpoints.restore_latest() == (2, {}, [])


def test_loading_notices_damage_too(three, tmp_path):
    model, optimizer, _ = three
    path = tmp_path / "step-00000003"
    flip(path)
    with pytest.raises(DamagedCheckpoint):
        load_network(path, "m", model)
    cut(path)
    with pytest.raises(DamagedCheckpoint):
        load_optimizers(path, {"o": optimizer})


def test_the_bests_that_a_restart_may_need_are_kept(tmp_path):
    model, optimizer = make()
    checkpoints = Checkpoints(tmp_path / "all", {"m": model}, {"o": optimizer})
    best = BestCheckpoints(tmp_path / "best", {"m": model}, checkpoints)
    assert best.go_back(0) is None

    def steps():
        return [checkpoint_step(path) for path in sorted((tmp_path / "best").iterdir())]

    # No checkpoint yet: a restart would be at step 0.
    for step in (1, 2):
        best.save(step)
    assert steps() == [1, 2]
    for step in (2, 4, 6):
        checkpoints.save(step)
    best.save(7)
    # A restart at 2 would find 2, one at 4 or 6 too.
    assert steps() == [2, 7]
    checkpoints.save(8)
    best.save(9)
    assert steps() == [2, 7, 9]
    assert best.go_back(8) == 7
    assert steps() == [2, 7]
    assert best.go_back(6) == 2
    assert best.go_back(1) is None


def test_no_best_that_is_whole(tmp_path, caplog):
    model, optimizer = make()
    checkpoints = Checkpoints(tmp_path / "all", {"m": model}, {"o": optimizer})
    best = BestCheckpoints(tmp_path / "best", {"m": model}, checkpoints)
    best.save(3)
    flip(tmp_path / "best" / "step-00000003")
    assert best.go_back(4) is None
    assert caplog.messages == [
        f"{tmp_path / 'best'} has no checkpoint that is whole; the best from here on "
        "is kept"
    ]
    best.save(5)
    assert best.go_back(6) == 5


@pytest.mark.parametrize(
    "notes", ["x", "[]", "{}", '{"unlogged": 3}', '{"unlogged": [[]]}', "[" * 9999]
)
def test_notes_of_another_kind(tmp_path, notes):
    model, optimizer = make()
    save_checkpoint(tmp_path, 3, {"m": model}, {"o": optimizer}, notes=notes)
    with pytest.raises(InputError, match="step-00000003 has notes of another kind"):
        Checkpoints(tmp_path, {"m": model}, {"o": optimizer}).restore_latest()
