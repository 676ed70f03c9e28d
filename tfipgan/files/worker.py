"""One of several processes that share the making of an output."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Worker:
    """One of the processes that share a work.

    Attributes:
        index: from 0; the first is the chief.
        count: of all workers.
    """

    index: int
    count: int

    def __str__(self) -> str:
        return f"worker {self.index} of {self.count}"

    def share(self, images: int, batch_size: int) -> slice:
        """Return which of the images are this worker's.

        They are whole batches of the same images as one worker would make, in a row;
        none where there are more workers than batches.
        """
        batches = -(-images // batch_size)
        first, last = (
            min(images, k * batches // self.count * batch_size)
            for k in (self.index, self.index + 1)
        )
        return slice(first, last)


ALONE = Worker(0, 1)


def share_done(worker: Worker, out: str | os.PathLike) -> str:
    """Return the last line of a worker that was not the last one to end."""
    return f"{worker} has done its share; the last one to end makes {out}"
