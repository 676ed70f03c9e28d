"""Does the paper's order come out? Each claim with its answer and the numbers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tfipgan.experiments.experiment import Direction
from tfipgan.experiments.rows import (
    METHOD_TITLES,
    NETWORK_TITLES,
    TRANSLATED,
    Spread,
    choose,
    images_of,
    over_seeds,
    percent,
)

KEPT = 0.9
APART = 2
TITLE = "Does the paper's order come out?"


@dataclass(frozen=True)
class Answer:
    """To one claim.

    Attributes:
        holds: whether it does; None where the runs can't tell.
        text: the answer with its numbers, in percent; "-" where rows are missing.
    """

    holds: bool | None
    text: str


def compare(
    low: Spread | None,
    high: Spread | None,
    *,
    or_equal: bool = False,
    apart: float | None = None,
) -> Answer:
    """Say whether the second mean is above the first.

    Their distance is told in units of the larger of the two sample standard deviations.

    Args:
        low, high: fractions of 1 that the claim puts in this order.
        or_equal: whether equal means will do.
        apart: deviations that the means must be further apart than.
    """
    if low is None or high is None:
        return Answer(None, "-")
    difference = high.mean - low.mean
    holds = difference >= 0 if or_equal else difference > 0
    deviations = None
    if low.deviation is None or high.deviation is None:
        spread = "one seed"
    elif max(low.deviation, high.deviation) == 0:
        deviations = math.inf if difference else 0.0
        spread = "no spread"
    else:
        deviations = abs(difference) / max(low.deviation, high.deviation)
        spread = f"{deviations:.1f} sd"
    if apart is not None and holds:
        holds = None if deviations is None else deviations > apart
    word = {True: "yes", False: "no", None: "open"}[holds]
    sign = "<" if difference > 0 else ">" if difference < 0 else "="
    return Answer(
        holds, f"{word}: {100 * low.mean:.1f} {sign} {100 * high.mean:.1f} ({spread})"
    )


def answers(results: Sequence[Mapping], direction: Direction) -> dict[str, Answer]:
    """Return each claim of the paper with its answer in one direction.

    The claims are the same for every direction, in the same order.
    """

    def measured(row, network, measure):
        found = choose(results, direction=direction.name, row=row, network=network)
        return over_seeds(found, measure)

    by_far = f"by {APART} sd"
    found = {}
    for network, shown in NETWORK_TITLES.items():
        direct, stargan, ipgan = (
            measured(row, network, "mAP")
            for row in ("direct transfer", "stargan", "ipgan")
        )
        found |= {
            f"{shown} mAP: Direct Transfer < StarGAN": compare(direct, stargan),
            f"{shown} mAP: StarGAN < IPGAN": compare(stargan, ipgan),
            f"{shown} mAP: Direct Transfer < IPGAN {by_far}": (
                compare(direct, ipgan, apart=APART)
            ),
        }
    for row in ("direct transfer", *TRANSLATED):
        networks = " <= ".join(NETWORK_TITLES.values())
        for measure in ("rank-1", "mAP"):
            pair = [measured(row, network, measure) for network in NETWORK_TITLES]
            found[f"{METHOD_TITLES[row]} {measure}: {networks}"] = compare(
                *pair, or_equal=True
            )
    stargan, ipgan = (
        over_seeds(images_of(results, direction.name, row), "identity_accuracy")
        for row in TRANSLATED
    )
    found[f"identity accuracy: IPGAN >= {KEPT:.0%}"] = _kept(ipgan)
    found[f"identity accuracy: StarGAN < IPGAN {by_far}"] = compare(
        stargan, ipgan, apart=APART
    )
    return found


def order_table(results: Sequence[Mapping], directions: Sequence[Direction]) -> dict:
    """Return the claims, a line each, with a column of answers a direction."""
    columns = [answers(results, direction) for direction in directions]
    return {
        "title": TITLE,
        "columns": ["claim", *(d.title for d in directions)],
        "rows": [
            [claim, *(column[claim].text for column in columns)]
            for claim in (columns[0] if columns else ())
        ],
        "note": "Means over the seeds, in percent. In brackets: how far they are "
        "apart, in units (sd) of the larger of the two rows' sample standard "
        "deviations over the seeds, the stricter choice. By "
        f"{APART} sd: by more than that; open with one seed, which has no deviation. "
        "Identity accuracy is the independent classifier's.",
    }


def order_sentence(results: Sequence[Mapping], direction: Direction) -> str:
    """Return in a line how many claims hold in a direction, and which don't."""
    found = answers(results, direction)
    answered = {claim: a for claim, a in found.items() if a.holds is not None}
    if not answered:
        return f"{direction.title}: these runs answer no claim about the paper's order."
    failed = [claim for claim, answer in answered.items() if not answer.holds]
    sentence = (
        f"{direction.title}: {len(answered) - len(failed)} of {len(answered)} claims "
        "about the paper's order hold"
    )
    if failed:
        sentence += f"; what does not: {'; '.join(failed)}"
    if len(found) > len(answered):
        sentence += f"; {len(found) - len(answered)} can't be answered by these runs"
    return f"{sentence}."


def _kept(accuracy: Spread | None) -> Answer:
    if accuracy is None:
        return Answer(None, "-")
    holds = accuracy.mean >= KEPT
    return Answer(holds, f"{'yes' if holds else 'no'}: {percent(accuracy)}")
