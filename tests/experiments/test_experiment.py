"""experiment.yaml: what it may hold, and what the packaged ones do."""

import re

import pytest
import yaml

from tfipgan.config import load_config, packaged_folder
from tfipgan.errors import ConfigError
from tfipgan.experiments.experiment import load_experiment

SMALL = {
    "title": "Small",
    "directions": {"there": {"source": "a", "target": "b"}},
}


@pytest.fixture
def written(tmp_path):
    """Function of values: the folder whose experiment.yaml holds them."""

    def write(values):
        (tmp_path / "experiment.yaml").write_text(yaml.safe_dump(values))
        return tmp_path

    return write


def test_what_is_left_out_has_its_default(written):
    folder = written(SMALL)
    experiment = load_experiment(folder)
    (direction,) = experiment.directions
    assert (experiment.title, experiment.world, experiment.note) == ("Small", None, "")
    assert (direction.name, direction.title) == ("there", "there")
    assert direction.configs == folder
    assert (direction.paper, direction.paper_identity) == ((), {})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ([1], "expected keys and values, found [1]"),
        ({**SMALL, "titel": "x"}, "unknown key titel; known keys are title"),
        ({"title": "x"}, "directions is missing"),
        ({**SMALL, "title": 3}, "title: expected text, found 3"),
        ({**SMALL, "world": {"seed": 10**20}}, "world.seed: expected a number, "),
        ({**SMALL, "world": {"size": 3}}, "world.size: expected text, found 3"),
        (
            {**SMALL, "world": {}},
            "directions.there: expected the drawn world's source and target, found a",
        ),
        ({**SMALL, "title": "a\nb"}, "title: expected a name, found 'a\\nb'"),
        ({**SMALL, "world": {"sed": 1}}, "world: unknown key sed; known keys are seed"),
        ({**SMALL, "directions": {}}, "directions: expected at least one, found none"),
        (
            {**SMALL, "directions": {"../x": {"source": "a", "target": "b"}}},
            "directions.../x: expected a name of letters, digits and underscores",
        ),
        (
            {**SMALL, "directions": {"x": {"source": "a"}}},
            "directions.x.target is missing",
        ),
        (
            {**SMALL, "directions": {"x": {**SMALL["directions"]["there"], "a": 1}}},
            "directions.x: unknown key a",
        ),
    ],
)
def test_what_is_wrong_is_named(written, change, message):
    with pytest.raises(ConfigError, match=re.escape(message)) as error:
        load_experiment(written(change))
    assert str(error.value).count("\n") == 0


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("source", "a\0b", "there.source: expected a name, found 'a\\x00b'"),
        ("configs", "nowhere", "is no folder, expected one of configs"),
        ("paper", {}, "there.paper: expected a list, found {}"),
        ("paper", [{"table": 1}], "there.paper.name is missing"),
        ("paper_identity", {"ipgan": "x"}, "expected a number, found 'x'"),
    ],
)
def test_what_is_wrong_with_a_direction_is_named(written, key, value, message):
    values = {**SMALL, "directions": {"there": {**SMALL["directions"]["there"]}}}
    values["directions"]["there"][key] = value
    with pytest.raises(ConfigError, match=re.escape(message)):
        load_experiment(written(values))


@pytest.mark.parametrize("table", [1.5, float("inf"), True, "1"])
def test_a_table_has_a_whole_number(written, table):
    row = {"table": table, "name": "n", "row": "ipgan", "network": "baseline"}
    row["printed"] = [1, 2, 3, 4]
    direction = {"source": "a", "target": "b", "paper": [row]}
    with pytest.raises(ConfigError, match="paper.table: expected a whole number"):
        load_experiment(written({"title": "x", "directions": {"there": direction}}))


@pytest.mark.parametrize(
    "printed", [[1, 2, 3], 4, [1, 2, 3, True], [1, 2, 3, float("nan")]]
)
def test_a_printed_row_has_four_numbers(written, printed):
    row = {"table": 1, "name": "n", "row": "ipgan", "network": "baseline"}
    direction = {"source": "a", "target": "b", "paper": [{**row, "printed": printed}]}
    with pytest.raises(ConfigError, match=r"printed: expected (rank-1|a number)"):
        load_experiment(written({"title": "x", "directions": {"there": direction}}))


def test_a_folder_without_one_is_told_of_the_packaged(tmp_path):
    with pytest.raises(ConfigError, match="has no experiment.yaml; .*market_duke, syn"):
        load_experiment(tmp_path)


PACKAGED = sorted(p.parent.name for p in packaged_folder().glob("*/experiment.yaml"))


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_experiments(name):
    experiment = load_experiment(name)
    for direction in experiment.directions:
        for path in direction.configs.glob("*.yaml"):
            if path.name != "experiment.yaml":
                load_config(path)


def test_the_papers_numbers():
    """Against what the configs of the rows say, which were written at another time."""
    experiment = load_experiment("market_duke")
    for direction in experiment.directions:
        assert len(direction.paper) == 14
        for row in direction.paper:
            ibn = "_ibn" if row.network == "ibn" else ""
            path = direction.configs / f"{row.row.replace(' ', '_')}{ibn}.yaml"
            if not path.exists():
                assert row.row in ("cyclegan", "camstyle")
                continue
            rank1, rank5, rank10, mean_ap = map(str, row.printed)
            words = path.read_text().replace("\n# ", " ")
            numbers = re.search(
                r"rank-1 ([\d.]+), rank-5 ([\d.]+), rank-10 ([\d.]+), mAP ([\d.]+)",
                words,
            ).groups()
            for told, printed in zip(
                numbers, (rank1, rank5, rank10, mean_ap), strict=True
            ):
                # Two tables of the paper differ in two numbers; the text says both.
                assert told == printed or printed in words, (path, row.table)
