"""Results kept by row: what is written is read, and what doesn't belong is refused."""

import copy
import json
import math
import re

import pytest
from measured import direction, experiment, run, translated

from tfipgan.errors import InputError
from tfipgan.experiments.experiment import RowSteps
from tfipgan.experiments.result_files import (
    COLUMNS,
    in_order,
    read_results,
    result_path,
    table_line,
    write_results,
)
from tfipgan.experiments.results import dataset_digest

RESULTS = [
    run("direct transfer"),
    run("direct transfer", seed=1),
    translated("ipgan+adapt", 0, floor=None),
    run("ipgan+adapt", "ibn") | {"direction": "back"},
]


def test_a_file_a_row(tmp_path):
    write_results(tmp_path, RESULTS[:2])
    # Those of another call stay.
    write_results(tmp_path, RESULTS[2:])
    files = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.json"))
    assert files == [
        "back/ipgan+adapt_ibn_seed0.json",
        "source_to_target/direct_transfer_baseline_seed0.json",
        "source_to_target/direct_transfer_baseline_seed1.json",
        "source_to_target/ipgan+adapt_baseline_seed0.json",
    ]
    found = read_results(tmp_path)
    assert sorted(found, key=str) == sorted(RESULTS, key=str)
    write_results(tmp_path, RESULTS)
    assert read_results(tmp_path) == found


def test_a_line_of_the_table():
    line = table_line(translated("ipgan", independent=0.75))
    assert tuple(line) == COLUMNS and line["identity_accuracy"] == 0.75


def test_the_experiments_order():
    rows = tuple(
        RowSteps(key, row, network, None, ())
        for key, row, network in (
            ("a", "ipgan+adapt", "ibn"),
            ("b", "direct transfer", "baseline"),
        )
    )
    both = experiment(direction("back"), direction(), rows=rows)
    other = run("another")
    found = in_order([other, *RESULTS], both)
    assert found == [RESULTS[3], RESULTS[0], other, RESULTS[2], RESULTS[1]]
    with pytest.raises(InputError, match="the direction 'back', expected one of world"):
        in_order(RESULTS, experiment(rows=rows))


def changed(**change):
    return run("stargan") | change


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (changed(mAP=1.5), "is damaged, mAP holds 1.5: input should be less than"),
        (changed(mAP="0.5"), "is damaged, mAP holds '0.5': input should be a valid"),
        (changed(mAP=math.nan), "is damaged, mAP holds nan: input should be a finite"),
        (changed(seed=True), "is damaged, seed holds True: input should be a valid i"),
        (changed(seed=0.0), "is damaged, seed holds 0.0"),
        (changed(identity_accuracy=-0.1), "is damaged, identity_accuracy holds -0.1"),
        (changed(datasets={"source": 3}), "is damaged, datasets.source holds 3"),
        (changed(commands=[{"command": "x"}]), "is damaged, commands.0.seconds holds"),
        (
            changed(commands=[{"command": "x", "seconds": 1e308}] * 2),
            "is damaged, commands.0.seconds holds 1e+308",
        ),
        (changed(measured={"quality": 0.5}), "is damaged, measured.quality holds 0.5"),
        (
            changed(measured={"quality": None}),
            "is damaged, measured.quality holds None",
        ),
        (changed(measured={"real_accuracy": {}}), "measured.real_accuracy holds {}"),
        (changed(measured={"semantic_accuracy": 7}), "semantic_accuracy holds 7"),
        (changed(measured={"a": "x"}), "is damaged, measured.a."),
        (changed(measured={"q": {"cameras": 3}}), "is damaged, measured.q."),
        ({"row": "stargan"}, "is damaged, direction holds {'row': 'stargan'}: field"),
        ([], "is damaged, it holds []"),
        (changed(row="ipgan"), "holds the result of "),
        (changed(seed=3), "holds the result of "),
        (changed(direction="back"), "holds the result of "),
    ],
)
def test_a_damaged_file(tmp_path, result, message):
    path = result_path(tmp_path, run("stargan"))
    path.parent.mkdir()
    path.write_text(json.dumps(result))
    with pytest.raises(InputError, match=re.escape(message)) as error:
        read_results(tmp_path)
    assert str(error.value).startswith(f"{path} ") and "\n" not in str(error.value)
    assert str(error.value).endswith("leaves in OUT/results: run its row again")


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json(tmp_path, text):
    path = result_path(tmp_path, run("stargan"))
    path.parent.mkdir()
    path.write_bytes(text)
    with pytest.raises(InputError, match=f"{path} is damaged, it holds ") as error:
        read_results(tmp_path)
    assert len(str(error.value)) < 1000


def test_different_worlds_are_refused(tmp_path):
    other = run("stargan") | {"direction": "back"}
    other["datasets"] = {"source": "another", "target": "b0"}
    write_results(tmp_path, [*RESULTS, other])
    first = result_path(tmp_path, RESULTS[3])
    with pytest.raises(InputError) as error:
        read_results(tmp_path)
    assert str(error.value) == (
        f"{result_path(tmp_path, other)} is of another world than {first}: source of "
        "seed 0 is 'another', expected 'a0'; run the row again on the same"
    )
    # Another seed has a world of its own, and another dataset is no other world.
    other["datasets"] = {"elsewhere": "another"}
    write_results(tmp_path, [other])
    read_results(tmp_path)


def test_a_row_of_two_recipes_is_refused(tmp_path):
    other = copy.deepcopy(RESULTS[1])
    other["config"]["reid"]["reid"]["epochs"] = 4
    write_results(tmp_path, [RESULTS[0], other])
    with pytest.raises(InputError) as error:
        read_results(tmp_path)
    assert str(error.value) == (
        f"{result_path(tmp_path, other)} is of another config than "
        f"{result_path(tmp_path, RESULTS[0])}: reid.reid.epochs 4, expected 3; run the "
        "row again with one config"
    )


def test_a_datasets_digest(tmp_path):
    def write(name, contents):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents)
        return dataset_digest(tmp_path)

    found = [write("a/b.jpg", b"1"), write("c.jpg", b"2"), write("a/b.jpg", b"3")]
    (tmp_path / "c.jpg").rename(tmp_path / "d.jpg")
    found.append(dataset_digest(tmp_path))
    assert len(set(found)) == 4 and {len(digest) for digest in found} == {32}
    (tmp_path / "d.jpg").rename(tmp_path / "c.jpg")
    assert dataset_digest(tmp_path) == found[2]
    # A name's end is told from the contents, and a folder's from the next name's.
    (tmp_path / "a" / "b.jpg").rename(tmp_path / "ab.jpg")
    assert dataset_digest(tmp_path) not in found
