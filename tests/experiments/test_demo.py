"""The demo: plans that the command line takes, its results, its report."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from tfipgan.cli.main import main
from tfipgan.config import load_config
from tfipgan.data.datasets import read_dataset
from tfipgan.data.filenames import translated_name
from tfipgan.errors import InputError
from tfipgan.evaluation import FeatureSet, evaluate_ranking
from tfipgan.experiments.chain import Chain, Command, CommandFailed
from tfipgan.experiments.demo import SIZES, Demo
from tfipgan.experiments.demo_report import results_table, write_demo_report

READ = ("data", "source", "target", "semantic", "model", "translated", "images")
READ += ("classifier",)


class Recorder:
    """In the place of `Chain.run`: notes the commands and writes what they leave."""

    def __init__(self):
        self.commands = []
        self.files = {}

    def __call__(self, chain, commands, at_once):
        self.commands += commands
        for number, command in enumerate(commands):
            output = "0.25\n" if command.name.startswith("identity") else "\n"
            (chain.logs / f"{command.name}.out").write_text(output)
            arguments = list(command.arguments)
            if arguments[0] == "evaluate":
                path = Path(arguments[arguments.index("--json") + 1])
                path.parent.mkdir(exist_ok=True)
                path.write_text(json.dumps(self.metrics(number)))
                self.files[path.stem] = self.metrics(number)

    @staticmethod
    def metrics(seed):
        """What `evaluate --json` writes, of random features."""
        draw = np.random.default_rng(seed)
        persons, cameras = np.arange(20) % 5, np.arange(20) // 10
        features = FeatureSet(draw.normal(size=(20, 4)), persons, cameras)
        return evaluate_ranking(features, features)


@pytest.fixture
def recorder(monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(
        Chain, "run", lambda self, commands, at_once: recorder(self, commands, at_once)
    )
    return recorder


def parsed(command):
    """The parameters of a command line, as click reads them."""
    name, *arguments = command.arguments
    context = main.commands[name].make_context(name, arguments)
    return context.params


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("cores", [1, 2, 8])
def test_every_planned_command_is_a_valid_one(recorder, tmp_path, name, cores):
    demo = Demo(tmp_path / "out", SIZES[name], 5, cores, lambda line: None)
    demo.run()
    commands = recorder.commands
    assert demo.commands == commands
    assert len({command.name for command in commands}) == len(commands)
    for command in commands:
        values = parsed(command)
        if "config_path" in values:
            config = load_config(values["config_path"], values["overrides"])
            # The classifier that measures G is not the one that G was trained with.
            learns_with_g = command.name.startswith(("train-gan-", "train-reid-sem"))
            assert config.seed == (5 if learns_with_g else 6)
        if command.arguments[0] not in ("synthesize", "export"):
            assert values["threads"] == (4 if cores == 8 else 1)


@pytest.mark.parametrize("name", SIZES)
def test_what_a_command_reads_was_made_before(recorder, tmp_path, name):
    demo = Demo(tmp_path / "out", SIZES[name], 0, 2, lambda line: None)
    demo.run()
    makes = {}
    before = {}
    for command in demo.commands:
        values = parsed(command)
        # What it waits for, and what that waits for; a KeyError if it comes later.
        before[command.name] = set(command.after).union(
            *(before[name] for name in command.after)
        )
        there = set().union(*(makes[name] for name in before[command.name]))
        for key in READ:
            path = values.get(key)
            assert path is None or path in there, (command, key)
        out = values.get("out")
        if command.arguments[0] == "synthesize":
            made = {out / "source", out / "target"}
        elif command.arguments[0] == "export":
            made = {out / values["network"]}
        else:
            made = set() if out is None else {out}
        assert not made & set().union(*makes.values())
        makes[command.name] = made


@pytest.mark.parametrize("name", SIZES)
def test_the_networks_fit_together(recorder, tmp_path, name):
    """D_sem has the GAN's size; the rows of a network are tested alike."""
    demo = Demo(tmp_path / "out", SIZES[name], 0, 2, lambda line: None)
    demo.run()
    configs = {}
    for command in demo.commands:
        values = parsed(command)
        if "config_path" in values:
            configs[command.name] = load_config(
                values["config_path"], values["overrides"]
            )
    semantic = configs["train-reid-semantic"]
    ipgan, stargan = (configs[f"train-gan-{m}"] for m in ("ipgan", "stargan"))
    assert semantic.reid.image_size == ipgan.gan.image_size == stargan.gan.image_size
    assert ipgan.gan.lambda_semantic > 0 and stargan.gan.lambda_semantic == 0
    for suffix in ("", "_ibn") if name == "full" else ("",):
        rows = [
            configs[f"train-reid-{method}{suffix}"]
            for method in ("direct_transfer", "stargan", "ipgan")
        ]
        assert rows[1].reid == rows[2].reid
        # There are as many translated images more, so the epochs may be fewer.
        alike = [replace(row.reid, epochs=1, decay_epoch=1) for row in rows]
        assert alike[0] == alike[1]
        assert rows[0].backbone.ibn == ("b" if suffix else None)


def test_results_are_what_was_measured(recorder, tmp_path):
    out = tmp_path / "out"
    demo = Demo(out, SIZES["full"], 0, 2, lambda line: None)
    results = demo.run()
    assert json.loads((out / "results.json").read_text()) == results
    assert results.keys() == {"rows", "source_test", "seconds"}
    assert [(row["name"], row["network"]) for row in results["rows"]] == [
        (name, network)
        for network in ("baseline", "ibn")
        for name in ("direct transfer", "stargan", "ipgan")
    ]
    for row in results["rows"]:
        run = row["name"].replace(" ", "_") + (
            "_ibn" if row["network"] == "ibn" else ""
        )
        measured = recorder.files[f"{run}_on_target"]
        assert {k: row[k] for k in ("rank-1", "rank-5", "mAP")} == {
            k: measured[k] for k in ("rank-1", "rank-5", "mAP")
        }
        expected = None if row["name"] == "direct transfer" else 0.25
        assert row["identity_accuracy"] == expected
    source = recorder.files["direct_transfer_on_source"]
    assert results["source_test"] == {k: source[k] for k in ("rank-1", "mAP")}
    assert 0 <= results["seconds"] < 60


def test_only_a_new_folder_is_used(recorder, tmp_path):
    (tmp_path / "mine").write_text("x")
    for path in (tmp_path, tmp_path / "mine"):
        with pytest.raises(InputError, match="exists and is not empty; .* --out"):
            Demo(path, SIZES["quick"], 0, 2, print).run()
    assert recorder.commands == []
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


# ---------------------------------------------------------- the report and the command


@pytest.fixture
def measured(recorder, tiny_world, monkeypatch):
    """Makes every recorded demo look as if it had run, on the tiny world."""
    record = recorder.__class__.__call__

    def leave_files(self, chain, commands, at_once):
        record(self, chain, commands, at_once)
        out = chain.logs.parent
        if not (out / "data").exists():
            shutil.copytree(tiny_world, out / "data")
        source = read_dataset(out / "data" / "source", splits=("train",)).train
        for method in ("stargan", "ipgan"):
            run = out / "runs" / f"{method}_gan"
            run.mkdir(parents=True, exist_ok=True)
            lines = [{"step": s, "D/loss": 1.0 / s, "G/loss": 2.0} for s in (1, 2, 3)]
            text = "".join(json.dumps(line) + "\n" for line in lines)
            (run / "metrics.jsonl").write_text(text)
            folder = out / "translated" / method
            folder.mkdir(parents=True, exist_ok=True)
            for sample in source:
                for camera in (1, 2, 3):
                    name = translated_name(Path(sample.path).name, camera)
                    shutil.copy(sample.path, folder / name)

    monkeypatch.setattr(Recorder, "__call__", leave_files)
    return recorder


def test_the_report_shows_all(measured, tmp_path):
    demo = Demo(tmp_path / "out", SIZES["full"], 0, 2, lambda line: None)
    results = demo.run()
    report = write_demo_report(demo, results)
    assert report == tmp_path / "out" / "report.html"
    assert sorted(p.name for p in (demo.out / "figures").iterdir()) == [
        "cmc.png", "losses.png", "translated_ipgan.png", "translated_stargan.png",
    ]  # fmt: skip
    html = report.read_text()
    for command in demo.commands:
        assert click.unstyle(str(command)).split()[1] in html
    for row in results["rows"]:
        assert f"{row['mAP']:.3f}" in html
    assert "StarGAN" in html and "IPGAN" in html and "0.250" in html
    # The pictures are in it, so that it can be moved.
    assert html.count("data:image/png;base64,") == 4


def test_the_table(recorder, tmp_path):
    rows = [
        ("direct transfer", "baseline", 0.1, 0.2, 0.05, None),
        ("ipgan", "ibn", 0.5, 0.75, 0.4, 0.9),
    ]
    keys = ("name", "network", "rank-1", "rank-5", "mAP", "identity_accuracy")
    results = {
        "rows": [dict(zip(keys, row, strict=True)) for row in rows],
        "source_test": {"rank-1": 0.875, "mAP": 0.75},
        "seconds": 1.0,
    }
    lines = results_table(results).splitlines()
    assert lines[0].split("  ")[0] == "training images"
    assert lines[0].endswith("identity accuracy")
    (source,) = (line for line in lines if line.startswith("source "))
    (ipgan,) = (line for line in lines if line.startswith("IPGAN "))
    assert source.split()[:5] == ["source", "baseline", "0.100", "0.200", "0.050"]
    assert ipgan.split() == ["IPGAN", "ibn", "0.500", "0.750", "0.400", "0.900"]
    assert lines[-1].endswith("own test split: rank-1 0.875, mAP 0.750")


def test_the_command(measured, tmp_path):
    out = tmp_path / "out"
    result = CliRunner().invoke(main, ["demo", "--quick", "--out", str(out)])
    assert result.exit_code == 0, result.output
    results = json.loads((out / "results.json").read_text())
    assert result.stdout.startswith(results_table(results))
    assert f"\nReport: {out / 'report.html'}\n" in result.stdout
    assert f"  tfipgan serve {out / 'models'} --port 8500\n" in result.stdout
    # What is to be pasted is what the commands take.
    for line in result.stdout.splitlines():
        if line.startswith("  tfipgan query "):
            name, *words = line.split()[2:]
            group = main.commands["query"]
            assert group.commands[name].make_context(name, words)
            break
    else:
        pytest.fail("no query to paste")
    assert len(results["rows"]) == 3
    world = parsed(measured.commands[0])
    assert world["seed"] == 0 and world["cameras"] == 2


def test_the_command_takes_one_size_and_a_new_folder(recorder, tmp_path):
    def run(*arguments):
        return CliRunner().invoke(main, ["demo", "--out", str(tmp_path), *arguments])

    result = run("--quick", "--full")
    assert result.exit_code == 2 and "one of --quick and --full" in result.stderr
    (tmp_path / "mine").write_text("x")
    result = run("--quick")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {tmp_path} exists and is not empty")
    assert result.stderr.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_a_failed_stage_is_one_line(tmp_path, monkeypatch):
    def fail(self, commands, at_once):
        self.say("0:00 starts")
        raise CommandFailed(f"`{Command('x', ('train-gan',))}` failed with exit code 1")

    monkeypatch.setattr(Chain, "run", fail)
    out = tmp_path / "out"
    result = CliRunner().invoke(main, ["demo", "--out", str(out)])
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "0:00 starts",
        "Error: `tfipgan train-gan` failed with exit code 1",
    ]
    assert not (out / "results.json").exists()
