"""The tables: hand-computed numbers, the paper's beside them, and what is missing."""

import copy
import csv
import io
import re

import pytest
from measured import (
    direction,
    experiment,
    run,
    runs,
    translated,
)

from tfipgan.experiments.claims import answers, compare, order_sentence, order_table
from tfipgan.experiments.quality_tables import camera_table, quality_table, table_2
from tfipgan.experiments.reid_tables import (
    adapted_rows,
    other_rows,
    table_1,
    table_3,
    table_4,
)
from tfipgan.experiments.rows import (
    Spread,
    choose,
    distance,
    over_seeds,
    percent,
    published_name,
)
from tfipgan.experiments.tables import made_table, results_csv, results_markdown

PAPER = [
    (1, "Supervised Learning", "supervised", "baseline", (84.8, 93.7, 96.2, 65.3)),
    (1, "Baseline+Direct Transfer", "direct transfer", "baseline",
     (44.3, 61.9, 69.7, 18.4)),
    (1, "Baseline+CycleGAN", "cyclegan", "baseline", (49.9, 67.1, 74.2, 22.6)),
    (1, "Baseline+CamStyle", "camstyle", "baseline", (58.8, 78.2, 84.3, 27.4)),
    (1, "Baseline+StarGAN", "stargan", "baseline", (54.3, 74.7, 81.5, 24.4)),
    (1, "Baseline+IPGAN", "ipgan", "baseline", (56.4, 76.0, 82.5, 25.6)),
    (3, "Baseline+IPGAN", "ipgan", "baseline", (56.4, 75.6, 82.5, 25.6)),
    (3, "IBN-reID+IPGAN", "ipgan", "ibn", (47.0, 63.0, 68.1, 27.0)),
    (4, "IPGAN", "ipgan", "baseline", (56.4, 75.6, 82.5, 25.6)),
    (4, "IPGAN+IBN-reID", "ipgan", "ibn", (47.0, 62.8, 68.1, 27.0)),
]  # fmt: skip


def names(table):
    return [row[0] for row in table["rows"]]


def cells(table, name):
    (row,) = (row for row in table["rows"] if row[0] == name)
    assert len(row) == len(table["columns"]) == len(table["right"])
    return row[1:]


# ------------------------------------------------------------------ names and numbers


@pytest.mark.parametrize(
    ("row", "network", "name"),
    [
        ("supervised", "baseline", "Supervised Learning"),
        ("direct transfer", "baseline", "Baseline+Direct Transfer"),
        ("ipgan", "baseline", "Baseline+IPGAN"),
        ("stargan", "ibn", "IBN-reID+StarGAN"),
        ("supervised", "ibn", "IBN-reID+Supervised Learning"),
        ("lambda 3", "ibn_a", "ibn_a+lambda 3"),
    ],
)
def test_published_names(row, network, name):
    assert published_name(row, network) == name


def test_mean_and_sample_standard_deviation():
    records = [{"mAP": 0.4}, {"mAP": 0.5}, {"mAP": None}, {"mAP": 0.6}, {}]
    spread = over_seeds(records, "mAP")
    assert (spread.mean, spread.count) == (pytest.approx(0.5), 3)
    # sqrt((0.1^2 + 0 + 0.1^2) / 2), not / 3.
    assert spread.deviation == pytest.approx(0.1)
    assert percent(spread) == "50.0 ± 10.0"
    assert distance(spread) == "0.5000 ± 0.1000"
    assert percent(over_seeds(records[:1], "mAP")) == "40.0"
    assert percent(over_seeds(records[:2] * 2, "mAP")) == "45.0 ± 5.8"
    assert percent(Spread(0.5, 0.0, 2)) == "50.0 ± 0.0"
    for value in (over_seeds([], "mAP"), over_seeds(records[2:3], "mAP")):
        assert value is None and percent(value) == distance(value) == "-"
    assert distance(Spread(-1e-5, None, 1)) == "0.0000"
    assert distance(Spread(-0.0021, None, 1)) == "-0.0021"


def test_records_are_chosen_by_all_values():
    found = [run("ipgan"), run("ipgan", "ibn"), run("stargan", "ibn")]
    assert choose(found, row="ipgan", network="ibn") == [found[1]]
    assert choose(found, row="ipgan", colour="red") == []


# ------------------------------------------------------------------------ Tables 1, 3


def test_table_1_has_the_papers_numbers_beside_the_measured_ones():
    results = runs("ipgan", "baseline", [0.2, 0.3, 0.4]) + runs(
        "supervised", "baseline", [0.9, 0.9, 0.9]
    )
    table = table_1(results, direction(paper=PAPER))
    assert table["columns"][1:] == [
        "rank-1", "paper", "rank-5", "paper", "rank-10", "paper", "mAP", "paper",
    ]  # fmt: skip
    # As the paper has them.
    assert names(table) == [row[1] for row in PAPER if row[0] == 1]
    assert cells(table, "Baseline+IPGAN") == [
        "50.0 ± 0.0", "56.4", "60.0 ± 0.0", "76.0 [a]", "70.0 ± 0.0", "82.5",
        "30.0 ± 10.0", "25.6",
    ]  # fmt: skip
    assert cells(table, "Baseline+CycleGAN") == [
        "-", "49.9", "-", "67.1", "-", "74.2", "-", "22.6",
    ]  # fmt: skip
    assert cells(table, "Baseline+StarGAN")[::2] == ["-"] * 4
    assert table["note"] == (
        "[a] Tables 3 and 4 print 75.6. Rows without measured numbers are the paper's "
        "alone."
    )


def test_table_1_without_the_paper_is_of_the_rows_computed():
    table = table_1([run("stargan", rank=0.125)], direction())
    assert table["columns"][1:] == ["rank-1", "rank-5", "rank-10", "mAP"]
    assert names(table) == [
        "Supervised Learning",
        "Baseline+Direct Transfer",
        "Baseline+StarGAN",
        "Baseline+IPGAN",
    ]
    assert cells(table, "Baseline+StarGAN") == ["12.5", "22.5", "32.5", "25.0"]
    assert cells(table, "Baseline+IPGAN") == ["-"] * 4
    assert table["note"] == ""


def test_rows_without_a_gan_stand_where_they_were_run():
    results = [run("colour map", mean_ap=0.6), run("colour jitter", "ibn"),
               run("perfect"), run("ipgan")]  # fmt: skip
    assert names(table_1(results, direction())) == [
        "Supervised Learning", "Baseline+Direct Transfer", "Baseline+colour map",
        "Baseline+StarGAN", "Baseline+IPGAN", "Baseline+perfect translations",
    ]  # fmt: skip
    table = table_3(results, direction(paper=PAPER))
    assert "IBN-reID+colour jitter" in names(table)
    # The paper has none of them.
    assert cells(table, "Baseline+colour map")[-2:] == ["60.0", "-"]
    assert other_rows(results, direction()) is None


def test_a_row_with_other_seeds_says_so():
    results = runs("ipgan", "baseline", [0.2, 0.3]) + [run("stargan", seed=2)]
    table = table_1(results, direction())
    assert table["note"] == (
        "Fewer seeds: Baseline+StarGAN has seed 2; Baseline+IPGAN has seeds 0, 1."
    )


def test_another_directions_runs_stay_out():
    results = [run("ipgan") | {"direction": "target_to_source"}]
    assert cells(table_1(results, direction()), "Baseline+IPGAN") == (["-"] * 4)


def test_table_3():
    results = [run("ipgan", "ibn", mean_ap=0.5), run("direct transfer")]
    table = table_3(results, direction(paper=PAPER))
    assert names(table) == [
        f"{network}+{method}"
        for network in ("Baseline", "IBN-reID")
        for method in ("Direct Transfer", "StarGAN", "IPGAN")
    ]
    # Each footnote has a letter of its own.
    assert cells(table, "Baseline+IPGAN")[3] == "75.6 [a]"
    assert cells(table, "IBN-reID+IPGAN") == [
        "50.0", "47.0", "60.0", "63.0 [b]", "70.0", "68.1", "50.0", "27.0",
    ]  # fmt: skip
    assert table["note"] == "[a] Table 1 prints 76.0. [b] Table 4 prints 62.8."
    # The paper has no such row in this made-up Table 3.
    assert cells(table, "Baseline+Direct Transfer")[1::2] == ["-"] * 4


def test_other_systems_stand_in_table_1_where_they_were_run():
    results = [run("spgan", mean_ap=0.6), run("cyclegan", mean_ap=0.5), run("ipgan")]
    assert names(table_1(results, direction())) == [
        "Supervised Learning", "Baseline+Direct Transfer", "Baseline+CycleGAN",
        "Baseline+SPGAN", "Baseline+StarGAN", "Baseline+IPGAN",
    ]  # fmt: skip
    table = table_1(results, direction(paper=PAPER))
    assert cells(table, "Baseline+CycleGAN")[-2:] == ["50.0", "22.6"]
    assert cells(table, "Baseline+CamStyle")[-2:] == ["-", "27.4"]
    assert cells(table, "Baseline+SPGAN")[-2:] == ["60.0", "-"]
    assert "Baseline+CycleGAN" not in names(table_3(results, direction()))
    assert other_rows(results, direction()) is None


def test_table_4():
    results = [run("ipgan", mean_ap=0.5), run("bow", "none", mean_ap=0.125)]
    paper = [*PAPER, (4, "BoW", "bow", "none", (35.8, 52.6, 60.3, 14.8))]
    table = table_4(results, direction(paper=paper))
    assert names(table) == ["IPGAN", "IPGAN+IBN-reID", "BoW"]
    assert cells(table, "BoW")[-2:] == ["12.5", "14.8"]
    assert cells(table, "IPGAN+IBN-reID")[:2] == ["-", "47.0"]
    assert cells(table, "IPGAN")[2:4] == ["60.0", "75.6 [a]"]
    assert table["note"].startswith("[a] Table 1 prints 76.0.")
    assert table_4(results, direction()) is None
    # It is in no other table then.
    assert other_rows(results, direction(paper=paper)) is None
    assert other_rows(results, direction())["rows"][1][0] == "bow"


def test_table_3_has_supervised_ibn_only_where_it_was_run():
    results = [run("supervised", "ibn", mean_ap=0.75)]
    table = table_3(results, direction(paper=PAPER))
    assert names(table)[-1] == "IBN-reID+Supervised Learning"
    assert cells(table, names(table)[-1])[-2:] == ["75.0", "-"]


# --------------------------------------------------------- Table 2 and the translations


def test_table_2():
    real = {"real_accuracy": 1.0, "semantic_real_accuracy": 0.98}
    results = [
        translated("ipgan", 0, 0.875, 0.96, real),
        translated("ipgan", 1, 0.925, 0.96, {"real_accuracy": 0.9}),
        translated("stargan", 0, 0.25, None, real),
        translated("ipgan", 0, 0.1, 0.1) | {"direction": "other"},
        # The other network learns on the same images.
        run("ipgan", "ibn", identity_accuracy=0.875),
    ]
    table = table_2(results, direction(identity={"ipgan": 0.99}))
    assert table["columns"][1:] == [
        "independent: real",
        "independent: translated",
        "D_sem: real",
        "D_sem: translated",
        "paper: translated",
    ]
    assert cells(table, "IPGAN") == [
        "95.0 ± 7.1", "90.0 ± 3.5", "98.0", "96.0 ± 0.0", "99.0",
    ]  # fmt: skip
    assert cells(table, "StarGAN") == ["100.0", "25.0", "98.0", "-", "-"]
    assert "paper prints 1.0" in table["note"]
    table = table_2([], direction())
    assert cells(table, "IPGAN") == ["-"] * 4
    assert "paper" not in table["note"]


def test_quality_table():
    results = [
        translated("ipgan", 0, accuracy=0.8, distance=0.02),
        run("ipgan", "ibn", seed=1),
        translated("ipgan", 1, accuracy=0.9, distance=0.04, floor=None),
        run("stargan"),
    ]
    table = quality_table(results, direction())
    assert cells(table, "IPGAN") == [
        "85.0 ± 7.1", "95.0 ± 0.0", "0.0300 ± 0.0141", "0.2000 ± 0.0000", "0.0000",
        "-", "-",
    ]  # fmt: skip
    assert cells(table, "StarGAN") == ["-"] * 7
    assert names(table) == ["StarGAN", "IPGAN"]
    results.append(translated("colour map", sharpness=0.984, fine=1.5))
    results.append(translated("perfect", sharpness=1.0, fine=1.0))
    for table in (quality_table(results, direction()), table_2(results, direction())):
        assert names(table) == [
            "colour map", "StarGAN", "IPGAN", "perfect translations",
        ]  # fmt: skip
    assert cells(quality_table(results, direction()), "colour map")[-2:] == [
        "0.98", "1.50",
    ]  # fmt: skip


def test_quality_by_cameras():
    def camera(number, accuracy):
        return {
            "camera": number, "images": 12, "accuracy": accuracy, "distance": 0.5,
            "real_accuracy": None, "source_distance": None, "floor": None,
        }  # fmt: skip

    results = [
        translated("ipgan", 0, cameras=[camera(3, 0.5), camera(1, 1.0)]),
        translated("ipgan", 1, cameras=[camera(3, 0.7), camera(1, 1.0)]),
        translated("stargan"),
    ]
    table = camera_table(results, direction(), "ipgan")
    assert table["title"] == "source to target: IPGAN by cameras"
    assert table["rows"] == [
        [1, 12, "100.0 ± 0.0", "-", "0.5000 ± 0.0000", "-", "-"],
        [3, 12, "60.0 ± 14.1", "-", "0.5000 ± 0.0000", "-", "-"],
    ]
    assert camera_table(results, direction(), "stargan") is None


def test_other_rows_have_a_table_of_their_own():
    results = [
        translated("ipgan", 0, 0.9, accuracy=0.8) | {"mAP": 0.4},
        run("ipgan", seed=1, mean_ap=0.6, identity_accuracy=0.9),
        run("ipgan", "ibn"),
        run("supervised", "ibn"),
        run("ipgan", "ibn_a", mean_ap=0.3),
        translated("one domain", 0, 0.75, accuracy=None, distance=0.25) | {"mAP": 0.2},
    ]
    table = other_rows(results, direction())
    assert table["rows"] == [
        ["ipgan", "baseline", 2, "50.0 ± 0.0", "50.0 ± 14.1", "90.0 ± 0.0", "80.0",
         "0.0120"],
        ["ipgan", "ibn_a", 1, "50.0", "30.0", "-", "80.0", "0.0120"],
        ["one domain", "baseline", 1, "50.0", "20.0", "75.0", "-", "0.2500"],
    ]  # fmt: skip
    assert other_rows(results[:4], direction()) is None


def test_rows_that_went_on_to_the_target_stand_below_their_starts():
    results = [
        run("direct transfer", mean_ap=0.2),
        run("ipgan", mean_ap=0.4),
        run("ipgan", seed=1, mean_ap=0.5),
        run("ipgan", "ibn", mean_ap=0.6),
        run("ipgan+adapt", mean_ap=0.7),
        run("ipgan+adapt", seed=1, mean_ap=0.8),
        run("ipgan+statistics", mean_ap=0.45),
        run("ipgan strong+adapt", "ibn", mean_ap=0.9),
        run("pul", mean_ap=0.3),
    ]
    pul = (4, "PUL", "pul", "baseline", (45.5, 60.7, 66.7, 20.5))
    table = adapted_rows(results, direction(paper=[*PAPER, pul]))
    assert table["columns"] == ["method", "seeds", "rank-1", "rank-5", "rank-10", "mAP"]
    assert [(row[0], row[1], row[-1]) for row in table["rows"]] == [
        ("Baseline+IPGAN", 2, "45.0 ± 7.1"),
        ("Baseline+IPGAN+adapt", 2, "75.0 ± 7.1"),
        ("Baseline+IPGAN+statistics", 1, "45.0"),
        ("IBN-reID+IPGAN, strong+adapt", 1, "90.0"),
        ("Baseline+Direct Transfer", 1, "20.0"),
        ("Baseline+PUL", 1, "30.0"),
    ]
    assert table["note"].endswith(
        "The paper's Table 4, rank-1 and mAP: PUL 45.5 and 20.5."
    )
    assert "Table 4" not in adapted_rows(results, direction())["note"]
    # They are nobody's ablations, and no rows of the paper's tables.
    assert other_rows(results, direction()) is None
    assert not any("adapt" in name for name in names(table_1(results, direction())))
    assert adapted_rows(results[:4], direction()) is None


def test_the_recipe_of_today_on_translations_stands_below_the_paper_s():
    results = [
        run("ipgan"),
        run("ipgan strong", mean_ap=0.6),
        run("ipgan strong", "ibn"),
    ]
    assert names(table_1(results, direction()))[-2:] == [
        "Baseline+IPGAN", "Baseline+IPGAN, strong",
    ]  # fmt: skip
    assert "IBN-reID+IPGAN, strong" in names(table_3(results, direction()))
    assert other_rows(results, direction()) is None


# ------------------------------------------------------------------- the paper's order


def spread(*values):
    return over_seeds([{"x": value} for value in values], "x")


@pytest.mark.parametrize(
    ("low", "high", "wanted", "holds", "text"),
    [
        # 10 points; the deviations are 0 and sqrt(2), and the larger counts.
        (
            spread(0.2, 0.2), spread(0.29, 0.31), {}, True,
            "yes: 20.0 < 30.0 (7.1 sd)",
        ),
        (
            spread(0.29, 0.31), spread(0.2, 0.2), {}, False,
            "no: 30.0 > 20.0 (7.1 sd)",
        ),
        # 4 points are 1.4 deviations of 2.8, and 2.8 of the other row's.
        (
            spread(0.28, 0.32), spread(0.33, 0.35), {"apart": 2}, False,
            "no: 30.0 < 34.0 (1.4 sd)",
        ),
        (
            spread(0.28, 0.32), spread(0.33, 0.35), {"apart": 1}, True,
            "yes: 30.0 < 34.0 (1.4 sd)",
        ),
        (
            spread(0.5), spread(0.75), {}, True,
            "yes: 50.0 < 75.0 (one seed)",
        ),
        (
            spread(0.5), spread(0.7, 0.8), {"apart": 2}, None,
            "open: 50.0 < 75.0 (one seed)",
        ),
        (
            spread(0.5), spread(0.25), {"apart": 2}, False,
            "no: 50.0 > 25.0 (one seed)",
        ),
        (
            spread(0.5, 0.5), spread(0.75, 0.75), {"apart": 2}, True,
            "yes: 50.0 < 75.0 (no spread)",
        ),
        (
            spread(0.5, 0.5), spread(0.5, 0.5), {}, False,
            "no: 50.0 = 50.0 (no spread)",
        ),
        (
            spread(0.5, 0.5), spread(0.5, 0.5), {"or_equal": True}, True,
            "yes: 50.0 = 50.0 (no spread)",
        ),
        (spread(), spread(0.5), {}, None, "-"),
        (spread(0.5), spread(), {"or_equal": True}, None, "-"),
    ],
)  # fmt: skip
def test_compare(low, high, wanted, holds, text):
    answer = compare(low, high, **wanted)
    assert (answer.holds, answer.text) == (holds, text)


def order_of_the_paper():
    results = []
    for network, more in (("baseline", 0), ("ibn", 0.1)):
        for row, low in (("direct transfer", 0.2), ("stargan", 0.3), ("ipgan", 0.4)):
            results += runs(
                row,
                network,
                [low + more, low + more + 0.01],
                rank=0.5 + more,
                identity_accuracy={"stargan": 0.2, "ipgan": 0.95}.get(row),
            )
    return results


def test_the_order_comes_out():
    results = order_of_the_paper()
    found = answers(results, direction())
    assert len(found) == 14
    assert all(answer.holds for answer in found.values())
    assert order_sentence(results, direction()) == (
        "source to target: 14 of 14 claims about the paper's order hold."
    )


def test_what_does_not_hold_is_said():
    results = order_of_the_paper()
    for record in results:
        if (record["row"], record["network"]) == ("stargan", "ibn"):
            record["mAP"] = 0.2
            record["rank-1"] = 0.4
        accuracy = 0.899 if record["row"] == "ipgan" else None
        record["identity_accuracy"] = accuracy
    found = answers(results, direction())
    failed = [claim for claim, answer in found.items() if answer.holds is False]
    assert failed == [
        "IBN-reID mAP: Direct Transfer < StarGAN",
        "StarGAN rank-1: Baseline <= IBN-reID",
        "StarGAN mAP: Baseline <= IBN-reID",
        "identity accuracy: IPGAN >= 90%",
    ]
    assert found[failed[-1]].text == "no: 89.9 ± 0.0"
    assert order_sentence(results, direction()) == (
        "source to target: 9 of 13 claims about the paper's order hold; what does not: "
        f"{'; '.join(failed)}; 1 can't be answered by these runs."
    )


def test_the_order_has_a_column_a_direction():
    results = order_of_the_paper()
    other = direction("back", "target to source")
    table = order_table(results, [direction(), other])
    assert table["columns"][1:] == ["source to target", "target to source"]
    wanted = "Baseline mAP: Direct Transfer < IPGAN by 2 sd"
    (row,) = (r for r in table["rows"] if r[0] == wanted)
    assert row[1:] == ["yes: 20.5 < 40.5 (28.3 sd)", "-"]
    assert {len(row) for row in table["rows"]} == {3}


# ------------------------------------------------------------------- Markdown and CSV


def test_csv():
    results = [
        run("a, b", seed=1, rank=0.1, **{"rank-5": 1 / 3}),
        run("ipgan", identity_accuracy=0.75),
    ]
    text = results_csv(results)
    assert text.splitlines() == [
        "direction,row,network,seed,rank-1,rank-5,rank-10,mAP,identity_accuracy",
        f'source_to_target,"a, b",baseline,1,0.1,{1 / 3},{0.1 + 0.2},0.25,',
        "source_to_target,ipgan,baseline,0,0.5,0.6,0.7,0.25,0.75",
    ]
    assert [float(r["rank-5"]) for r in csv.DictReader(io.StringIO(text))] == [
        1 / 3,
        0.6,
    ]
    assert results_csv([]).count("\n") == 1


def parsed(markdown):
    """{heading: rows of the table below it}, and every table's rows are as long."""
    tables, heading = {}, None
    for block in markdown.split("\n\n"):
        if block.startswith("#"):
            heading = block.lstrip("# ")
        elif block.startswith("|"):
            rows = [
                [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
                for line in block.splitlines()
            ]
            assert len({len(row) for row in rows}) == 1, block
            assert all(re.fullmatch("---:?", cell) for cell in rows[1])
            tables.setdefault(heading, []).append(rows)
    return tables


def test_markdown():
    results = order_of_the_paper()
    results.append(run("a|b", identity_accuracy=0.5))
    before = copy.deepcopy(results)
    text = results_markdown(
        results, experiment(direction(paper=PAPER), note="A note."), "\nFirst this.\n"
    )
    assert text.startswith(
        "# A world\n\nFirst this.\n\nA note.\n\nShares are in percent: mean ± "
        "sample standard deviation over 2 seeds (0, 1).\n\n"
        "## Does the paper's order come out?\n\n"
        "- source to target: 14 of 14 claims about the paper's order hold.\n\n| claim |"
    )
    assert text.endswith("|\n") and "\n\n\n" not in text
    tables = parsed(text)
    assert list(tables) == [
        "Does the paper's order come out?",
        "Table 1: the baseline network",
        "Table 2: identity accuracy",
        "Table 3: baseline and IBN-reID",
        "Table 4: other systems",
        "Translation quality",
        "Ablations",
        "Seeds, time, versions",
    ]
    assert "\n## source to target\n\n### Table 1" in text
    (table,) = tables["Table 1: the baseline network"]
    assert table[1] == ["---", *["---:"] * 8]
    assert table[-1][:2] == ["Baseline+IPGAN", "50.0 ± 0.0"]
    assert r"| a\|b | baseline | 1 |" in text
    assert "[a] Tables 3 and 4 print 75.6." in text
    assert results == before


def test_markdown_of_what_a_user_ran():
    """Any part of the runs gives tables of dashes, and no error."""
    both = experiment(direction(), direction("back", "target to source"))
    results = order_of_the_paper()
    for record in results:
        text = results_markdown([record | {"identity_accuracy": None}], both)
        assert "one seed (" in text and "target to source" not in text
        parsed(text)
        assert "source to target: these runs answer no claim about" in text
    back = [record | {"direction": "back"} for record in results]
    text = results_markdown(results + back, both)
    assert len(parsed(text)["Table 1: the baseline network"]) == 2


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12.3, "12 s"), (600, "10 min"), (5400, "1 h 30 min"), (90_000, "25 h 0 min")],
)
def test_how_it_was_made(seconds, text):
    command = {"command": "tfipgan x", "seconds": seconds}
    results = [
        run("ipgan", seed=4, commands=[command]),
        run("ipgan", "ibn", seed=0, commands=[command]),  # the same one, made once
        run("stargan", commands=[], versions={"python": "3.12.1"}),
    ]
    assert made_table(results)["rows"] == [
        ["seeds", "0, 4"],
        ["time of all commands together", text],
        ["python", "3.11.7, 3.12.1"],
        ["machine", "2 cores"],
    ]
