"""`tfipgan reproduce`: what it refuses, what it leaves, and how it goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tfipgan.evaluation import FeatureSet, evaluate_ranking
from tfipgan.experiments.chain import Chain, CommandFailed

pytestmark = pytest.mark.usefixtures("yaml_parsed_once")
QUALITY = {
    "accuracy": 0.9,
    "real_accuracy": 0.95,
    "distance": 0.1,
    "source_distance": 0.2,
    "floor": 0.01,
    "cameras": [
        {
            "camera": 1,
            "images": 30,
            "accuracy": 0.9,
            "real_images": 10,
            "real_accuracy": 0.95,
            "distance": 0.1,
            "source_distance": 0.2,
            "floor": 0.01,
        }
    ],
}


@pytest.fixture
def pretended(monkeypatch):
    """Commands that are not run; what they would measure is left. Gives their names."""
    ran = []

    def run(chain, commands, at_once):
        for number, command in enumerate(commands):
            ran.append(command.name)
            kind, *words = command.arguments
            (chain.logs / f"{command.name}.out").write_text("0.875\n")
            record = {"command": str(command), "settings": {}, "seconds": 2.0}
            record["done"] = True
            (chain.logs / f"{command.name}.json").write_text(json.dumps(record))
            if "--json" in words:
                path = Path(words[words.index("--json") + 1])
                path.parent.mkdir(parents=True, exist_ok=True)
                found = metrics(number) if kind == "evaluate" else QUALITY
                path.write_text(json.dumps(found))
            chain.on_finish(command)

    monkeypatch.setattr(Chain, "run", run)
    return ran


def metrics(seed):
    """What `evaluate --json` writes, of random features."""
    draw = np.random.default_rng(seed)
    persons, cameras = np.arange(20) % 5, np.arange(20) // 10
    features = FeatureSet(draw.normal(size=(20, 4)), persons, cameras)
    return evaluate_ranking(features, features)


def test_what_it_leaves(tfipgan, pretended, tmp_path):
    out = tmp_path / "out"
    result = tfipgan("reproduce", "synthetic", "--out", out, "--seeds", 2)
    assert result.exit_code == 0, result.output
    results = json.loads((out / "results.json").read_text())
    assert len(results) == 2 * 2 * 55
    assert list(results[0]) == [
        "direction", "row", "network", "seed",
        "rank-1", "rank-5", "rank-10", "mAP", "identity_accuracy",
    ]  # fmt: skip
    translated = ("colour map", "perfect", "cyclegan", "camstyle", "spgan")
    translated += ("stargan", "ipgan")
    for run in results:
        expected = 0.875 if run["row"] in translated else None
        assert run["identity_accuracy"] == expected
    folder = out / "target_to_source" / "seed_1" / "ipgan_ibn"
    measured = json.loads((folder / "metrics.json").read_text())
    (ipgan,) = (
        run
        for run in results
        if (run["direction"], run["row"], run["network"], run["seed"])
        == ("target_to_source", "ipgan", "ibn", 1)
    )
    assert ipgan["mAP"] == measured["mAP"] and ipgan["rank-10"] == measured["rank-10"]
    assert len((out / "results.csv").read_text().splitlines()) == 1 + len(results)
    tables = (out / "tables.md").read_text()
    assert result.stdout == f"{tables}\nReport: {out / 'report.html'}\n"
    assert "data:image/png" in (out / "report.html").read_text()
    # Each row has a file of its own, of which the same tables are made.
    files = sorted((out / "results").glob("*/*.json"))
    assert len(files) == len(results)
    kept = json.loads(
        (out / "results" / "source_to_target" / "ipgan_baseline_seed1.json").read_text()
    )
    assert kept["measured"]["semantic_real_accuracy"] == 0.875
    assert kept["measured"]["quality"] == QUALITY
    assert kept["experiment"] == "synthetic"
    config = kept["config"]["source_to_target-ipgan-gan"]
    assert config["seed"] == 1 and config["gan"]["width"] == 16
    assert config["gan"]["lambda_semantic"] == 0.3
    assert "lambda_domain" not in config["gan"]  # as by default
    other = json.loads(
        (out / "results" / "target_to_source" / "stargan_ibn_seed0.json").read_text()
    )
    # Also of what the row goes on from.
    config = other["config"]["target_to_source-stargan-gan"]
    assert config["gan"]["lambda_semantic"] == 0
    lines = [command["command"] for command in kept["commands"]]
    assert lines[0].startswith("tfipgan synthesize ") and "--seed=1" in lines[0]
    assert {command["seconds"] for command in kept["commands"]} == {2.0}
    assert lines[-1].startswith("tfipgan evaluate ") and "supervised" not in str(lines)
    collected = tfipgan("reproduce", "--collect", out / "results")
    assert collected.exit_code == 0, collected.output
    assert collected.stdout == tables


def test_a_dry_run_prints_the_commands(tfipgan, tmp_path):
    out = tmp_path / "out"
    words = ["reproduce", "market_duke", "--out", out, "--dry-run"]
    result = tfipgan(*words, "--seeds", 1, "--row", "supervised", "--data", "d")
    assert result.exit_code == 0, result.output
    first, *_ = lines = result.stdout.splitlines()
    assert first.startswith(
        "tfipgan train-reid --config market_to_duke/supervised --data d/dukemtmc "
    )
    assert len(lines) == 4 and not out.exists()


def test_what_is_refused(tfipgan, refused, pretended, tmp_path):
    out = tmp_path / "out"
    line = refused(2, "reproduce", tmp_path, "--out", out)
    assert "has no experiment.yaml" in line
    line = refused(1, "reproduce", "market_duke", "--out", out, "--data", tmp_path)
    assert f"{tmp_path / 'market1501'} not found; expected a dataset" in line
    line = refused(2, "reproduce", "synthetic", "--out", out, "--row", "star")
    assert "--row star: expected one of supervised, " in line
    for words, missing in ((["synthetic"], "--out"), (["--out", out], "CONFIG_FOLDER")):
        result = tfipgan("reproduce", *words)
        assert result.exit_code == 2 and f"expected {missing}, or" in result.stderr
    result = tfipgan("reproduce", "synthetic", "--out", out, "--data", tmp_path)
    assert result.exit_code == 2 and "drawn, not read" in result.stderr
    out.mkdir()
    (out / "mine").write_text("x")
    line = refused(1, "reproduce", "synthetic", "--out", out)
    assert "exists and is not empty" in line
    assert pretended == [] and [p.name for p in out.iterdir()] == ["mine"]


def test_a_step_that_the_command_does_not_take(refused, pretended, tmp_path):
    (tmp_path / "experiment.yaml").write_text(
        "title: Mine\ndirections: {there: {source: source, target: target}}\n"
        "world: {}\nrows: {a: {steps: {metrics: evaluate --modle x}}}\n"
    )
    line = refused(2, "reproduce", tmp_path, "--out", tmp_path / "out")
    assert line.startswith("there-seed_0-a-metrics: `tfipgan evaluate --modle x ")
    assert "No such option" in line
    assert line.endswith("change its step in experiment.yaml") and not pretended


def test_what_can_be_collected(tfipgan, refused, pretended, tmp_path):
    out, kept = tmp_path / "out", tmp_path / "out" / "results"
    words = ["--out", out, "--seeds", 1, "--row", "direct_transfer", "--no-progress"]
    assert tfipgan("reproduce", "synthetic", *words).exit_code == 0
    result = tfipgan("reproduce", "--collect", kept, "--seeds", 2)
    assert result.exit_code == 2 and "--seeds has no meaning with" in result.stderr
    line = refused(1, "reproduce", "--collect", tmp_path / "no")
    assert "has no results; expected files such as" in line
    # Rows of another experiment on the same world stand in the tables that are asked.
    path = kept / "source_to_target" / "direct_transfer_baseline_seed0.json"
    record = json.loads(path.read_text()) | {"row": "mine", "experiment": "other"}
    (path.parent / "mine_baseline_seed0.json").write_text(json.dumps(record))
    line = refused(1, "reproduce", "--collect", kept)
    assert "has results of other, synthetic, expected of one experiment: give" in line
    (kept / "introduction.md").write_text("What came out.\n")
    result = tfipgan("reproduce", "synthetic", "--collect", kept)
    assert result.exit_code == 0, result.output
    assert "\n\nWhat came out.\n\n" in result.stdout
    assert "| mine | baseline | 1 |" in result.stdout
    (kept / "introduction.md").write_bytes(b"\xff")
    line = refused(1, "reproduce", "synthetic", "--collect", kept)
    assert line == f"{kept / 'introduction.md'}: expected Markdown in UTF-8"
    line = refused(1, "reproduce", "demo", "--collect", kept)
    assert "is of the direction 'target_to_source', expected one of demo's" in line


def test_weights_that_are_not_there(refused, pretended, tmp_path):
    words = ["--out", tmp_path / "out", "--set", "backbone.weights=runs/no"]
    line = refused(1, "reproduce", "synthetic", *words)
    assert line.startswith("backbone.weights: runs/no not found; expected a re-ID run")
    assert pretended == []


def test_weights_of_a_step_before(tfipgan, pretended, tmp_path):
    folder, out = tmp_path / "tuned", tmp_path / "out"
    folder.mkdir()
    (folder / "experiment.yaml").write_text(TUNED)
    (folder / "any.yaml").write_text("base: synthetic/base\n")
    words = [folder, "--out", out, "--seeds", 2, "--no-progress"]
    result = tfipgan("reproduce", *words)
    assert result.exit_code == 0, result.output
    first, tuned = pretended[1:3]
    assert (first, tuned) == ("there-seed_0-shared-first", "there-seed_0-tuned-reid")
    kept = out / "results" / "there" / "tuned_baseline_seed1.json"
    config = json.loads(kept.read_text())["config"]["there-tuned-reid"]
    assert config["backbone"]["weights"] == "$there-shared-first"
    # The folder has the seed in its name, and yet it is one recipe.
    result = tfipgan("reproduce", folder, "--collect", out / "results")
    assert result.exit_code == 0, result.output


TUNED = """title: Tuned
world: {}
directions: {there: {source: source, target: target}}
steps:
  first: train-reid --config any --data $source
rows:
  tuned:
    steps:
      reid: train-reid --config any --data $target --set backbone.weights=$first
      metrics: evaluate --model $reid --data $target
"""


def test_a_folder_of_another_experiment(tfipgan, refused, pretended, tmp_path):
    out = tmp_path / "out"
    words = ["--out", out, "--seeds", 1, "--row", "direct_transfer"]
    assert tfipgan("reproduce", "synthetic", *words).exit_code == 0
    line = refused(1, "reproduce", "synthetic_ablations", *words)
    assert "is of \"The paper's tables on the built-in world\", expected 'Abl" in line


@pytest.mark.parametrize("text", ["", "[]", "{}", "{"])
def test_a_damaged_mark(refused, pretended, tmp_path, text):
    (tmp_path / "reproduce.json").write_text(text)
    line = refused(1, "reproduce", "synthetic", "--out", tmp_path)
    assert line.startswith(f"{tmp_path / 'reproduce.json'} is damaged, expected")
    assert pretended == []


def test_a_call_that_ended_at_once_is_gone_on_with(tfipgan, pretended, tmp_path):
    for name in (".lock", ".reproduce.json.77.tmp"):
        (tmp_path / name).touch()
    words = ["--seeds", 1, "--row", "direct_transfer", "--no-progress"]
    result = tfipgan("reproduce", "synthetic", "--out", tmp_path, *words)
    assert result.exit_code == 0, result.output


def test_a_failed_command_is_one_line(refused, monkeypatch, tmp_path):
    def fail(chain, commands, at_once):
        raise CommandFailed("`tfipgan train-gan` failed with exit code 1")

    monkeypatch.setattr(Chain, "run", fail)
    out = tmp_path / "out"
    line = refused(1, "reproduce", "synthetic", "--out", out, "--no-progress")
    assert "`tfipgan train-gan` failed with exit code 1" in line
    assert not (out / "results.json").exists()


TINY = """title: Tiny
world:
  identities: 4
  test_identities: 3
  cameras: 2
  images_per_camera: 2
  size: 32x16
directions:
  there: {source: source, target: target}
steps:
  semantic: train-reid --config base --data $source
  camera: train-reid --config camera --data $target
rows:
  features:
    network: ibn
    steps:
      query: extract --model $semantic --images $target/query
      gallery: extract --model $semantic --images $target/bounding_box_test
      metrics: evaluate --query $query --gallery $gallery
  ipgan:
    steps:
      gan: >-
        train-gan --config ipgan --source $source --target $target --semantic $semantic
      images: translate --model $gan --source $source
      identity_accuracy: identity-accuracy --classifier $semantic --images $images
      quality: >-
        translation-quality --translated $images --target $target --source $source
        --classifier $camera
      metrics: evaluate --model $semantic --data $target
"""


@pytest.fixture
def tiny_experiment(tmp_path, tiny_overrides):
    """A folder of configs whose commands take seconds."""
    folder = tmp_path / "configs"
    folder.mkdir()
    (folder / "experiment.yaml").write_text(TINY)
    sections = {}
    # Long enough that the signal finds the GAN's training under way.
    for override in (*tiny_overrides, "gan.constant_epochs=20"):
        name, _, value = override.partition("=")
        section, _, key = name.rpartition(".")
        sections.setdefault(section, {})[key] = value
    lines = [
        line
        for section, values in sections.items()
        if section
        for line in (f"{section}:", *(f"  {k}: {v}" for k, v in values.items()))
    ]
    (folder / "base.yaml").write_text("\n".join(["base: synthetic/base", *lines]))
    for name, text in (("ipgan", ""), ("camera", "reid:\n  labels: camera\n")):
        (folder / f"{name}.yaml").write_text(f"base: base.yaml\n{text}")
    return folder


@pytest.mark.slow
def test_the_real_commands_killed_and_gone_on_with(tiny_experiment, tmp_path):
    """SIGTERM in the middle of the GAN's training; the same command ends it."""
    out = tmp_path / "out"
    command = [sys.executable, "-m", "tfipgan.cli", "reproduce", str(tiny_experiment)]
    command += ["--out", str(out), "--seeds", "1", "--first-seed", "3"]
    command += ["--no-progress"]
    folder = out / "there" / "seed_3"
    steps = folder / "ipgan" / "gan" / "metrics.jsonl"
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 300
    while not steps.exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM, said
    records = {path.stem: path for path in (out / "logs").glob("*.json")}
    done = {n for n, path in records.items() if json.loads(path.read_text())["done"]}
    # Which other command ran beside it, and whether that one was done, is chance.
    ended = records.keys() - done
    assert "there-seed_3-ipgan-gan" in ended and len(ended) <= 2, ended
    assert "there-seed_3-shared-semantic" in done
    before = {name: (out / "logs" / f"{name}.json").stat().st_mtime_ns for name in done}
    again = subprocess.run(command, capture_output=True, text=True, timeout=540)
    assert again.returncode == 0, again.stderr
    for name, changed in before.items():
        assert (out / "logs" / f"{name}.json").stat().st_mtime_ns == changed
        assert f"{name}: starts" not in again.stderr
    results = json.loads((out / "results.json").read_text())
    assert [(run["row"], run["seed"]) for run in results] == [
        ("features", 3),
        ("ipgan", 3),
    ]
    # A chain of steps that no packaged row has: both files are of one network.
    measured = json.loads((folder / "features" / "metrics.json").read_text())
    assert results[0]["mAP"] == measured["mAP"]
    for name in ("query", "gallery"):
        assert (folder / "features" / f"{name}.npz").is_file()
    collected = subprocess.run(
        [*command[:4], str(tiny_experiment), "--collect", str(out / "results")],
        capture_output=True,
        text=True,
    )
    assert collected.returncode == 0, collected.stderr
    assert collected.stdout == (out / "tables.md").read_text()
    assert "| features | ibn | 1 |" in collected.stdout
    assert 0 <= results[1]["identity_accuracy"] <= 1
    kept = json.loads(
        (out / "results" / "there" / "ipgan_baseline_seed3.json").read_text()
    )
    assert [c["camera"] for c in kept["measured"]["quality"]["cameras"]] == [1, 2]
    assert kept["datasets"].keys() == {"source", "target"}
    assert os.path.getsize(out / "report.html") > 10_000


def test_inside_a_dataset(refused, tiny_world, tmp_path):
    """Before the first training, and not where its translations begin."""
    for name, folder in (("market1501", "source"), ("dukemtmc", "target")):
        (tmp_path / name).symlink_to(tiny_world / folder)
    out = tiny_world / "source" / "bounding_box_train" / "out"
    line = refused(1, "reproduce", "market_duke", "--data", tmp_path, "--out", out)
    assert line.startswith(f"{out} lies in ")
    line = refused(1, "reproduce", "synthetic", "--out", out)
    assert line.startswith(f"{out} lies in ")
    line = refused(1, "demo", "--quick", "--out", out)
    assert line.startswith(f"{out} lies in ") and not out.exists()
