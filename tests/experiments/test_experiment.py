"""experiment.yaml: what it may hold, and what the packaged ones do."""

import re

import pytest
import yaml

from tfipgan.config import load_config, packaged_folder
from tfipgan.errors import ConfigError
from tfipgan.experiments.experiment import load_experiment

ROW = {"steps": {"metrics": "evaluate --model runs/a --data $target"}}
SMALL = {
    "title": "Small",
    "directions": {"there": {"source": "a", "target": "b"}},
    "rows": {"ready_made": ROW},
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
    (direction,), (row,) = experiment.directions, experiment.rows
    assert (experiment.title, experiment.world, experiment.note) == ("Small", None, "")
    assert experiment.name == folder.name and experiment.steps == {}
    assert (row.key, row.row, row.network) == ("ready_made", "ready made", "baseline")
    assert row.after is None
    (step,) = row.steps
    assert (step.name, step.command) == ("metrics", "evaluate")
    assert step.reads() == {"target"}
    assert (direction.name, direction.title) == ("there", "there")
    assert direction.configs == folder
    assert (direction.paper, direction.paper_identity) == ((), {})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ([1], "expected keys and values, found [1]"),
        ({**SMALL, "titel": "x"}, "unknown key titel; known keys are title"),
        ({"title": "x"}, "directions is missing"),
        ({**SMALL, "rows": {}}, "rows: expected at least one, found none"),
        ({k: SMALL[k] for k in ("title", "directions")}, "rows is missing"),
        ({**SMALL, "title": 3}, "title: expected text, found 3"),
        ({**SMALL, "world": {"cameras": 10**20}}, "world.cameras: expected a number, "),
        ({**SMALL, "world": {"size": 3}}, "world.size: expected text, found 3"),
        ({**SMALL, "world": None}, "world: expected keys and values, found None"),
        (
            {**SMALL, "world": {}},
            "directions.there: expected the drawn world's source and target, found a",
        ),
        ({**SMALL, "title": "a\nb"}, "title: expected a name, found 'a\\nb'"),
        (
            {**SMALL, "world": {"seed": 1}},
            "world: unknown key seed; known keys are ide",
        ),
        ({**SMALL, "directions": {}}, "directions: expected at least one, found none"),
        (
            {**SMALL, "directions": {"../x": {"source": "a", "target": "b"}}},
            "directions.../x: expected a name of letters, digits and underscores",
        ),
        (
            {**SMALL, "directions": {"logs": {"source": "a", "target": "b"}}},
            "underscores, none of data, figures, logs, results",
        ),
        (
            {**SMALL, "directions": {"x": {"source": "", "target": "b"}}},
            "directions.x.source: expected a name, found ''",
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a b": ROW}, "rows.a b: expected a name of letters, digits and any of _+-.,"),
        ({"../a": ROW}, "rows.../a: expected a name"),
        ({"shared": ROW}, "rows.shared: expected a name of letters, digits and any"),
        ({1: ROW}, "rows.1: expected a name"),
        ({"a": 3}, "rows.a: expected keys and values, found 3"),
        ({"a": {}}, "rows.a.steps is missing"),
        ({"a": {**ROW, "stepz": 1}}, "rows.a: unknown key stepz; known keys are row"),
        ({"a": {**ROW, "after": "b"}}, "rows.a.after: expected a row that stands bef"),
        ({"a": {**ROW, "after": ["a"]}}, "rows.a.after: expected a row that stands be"),
        ({"a": {**ROW, "row": "x/y"}}, "rows.a.row: expected letters, digits, spaces"),
        ({"a": {**ROW, "network": ""}}, "rows.a.network: expected a name, found"),
        ({"a": ROW, "b": {**ROW, "row": "a"}}, "rows: a and b are both the row a with"),
        (
            {"a": {**ROW, "row": "x y"}, "b": {**ROW, "row": "x_y"}},
            "the results of a and b would both be files x_y_baseline_seed0.json",
        ),
        (
            {
                "a": {**ROW, "network": "x_y"},
                "b": {**ROW, "row": "a x", "network": "y"},
            },
            "the results of a and b would both be files a_x_y_seed0.json",
        ),
        (
            {
                "a": {"steps": {**ROW["steps"], "share": "identity-accuracy"}},
                "b": {"after": "a", "steps": {"x": "evaluate --model $share"}},
            },
            "rows.b.steps.x: $share is a number that identity-accuracy prints, expe",
        ),
        (
            {"a": {"steps": {"images": "translate --model runs/a --source $source"}}},
            "rows.a.steps: expected one that is an evaluate",
        ),
        (
            {"a": {"steps": {"first": "evaluate --model x --data $target"}}},
            "rows.a.steps.first: a step outside the rows has that name",
        ),
    ],
)
def test_what_is_wrong_with_a_row_is_named(written, change, message):
    steps = {"first": "train-reid --config x --data $source"}
    with pytest.raises(ConfigError, match=re.escape(message)) as error:
        load_experiment(written({**SMALL, "steps": steps, "rows": change}))
    assert str(error.value).count("\n") == 0


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("a", 3, "steps.a: expected a command line, found 3"),
        ("a", "", "steps.a: expected a line that begins with one of train-gan, su"),
        ("a", "rm -r $here", "steps.a: expected a line that begins with one of"),
        ("a", "extract 'x", 'steps.a: "extract \'x" is no command line: No closing'),
        ("a", "extract --model $b", "steps.a: $b is not made before; expected one of"),
        ("a", "extract --model $a", "steps.a: $a is not made before; expected one of"),
        ("a", "extract --model $", "steps.a: expected $name, or ${seed+1000}, found"),
        ("a", "extract --model ${a+1}", "steps.a: expected ${seed+..}, found ${a+1}"),
        ("a", "extract --out x", "steps.a: expected no --out, which is set for each"),
        ("a", "train-gan --resume", "steps.a: expected no --resume, which is set"),
        ("a", "evaluate --json=x", "steps.a: expected no --json, which is set"),
        ("a", "train-gan --config", "steps.a: expected a value after --config"),
        ("a", "evaluate --data=a --data b", "steps.a: expected one --data, found more"),
        ("a", "train-gan --config=a --config b", "steps.a: expected one --config, f"),
        ("a", "train-gan --set=reid.epochs=3 --config", "steps.a: expected a value af"),
        ("a", "train-gan --help", "steps.a: expected no '--help' in it"),
        ("a", "extract --model 'a\0b'", "steps.a: expected no 'a\\x00b' in it"),
        ("quality", "evaluate --model x", "steps.quality: the tables read that name, "),
        ("real_accuracy", "evaluate", "expected identity-accuracy, found evaluate; g"),
        ("größe", "extract", "steps: größe: expected a step's name of letters a to z"),
        ("seed", "extract", "steps: seed: expected a step's name of letters a to z"),
        ("a-b", "extract", "steps: a-b: expected a step's name of letters a to z"),
    ],
)
def test_what_is_wrong_with_a_step_is_named(written, name, line, message):
    with pytest.raises(ConfigError, match=re.escape(message)) as error:
        load_experiment(written({**SMALL, "steps": {name: line}}))
    assert str(error.value).count("\n") == 0


def test_a_shared_step_has_no_row_whose_folder_it_knows(written):
    steps = {"a": "evaluate --model x --data $source --figures $here/x"}
    with pytest.raises(ConfigError, match=r"steps.a: \$here is not made before"):
        load_experiment(written({**SMALL, "steps": steps}))


@pytest.mark.parametrize("table", [1.5, float("inf"), True, "1"])
def test_a_table_has_a_whole_number(written, table):
    row = {"table": table, "name": "n", "row": "ipgan", "network": "baseline"}
    row["printed"] = [1, 2, 3, 4]
    direction = {"source": "a", "target": "b", "paper": [row]}
    with pytest.raises(ConfigError, match="paper.table: expected a whole number"):
        load_experiment(written({**SMALL, "directions": {"there": direction}}))


@pytest.mark.parametrize(
    "printed", [[1, 2, 3], 4, [1, 2, 3, True], [1, 2, 3, float("nan")]]
)
def test_a_printed_row_has_four_numbers(written, printed):
    row = {"table": 1, "name": "n", "row": "ipgan", "network": "baseline"}
    direction = {"source": "a", "target": "b", "paper": [{**row, "printed": printed}]}
    with pytest.raises(ConfigError, match=r"printed: expected (rank-1|a number)"):
        load_experiment(written({**SMALL, "directions": {"there": direction}}))


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
        assert len(direction.paper) == 19
        for row in direction.paper:
            ibn = "_ibn" if row.network == "ibn" else ""
            path = direction.configs / f"{row.row.replace(' ', '_')}{ibn}.yaml"
            if row.network == "none":
                assert row.row in ("bow", "lomo") and not path.exists()
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
