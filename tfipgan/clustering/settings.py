"""What a clustering is set to, and the checks of that."""

from dataclasses import dataclass

from tfipgan.errors import InputError

# Of `plain_codes`; the published commands of cluster contrast have 6 too.
MEAN_PLAIN = 6
DISTANCES = ("camera_aware", "plain")


@dataclass(frozen=True)
class ClusterSettings:
    """How images are clustered.

    Attributes:
        distance: "camera_aware", or "plain", in which cameras take no part. None has
            it chosen from the features (`tfipgan.clustering.choose`).
        k: neighbours of the plain distance, the image itself included, 1 or more.
            None as for `distance`.
        k_intra, k_inter: neighbours of one's own and of the other cameras, 1 or more;
            for the camera-aware distance. None as for `distance`.
        eps: radius of DBSCAN, above 0 and below 1. None as for `distance`.
        min_samples: images within `eps`, itself included, that make an image one of a
            cluster's core, 1 or more.
    """

    distance: str | None = None
    k: int | None = None
    k_intra: int | None = None
    k_inter: int | None = None
    eps: float | None = None
    min_samples: int = 4

    def __post_init__(self) -> None:
        if self.distance not in (None, *DISTANCES):
            raise InputError(
                f"distance is {self.distance!r}, expected {' or '.join(DISTANCES)}"
            )
        for name in ("k", "k_intra", "k_inter", "min_samples"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} is {value}, expected 1 or more")
        if self.eps is not None and not 0 < self.eps < 1:
            raise InputError(f"eps is {self.eps}, expected above 0 and below 1")
