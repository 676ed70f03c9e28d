"""Who is seen by which cameras of the built-in world, and how often."""

import numpy as np

MORE_CAMERAS = 0.4
"""The chance that somebody who is seen by two cameras is seen by one more; for each."""


def draw_shares(rng: np.random.Generator, cameras: int) -> np.ndarray:
    """Return how busy each camera's place is: its chance to see a passer-by, (L,)."""
    shares = rng.uniform(0.3, 1.0, cameras)
    return shares / shares.sum()


def draw_visits(
    rng: np.random.Generator, number: int, shares: np.ndarray
) -> tuple[int, ...]:
    """Return the cameras (0, 1, ..) that see person `number` of a split: two or more.

    Person 0 is seen by all, so that no camera is without an image.
    """
    if number == 0:
        return tuple(range(len(shares)))
    count = 2 + int(rng.binomial(len(shares) - 2, MORE_CAMERAS))
    chosen = rng.choice(len(shares), count, replace=False, p=shares)
    return tuple(sorted(int(camera) for camera in chosen))


def share_images(rng: np.random.Generator, total: int, cameras: int) -> list[int]:
    """Return how many of a person's images each camera takes: unequal, one or more."""
    weights = rng.uniform(0.4, 1.6, cameras)
    more = rng.multinomial(total - cameras, weights / weights.sum())
    return [1 + int(count) for count in more]
