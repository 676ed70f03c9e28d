"""The people of the built-in world: who they are and what they wear."""

import bisect
import itertools
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

RGB = tuple[int, int, int]

CLOTH: dict[str, RGB] = {
    "black": (34, 34, 38),
    "white": (232, 230, 224),
    "grey": (132, 134, 138),
    "dark grey": (74, 76, 82),
    "red": (186, 40, 46),
    "burgundy": (104, 24, 44),
    "orange": (224, 120, 44),
    "yellow": (226, 194, 70),
    "lime": (142, 188, 70),
    "green": (40, 118, 70),
    "olive": (98, 100, 58),
    "teal": (34, 128, 134),
    "sky": (126, 178, 220),
    "blue": (44, 84, 170),
    "denim": (66, 88, 124),
    "navy": (32, 40, 80),
    "purple": (108, 60, 140),
    "pink": (226, 138, 166),
    "brown": (106, 72, 48),
    "beige": (200, 178, 142),
}
HAIR: dict[str, RGB] = {
    "black": (28, 24, 24),
    "brown": (84, 54, 34),
    "blond": (206, 170, 104),
    "red": (150, 70, 38),
    "grey": (150, 148, 146),
    "white": (220, 218, 212),
}
SKIN: dict[str, RGB] = {
    "light": (238, 200, 172),
    "tan": (214, 166, 126),
    "brown": (150, 102, 72),
    "dark": (92, 62, 48),
}
# Dark and grey clothes are more frequent than others: the chances of the colours of
# upper and lower clothes, in parts; a colour that isn't named has one part.
UPPER_PARTS = {"black": 3, "white": 2, "grey": 2, "dark grey": 2, "navy": 2, "blue": 2}
LOWER_PARTS = {"black": 3, "denim": 3, "navy": 2, "dark grey": 2, "beige": 2}
PATTERNS = {"plain": 5, "open": 3, "print": 2, "hoops": 2, "checks": 2, "two-tone": 2}
PATTERNS |= {"yoke": 2, "stripes": 1, "dots": 1}
LOWER_PATTERNS = {"plain": 5, "side stripe": 1, "checks": 1}
FABRICS = {"smooth": 1, "knit": 2, "twill": 2, "wool": 2}
SLEEVES = {"long": 5, "short": 4, "none": 1}
HEMS: dict[str, float] = {"short": 0.485, "hip": 0.525, "coat": 0.65}
LOWERS = {"trousers": 6, "shorts": 2, "skirt": 1, "long skirt": 1}
HAIRCUTS = {"short": 4, "bald": 1, "bob": 2, "long": 2, "ponytail": 2, "bun": 1}
HAIRCUTS |= {"round": 1}
BAGS = {"none": 3, "backpack": 3, "shoulder bag": 2, "hand bag": 1, "trolley": 1}
HATS = {"none": 6, "cap": 1, "beanie": 1, "brim": 1, "hood": 1}

ALIKE = 6
"""Of so many people the last is dressed much like the one before: a third of all are
one of such a pair."""


@dataclass(frozen=True, slots=True)
class Person:
    """One identity.

    Colours are names of CLOTH, HAIR and SKIN; `tones` are the five small brightness
    factors of upper, accent, lower, hair and bag; `worn` (0 to 1) is how faded the
    clothes are, and `weave` the seed of their texture.
    """

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
    lower_pattern: str
    shoes: str
    bag: str
    bag_colour: str
    hat: str
    hat_colour: str
    fabric: str
    lower_fabric: str
    worn: float
    weave: int
    tones: tuple[float, ...]

    def traits(self) -> tuple[str, ...]:
        """Twelve words that a passer-by would say of this person, "" for the unseen."""
        return (
            self.upper,
            self.pattern,
            "" if self.pattern == "plain" else self.accent,
            self.lower,
            self.lower_kind,
            self.lower_pattern,
            self.sleeves,
            self.hem,
            f"{self.hair} {self.haircut}" if self.hat == "none" else self.hat,
            self.bag,
            "" if self.bag == "none" else self.bag_colour,
            self.skin,
        )


def pick(rng: np.random.Generator, parts: Mapping[str, int]) -> str:
    """Return one of the names, each with the chance of its parts."""
    ends = list(itertools.accumulate(parts.values()))
    return list(parts)[bisect.bisect(ends, int(rng.integers(ends[-1])))]


def _colours(parts=None, unlike=None):
    return {
        name: (parts or {}).get(name, 1)
        for name, colour in CLOTH.items()
        if unlike is None or math.dist(colour, CLOTH[unlike]) > 100
    }


def _draw_person(rng: np.random.Generator) -> Person:
    upper = pick(rng, _colours(UPPER_PARTS))
    hem = pick(rng, {"short": 2, "hip": 4, "coat": 2})
    lower_kind = pick(rng, LOWERS)
    trousers = lower_kind == "trousers"
    return Person(
        height=float(rng.uniform(0.94, 1.04)),
        girth=float(rng.uniform(0.9, 1.5)),
        shoulder=float(rng.uniform(0.95, 1.2)),
        skin=pick(rng, {"light": 3, "tan": 3, "brown": 2, "dark": 2}),
        haircut=pick(rng, HAIRCUTS),
        hair=pick(rng, {"black": 4, "brown": 4, "blond": 2, "red": 1, "grey": 1}),
        upper=upper,
        pattern=pick(rng, PATTERNS),
        accent=pick(rng, _colours(unlike=upper)),
        sleeves="long" if hem == "coat" else pick(rng, SLEEVES),
        hem=hem,
        lower_kind=lower_kind,
        lower=pick(rng, _colours(LOWER_PARTS)),
        lower_pattern=pick(rng, LOWER_PATTERNS) if trousers else "plain",
        shoes=pick(rng, {"black": 4, "white": 3, "brown": 2, "red": 1, "grey": 1}),
        bag=pick(rng, BAGS),
        bag_colour=pick(rng, _colours({"black": 3}, unlike=upper)),
        hat=pick(rng, HATS),
        hat_colour=pick(rng, _colours()),
        fabric=pick(rng, FABRICS),
        lower_fabric=pick(rng, FABRICS),
        worn=float(rng.uniform(0, 1)),
        weave=int(rng.integers(2**31)),
        tones=tuple(float(t) for t in rng.uniform(0.85, 1.1, 5)),
    )


def _redress(rng: np.random.Generator, person: Person) -> Person:
    """Return somebody else in the same colours, with other details of a few kinds."""
    other = _draw_person(rng)
    kinds = [
        ["pattern"],
        ["bag", "bag_colour"],
        ["haircut", "hair", "hat"],
        ["sleeves"],
        ["lower_pattern"],
        ["skin"],
    ]
    names = ["height", "girth", "shoulder", "fabric", "worn", "weave", "tones"]
    for kind in rng.permutation(len(kinds))[: int(rng.integers(2, 4))]:
        names += kinds[kind]
    return replace(person, **{name: getattr(other, name) for name in names})


def draw_people(
    key: tuple[int, ...], groups: int, count: int, differences: int = 4
) -> list[list[Person]]:
    """Return `groups` lists of `count` people, all of them different.

    Any two differ in `differences` traits or more, except that every sixth of a list is
    dressed much like the one before: two to four other traits, none of them a colour of
    the clothes. Person k of a list depends on `key` and k alone, not on `count`.
    """
    people: list[Person] = []
    seen = np.zeros((groups * count, 12), dtype=np.uint32)
    for number in range(groups * count):
        alike = number // groups % ALIKE == ALIKE - 1
        for attempt in itertools.count():
            rng = np.random.default_rng([*key, number, attempt])
            person = (
                _redress(rng, people[number - groups]) if alike else _draw_person(rng)
            )
            words = [zlib.crc32(word.encode()) for word in person.traits()]
            apart = (seen[:number] != np.array(words, dtype=np.uint32)).sum(axis=1)
            if alike:
                if not 2 <= apart[number - groups] <= 4:
                    continue
                apart[number - groups] = differences
            if apart.min(initial=differences) >= differences:
                break
        seen[number] = words
        people.append(person)
    return [people[group::groups] for group in range(groups)]
