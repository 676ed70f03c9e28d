"""The rows of the paper's tables: their names, and what several seeds gave for one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import mean, stdev

METHOD_TITLES = {
    "supervised": "Supervised Learning",
    "supervised strong": "Supervised Learning, strong",
    "direct transfer": "Direct Transfer",
    "direct transfer strong": "Direct Transfer, strong",
    "colour map": "colour map",
    "colour jitter": "colour jitter",
    "perfect": "perfect translations",
    "cyclegan": "CycleGAN",
    "camstyle": "CamStyle",
    "spgan": "SPGAN",
    "stargan": "StarGAN",
    "ipgan": "IPGAN",
    "ipgan strong": "IPGAN, strong",
    "pul": "PUL",
}
NETWORK_TITLES = {"baseline": "Baseline", "ibn": "IBN-reID"}
MEASURES = ("rank-1", "rank-5", "rank-10", "mAP")
TRANSLATED = ("stargan", "ipgan")
# Other systems' GANs.
COMPARED = ("cyclegan", "camstyle", "spgan")
# Rows that the paper has not: what costs no GAN, the world drawn again, and the recipe
# of today with labels.
CHEAP = ("colour map", "colour jitter", "direct transfer strong")
PERFECT, STRONG = "perfect", "supervised strong"
IPGAN_STRONG = "ipgan strong"
# What follows a row's name where `adapt` went on from its network.
_ADAPTED = ("adapt", "statistics")


@dataclass(frozen=True)
class Spread:
    """What several seeds gave.

    Attributes:
        mean: of all seeds.
        deviation: sample standard deviation; None of one seed.
        count: number of seeds.
    """

    mean: float
    deviation: float | None
    count: int


def published_name(row: str, network: str) -> str:
    """Return a row's name as the paper prints it: Baseline+IPGAN, IBN-reID+StarGAN."""
    if network == "baseline" and row in ("supervised", STRONG):
        return METHOD_TITLES[row]
    return f"{NETWORK_TITLES.get(network, network)}+{method_name(row)}"


def method_name(row: str) -> str:
    """Return a method's name for people: IPGAN, Direct Transfer+adapt."""
    method, plus, more = row.partition("+")
    return f"{METHOD_TITLES.get(method, method)}{plus}{more}"


def is_adapted(row: str) -> bool:
    """Return whether a row's network has gone on to the target without labels."""
    return row == "pul" or row.rpartition("+")[2] in _ADAPTED


def choose(records: Iterable[Mapping], **wanted: object) -> list[Mapping]:
    """Return the records that have all these values."""
    return [
        record
        for record in records
        if all(record.get(key) == value for key, value in wanted.items())
    ]


def images_of(results: Iterable[Mapping], direction: str, row: str) -> list[Mapping]:
    """Return what was measured on a row's images, once a seed.

    The row's networks are trained on the same ones.

    Returns:
        A dict a seed: identity_accuracy, and what the row's steps measured.
    """
    found: dict[int, dict] = {}
    for result in choose(results, direction=direction, row=row):
        measured = {
            **result["measured"],
            "identity_accuracy": result["identity_accuracy"],
        }
        found[result["seed"]] = measured | found.get(result["seed"], {})
    return list(found.values())


def qualities_of(results: Iterable[Mapping], direction: str, row: str) -> list[Mapping]:
    """Return what translation-quality wrote of a row's images, a dict a seed."""
    return [found.get("quality", {}) for found in images_of(results, direction, row)]


def over_seeds(records: Iterable[Mapping], key: str) -> Spread | None:
    """Return mean and deviation of what the records have; None where none has it."""
    values = [record[key] for record in records if record.get(key) is not None]
    if not values:
        return None
    return Spread(mean(values), stdev(values) if len(values) > 1 else None, len(values))


def percent(value: Spread | None) -> str:
    """Text of a share in percent: `41.2 ± 1.3`, `41.2` of one seed, `-` of none."""
    return _text(value, 100, 1)


def distance(value: Spread | None) -> str:
    """Text of a kernel distance: `0.0412 ± 0.0013`, `-` where there is none."""
    return _text(value, 1, 4)


def ratio(value: Spread | None) -> str:
    """Text of a ratio: `0.94 ± 0.03`, `-` where there is none."""
    return _text(value, 1, 2)


def seeds_of(records: Iterable[Mapping]) -> list[int]:
    """Return the seeds of records, sorted."""
    return sorted({record["seed"] for record in records})


def _text(value: Spread | None, unit: int, digits: int) -> str:
    if value is None:
        return "-"
    # z: a distance that is 0 but for noise would be "-0.0000" else.
    text = f"{unit * value.mean:z.{digits}f}"
    if value.deviation is not None:
        text += f" ± {unit * value.deviation:.{digits}f}"
    return text
