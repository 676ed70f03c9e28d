"""What a training method says of itself; `tfipgan.training.runner` does the rest."""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from tfipgan.config import Config
from tfipgan.data.filenames import Sample
from tfipgan.data.labels import DomainMap, LabelMap
from tfipgan.files.worker import Worker
from tfipgan.runs.metrics_log import MetricsLog
from tfipgan.runs.run import Run
from tfipgan.training.checkpoints import Checkpoints


class Method:
    """One way to train: its networks, its batches, its step, and its own state.

    A method is a subclass in a file of its own. The runner calls `check_config`,
    `prepare` and `build`; and then, of one process alone or of the chief of several
    workers, the hooks: `on_train_begin`, at each epoch's start `on_epoch_begin`, at its
    end `on_epoch_end`. Of all workers `renew` is called, where an epoch starts anew.

    State beside networks and optimisers (labels by clustering, a memory, a pool of
    earlier images) is kept in every checkpoint as named arrays, see `arrays`. So a run
    that was killed in the middle of an epoch goes on with what that epoch began with,
    though the weights that it was made from are gone.

    A class attribute each method sets:
        kind: "gan" or "reid", what its runs are opened as.
        title: of the progress bar.
        remedy: what may help a run that diverges.
        checkpoint_every: epochs to a checkpoint; the last step has one in any case.
        extendable: names of config values, such as "reid.epochs", that --resume may
            raise.
        remakes_batches: whether batches depend on what `on_epoch_begin` makes. Then
            that is called, and the batches of an epoch are asked for at its start;
            else those of the whole run at once.

    Args:
        config: of the run.
        images: what it is trained on, by what they are; --resume compares them.

    Attributes:
        labels, domains: as of a `Run`; set by `prepare` where there are any.
        adapted: name of the re-ID run that it goes on from, where what it trains has
            no classifier; else None.
        digests: {name: SHA-256} of what else decides the training, such as the weights
            of "semantic"; --resume compares them too.
        networks, optimizers: {name: object} of all that is trained; set by `build`.
            Optimisers are built, and named as here.
    """

    kind: str
    title: str
    remedy: str
    checkpoint_every = 1
    extendable: tuple[str, ...] = ()
    remakes_batches = False

    def __init__(self, config: Config, images: Mapping[str, Sequence[Sample]]):
        self.config = config
        self.images = images
        self.labels: LabelMap | None = None
        self.domains: DomainMap | None = None
        self.adapted: str | None = None
        self.digests: dict[str, str] = {}
        self.networks: dict = {}
        self.optimizers: dict = {}

    # What it says once `prepare` is through.
    epochs: int
    epoch_steps: int
    batch_size: int
    jit_compile = False
    # Whether the process has no training to do after it.
    is_last = True

    @property
    def num_steps(self) -> int:
        """Steps of the whole run."""
        return self.epochs * self.epoch_steps

    def check_config(self) -> list[str]:
        """Return a line for each value that is likely a slip, for the log.

        Raises:
            ConfigError: with these values nothing is learnt.
        """
        return []

    def prepare(self) -> None:
        """Check what it was given, and set what is said before any network is made.

        Raises:
            InputError: no run can be made of it; no folder is made then.
        """
        raise NotImplementedError

    def build(self) -> None:
        """Make networks and optimisers; called in the strategy's scope.

        Raises:
            InputError: weights to start from can't be had; no folder is made then.
        """
        raise NotImplementedError

    def train_step(self, batch) -> dict[str, tf.Tensor]:
        """Run one step on a replica's share of a batch.

        Returns:
            Scalars by name, equal on all replicas. A NaN or infinity ends the run.
        """
        raise NotImplementedError

    def batches(self, start_step: int, end_step: int, worker: Worker):
        """Return a dataset of the batches of the steps from start_step to end_step.

        A batch is a tensor or a dict of tensors, rows first, and a function of the
        seed, the step, and `arrays`. All datasets of a run have one element_spec, or
        the step would be traced anew: a length that changes is None there.

        Args:
            start_step, end_step: ints, steps done before the first one and the last.
            worker: whose rows of each global batch to make.
        """
        raise NotImplementedError

    def learning_rates(self, step: int) -> dict[str, float]:
        """Return what is logged as rates after this many steps."""
        return {}

    def summary(self) -> str:
        """Return a line that says what it trains on."""
        return f"{self.num_steps} steps of {self.epoch_steps} in each epoch"

    def arrays(self) -> dict[str, np.ndarray]:
        """Return its state beside networks and optimisers, of any shapes."""
        return {}

    def set_arrays(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take the state that `arrays` gave, in this process or an earlier one."""

    def on_train_begin(self, run: Run, checkpoints: Checkpoints, step: int) -> None:
        """Do what is due before the first step, once `step` steps are restored."""

    def on_epoch_begin(self, epoch: int) -> None:
        """Make the epoch's state from the networks, for `arrays` to give.

        Only where `remakes_batches`; not in an epoch that was under way, whose state is
        restored. Of several workers the chief alone is called, so no network that they
        share may be run: see `copy_weights`.

        Args:
            epoch: from 0.
        """

    def renew(self, epoch: int) -> None:
        """Change networks and optimisers before an epoch's first step, on all workers.

        Only where `remakes_batches`; not in an epoch that was under way. The epoch's
        state is there. Values must be the same on all workers, and no network may be
        run here.

        Args:
            epoch: from 0.
        """

    def on_epoch_end(self, run: Run, step: int, log: MetricsLog) -> None:
        """Do what is due at an epoch's end, before its checkpoint; files stay.

        As for `on_epoch_begin`, no network that workers share may be run.
        """
