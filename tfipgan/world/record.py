"""What a dataset of the built-in world was drawn with, kept beside its images."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tfipgan.errors import InputError, shorten_name

RECORD = "world.json"
EDITION = 2
"""Goes up when the same options draw other images."""


@dataclass(frozen=True, slots=True)
class WorldOptions:
    """What `synthesize` draws a world with.

    identities, test_identities: of each dataset. image_size: (height, width) in
    pixels. strength: how far the cameras are from neutral, 0 to 3.

    Raises:
        InputError: an option out of range.
    """

    seed: int = 0
    identities: int = 160
    test_identities: int = 160
    cameras: int = 4
    images_per_camera: int = 2
    image_size: tuple[int, int] = (128, 64)
    strength: float = 1.0

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise InputError(f"seed is {self.seed}, expected 0 or more")
        for name in ("identities", "test_identities", "cameras", "images_per_camera"):
            if getattr(self, name) < 2:
                raise InputError(f"{name} is {getattr(self, name)}, expected 2 or more")
        height, width = self.image_size
        if height % 16 or width % 16 or height < 32 or width < 16:
            raise InputError(
                f"image size is {height}x{width}, expected height x width in multiples "
                "of 16, at least 32x16"
            )
        if not 0 <= self.strength <= 3:
            raise InputError(f"strength is {self.strength}, expected 0 to 3")


def write_record(folder: Path, dataset: str, options: WorldOptions) -> None:
    """Write what a dataset is drawn with into its folder."""
    record = {"edition": EDITION, "dataset": dataset, **asdict(options)}
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n")


def read_record(folder: Path) -> tuple[str, WorldOptions]:
    """Return which of the two datasets a folder is, and what it was drawn with.

    Raises:
        InputError: it has no record, a damaged one, or one of another edition.
    """
    path = folder / RECORD
    what = f"{shorten_name(str(folder))} can't be drawn again"
    try:
        record: dict[str, Any] = json.loads(path.read_bytes())
        edition, dataset = record.pop("edition"), record.pop("dataset")
        record["image_size"] = tuple(record["image_size"])
        if edition != EDITION:
            raise InputError(
                f"{what}: it is of edition {edition} of the built-in world, this "
                f"version draws edition {EDITION}; synthesize it anew"
            )
        return str(dataset), WorldOptions(**record)
    except FileNotFoundError:
        raise InputError(
            f"{what}: it has no {RECORD}, as datasets of `tfipgan synthesize` have"
        ) from None
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise InputError(
            f"{what}: its {RECORD} is damaged ({error}); synthesize it anew"
        ) from None
