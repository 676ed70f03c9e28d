"""The loss terms of the steps since the last line of numbers."""

from collections.abc import Mapping, Sequence

import numpy as np


class DivergedError(ArithmeticError):
    """A loss term is NaN or infinite; the message says which, at which step."""


class LossMeans:
    """Means of loss terms over steps, which are read no sooner than they are needed.

    Args:
        pending: terms of earlier steps without a line of numbers, as `pending` gave
            them.
    """

    def __init__(self, pending: Sequence[Mapping[str, float]] = ()):
        # As the steps gave them, so that a mean rounds as in a run that went through.
        self._values = [
            {name: np.float32(value) for name, value in terms.items()}
            for terms in pending
        ]
        self._steps: list = []

    def add(self, step: int, terms: Mapping) -> None:
        """Take the tensors of a step, without waiting for them."""
        self._steps.append((step, terms))

    def pop_means(self) -> dict[str, float]:
        """Return the means over all steps since the last call.

        Raises:
            DivergedError: a term of a step is not finite.
        """
        self._read()
        values, self._values = self._values, []
        return {
            name: float(np.mean([terms[name] for terms in values]))
            for name in values[0]
        }

    def pending(self) -> list[dict[str, float]]:
        """Return the terms of each step since then; raises as `pop_means`."""
        self._read()
        return [
            {name: float(value) for name, value in terms.items()}
            for terms in self._values
        ]

    def _read(self):
        """Wait for the steps."""
        steps, self._steps = self._steps, []
        for step, terms in steps:
            terms = {name: term.numpy() for name, term in terms.items()}
            bad = [f"{n} is {v}" for n, v in terms.items() if not np.isfinite(v)]
            if bad:
                good = [f"{n} {v:.4g}" for n, v in terms.items() if np.isfinite(v)]
                raise DivergedError(
                    f"the training diverged at step {step}: {', '.join(bad)} (finite: "
                    f"{', '.join(good) or 'none'})"
                )
            self._values.append(terms)
