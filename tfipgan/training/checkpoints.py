"""Checkpoints of a training run: everything that the next step depends on."""

from pathlib import Path

import tensorflow as tf

from tfipgan.errors import InputError
from tfipgan.variables import named_variables

KEPT = 3


class Checkpoints:
    """Saves and restores named objects (networks, optimisers) with the step and seed.

    Args:
        folder: where the checkpoints lie; the last three are kept.
        seed: int, of the run; the pipelines need only it and the step.
        objects: what to save, by the name it has in the checkpoint.
    """

    def __init__(self, folder: Path, seed: int, **objects):
        self._step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        self._seed = tf.Variable(seed, dtype=tf.int64, trainable=False, name="seed")
        variables = {name: named_variables(owner) for name, owner in objects.items()}
        checkpoint = tf.train.Checkpoint(step=self._step, seed=self._seed, **variables)
        self._manager = tf.train.CheckpointManager(
            checkpoint, str(folder), max_to_keep=KEPT
        )

    def save(self, step: int) -> None:
        """Save all objects as they are after `step` steps."""
        self._step.assign(step)
        self._manager.save(checkpoint_number=step)

    def restore_latest(self) -> int:
        """Restore the last checkpoint; return its step, 0 if there is none.

        Raises:
            InputError: it is damaged, or of other networks or optimisers.
        """
        latest = self._manager.latest_checkpoint
        if latest is None:
            return 0
        try:
            status = self._manager.checkpoint.restore(latest)
            status.assert_existing_objects_matched()
        except (tf.errors.OpError, ValueError, AssertionError, IndexError) as error:
            raise InputError(
                f"{latest} is damaged or of another network or optimiser "
                f"({str(error).splitlines()[0]}); remove its files to go on from an "
                "earlier one, or start anew with another --out"
            ) from error
        return int(self._step.numpy())
