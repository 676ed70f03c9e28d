"""The start of a run: made whole or not at all, found again, and held alone."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from tfipgan.data.filenames import Sample
from tfipgan.data.labels import DomainMap, LabelMap
from tfipgan.errors import InputError
from tfipgan.files.lock import locked
from tfipgan.runs.run import create_run, open_run
from tfipgan.training import start
from tfipgan.training.start import run_identity, start_run

LABELS = LabelMap((2, 5))
DOMAINS = DomainMap((1, 4))


def samples(folder="/data/source", people=(2, 2, 5)):
    return [
        Sample(f"{folder}/train/{place}.jpg", person, camera_id=7)
        for place, person in enumerate(people)
    ]


@pytest.fixture
def begin(tiny_config, tmp_path):
    """`start_run` in tmp_path/run of a re-ID run, for what isn't given."""

    def call(kind="reid", config=tiny_config, **options):
        maps = {"labels": LABELS} if kind == "reid" else {"domains": DOMAINS}
        settings = {"images": {"data": samples()}, "resume": True, **maps}
        return start_run(tmp_path / "run", kind, config, **settings | options)

    return call


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_new_run(begin, tmp_path):
    left_out = {"/data/source/train/9.jpg": "it is empty"}
    with begin(resume=False, left_out=left_out) as run:
        assert open_run(tmp_path / "run", "reid") == run
    assert names(tmp_path / "run") == [
        ".lock", "config.yaml", "images.json", "labels.json", "left_out.json",
        "run.json",
    ]  # fmt: skip
    assert json.loads((run.path / "left_out.json").read_text()) == left_out
    assert json.loads((run.path / "images.json").read_text()) == {
        "data": [["0.jpg", 2, 7], ["1.jpg", 2, 7], ["2.jpg", 5, 7]]
    }
    assert names(tmp_path) == ["run"]


def test_nothing_is_said_of_images_if_none_is_left_out(begin):
    with begin() as run:
        assert not (run.path / "left_out.json").exists()


@pytest.mark.parametrize("resume", [False, True])
def test_what_is_there_stays(begin, tmp_path, resume):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="exists and is not empty; .* --resume"):
        with begin(resume=resume):
            pytest.fail("began")
    assert (tmp_path / "run" / "mine.txt").read_text() == "x"
    assert names(tmp_path) == ["run"] and names(tmp_path / "run") == ["mine.txt"]


def test_only_resuming_opens_a_run(begin, tmp_path):
    with begin() as made:
        pass
    with pytest.raises(InputError, match="exists and is not empty"):
        with begin(resume=False):
            pytest.fail("began")
    with begin() as again:
        assert again == made


def refusal(context):
    with pytest.raises(InputError) as error:
        with context:
            pytest.fail("began")
    assert "\n" not in str(error.value)
    return str(error.value)


def test_another_run_is_refused_with_the_difference(begin, tiny_config, tmp_path):
    with begin():
        pass
    gan, reid = tiny_config.gan, tiny_config.reid
    other = replace(
        tiny_config, seed=4, gan=replace(gan, n_critic=9), reid=replace(reid, epochs=7)
    )
    line = refusal(begin(config=other))
    assert f"{tmp_path / 'run'} is a run with another config (seed is 3 there, 4 here, "
    assert "gan.n_critic is 2 there, 9 here, reid.epochs is 2 there, 7 here)" in line
    assert line.endswith("give those, or another --out")
    many = replace(tiny_config, gan=replace(gan, **dict.fromkeys(
        ("width", "num_blocks", "batch_size", "n_critic", "decay_epochs",
         "constant_epochs", "sample_every_epochs"), 8)))  # fmt: skip
    assert "here and 2 more)" in refusal(begin(config=many))
    line = refusal(begin(labels=LabelMap((2, 3, 9))))
    assert "another identities (2 there, 3 here, 5 is only there, 3 is only" in line
    line = refusal(begin("gan"))
    assert "of kind 'reid', expected 'gan'" in line


def test_a_run_may_become_longer_and_nothing_else(begin, tiny_config, caplog):
    caplog.set_level("INFO")
    with begin():
        pass

    def changed(**values):
        return replace(tiny_config, reid=replace(tiny_config.reid, **values))

    options = {"resume": True, "extendable": ("reid.epochs",)}
    with begin(config=changed(epochs=7), **options) as run:
        assert run.config.reid.epochs == 7
    assert caplog.messages == [f"{run.path} goes on with reid.epochs 7, 2 before"]
    assert open_run(run.path, "reid").config == run.config
    caplog.clear()
    with begin(config=changed(epochs=7), **options):
        assert not caplog.messages
    line = refusal(begin(config=changed(epochs=6), **options))
    assert "another config (reid.epochs is 7 there, 6 here)" in line
    line = refusal(begin(config=changed(epochs=8, dropout=0.1), **options))
    assert "another config (reid.dropout is 0.5 there, 0.1 here)" in line
    assert open_run(run.path, "reid").config.reid.epochs == 7
    line = refusal(begin(config=changed(epochs=8), resume=True))
    assert "another config (reid.epochs is 7 there, 8 here)" in line


def test_other_cameras_are_refused(begin):
    with begin("gan"):
        pass
    line = refusal(begin("gan", domains=DomainMap((1, 4, 5))))
    assert "another cameras (2 there, 3 here, 5 is only here)" in line


def test_other_images_are_refused_with_the_first_that_differs(begin):
    with begin():
        pass
    for images, words in (
        ({"data": samples(people=(2, 5, 5))},
         "data images (3 there, 3 here, the first that differs is 1.jpg (person 2, "
         "camera 7) there, 1.jpg (person 5, camera 7) here)"),
        ({"data": samples(people=(2, 2))},
         "(3 there, 2 here, the first that differs is 2.jpg (person 5, camera 7) "
         "there, none here)"),
        ({"data": samples(people=(2, 2, 5, 5))}, "there, 3.jpg (person 5, camera 7)"),
        ({"data": samples(), "translated": samples()},
         "another translated images (0 there, 3 here, "),
        ({"other": []}, "another data images (3 there, none here)"),
    ):  # fmt: skip
        assert words in refusal(begin(images=images))


def test_images_may_move_and_an_earlier_run_need_not_know_them(begin):
    with begin() as run:
        pass
    with begin(images={"data": samples("../moved")}):
        pass
    (run.path / "images.json").unlink()
    with begin(images={"data": samples(people=(5, 2))}):
        pass


@pytest.mark.parametrize(
    "content", ["", "[", "[1]", '{"data": 3}', '{"data": [[1]]}', '{"data": [1]}']
)
def test_damaged_names_of_images(begin, content):
    with begin() as run:
        pass
    (run.path / "images.json").write_text(content)
    assert "images.json is damaged (" in refusal(begin())


def test_another_semantic_discriminator_is_refused(begin):
    with begin("gan", digests={"semantic": "a" * 64}) as run:
        pass
    line = refusal(begin("gan", digests={"semantic": "b" * 64}))
    assert (
        "another semantic discriminator (its weights have the digest aaaaaaaaaaaa "
        in (line)
    )
    with begin("gan", digests={"semantic": "a" * 64}):
        pass
    # Of an earlier version.
    (run.path / "semantic.json").unlink()
    with begin("gan", digests={"semantic": "b" * 64}):
        pass


@pytest.mark.parametrize("content", ["", "[", "[1]", "{}", '{"weights_sha256": 3}'])
def test_a_damaged_digest(begin, content):
    with begin("gan", digests={"semantic": "a" * 64}) as run:
        pass
    (run.path / "semantic.json").write_text(content)
    line = refusal(begin("gan", digests={"semantic": "a" * 64}))
    assert "semantic.json is damaged (" in line


def test_run_identity_is_told_apart(tiny_config):
    told = run_identity(tiny_config, {"data": samples()}, {"semantic": "a"})
    assert list(told) == ["config", "list of data images", "semantic discriminator"]
    other = run_identity(
        replace(tiny_config, seed=99),
        {"data": samples(people=(2, 5, 5))},
        {"semantic": "b"},
    )
    assert not set(told.values()) & set(other.values())
    moved = run_identity(tiny_config, {"data": samples("/else/where")})
    assert moved == {name: told[name] for name in list(told)[:2]}


def test_an_imported_run_is_no_training(begin, tiny_config, tmp_path):
    create_run(tmp_path / "run", "reid", tiny_config, imported="resnet.pth")
    line = refusal(begin(labels=None))
    assert "imported from resnet.pth and not trained" in line


def test_two_processes(begin, tmp_path):
    """Whoever comes second is told so, and changes nothing."""
    with begin() as run:
        before = {path: path.read_bytes() for path in run.path.iterdir()}
        line = refusal(begin())
        assert f"{run.path} is being written by another process" in line
        assert before == {path: path.read_bytes() for path in run.path.iterdir()}
    with begin():
        pass


def test_two_processes_that_begin_at_once(begin, tmp_path, monkeypatch):
    """The second finds no run yet, and another's when it is about to name its own."""
    real = start.create_run

    def beaten(*arguments, **options):
        monkeypatch.setattr(start, "create_run", real)

        def write_extra(folder):
            options["write_extra"](folder)
            first.__enter__()

        return real(*arguments, **{**options, "write_extra": write_extra})

    first = begin()
    monkeypatch.setattr(start, "create_run", beaten)
    assert "exists and is not empty" in refusal(begin())
    assert names(tmp_path) == ["run"]
    first.__exit__(None, None, None)


HOLD = """
import os, sys
from pathlib import Path
from tfipgan.files.lock import locked
folder = Path(sys.argv[1])
folder.mkdir()
with locked(folder / ".lock", "run"):
    (folder / "config.yaml").touch()
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_start_that_was_killed_is_cleared_and_one_under_way_is_not(begin, tmp_path):
    aside = tmp_path / ".run.123.tmp"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, aside],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with process:
        assert process.stdout.readline() == b"held\n"
        with begin():
            pass
        assert names(tmp_path) == [".run.123.tmp", "run"]
        process.kill()
    shutil.rmtree(tmp_path / "run")
    with begin():
        pass
    assert names(tmp_path) == ["run"]


def test_what_killed_trainings_left_is_cleared(begin):
    with begin() as run:
        pass
    for place in (".metrics.jsonl.7.tmp", "samples/.epoch_0001.png.7.tmp"):
        (run.path / place).parent.mkdir(exist_ok=True)
        (run.path / place).touch()
    (run.checkpoints / ".step-00000002.7.tmp").mkdir(parents=True)
    (run.checkpoints / ".step-00000001.7.old").mkdir(parents=True)
    with begin():
        assert names(run.checkpoints) == ["step-00000001"]
        assert names(run.path / "samples") == []
        assert not (run.path / ".metrics.jsonl.7.tmp").exists()


def test_a_place_that_cannot_be_written(begin, tmp_path, monkeypatch):
    """Run as root, the tests can't be refused by the system itself."""

    def refuse(*arguments, **options):
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(PermissionError):
        with begin():
            pytest.fail("began")
    assert names(tmp_path) == []


def test_the_lock_is_the_runs_own_file(begin):
    """So it goes where the folder goes."""
    with begin() as run:
        with pytest.raises(InputError):
            with locked(run.path / ".lock", "run"):
                pytest.fail("two hold one lock")
