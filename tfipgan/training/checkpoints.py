"""Checkpoints of a training run: everything that the next step depends on."""

from pathlib import Path

from tfipgan.checkpoints import (
    checkpoint_step,
    latest_checkpoint,
    load_network,
    load_optimizers,
    save_checkpoint,
)
from tfipgan.errors import InputError


class Checkpoints:
    """Saves and restores the networks and optimisers of one run.

    The pipelines need the seed and the step only, which the run's config and the
    checkpoint's name hold.

    Args:
        folder: where the checkpoints lie; the last three are kept.
        networks: what to save, by the name it has in the checkpoint.
        optimizers: the same; none for weights that no training goes on from.
    """

    def __init__(self, folder: Path, networks: dict, optimizers: dict | None = None):
        self._folder = folder
        self._networks = networks
        self._optimizers = optimizers or {}

    def save(self, step: int) -> None:
        """Save everything as it is after `step` steps."""
        save_checkpoint(self._folder, step, self._networks, self._optimizers)

    def restore_latest(self) -> int:
        """Restore the last checkpoint; return its step, 0 if there is none.

        Raises:
            InputError: it is damaged, of other networks or optimisers, or its
                optimisers' state is another Keras's.
        """
        latest = latest_checkpoint(self._folder)
        if latest is None:
            return 0
        try:
            if self._optimizers:
                load_optimizers(latest, self._optimizers)
            for name, network in self._networks.items():
                load_network(latest, name, network)
        except FileNotFoundError as error:
            raise InputError(
                f"{latest} has no optimisers' state, so no training can go on from it"
            ) from error
        return checkpoint_step(latest)
