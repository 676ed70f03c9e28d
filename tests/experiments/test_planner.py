"""The plan: commands that the command line takes, in order, each thing made once."""

from pathlib import Path

import pytest

from tfipgan.cli.main import main
from tfipgan.config import load_config
from tfipgan.errors import ConfigError
from tfipgan.experiments.experiment import load_experiment
from tfipgan.experiments.planner import make_plan

EXPERIMENTS = ("synthetic", "market_duke", "synthetic_ablations")
READ = ("data", "source", "target", "semantic", "model", "translated", "images")
READ += ("classifier",)


def planned(name, tmp_path, seeds=2, **options):
    return make_plan(
        load_experiment(name),
        tmp_path / "out",
        tmp_path / "data",
        range(seeds),
        **options,
    )


def parsed(command):
    """The parameters of a command line, as click reads them."""
    name, *arguments = command.arguments
    words = [*arguments, *command.runtime]
    return main.commands[name].make_context(name, words).params


def by_name(plan):
    return {command.name: command for command in plan.commands}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_command_is_a_valid_one_and_finds_what_it_reads(tmp_path, name):
    plan = planned(name, tmp_path)
    assert len(by_name(plan)) == len(plan.commands)
    makes, before = {}, {}
    data = {
        tmp_path / "data" / d for d in ("source", "target", "market1501", "dukemtmc")
    }
    for command in plan.commands:
        values = parsed(command)
        before[command.name] = set(command.after).union(
            *(before[other] for other in command.after)
        )
        there = data.union(*(makes[other] for other in before[command.name]))
        for key in READ:
            path = values.get(key)
            assert path is None or path in there, (command, key)
        if "config_path" in values:
            load_config(values["config_path"], values["overrides"])
        out = values.get("out")
        assert out is None or out not in set().union(*makes.values())
        makes[command.name] = {out} - {None}
        assert ("--resume" in command.runtime) == command.arguments[0].startswith(
            "train-"
        )
    if load_experiment(name).world is not None:
        assert plan.commands[0].arguments[:2] == (
            "synthesize",
            str(tmp_path / "data"),
        )


def test_the_rows_of_the_tables(tmp_path):
    plan = planned("synthetic", tmp_path)
    expected = [
        (direction, row, network, seed)
        for seed in (0, 1)
        for direction in ("source_to_target", "target_to_source")
        for row in ("supervised", "direct transfer", "stargan", "ipgan")
        for network in ("baseline", "ibn")
    ]
    found = [(r.direction, r.row, r.network, r.seed) for r in plan.rows]
    assert found == expected
    for row in plan.rows:
        assert (row.translation is None) == (
            row.row in ("supervised", "direct transfer")
        )
        assert row.translation is None or row.translation.row == row.row
    # Both networks are trained on one translated set.
    assert len(plan.translations) == 2 * 2 * 2


def test_what_rows_have_in_common_is_made_once(tmp_path):
    plan = planned("synthetic", tmp_path, seeds=1)
    kinds = [command.arguments[0] for command in plan.commands]
    assert kinds.count("synthesize") == 1
    assert kinds.count("train-gan") == kinds.count("translate") == 4
    # Each network on each dataset, which serves as the supervised row of the one
    # direction, the direct transfer of the other and, the baseline, as D_sem; each
    # network on 2 x 2 translated sets; and of each direction the classifiers that
    # measure the translations.
    assert kinds.count("train-reid") == 4 + 8 + 2 + 2
    runs = {(r.direction, r.row, r.network): r.run for r in plan.rows}
    for network in ("baseline", "ibn"):
        assert (
            runs["source_to_target", "supervised", network]
            == runs["target_to_source", "direct transfer", network]
        )
    commands = by_name(plan)
    gan = parsed(commands["source_to_target-seed_0-train-gan-ipgan"])
    assert gan["semantic"] == runs["source_to_target", "direct transfer", "baseline"]
    stargan = parsed(commands["source_to_target-seed_0-train-gan-stargan"])
    assert stargan["semantic"] is None


def test_the_independent_classifier_is_d_sems_recipe_with_another_seed(tmp_path):
    plan = planned("market_duke", tmp_path, seeds=1)
    commands = by_name(plan)
    d_sem, other = (
        parsed(commands[f"market_to_duke-seed_0-train-reid-{name}"])
        for name in ("semantic", "independent")
    )
    seeds = [
        load_config(values["config_path"], values["overrides"]).seed
        for values in (d_sem, other)
    ]
    assert seeds == [0, 1000]
    assert d_sem["data"] == other["data"] == tmp_path / "data" / "market1501"
    for translation in plan.translations:
        measured = parsed(commands[translation.independent])
        assert measured["classifier"].name == "independent"
        assert measured["images"] == translation.images
        assert parsed(commands[translation.d_sem])["classifier"].name == "semantic"
    for real in plan.classifiers:
        assert parsed(commands[real.independent])["data"] is not None
        assert real.d_sem in commands


def test_seeds_and_values_reach_the_trainings(tmp_path):
    plan = planned("synthetic", tmp_path, overrides=["reid.epochs=7"], threads=3)
    for command in plan.commands:
        values = parsed(command)
        if "config_path" not in values:
            continue
        config = load_config(values["config_path"], values["overrides"])
        assert config.reid.epochs == 7
        assert values["threads"] is None or values["threads"] == 3
        assert config.seed % 1000 == int(command.name.split("-seed_")[1][0])
        assert command.settings["seed"] == config.seed
    with pytest.raises(ConfigError, match="--set seed=7: expected other values"):
        planned("synthetic", tmp_path, overrides=["seed=7"])
    with pytest.raises(ConfigError, match="reid.epoch"):
        planned("synthetic", tmp_path, overrides=["reid.epoch=7"])


def test_some_rows_and_directions_only(tmp_path):
    plan = planned(
        "synthetic", tmp_path, rows=["ipgan_ibn"], directions=["target_to_source"]
    )
    assert {(r.direction, r.row, r.network) for r in plan.rows} == {
        ("target_to_source", "ipgan", "ibn")
    }
    kinds = [command.arguments[0] for command in plan.commands]
    # D_sem, the independent classifier, that of cameras, and the row.
    assert kinds.count("train-reid") == 2 * 4
    # The other networks on the target are another direction's rows, but one run.
    alone = planned("synthetic", tmp_path, rows=["supervised"], seeds=1)
    assert [command.arguments[0] for command in alone.commands] == [
        "synthesize", "train-reid", "evaluate", "train-reid", "evaluate",
    ]  # fmt: skip
    assert alone.translations == alone.classifiers == ()
    for option, value in (("rows", "ipgann"), ("directions", "there")):
        with pytest.raises(ConfigError, match=f"--{option[:-1]} {value}: expected one"):
            planned("synthetic", tmp_path, **{option: [value]})


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_part_asked_for_first_is_not_done_again(tmp_path, name):
    """Whatever is chosen, a command of a name is the same command."""
    whole = planned(name, tmp_path, seeds=3)
    commands = by_name(whole)
    for row in {row.config for row in whole.rows}:
        for direction in {row.direction for row in whole.rows}:
            part = planned(name, tmp_path, seeds=1, rows=[row], directions=[direction])
            assert [r.config for r in part.rows] == [row]
            for command in part.commands:
                assert commands[command.name] == command
                assert set(command.after) <= set(by_name(part))


def test_a_folder_of_ones_own(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "experiment.yaml").write_text(
        "title: Mine\ndirections:\n  there: {source: a, target: b}\n"
    )
    (folder / "ipgan_ibn_a.yaml").write_text("base: synthetic/ipgan\n")
    with pytest.raises(ConfigError, match="mine has no semantic.yaml; its rows need"):
        planned(folder, tmp_path)
    (folder / "semantic.yaml").write_text("base: synthetic/semantic\n")
    plan = planned(folder, tmp_path, seeds=1)
    (row,) = plan.rows
    assert (row.row, row.network) == ("ipgan", "ibn_a")
    # Without camera.yaml the cameras are not measured.
    assert row.translation.quality is None
    kinds = {command.arguments[0] for command in plan.commands}
    assert not {"synthesize", "translation-quality"} & kinds
    assert parsed(by_name(plan)["there-seed_0-train-gan-ipgan_ibn_a"])[
        "config_path"
    ] == str(Path(folder) / "ipgan_ibn_a.yaml")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "nothing to run: expected configs of rows, such as ipgan.yaml, in "),
        ((".hidden", "."), "nothing to run"),
        (("a_b", "a b"), "two configs are the row a b with the network baseline"),
        (("independent", "ipgan"), "two different commands are both there-seed_0-"),
    ],
)
def test_configs_that_make_no_plan(tmp_path, names, message):
    (tmp_path / "experiment.yaml").write_text(
        "title: Mine\ndirections:\n  there: {source: a, target: b}\n"
    )
    (tmp_path / "semantic.yaml").write_text("base: synthetic/semantic\n")
    for number, name in enumerate(names):
        (tmp_path / f"{name}.yaml").write_text(
            f"base: synthetic/ipgan\nreid: {{batch_size: {number + 2}}}\n"
        )
    with pytest.raises(ConfigError, match=message):
        planned(tmp_path, tmp_path)


def test_rows_that_a_direction_lacks(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "experiment.yaml").write_text(
        "title: Mine\ndirections:\n"
        "  there: {source: a, target: b, configs: there}\n"
        "  back: {source: b, target: a}\n"
    )
    (tmp_path / "there" / "supervised.yaml").write_text("base: synthetic/supervised\n")
    with pytest.raises(ConfigError, match="nothing to run"):
        planned(tmp_path, tmp_path, rows=["supervised"], directions=["back"])
