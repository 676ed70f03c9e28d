"""The demo: plans that the command line takes, its results, its report."""

import json
import os
import shutil
import signal
from dataclasses import replace
from html import unescape
from pathlib import Path

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
from tfipgan.experiments.demo import SIZES, TITLES, plan_demo, results_table, run_demo

pytestmark = pytest.mark.usefixtures("yaml_parsed_once")


class Recorder:
    """In the place of `Chain.run`: notes the commands and writes what they leave."""

    def __init__(self):
        self.commands = []
        self.files = {}

    def __call__(self, chain, commands, at_once):
        self.commands += commands
        for number, command in enumerate(commands):
            kind = command.arguments[0]
            output = "0.25\n" if kind == "identity-accuracy" else "\n"
            (chain.logs / f"{command.name}.out").write_text(output)
            arguments = list(command.arguments)
            if kind == "evaluate":
                path = Path(arguments[arguments.index("--json") + 1])
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(self.metrics(number)))
                self.files[path.parent.name, path.stem] = self.metrics(number)

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


@pytest.fixture
def measured(recorder, tiny_world, monkeypatch):
    """Makes every recorded demo look as if it had run, on the tiny world."""
    record = recorder.__class__.__call__

    def leave_files(self, chain, commands, at_once):
        record(self, chain, commands, at_once)
        for command in commands:
            kind, values = command.arguments[0], parsed(command)
            if kind == "synthesize" and not values["out"].exists():
                shutil.copytree(tiny_world, values["out"])
                source = read_dataset(values["out"] / "source", splits=("train",)).train
            elif kind == "train-gan":
                values["out"].mkdir(parents=True)
                lines = [{"step": s, "D/loss": 1.0 / s, "G/loss": 2.0} for s in (1, 2)]
                text = "".join(json.dumps(line) + "\n" for line in lines)
                (values["out"] / "metrics.jsonl").write_text(text)
            elif kind == "translate":
                values["out"].mkdir(parents=True)
                for sample in source:
                    for camera in (1, 2, 3):
                        name = translated_name(Path(sample.path).name, camera)
                        shutil.copy(sample.path, values["out"] / name)

    monkeypatch.setattr(Recorder, "__call__", leave_files)
    return recorder


def planned(tmp_path, size, seed=0, threads=1):
    return plan_demo(tmp_path / "out", SIZES[size], seed, threads)


@pytest.mark.parametrize("name", SIZES)
def test_every_planned_command_is_a_valid_one(tmp_path, name):
    demo = planned(tmp_path, name, seed=5, threads=4)
    assert len({command.name for command in demo.commands}) == len(demo.commands)
    made = {parsed(c).get("out") for c in demo.plan.commands}
    for command in demo.commands:
        values = parsed(command)
        if "config_path" in values:
            config = load_config(values["config_path"], values["overrides"])
            # The classifier that measures G is not the one that G was trained with.
            learns_with_g = command.name.endswith(("-gan", "-semantic"))
            assert config.seed == (5 if learns_with_g else 6)
        if command.arguments[0] not in ("synthesize", "export"):
            assert "--threads=4" in command.runtime
    translator, extractor = demo.exports
    for export, step in ((translator, "gan"), (extractor, "reid")):
        (before,) = export.after
        assert before == f"source_to_target-seed_5-ipgan-{step}"
        assert parsed(export)["model"] in made
        assert parsed(export)["out"] == tmp_path / "out" / "models"


@pytest.mark.parametrize("name", SIZES)
def test_the_networks_fit_together(tmp_path, name):
    """D_sem has the GAN's size; the rows of a network are tested alike."""
    demo = planned(tmp_path, name)
    configs = {}
    for command in demo.commands:
        values = parsed(command)
        if "config_path" in values:
            _, _, short = command.name.partition("-seed_0-")
            configs[short] = load_config(values["config_path"], values["overrides"])
    semantic = configs["shared-semantic"]
    ipgan, stargan = (configs[f"{method}-gan"] for method in ("ipgan", "stargan"))
    assert semantic.reid.image_size == ipgan.gan.image_size == stargan.gan.image_size
    assert ipgan.gan.lambda_semantic > 0 and stargan.gan.lambda_semantic == 0
    for suffix in ("", "_ibn") if name == "full" else ("",):
        rows = [
            configs[step]
            for step in (
                "direct_transfer_ibn-reid" if suffix else "shared-baseline",
                f"stargan{suffix}-reid",
                f"ipgan{suffix}-reid",
            )
        ]
        assert rows[1].reid == rows[2].reid
        # There are as many translated images more, so the epochs may be fewer.
        alike = [replace(row.reid, epochs=1, decay_epoch=1) for row in rows]
        assert alike[0] == alike[1]
        assert rows[0].backbone.ibn == ("b" if suffix else None)


def test_results_are_what_was_measured(measured, tmp_path):
    demo = planned(tmp_path, "full")
    results = run_demo(demo, 2, lambda line: None)
    assert json.loads((demo.out / "results.json").read_text()) == results
    assert results.keys() == {"rows", "source_test", "seconds"}
    assert [(row["name"], row["network"]) for row in results["rows"]] == [
        *((name, "baseline") for name in TITLES),
        *((name, "ibn") for name in ("direct transfer", "stargan", "ipgan")),
    ]
    for row in results["rows"]:
        key = row["name"].replace(" ", "_") + (
            "_ibn" if row["network"] == "ibn" else ""
        )
        found = measured.files[key, "metrics"]
        names = ("rank-1", "rank-5", "mAP")
        assert {k: row[k] for k in names} == {k: found[k] for k in names}
        is_real = row["name"] in ("direct transfer", "ipgan+adapt", "supervised")
        expected = None if is_real else 0.25
        assert row["identity_accuracy"] == expected
    source = measured.files["direct_transfer", "source_test"]
    assert results["source_test"] == {k: source[k] for k in ("rank-1", "mAP")}
    assert 0 <= results["seconds"] < 60


def test_only_a_new_folder_is_used(recorder, tmp_path):
    (tmp_path / "mine").write_text("x")
    for path in (tmp_path, tmp_path / "mine"):
        with pytest.raises(InputError, match="exists and is not empty; .* --out"):
            run_demo(plan_demo(path, SIZES["quick"], 0, 1), 2, print)
    assert recorder.commands == []
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


# ---------------------------------------------------------- the report and the command


def test_the_report_shows_all(measured, tmp_path):
    demo = planned(tmp_path, "full")
    results = run_demo(demo, 2, lambda line: None)
    assert sorted(p.name for p in (demo.out / "figures").iterdir()) == [
        f"source_to_target_{name}.png"
        for name in (
            "cmc", "colour_map_translated", "ipgan_translated", "losses",
            "stargan_translated",
        )
    ]  # fmt: skip
    html = (demo.out / "report.html").read_text()
    for command in demo.commands:
        assert str(command) in unescape(html)
    for row in results["rows"]:
        assert f"{row['mAP']:.3f}" in html
    assert "StarGAN" in html and "IPGAN" in html and "0.250" in html
    # The pictures are in it, so that it can be moved.
    assert html.count("data:image/png;base64,") == 5


def test_the_table():
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
    assert len(results["rows"]) == 6
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
        self.write_line("0:00 starts")
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


def test_sigterm_ends_what_the_demo_has_started(monkeypatch, tmp_path):
    """Unhandled it would end the demo alone, and the trainings would run on."""
    ended = []

    def run(chain, commands, at_once):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            ended.append(len(commands))

    monkeypatch.setattr(Chain, "run", run)
    # Without the demo's own this one is called, and the tests are not ended.
    before = signal.signal(signal.SIGTERM, lambda number, frame: None)
    try:
        out = str(tmp_path / "demo")
        result = CliRunner().invoke(main, ["demo", "--quick", "--out", out])
        assert signal.getsignal(signal.SIGTERM)(0, None) is None
    finally:
        signal.signal(signal.SIGTERM, before)
    assert result.exit_code == 128 + signal.SIGTERM and len(ended) == 1
