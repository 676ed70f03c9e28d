"""What all training runs share: steps, numbers, checkpoints, and how they end.

A checkpoint of a step is written when all else of that step is: its line of numbers,
its sheet, its validation. So a run that goes on from it does what is missing, once.
"""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfipgan.errors import TrainingError
from tfipgan.runs.metrics_log import MetricsLog
from tfipgan.runs.run import Run
from tfipgan.training.checkpoints import Checkpoints
from tfipgan.training.loop import training_steps
from tfipgan.training.stop import SIGNALS, StopSignals
from tfipgan.training.team import Team

# An epoch at full size may take days on a CPU: what a crash costs is bounded by time.
SAVE_SECONDS = 15 * 60

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """How long a run is, and what it does when.

    Attributes:
        title: of the progress bar.
        epoch_steps, epochs: ints, steps in an epoch and epochs of the whole run.
        metrics_every: steps to a line of numbers, which are means over them.
        checkpoint_every: epochs to a checkpoint; the last step has one in any case.
        learning_rates: from the steps done to {name: float}, for the numbers.
        on_epoch: called with (step, log) at each epoch's end, before its checkpoint.
        remedy: what may help a run that diverges.
    """

    title: str
    epoch_steps: int
    epochs: int
    metrics_every: int
    checkpoint_every: int
    learning_rates: Callable[[int], dict[str, float]]
    on_epoch: Callable[[int, MetricsLog], None]
    remedy: str

    @property
    def num_steps(self) -> int:
        """Steps of the whole run."""
        return self.epoch_steps * self.epochs


def train_resumably(
    run: Run,
    plan: Plan,
    model,
    team: Team,
    checkpoints: Checkpoints,
    make_batches: Callable[[int], tf.data.Dataset],
    restored: tuple[int, Sequence[dict[str, float]]],
    *,
    jit_compile: bool = False,
    progress: bool,
) -> None:
    """Run the steps that are left of a run, to its end or to a signal.

    What a process does that trains alone, and the chief of several workers; the others
    call `follow`.

    Args:
        run: whose folder this process holds alone.
        plan: of the whole run.
        model: has `train_step`; as the checkpoints restored it.
        team: whose strategy the model was made in.
        checkpoints: of the run.
        make_batches: from the steps done to the dataset of the batches that follow.
        restored: what `checkpoints.restore_latest` returned.
        jit_compile: whether XLA compiles the step.
        progress: whether to show a progress bar on stderr.

    Raises:
        TrainingError: a loss term is NaN or infinite, or a file can't be written. What
            was saved before stays.
        SystemExit: after SIGTERM or Ctrl-C, with 128 and the signal's number; the step
            under way, or of several workers the one after it, is finished and saved.
    """
    start_step, unlogged = restored
    team.start_from_chief(start_step, checkpoints.variables())
    window = _Window(plan, checkpoints, unlogged)
    saved = time.monotonic()
    with (
        _one_line_errors(run, checkpoints),
        StopSignals() as stop,
        closing(MetricsLog(run.path, start_step)) as log,
    ):
        for step, terms in training_steps(
            model,
            make_batches(start_step),
            team.strategy,
            start_step=start_step,
            num_steps=plan.num_steps,
            jit_compile=jit_compile,
            progress=progress,
            title=plan.title,
        ):
            window.add(step, terms)
            last = step == plan.num_steps
            if step % plan.metrics_every == 0 or last:
                log.write(step, {**window.take(), **plan.learning_rates(step)})
            epoch, rest = divmod(step, plan.epoch_steps)
            if rest == 0:
                plan.on_epoch(step, log)
            due = rest == 0 and epoch % plan.checkpoint_every == 0
            late = time.monotonic() - saved > SAVE_SECONDS
            signal = _agreed_signal(team, stop)
            if due or last or late or signal:
                unlogged = window.unlogged()
                log.flush()
                path = checkpoints.save(step, unlogged)
                saved = time.monotonic()
            if signal and not last:
                logger.warning(
                    "%s stopped the run after step %d of %d, saved as %s; the same "
                    "command with --resume goes on from there",
                    signal.name, step, plan.num_steps, path,
                )  # fmt: skip
                team.meet()
                raise SystemExit(128 + signal)
        team.meet()


def train_as_worker(
    plan: Plan,
    model,
    team: Team,
    checkpoints: Checkpoints,
    make_batches: Callable[[int], tf.data.Dataset],
) -> None:
    """Train along with the chief: what another worker does, which writes nothing.

    It reads no numbers either: if the chief ends for what it has read, it is gone.

    Args:
        plan, model, team, make_batches: as for `train_resumably`, on the chief.
        checkpoints: of the same networks and optimisers; its folder is not touched.

    Raises:
        SystemExit: as on the chief, once that has saved.
    """
    start_step = team.start_from_chief(0, checkpoints.variables())
    logger.info("%s trains along, worker 0 writes", team.worker)
    with StopSignals() as stop:
        for step, _ in training_steps(
            model,
            make_batches(start_step),
            team.strategy,
            start_step=start_step,
            num_steps=plan.num_steps,
            progress=False,
        ):
            signal = _agreed_signal(team, stop)
            if signal and step < plan.num_steps:
                logger.warning("%s stopped the run after step %d", signal.name, step)
                team.meet()
                raise SystemExit(128 + signal)
        team.meet()


def _agreed_signal(team, stop):
    """Return the signal that all workers stop for after this step, or None."""
    wishes = team.agree([stop.received == number for number in SIGNALS])
    agreed = [number for number, wished in zip(SIGNALS, wishes, strict=True) if wished]
    return agreed[0] if agreed else None


class _Window:
    """The loss terms of the steps since the last line of numbers, all finite."""

    def __init__(self, plan, checkpoints, unlogged):
        self._plan = plan
        self._checkpoints = checkpoints
        # As the steps gave them, so that a mean rounds as in a run that went through.
        self._values = [
            {name: np.float32(value) for name, value in terms.items()}
            for terms in unlogged
        ]
        self._steps = []

    def add(self, step, terms):
        """Take the terms of a step, without waiting for them."""
        self._steps.append((step, terms))

    def take(self) -> dict[str, float]:
        """Return the means, and begin anew."""
        self._read()
        values, self._values = self._values, []
        return {
            name: float(np.mean([terms[name] for terms in values]))
            for name in values[0]
        }

    def unlogged(self) -> list[dict[str, float]]:
        """Return the terms of each step."""
        self._read()
        return [
            {name: float(value) for name, value in terms.items()}
            for terms in self._values
        ]

    def _read(self):
        """Wait for the steps; raise TrainingError at the first that diverged."""
        steps, self._steps = self._steps, []
        for step, terms in steps:
            terms = {name: term.numpy() for name, term in terms.items()}
            if not np.isfinite(list(terms.values())).all():
                raise TrainingError(self._diverged(step, terms))
            self._values.append(terms)

    def _diverged(self, step, terms):
        bad = [f"{n} is {v}" for n, v in terms.items() if not np.isfinite(v)]
        good = [f"{n} {v:.4g}" for n, v in terms.items() if np.isfinite(v)]
        last = self._checkpoints.last()
        return (
            f"the training diverged at step {step}: {', '.join(bad)} (finite: "
            f"{', '.join(good) or 'none'}); the last checkpoint before it is "
            f"{last or 'none'}; the same run would diverge again: {self._plan.remedy}"
        )


@contextmanager
def _one_line_errors(run, checkpoints):
    """Turn the system's errors into a line with what is saved and what to do."""
    try:
        yield
    except OSError as error:
        last = checkpoints.last()
        kept = f"the last checkpoint is {last}" if last else "there is no checkpoint"
        raise TrainingError(
            f"{error.filename or run.path}: {error.strerror}; the training stopped "
            f"and {kept}; put that right, then --resume goes on with {run.path}"
        ) from error
