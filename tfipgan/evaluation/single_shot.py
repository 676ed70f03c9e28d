"""CUHK03's first protocol: one gallery image of each identity, drawn ten times."""

import numpy as np

REPEATS = 10


class SingleShot:
    """Draws one image of each identity and ranks the query's own among them.

    Args:
        gallery_persons: int64 (columns).
        seed: int; a query's draws depend on it and on the query's number alone.
    """

    def __init__(self, gallery_persons: np.ndarray, seed: int = 0):
        self._persons = gallery_persons
        self._order = np.argsort(gallery_persons, kind="stable")
        found, self._starts, self._counts = np.unique(
            gallery_persons[self._order], return_index=True, return_counts=True
        )
        self._place = {person: i for i, person in enumerate(found.tolist())}
        self._seed = seed

    def __len__(self) -> int:
        """Return the number of identities."""
        return len(self._starts)

    def ranks(self, query: int, person: int, values, candidates) -> np.ndarray:
        """Return the rank of the query's own identity in each draw, int64 from 1.

        Args:
            query, person: the query's number and identity.
            values: float (columns), its row of distances.
            candidates: `Candidates`; what they leave out is not drawn.
        """
        matches = candidates.matches
        rng = np.random.default_rng((self._seed, query))
        chances = rng.random((REPEATS, len(self)))
        draws = (chances * self._counts).astype(np.int64)
        columns = self._order[self._starts + draws]
        own = self._place[person]
        others = np.unique(self._persons[candidates.left_out])
        for place in (
            self._place[other] for other in others[others != person].tolist()
        ):
            start = self._starts[place]
            images = self._order[start : start + self._counts[place]]
            images = np.setdiff1d(images, candidates.left_out)
            # Who has no other image is infinitely far, and before nobody.
            if len(images):
                draws = (chances[:, place] * len(images)).astype(np.int64)
                columns[:, place] = images[draws]
        columns[:, own] = matches[rng.integers(len(matches), size=REPEATS)]
        drawn, mine = values[columns], values[columns[:, own], None]
        is_before = columns < columns[:, own, None]
        return 1 + ((drawn < mine) | ((drawn == mine) & is_before)).sum(axis=1)
