"""The people of the built-in world: who they are, and how they stand in an image."""

import itertools
import math
import zlib
from dataclasses import dataclass

import numpy as np

RGB = tuple[int, int, int]

CLOTH: dict[str, RGB] = {
    "black": (34, 34, 38),
    "white": (236, 234, 228),
    "grey": (132, 134, 138),
    "red": (200, 36, 44),
    "burgundy": (104, 24, 44),
    "orange": (232, 124, 36),
    "yellow": (236, 204, 60),
    "lime": (142, 194, 62),
    "green": (36, 128, 68),
    "olive": (98, 100, 54),
    "teal": (30, 138, 142),
    "sky": (126, 186, 230),
    "blue": (36, 84, 188),
    "navy": (30, 38, 84),
    "purple": (112, 56, 150),
    "pink": (236, 138, 172),
    "brown": (112, 72, 44),
    "beige": (206, 182, 142),
}
HAIR: dict[str, RGB] = {
    "black": (28, 24, 24),
    "brown": (84, 54, 34),
    "blond": (214, 176, 104),
    "red": (160, 70, 34),
    "grey": (150, 148, 146),
    "white": (224, 222, 216),
}
SKIN: dict[str, RGB] = {
    "pale": (244, 212, 190),
    "fair": (226, 182, 150),
    "tan": (196, 146, 108),
    "brown": (148, 100, 68),
    "dark": (92, 60, 44),
}
PATTERNS = ("plain", "hoops", "stripes", "checks", "dots", "logo", "two-tone")
SLEEVES = ("long", "short", "none")
HEMS: dict[str, float] = {"short": 0.485, "hip": 0.525, "coat": 0.65}
LOWERS = ("trousers", "trousers", "shorts", "skirt", "long skirt")
HAIRCUTS = ("short", "bald", "bob", "long", "ponytail", "bun", "round")
BAGS = ("none", "none", "backpack", "backpack", "shoulder bag", "hand bag")
HATS = ("none", "none", "none", "cap", "beanie", "brim")
VIEWS = (0, 180, 90, 270, 45, 315, 135, 225)


@dataclass(frozen=True, slots=True)
class Person:
    """One identity. Colours are names of CLOTH, HAIR and SKIN; `tones` are the five
    small brightness factors of upper, accent, lower, hair and bag."""

    height: float
    girth: float
    shoulder: float
    skin: str
    haircut: str
    hair: str
    upper: str
    pattern: str
    accent: str
    sleeves: str
    hem: str
    lower_kind: str
    lower: str
    shoes: str
    bag: str
    bag_colour: str
    hat: str
    hat_colour: str
    tones: tuple[float, ...]

    def traits(self) -> tuple[str, ...]:
        """Eleven words that a passer-by would say of this person, "" for the unseen."""
        return (
            self.upper,
            self.pattern,
            "" if self.pattern == "plain" else self.accent,
            self.lower,
            self.lower_kind,
            self.sleeves,
            self.hem,
            f"{self.hair} {self.haircut}" if self.hat == "none" else self.hat_colour,
            self.bag,
            "" if self.bag == "none" else self.bag_colour,
            self.skin,
        )


@dataclass(frozen=True, slots=True)
class Pose:
    """How a person stands in an image.

    yaw: degrees; 0 faces the camera, 90 walks to the right. phase, stride: radians, of
    the walk. x of the body's middle, y of the soles and the body's height: fractions of
    the image's height.
    """

    yaw: float
    phase: float
    stride: float
    x: float
    y: float
    height: float


def _draw_person(rng: np.random.Generator) -> Person:
    def one(choices):
        return list(choices)[int(rng.integers(len(choices)))]

    upper = one(CLOTH)
    accents = [c for c in CLOTH if math.dist(CLOTH[c], CLOTH[upper]) > 130]
    bags = [c for c in CLOTH if math.dist(CLOTH[c], CLOTH[upper]) > 90]
    hem = one(("short", "hip", "hip", "coat"))
    return Person(
        height=float(rng.uniform(0.94, 1.04)),
        girth=float(rng.uniform(0.8, 1.3)),
        shoulder=float(rng.uniform(0.9, 1.12)),
        skin=one(SKIN),
        haircut=one(HAIRCUTS),
        hair=one(HAIR),
        upper=upper,
        pattern=one(PATTERNS),
        accent=one(accents),
        sleeves="long" if hem == "coat" else one(SLEEVES[:2] * 3 + SLEEVES[2:]),
        hem=hem,
        lower_kind=one(LOWERS),
        lower=one(CLOTH),
        shoes=one(("black", "white", "brown", "red", "grey", "blue")),
        bag=one(BAGS),
        bag_colour=one(bags),
        hat=one(HATS),
        hat_colour=one(CLOTH),
        tones=tuple(float(t) for t in rng.uniform(0.9, 1.08, 5)),
    )


def draw_people(key: tuple[int, ...], count: int, differences: int = 5) -> list[Person]:
    """Returns `count` people, any two of whom differ in `differences` traits or more.

    Person k depends on `key` and k alone, not on `count`.
    """
    people: list[Person] = []
    seen = np.zeros((count, 11), dtype=np.uint32)
    for number in range(count):
        for attempt in itertools.count():
            person = _draw_person(np.random.default_rng([*key, number, attempt]))
            words = [zlib.crc32(word.encode()) for word in person.traits()]
            apart = (seen[:number] != np.array(words, dtype=np.uint32)).sum(axis=1)
            if apart.min(initial=differences) >= differences:
                break
        seen[number] = words
        people.append(person)
    return people


def draw_pose(rng: np.random.Generator, person: Person) -> Pose:
    """Returns a pose with the framing error of a person detector's box."""
    height = 0.84 * person.height * float(rng.uniform(0.93, 1.06))
    margin = 1 - height
    return Pose(
        yaw=float(VIEWS[int(rng.integers(len(VIEWS)))] + rng.uniform(-12, 12)),
        phase=float(rng.uniform(0, 2 * math.pi)),
        stride=float(rng.uniform(0.2, 0.5)),
        x=0.25 + float(rng.uniform(-0.03, 0.03)),
        y=1 - margin * float(rng.uniform(0.25, 0.65)),
        height=height,
    )
