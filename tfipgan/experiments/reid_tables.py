"""Tables 1, 3 and 4 of the paper with the measured numbers, and rows beside them."""

from collections.abc import Mapping, Sequence

from tfipgan.experiments.experiment import Direction, PaperRow
from tfipgan.experiments.rows import (
    CHEAP,
    COMPARED,
    IPGAN_STRONG,
    MEASURES,
    NETWORK_TITLES,
    PERFECT,
    STRONG,
    TRANSLATED,
    choose,
    distance,
    is_adapted,
    over_seeds,
    percent,
    published_name,
    qualities_of,
    seeds_of,
)

_TABLE_1 = [(row, "baseline") for row in ("supervised", "direct transfer", *TRANSLATED)]
_TABLE_3 = [
    (row, network)
    for network in NETWORK_TITLES
    for row in ("direct transfer", *TRANSLATED)
]


def table_1(results: Sequence[Mapping], direction: Direction) -> dict:
    """Return Table 1: the baseline network, trained on each kind of images.

    Rows that the paper does not have stand in it where they were run: other systems'
    GANs, what needs no GAN, perfect translations, and today's recipe ("strong").
    """
    pairs = _with_more(_TABLE_1, results, direction)
    place = pairs.index(("direct transfer", "baseline")) + 1
    found = choose(results, direction=direction.name, network="baseline")
    run = {record["row"] for record in found}
    pairs[place:place] = [(row, "baseline") for row in COMPARED if row in run]
    return _table(1, "Table 1: the baseline network", pairs, results, direction)


def table_3(results: Sequence[Mapping], direction: Direction) -> dict:
    """Return Table 3: the baseline and IBN-reID, trained on each kind of images.

    IBN-reID trained on the target itself, which the paper does not have, is last where
    it was run; see also `table_1`.
    """
    pairs = _with_more(_TABLE_3, results, direction)
    for row in ("supervised", STRONG):
        if choose(results, row=row, network="ibn"):
            pairs.append((row, "ibn"))
    return _table(3, "Table 3: baseline and IBN-reID", pairs, results, direction)


def table_4(results: Sequence[Mapping], direction: Direction) -> dict | None:
    """Return Table 4: other systems; None where the paper printed none of it."""
    pairs = [(p.row, p.network) for p in direction.paper if p.table == 4]
    if not pairs:
        return None
    return _table(4, "Table 4: other systems", pairs, results, direction)


def adapted_rows(results: Sequence[Mapping], direction: Direction) -> dict | None:
    """Return the rows that went on to the target without labels; None without any.

    Each stands below the one that its network comes from, if that was run.
    """
    found = choose(results, direction=direction.name)
    pairs = list(dict.fromkeys((r["row"], r["network"]) for r in found))
    adapted = [pair for pair in pairs if is_adapted(pair[0])]
    if not adapted:
        return None
    shown: list[tuple[str, str]] = []
    for row, network in adapted:
        start = row.rpartition("+")[0] or "direct transfer"
        if (start, network) in pairs and (start, network) not in shown:
            shown.append((start, network))
        shown.append((row, network))
    rows = []
    for row, network in shown:
        runs = choose(found, row=row, network=network)
        measured = [percent(over_seeds(runs, measure)) for measure in MEASURES]
        rows.append([published_name(row, network), len(runs), *measured])
    note = (
        "The target's identities are not read. +adapt: trained on clusters of the "
        "target's training images; +statistics: only batch-norm statistics of them."
    )
    printed = [
        f"{paper.name} {paper.printed[0]:.1f} and {paper.printed[3]:.1f}"
        for paper in direction.paper
        if paper.row == "pul" and ("pul", paper.network) in shown
    ]
    if printed:
        note += f" The paper's Table 4, rank-1 and mAP: {', '.join(printed)}."
    return {
        "title": "Past the paper: on to the target without labels",
        "columns": ["method", "seeds", *MEASURES],
        "right": [False] + [True] * (1 + len(MEASURES)),
        "rows": rows,
        "note": note,
    }


def other_rows(results: Sequence[Mapping], direction: Direction) -> dict | None:
    """Return the rows that no other table has (ablations); None where there are none.

    The first line is IPGAN's own, to compare with.
    """
    in_tables = {
        *_with_more([*_TABLE_1, *_TABLE_3], results, direction),
        ("supervised", "ibn"),
        (STRONG, "ibn"),
        *((row, "baseline") for row in COMPARED),
        *((paper.row, paper.network) for paper in direction.paper),
    }
    found = choose(results, direction=direction.name)
    pairs = list(dict.fromkeys((r["row"], r["network"]) for r in found))
    others = [p for p in pairs if p not in in_tables and not is_adapted(p[0])]
    if not others:
        return None
    rows = []
    for row, network in [("ipgan", "baseline"), *others]:
        runs = choose(found, row=row, network=network)
        qualities = qualities_of(results, direction.name, row)
        rows.append(
            [
                row,
                network,
                len(runs),
                *(
                    percent(over_seeds(runs, measure))
                    for measure in ("rank-1", "mAP", "identity_accuracy")
                ),
                percent(over_seeds(qualities, "accuracy")),
                distance(over_seeds(qualities, "distance")),
            ]
        )
    return {
        "title": "Ablations",
        "columns": [
            "row", "network", "seeds", "rank-1", "mAP", "identity accuracy",
            "camera accuracy", "kernel distance",
        ],
        "right": [False] * 2 + [True] * 6,
        "rows": rows,
        "note": "The first line is the IPGAN of Table 1. The last three columns are of "
        "the translated images.",
    }  # fmt: skip


def _with_more(pairs, results, direction) -> list[tuple[str, str]]:
    """Add the rows that were run and that the paper has not, in their places."""

    def run(row, network):
        return choose(results, direction=direction.name, row=row, network=network)

    found = []
    for row, network in pairs:
        found.append((row, network))
        if row == "supervised" and run(STRONG, network):
            found.append((STRONG, network))
        if row == "direct transfer":
            found += [(more, network) for more in CHEAP if run(more, network)]
        if row == TRANSLATED[-1]:
            more = (IPGAN_STRONG, PERFECT)
            found += [(other, network) for other in more if run(other, network)]
    return found


def _table(number, title, pairs, results, direction) -> dict:
    printed = {
        (paper.row, paper.network): paper
        for paper in direction.paper
        if paper.table == number
    }
    # What the paper has and this project doesn't compute stands where the paper has it.
    only_printed = [pair for pair in printed if pair not in pairs]
    if only_printed:
        place = pairs.index(("direct transfer", "baseline")) + 1
        pairs = [*pairs[:place], *only_printed, *pairs[place:]]
    rows, notes, partial = [], [], []
    for pair in pairs:
        row, network = pair
        paper = printed.get(pair)
        name = paper.name if paper else published_name(row, network)
        runs = choose(results, direction=direction.name, row=row, network=network)
        if runs and seeds_of(runs) != seeds_of(results):
            partial.append(f"{name} has {_seeds(seeds_of(runs))}")
        cells = [name]
        for measure, value in zip(MEASURES, _printed(paper), strict=True):
            cells.append(percent(over_seeds(runs, measure)))
            if printed:
                differs = _printed_elsewhere(direction.paper, paper, measure)
                mark = ""
                if differs:
                    letter = chr(ord("a") + len(notes))
                    mark = f" [{letter}]"
                    notes.append(f"[{letter}] {differs}.")
                cells.append("-" if value is None else f"{value:.1f}{mark}")
        rows.append(cells)
    if only_printed:
        notes.append("Rows without measured numbers are the paper's alone.")
    if partial:
        notes.append(f"Fewer seeds: {'; '.join(partial)}.")
    columns = ["method"]
    for measure in MEASURES:
        columns += [measure, "paper"] if printed else [measure]
    return {
        "title": title,
        "columns": columns,
        "right": [False] + [True] * (len(columns) - 1),
        "rows": rows,
        "note": " ".join(notes),
    }


def _printed(paper: PaperRow | None) -> Sequence[float | None]:
    return [None] * len(MEASURES) if paper is None else paper.printed


def _printed_elsewhere(
    papers: Sequence[PaperRow], paper: PaperRow | None, measure: str
) -> str:
    """Return what the paper's other tables print for the same row, if it differs."""
    if paper is None:
        return ""
    place = MEASURES.index(measure)
    tables: dict[float, list[int]] = {}
    for other in papers:
        if (other.row, other.network) == (paper.row, paper.network):
            tables.setdefault(other.printed[place], []).append(other.table)
    tables.pop(paper.printed[place])
    return "; ".join(
        f"Table {numbers[0]} prints {value:.1f}"
        if len(numbers) == 1
        else f"Tables {' and '.join(map(str, numbers))} print {value:.1f}"
        for value, numbers in tables.items()
    )


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
