"""Checkpoints of a training run: everything that the next step depends on.

All of it is read and written by one process alone: other workers need not take part.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tfipgan.errors import InputError
from tfipgan.files.output_file import remove_folder
from tfipgan.weights.checkpoints import (
    checkpoint_step,
    intact_checkpoint,
    latest_checkpoint,
    list_checkpoints,
    load_checkpoint_arrays,
    load_network,
    load_optimizers,
    save_checkpoint,
)

logger = logging.getLogger(__name__)


class Restored(NamedTuple):
    """What a checkpoint holds beside networks and optimisers, as `save` was given it.

    Attributes:
        step: int, the steps done.
        arrays: the method's own state, by name.
        pending: loss terms of the last steps, which no line of numbers has yet.
    """

    step: int
    arrays: dict[str, np.ndarray]
    pending: list[dict[str, float]]


class Checkpoints:
    """Saves and restores the networks and optimisers of one run.

    The pipelines need the seed and the step only, which the run's config and the
    checkpoint's name hold.

    Args:
        folder: where the checkpoints lie; the last three are kept.
        networks: what to save, by the name it has in the checkpoint.
        optimizers: the same.
    """

    def __init__(self, folder: Path, networks: dict, optimizers: dict):
        self._folder = folder
        self._networks = networks
        self._optimizers = optimizers

    def variables(self) -> list:
        """Return all variables that are saved, in an order of their own."""
        owners = [*self._networks.values(), *self._optimizers.values()]
        return [variable for owner in owners for variable in owner.variables]

    def save(
        self,
        step: int,
        arrays: Mapping[str, np.ndarray] | None = None,
        pending: Sequence[Mapping[str, float]] = (),
    ) -> Path:
        """Save everything as it is after `step` steps; return the checkpoint.

        Args:
            step: int.
            arrays: the method's own state, of any shapes.
            pending: loss terms of the last steps, which no line of numbers has yet.
        """
        notes = json.dumps({"unlogged": list(pending)}) if pending else ""
        return save_checkpoint(
            self._folder,
            step,
            self._networks,
            self._optimizers,
            arrays=arrays,
            notes=notes,
        )

    def restore_latest(self) -> Restored:
        """Restore the last checkpoint; return what else it holds.

        A damaged one gets another name, with a warning, and the one before is taken.
        If there is none, that is step 0.

        Raises:
            InputError: all are damaged, or it is of other networks or optimisers, or
                its optimisers' state is another Keras's, or its notes are not `save`'s.
        """
        checkpoint = intact_checkpoint(self._folder, set_aside=True)
        if checkpoint is None:
            return Restored(0, {}, [])
        notes = load_optimizers(checkpoint, self._optimizers)
        for name, network in self._networks.items():
            load_network(checkpoint, name, network)
        return Restored(
            checkpoint_step(checkpoint),
            load_checkpoint_arrays(checkpoint),
            _pending(notes, checkpoint),
        )

    def last(self) -> Path | None:
        """Return the last checkpoint's folder."""
        return latest_checkpoint(self._folder)

    def oldest_step(self) -> int:
        """Return the first step that a later `restore_latest` could go back to."""
        existing = list_checkpoints(self._folder)
        return checkpoint_step(existing[0]) if existing else 0


class BestCheckpoints:
    """The best weights so far, and those that were the best at earlier checkpoints.

    A resumed run may continue from an earlier checkpoint; the best weights up to there
    are then the right ones.

    Args:
        folder: of these weights.
        networks: what to save, by name.
        checkpoints: of the same run.
    """

    def __init__(self, folder: Path, networks: dict, checkpoints: Checkpoints):
        self._folder = folder
        self._networks = networks
        self._checkpoints = checkpoints

    def go_back(self, step: int) -> int | None:
        """Forget those after `step`; return the step of the best one, if there is.

        If all that are left are damaged that is a warning: what training goes on from
        is whole, and the best of what comes takes their place.
        """
        for path in list_checkpoints(self._folder):
            if checkpoint_step(path) > step:
                remove_folder(path)
        if not list_checkpoints(self._folder):
            return None
        try:
            best = intact_checkpoint(self._folder, set_aside=True)
        except InputError:
            logger.warning(
                "%s has no checkpoint that is whole; the best from here on is kept",
                self._folder,
            )
            return None
        return checkpoint_step(best)

    def save(self, step: int) -> None:
        """Save the networks as the best so far."""
        save_checkpoint(self._folder, step, self._networks, kept=None)
        existing = list_checkpoints(self._folder)
        needed_from = self._checkpoints.oldest_step()
        for path, later in zip(existing, existing[1:], strict=False):
            if checkpoint_step(later) <= needed_from:
                remove_folder(path)


def _pending(notes, checkpoint) -> list[dict[str, float]]:
    """Return the loss terms of a checkpoint's notes."""
    try:
        steps = json.loads(notes)["unlogged"] if notes else []
        return [{name: float(x) for name, x in terms.items()} for terms in steps]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(
            f"{checkpoint} has notes of another kind, expected the loss terms of its "
            "last steps; go on in the version of tfipgan that wrote it, or train anew"
        ) from None
