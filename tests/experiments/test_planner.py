"""The plan: commands that the command line takes, in order, each thing made once."""

import itertools
from pathlib import Path

import pytest

from tfipgan.cli.main import main
from tfipgan.config import load_config
from tfipgan.errors import ConfigError
from tfipgan.experiments.experiment import load_experiment
from tfipgan.experiments.planner import make_plan

pytestmark = pytest.mark.usefixtures("yaml_parsed_once")
EXPERIMENTS = ("synthetic", "market_duke", "synthetic_ablations", "synthetic_choice")
EXPERIMENTS += ("demo",)
READ = ("data", "source", "target", "semantic", "model", "translated", "images")
READ += ("classifier", "query", "gallery", "dataset", "features", "camel")
READ += ("codebook",)


def planned(name, tmp_path, seeds=2, **options):
    return make_plan(
        load_experiment(name),
        tmp_path / "out",
        tmp_path / "data",
        range(seeds),
        **options,
    )


def parsed(command):
    """The parameters of a command line, as click reads them.

    Of options that may be repeated the one path that is given, or None.
    """
    name, *arguments = command.arguments
    words = [*arguments, *command.runtime]
    values = main.commands[name].make_context(name, words).params
    for key in ("data", "translated"):
        if isinstance(values.get(key), tuple):
            values[key] = (*values[key], None)[0]
            assert values[key] is None or isinstance(values[key], Path)
    return values


def by_name(plan):
    return {command.name: command for command in plan.commands}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_command_is_a_valid_one_and_finds_what_it_reads(tmp_path, name):
    plan = planned(name, tmp_path)
    assert len(by_name(plan)) == len(plan.commands)
    makes, before = {}, {}
    data = {tmp_path / "data" / d for d in ("market1501", "dukemtmc")}
    for command in plan.commands:
        values = parsed(command)
        # What it waits for, and what that waits for; a KeyError if it comes later.
        before[command.name] = set(command.after).union(
            *(before[other] for other in command.after)
        )
        there = data.union(*(makes[other] for other in before[command.name]))
        for key in READ:
            path = values.get(key)
            if isinstance(path, Path):  # extract's features are a word
                # Or a split of a dataset.
                assert {path, path.parent} & there, (command, key)
        if "config_path" in values:
            load_config(values["config_path"], values["overrides"])
        out = values.get("out")
        if command.arguments[0] == "synthesize":
            made = {values["out"] / "source", values["out"] / "target"}
        else:
            made = {out} - {None}
        assert not made & set().union(*makes.values())
        makes[command.name] = made
        resumes = command.arguments[0] in ("train-reid", "train-gan", "adapt")
        assert ("--resume" in command.runtime) == resumes


def test_the_rows_of_the_tables(tmp_path):
    plan = planned("synthetic", tmp_path)
    starts = [
        f"{row}{recipe}"
        for row in ("direct transfer", "stargan", "ipgan")
        for recipe in ("", " strong")
    ]
    compared = ("cyclegan", "camstyle", "spgan")
    pairs = [
        (row, network)
        for row in (
            "supervised", "supervised strong", *starts[:2], "colour map",
            "colour jitter", "perfect", *compared, *starts[2::2], *starts[3::2],
        )
        for network in ("baseline", "ibn")
        if network == "baseline" or row not in compared
    ]  # fmt: skip
    pairs += [
        (f"{row}+{how}", network)
        for row in starts
        for network in ("baseline", "ibn")
        for how in ("adapt", "statistics")
    ]
    pairs += [
        ("pul", "baseline"), ("bow", "none"), ("lomo", "none"), ("camel", "baseline"),
        ("direct transfer+lmp", "baseline"), ("spgan+lmp", "baseline"),
    ]  # fmt: skip
    expected = [
        (direction, row, network, seed)
        for seed in (0, 1)
        for direction in ("source_to_target", "target_to_source")
        for row, network in pairs
    ]
    found = [(r.direction, r.row, r.network, r.seed) for r in plan.rows]
    assert found == expected
    # Both networks are trained on one translated set.
    kinds = [command.arguments[0] for command in plan.commands]
    assert kinds.count("translate") == 7 * 2 * 2
    for row in plan.rows:
        names = [step.name for step in row.steps]
        translated = row.row in ("colour map", "perfect", *compared, *starts[2::2])
        assert ("identity_accuracy" in names) == translated
        assert row.metrics.name == "metrics" and row.metrics.path.suffix == ".json"
        assert row.data == {
            name: tmp_path / "data" / f"world_{row.seed}" / name
            for name in ("source", "target")
        }


def test_seed_k_draws_world_k(tmp_path):
    plan = make_plan(load_experiment("demo"), tmp_path, tmp_path / "d", [100, 101])
    worlds = [c for c in plan.commands if c.arguments[0] == "synthesize"]
    assert [(parsed(c)["seed"], parsed(c)["out"]) for c in worlds] == [
        (100, tmp_path / "d" / "world_100"),
        (101, tmp_path / "d" / "world_101"),
    ]


def test_what_rows_have_in_common_is_made_once(tmp_path):
    plan = planned("synthetic", tmp_path, seeds=1)
    kinds = [command.arguments[0] for command in plan.commands]
    assert kinds.count("synthesize") == 1
    assert kinds.count("train-gan") == 10 and kinds.count("translate") == 14
    # Twelve networks go on to the target in two ways, and one by PUL.
    assert kinds.count("adapt") == 2 * (12 * 2 + 1)
    # Each network on each dataset, which serves as the supervised row of the one
    # direction, the direct transfer of the other and, the baseline, as D_sem; each with
    # other colours, and by the strong recipe; each network on 2 x 4 translated sets,
    # the baseline on three others', and each on StarGAN's and IPGAN's by the strong
    # recipe; of each direction the classifiers that measure the translations; and two
    # with a larger last map, for its stripes.
    assert kinds.count("train-reid") == 4 + 4 + 4 + 16 + 6 + 8 + 2 + 2 + 4
    assert kinds.count("fit-camel") == 2
    commands = by_name(plan)
    tested = {
        (r.direction, r.row, r.network): parsed(commands[r.metrics.command])["model"]
        for r in plan.rows
    }
    for network in ("baseline", "ibn"):
        assert (
            tested["source_to_target", "supervised", network]
            == tested["target_to_source", "direct transfer", network]
        )
    gan = parsed(commands["source_to_target-seed_0-ipgan-gan"])
    assert gan["semantic"] == tested["source_to_target", "direct transfer", "baseline"]
    assert parsed(commands["source_to_target-seed_0-stargan-gan"])["semantic"] is None
    # Whoever measures the same again reads the first one's number.
    firsts, seconds = (
        {step.name: step.command for row in plan.rows if row.key == key
         for step in row.steps}
        for key in ("ipgan", "ipgan_ibn")
    )  # fmt: skip
    assert firsts["identity_accuracy"] == seconds["identity_accuracy"]
    assert firsts["reid"] != seconds["reid"]


def test_the_independent_classifier_is_d_sems_recipe_with_another_seed(tmp_path):
    plan = planned("market_duke", tmp_path, seeds=1)
    commands = by_name(plan)
    d_sem, other = (
        parsed(commands[f"market_to_duke-seed_0-shared-{name}"])
        for name in ("semantic", "independent")
    )
    seeds = [
        load_config(values["config_path"], values["overrides"]).seed
        for values in (d_sem, other)
    ]
    assert seeds == [0, 1000]
    assert d_sem["data"] == other["data"] == tmp_path / "data" / "market1501"
    for row in plan.rows:
        made = {step.name: parsed(commands[step.command]) for step in row.steps}
        if "images" in made:
            assert made["identity_accuracy"]["classifier"].name == "independent"
            assert made["identity_accuracy"]["images"] == made["images"]["out"]
        if "semantic_accuracy" in made:
            assert made["semantic_accuracy"]["classifier"].name == "semantic"


def test_seeds_and_values_reach_the_trainings(tmp_path):
    plan = planned("synthetic", tmp_path, overrides=["reid.epochs=7"], threads=3)
    for command in plan.commands:
        values = parsed(command)
        if "config_path" not in values:
            continue
        config = load_config(values["config_path"], values["overrides"])
        # adapt has no such values of its own, and refuses them.
        adapts = command.arguments[0] == "adapt"
        assert (config.reid.epochs == 7) != adapts
        assert values["threads"] is None or values["threads"] == 3
        assert config.seed % 1000 == int(command.name.split("-seed_")[1][0])
        assert command.settings["seed"] == config.seed
    with pytest.raises(ConfigError, match="--set seed=7: expected other values"):
        planned("synthetic", tmp_path, overrides=["seed=7"])
    with pytest.raises(ConfigError, match="reid.epoch"):
        planned("synthetic", tmp_path, overrides=["reid.epoch=7"])


def test_an_adaptation_goes_on_from_its_row_s_network(tmp_path):
    plan = planned("synthetic", tmp_path, seeds=1, overrides=["adapt.epochs=3"])
    commands, rows = by_name(plan), {(r.row, r.network): r for r in plan.rows}
    for (row, network), found in rows.items():
        start, _, how = row.rpartition("+")
        if row == "pul":
            start, how = "direct transfer", "pul"
        if not start or how == "lmp":
            continue
        made = parsed(commands[found.last("adapt").command])
        tested = parsed(commands[found.metrics.command])
        before = parsed(commands[rows[start, network].metrics.command])
        assert made["model"] == before["model"]
        assert made["target"] == tested["data"] == before["data"]
        assert tested["model"] == made["out"]
        expected = {"adapt": "clusters"}.get(how, how)
        assert made["method"] == expected
        config = load_config(made["config_path"], made["overrides"])
        assert (config.seed, config.adapt.epochs, config.adapt.pad_crop) == (0, 3, 4)
        if row == "pul":
            assert (config.pul.rounds, config.pul.clusters) == (5, 160)


def test_some_rows_and_directions_only(tmp_path):
    plan = planned(
        "synthetic", tmp_path, rows=["ipgan_ibn"], directions=["target_to_source"]
    )
    assert {(r.direction, r.row, r.network) for r in plan.rows} == {
        ("target_to_source", "ipgan", "ibn")
    }
    kinds = [command.arguments[0] for command in plan.commands]
    # D_sem, the independent classifier, and the row.
    assert kinds.count("train-reid") == 2 * 3
    # The other networks on the target are another direction's rows, but one run.
    alone = planned("synthetic", tmp_path, rows=["supervised"], seeds=1)
    assert [command.arguments[0] for command in alone.commands] == [
        "synthesize", "train-reid", "evaluate", "train-reid", "evaluate",
    ]  # fmt: skip
    for option, value in (("rows", "ipgann"), ("directions", "there")):
        with pytest.raises(ConfigError, match=f"--{option[:-1]} {value}: expected one"):
            planned("synthetic", tmp_path, **{option: [value]})


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_part_asked_for_first_is_not_done_again(tmp_path, name):
    """Whatever is chosen, a command of a name is the same command."""
    whole = planned(name, tmp_path, seeds=3)
    commands = by_name(whole)
    directions = sorted({row.direction for row in whole.rows})
    rows = [*dict.fromkeys(row.key for row in whole.rows)]
    # Some twenty, each in one direction, turn by turn: a plan takes a while.
    rows = rows[:: 1 + len(rows) // 20]
    for row, direction in zip(rows, itertools.cycle(directions), strict=False):
        part = planned(name, tmp_path, seeds=1, rows=[row], directions=[direction])
        assert [r.key for r in part.rows] == [row]
        for command in part.commands:
            assert commands[command.name] == command
            assert set(command.after) <= set(by_name(part))


# -------------------------------------------------------------------- of one's own

MINE = """title: Mine
directions: {there: {source: a, target: b}}
steps:
  first: train-reid --config strong --data $source
  second: train-reid --config strong --data $target --set ' seed=${seed+7}'
rows:
  plain:
    row: plain row
    network: ibn_a
    steps:
      query: extract --model $first --images $target/query
      gallery: extract --model $second --images $target/bounding_box_test
      metrics: evaluate --query $query --gallery $gallery --figures $here/figures
  more:
    after: plain
    steps:
      reid: >-
        train-reid --config=strong --set=reid.epochs=3 --data $source
        --translated "$here/a b" --set reid.batch_size=5
      self: evaluate --model $reid --data $source
      metrics: evaluate --query $query --gallery $gallery
"""


@pytest.fixture
def mine(tmp_path):
    """The plan of an experiment of another shape, one seed, with an override."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "experiment.yaml").write_text(MINE)
    (folder / "strong.yaml").write_text("base: synthetic/semantic\n")
    return planned(folder, tmp_path, seeds=1, overrides=["reid.epochs=2"])


def test_rows_of_any_shape(mine, tmp_path):
    out, data = tmp_path / "out" / "there" / "seed_0", tmp_path / "data"
    plain, more = mine.rows
    assert (plain.row, plain.network, plain.key) == ("plain row", "ibn_a", "plain")
    assert (more.row, more.network, more.key) == ("more", "baseline", "more")
    commands = by_name(mine)
    assert list(commands) == [
        f"there-seed_0-{name}"
        for name in (
            "shared-first", "plain-query", "shared-second", "plain-gallery",
            "plain-metrics", "more-reid", "more-self", "more-metrics",
        )
    ]  # fmt: skip
    query = commands["there-seed_0-plain-query"]
    assert query.after == ("there-seed_0-shared-first",)
    assert query.makes == parsed(query)["out"] == out / "plain" / "query.npz"
    assert parsed(query)["images"] == data / "b" / "query"
    assert plain.metrics.figures == out / "plain" / "figures"
    # A step of the row before is read by its name.
    metrics = parsed(commands["there-seed_0-more-metrics"])
    assert metrics["query"] == out / "plain" / "query.npz"
    assert metrics["json_path"] == out / "more" / "metrics.json"
    # The last evaluation is the row's.
    assert more.metrics.command == "there-seed_0-more-metrics"


def test_values_of_a_step_give_way_to_the_commands(mine, tmp_path):
    commands = by_name(mine)
    second = parsed(commands["there-seed_0-shared-second"])
    assert second["overrides"] == ("reid.epochs=2", " seed=7")
    reid = parsed(commands["there-seed_0-more-reid"])
    assert reid["overrides"] == (
        "reid.epochs=3", "reid.batch_size=5", "reid.epochs=2", "seed=0",
    )  # fmt: skip
    assert reid["translated"] == tmp_path / "out" / "there" / "seed_0" / "more" / "a b"
    config = load_config(reid["config_path"], reid["overrides"])
    assert (config.reid.epochs, config.reid.batch_size) == (2, 5)
    assert commands["there-seed_0-more-reid"].settings["reid"]["batch_size"] == 5
    assert reid["config_path"] == str(tmp_path / "mine" / "strong.yaml")


def test_a_config_that_is_not_there(tmp_path):
    (tmp_path / "experiment.yaml").write_text(MINE)
    with pytest.raises(ConfigError) as error:
        planned(tmp_path, tmp_path)
    assert str(error.value) == (
        f"--config strong of experiment.yaml: {tmp_path / 'strong.yaml'} not found; "
        "expected the name of a file of that folder, without .yaml"
    )
