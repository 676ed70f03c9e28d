"""A re-ID run from samples to its folder: what it leaves, resuming, what it refuses.

tests/cli/test_train_reid.py has a run on two devices with held-out identities.
"""

import json
import logging
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tfipgan.data.filenames import NO_CAMERA, Sample
from tfipgan.errors import ConfigError, InputError
from tfipgan.runs.metrics_log import read_metrics
from tfipgan.runs.run import create_run, open_run
from tfipgan.training import reid, runner
from tfipgan.training.held_out import draw_held_out, held_out_map, logged_map
from tfipgan.training.reid import train_reid
from tfipgan.weights.checkpoints import latest_checkpoint

EPOCH_STEPS = 3
STEPS = 2 * EPOCH_STEPS


def with_reid(config, **values):
    return replace(config, reid=replace(config.reid, **values))


@pytest.fixture
def train(tiny_config, tiny_samples, tmp_path):
    """`train_reid` of the tiny source into tmp_path/run, for what isn't given."""

    def call(config=tiny_config, samples=None, **options):
        settings = {"devices": ["CPU:0"], "progress": False}
        samples = samples or tiny_samples[0]
        return train_reid(config, samples, tmp_path / "run", **settings | options)

    return call


class Reached(Exception):
    """The training was about to begin."""


@pytest.fixture
def trained_on(monkeypatch):
    """Ends each training before its first step; list of (samples, labels) of each.

    The model is left out, because it takes a second to make.
    """
    seen = []
    monkeypatch.setattr(reid.ReidMethod, "build", lambda method: None)

    def note(samples, labels, **options):
        seen.append((samples, labels))
        raise Reached

    monkeypatch.setattr(reid, "reid_batches", note)
    return seen


def translations(samples):
    return [
        Sample(f"{s.path}_to_c{camera}.jpg", s.person_id, camera, s.camera_id)
        for s in samples
        for camera in (1, 2, 3)
    ]


def test_the_run_folder(tiny_reid_run):
    run = tiny_reid_run
    assert sorted(p.name for p in run.path.iterdir()) == [
        ".lock", "checkpoints", "config.yaml", "images.json", "labels.json",
        "metrics.jsonl", "run.json", "tensorboard",
    ]  # fmt: skip
    assert run.labels.class_ids == (1, 2, 3, 4, 5)
    assert {
        str(p.relative_to(run.checkpoints)) for p in run.checkpoints.glob("*/*")
    } == {
        f"step-0000000{step}/{name}.safetensors"
        for step in (3, 6)
        for name in ("network", "optimizers")
    }


def test_the_numbers_of_a_run(tiny_reid_run, tiny_config):
    records = read_metrics(tiny_reid_run.path / "metrics.jsonl")
    assert [record["step"] for record in records] == list(range(1, STEPS + 1))
    names = {"step", "reid/loss", "reid/accuracy", "reid/learning_rate"}
    names.add("reid/gradient_norm")
    assert all(record.keys() == names for record in records)
    assert all(0 <= record["reid/accuracy"] <= 1 for record in records)
    # The last layer starts near 0, so all five people are as likely.
    assert records[0]["reid/loss"] == pytest.approx(np.log(5), rel=0.05)
    # The rate after each step; the second epoch has a tenth.
    rates = [record["reid/learning_rate"] for record in records]
    expected = tiny_config.reid.learning_rate * np.array([1, 1, 0.1, 0.1, 0.1, 0.1])
    np.testing.assert_allclose(rates, expected, rtol=1e-5)


def test_a_resumed_run_is_the_uninterrupted_one(
    train, tiny_reid_run, killed_after, checkpoint_values, monkeypatch
):
    monkeypatch.setattr(runner, "METRICS_EVERY", 1)
    killed_after(tiny_reid_run, EPOCH_STEPS)
    run = train(resume=True)
    got, expected = map(checkpoint_values, (run.checkpoints, tiny_reid_run.checkpoints))
    assert got.keys() == expected.keys()
    assert latest_checkpoint(run.checkpoints).name == f"step-{STEPS:08d}"
    different = [n for n in expected if not np.array_equal(got[n], expected[n])]
    assert not different
    lines, whole = (
        read_metrics(path / "metrics.jsonl") for path in (run.path, tiny_reid_run.path)
    )
    assert lines == whole


# Two people with two images each; conv1 stays as it is.
TODAY = {
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "backbone_learning_rate": 1e-3,
    "epochs": 3,
    "warmup_epochs": 1,
    "decay_epoch": (1, 2),
    "label_smoothing": 0.1,
    "triplet_margin": 0.3,
    "sampler": "identities",
    "images_per_identity": 2,
    "frozen_stages": 1,
}


def test_the_recipe_of_today_resumes_to_the_bit(
    train, tiny_config, tiny_samples, tmp_path, killed_after, checkpoint_values,
    monkeypatch,
):  # fmt: skip
    monkeypatch.setattr(runner, "METRICS_EVERY", 1)
    config = with_reid(tiny_config, **TODAY)
    settings = {"devices": ["CPU:0"], "progress": False}
    whole = train_reid(config, tiny_samples[0], tmp_path / "whole", **settings)
    steps = 3 * EPOCH_STEPS
    killed_after(whole, EPOCH_STEPS)
    run = train(config, resume=True)
    got, expected = map(checkpoint_values, (run.checkpoints, whole.checkpoints))
    assert got.keys() == expected.keys()
    assert latest_checkpoint(run.checkpoints).name == f"step-{steps:08d}"
    assert not [n for n in expected if not np.array_equal(got[n], expected[n])]
    records = read_metrics(whole.path / "metrics.jsonl")
    assert read_metrics(run.path / "metrics.jsonl") == records
    assert len(records) == steps and records[0].keys() == {
        "step", "reid/loss", "reid/triplet_loss", "reid/accuracy",
        "reid/gradient_norm", "reid/learning_rate",
    }  # fmt: skip
    # Beside the identity loss, and not in it.
    assert records[0]["reid/loss"] == pytest.approx(np.log(5), rel=0.05)
    assert all(record["reid/triplet_loss"] > 0 for record in records)
    rates = [record["reid/learning_rate"] for record in records]
    factors = [0.34, 0.67, 0.1, 0.1, 0.1, *[0.01] * 4]
    np.testing.assert_allclose(rates, 1e-3 * np.array(factors), rtol=1e-5)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, None),
        ({"sampler": "identities"}, 4),
        ({"sampler": "identities", "images_per_identity": 8}, 8),
    ],
)
def test_the_sampler_that_is_asked_for(
    train, tiny_config, monkeypatch, values, expected
):
    seen = []

    def note(samples, labels, **options):
        seen.append(options["images_per_identity"])
        raise Reached

    monkeypatch.setattr(reid.ReidMethod, "build", lambda method: None)
    monkeypatch.setattr(reid, "reid_batches", note)
    with pytest.raises(Reached):
        train(with_reid(tiny_config, **values))
    assert seen == [expected]


def test_fewer_people_than_a_batch_takes(train, tiny_config, tmp_path):
    """Those that are held out don't count."""
    few = {"sampler": "identities", "images_per_identity": 2, "held_out_identities": 2}
    message = "3 training identities, but a batch of 8 images takes 4 with 2 of each"
    with pytest.raises(InputError, match=message):
        train(with_reid(tiny_config, **few))
    assert not (tmp_path / "run").exists()


def test_batches_of_cameras(train, trained_on, tiny_config, tiny_samples):
    """As the classes are, P of the cameras, K images of each."""
    cameras = {"labels": "camera", "sampler": "identities"}
    with pytest.raises(InputError, match="3 training identities, .* takes 4 with 2 of"):
        train(with_reid(tiny_config, **cameras, images_per_identity=2))
    with pytest.raises(Reached):
        train(with_reid(tiny_config, **cameras, images_per_identity=4))


def test_the_score_of_held_out_images(tiny_network, tiny_samples, tiny_config):
    score = held_out_map(tiny_network, tiny_samples[0], tiny_config)
    assert 0 < score <= 1


def test_the_seed_draws_who_is_held_out(tiny_samples):
    draws = {
        tuple(sorted(draw_held_out(tiny_samples[0], 2, seed)))
        for seed in (0, 0, 1, 2, 3)
    }
    assert 1 < len(draws) <= 4
    assert draw_held_out(tiny_samples[0], 0, 0) == set()


def test_translated_images_are_trained_on_alone(
    train, trained_on, tiny_config, tiny_samples
):
    translated = translations(tiny_samples[0])
    with pytest.raises(Reached):
        train(with_reid(tiny_config, held_out_identities=1), translated=translated)
    ((samples, labels),) = trained_on
    assert set(samples) < set(translated)
    # Nor is a person who chooses the checkpoint trained on in another style.
    assert {s.person_id for s in samples} == set(labels.class_ids)
    assert len(labels) == 4 and len(samples) == 4 * 6 * 3


def test_labels_are_the_datasets_also_where_translated_lacks_some(
    train, trained_on, tiny_samples
):
    some = [s for s in translations(tiny_samples[0]) if s.person_id in (2, 5)]
    with pytest.raises(Reached):
        train(translated=some)
    ((_, labels),) = trained_on
    assert labels.class_ids == (1, 2, 3, 4, 5)


def test_a_stranger_among_the_translated(train, tiny_samples, tmp_path):
    translated = [*translations(tiny_samples[0]), Sample("x_to_c1.jpg", 44, 1, 1)]
    with pytest.raises(InputError, match="person 44 is not among the 5 identities"):
        train(translated=translated)
    assert not (tmp_path / "run").exists()


def test_one_identity_is_too_few(train, tiny_samples, tmp_path):
    with pytest.raises(InputError, match="1 training identity, expected at least 2"):
        train(samples=[s for s in tiny_samples[0] if s.person_id == 3])
    assert not (tmp_path / "run").exists()


def test_a_classifier_of_cameras(train, trained_on, tiny_config, tiny_samples):
    """Of whoever they saw, unlabelled people and junk too."""
    config = with_reid(tiny_config, labels="camera")
    target = [replace(s, person_id=-1) for s in tiny_samples[1]]
    with pytest.raises(Reached):
        train(config, samples=target)
    ((samples, labels),) = trained_on
    assert labels.class_ids == (1, 2, 3)
    assert [(s.path, s.person_id) for s in samples] == [
        (s.path, s.camera_id) for s in target
    ]


def test_a_classifier_of_cameras_sees_real_images(
    train, tiny_config, tiny_samples, tmp_path
):
    config = with_reid(tiny_config, labels="camera")
    with pytest.raises(InputError, match="reid.labels camera.* leave out --translated"):
        train(config, translated=translations(tiny_samples[0]))
    with pytest.raises(InputError, match="1 training camera, expected at least 2"):
        train(config, samples=[s for s in tiny_samples[0] if s.camera_id == 2])
    assert not (tmp_path / "run").exists()


def test_two_identities_are_left_to_train_on(train, tiny_config, tmp_path):
    config = with_reid(tiny_config, held_out_identities=4)
    with pytest.raises(InputError, match="held_out_identities is 4, .* has 5 "):
        train(config)
    assert not (tmp_path / "run").exists()


def test_sizes_that_do_not_fit(train, tiny_config, tmp_path, two_devices):
    with pytest.raises(InputError, match="batch size 7 does not split over 2 devices"):
        train(with_reid(tiny_config, batch_size=7), devices=None)
    with pytest.raises(InputError, match="30 training images, but one step takes 32"):
        train(with_reid(tiny_config, batch_size=32))
    with pytest.raises(InputError, match="device GPU:9 is not there; .* CPU:0, CPU:1"):
        train(devices=["GPU:9"])
    assert not (tmp_path / "run").exists()


def test_values_that_nothing_is_learnt_with(train, tiny_config, tmp_path):
    with pytest.raises(ConfigError, match="reid.batch_size: expected at least 2"):
        train(with_reid(tiny_config, batch_size=1))
    assert not (tmp_path / "run").exists()


def test_a_likely_slip_is_told_once(train, trained_on, tiny_config, caplog):
    with caplog.at_level(logging.WARNING), pytest.raises(Reached):
        train(with_reid(tiny_config, decay_epoch=40))
    (record,) = caplog.records
    assert record.getMessage().startswith("reid.decay_epoch is 40 and reid.epochs is 2")


def test_resuming_asks_for_the_same_config_and_people(
    train, trained_on, tiny_config, tiny_reid_run, tiny_samples, tmp_path
):
    create_run(tmp_path / "run", "reid", tiny_config, labels=tiny_reid_run.labels)
    with pytest.raises(InputError, match="exists and is not empty"):
        train()
    with pytest.raises(InputError, match="another config"):
        train(replace(tiny_config, seed=4), resume=True)
    with pytest.raises(InputError, match="another identities"):
        train(samples=[s for s in tiny_samples[0] if s.person_id != 3], resume=True)
    with pytest.raises(Reached):
        train(resume=True)


@pytest.fixture
def both(tiny_samples):
    """The source and the target, as two datasets; both have people 1 to 5."""
    source, target = tiny_samples
    return [*source, *(replace(s, dataset=1) for s in target)]


def test_the_classes_of_two_datasets_add_up(train, trained_on, both, tmp_path):
    with pytest.raises(Reached):
        train(samples=both)
    ((samples, labels),) = trained_on
    assert labels.class_ids == tuple(range(10)) and len(samples) == 60
    assert labels.datasets == ((1, 2, 3, 4, 5),) * 2
    assert {s.camera_id for s in samples} == set(range(6))
    for old, new in zip(both, samples, strict=True):
        assert new.person_id == old.person_id - 1 + 5 * old.dataset
    run = open_run(tmp_path / "run", "reid")
    assert run.labels == labels
    # The names and numbers of each, as they are in its folder.
    images = json.loads((run.path / "images.json").read_text())
    assert list(images) == ["data", "data 2"]
    for name, first in (("data", both[0]), ("data 2", both[30])):
        row = [Path(first.path).name, first.person_id, first.camera_id]
        assert images[name][0] == row and len(images[name]) == 30


def test_people_of_two_datasets_are_held_out(train, trained_on, tiny_config, both):
    with pytest.raises(Reached):
        train(with_reid(tiny_config, held_out_identities=6), samples=both)
    ((samples, labels),) = trained_on
    assert len(labels) == 4 and len(samples) == 24
    assert {s.person_id for s in samples} == set(labels.class_ids)
    assert labels.datasets == ((1, 2, 3, 4, 5),) * 2


def test_cameras_of_two_datasets(train, trained_on, tiny_config, both):
    with pytest.raises(Reached):
        train(with_reid(tiny_config, labels="camera"), samples=both)
    ((samples, labels),) = trained_on
    assert labels.class_ids == tuple(range(6))
    assert labels.datasets == ((1, 2, 3),) * 2
    assert [s.person_id for s in samples] == [s.camera_id for s in samples]


def test_translations_of_two_datasets(train, trained_on, both):
    translated = [
        replace(t, dataset=s.dataset)
        for s in both
        for t in translations([replace(s, path=os.path.splitext(s.path)[0])])
    ]
    with pytest.raises(Reached):
        train(samples=both, translated=translated)
    ((samples, labels),) = trained_on
    assert len(labels) == 10 and len(samples) == 180
    assert {s.camera_id for s in samples} == {1, 2, 3}
    assert all(s.person_id >= 5 * s.dataset for s in samples)


def test_resuming_asks_for_the_same_datasets_in_the_same_order(train, trained_on, both):
    # Of people 1 to 5 and 1 to 4: as many in all, whichever comes first.
    both = both[:54]
    swapped = [replace(s, dataset=1 - s.dataset) for s in [*both[30:], *both[:30]]]
    with pytest.raises(Reached):
        train(samples=both)
    with pytest.raises(Reached):
        train(samples=both, resume=True)
    with pytest.raises(InputError, match=r"number of datasets \(2 there, 1 here\)"):
        train(samples=both[:30], resume=True)
    with pytest.raises(InputError, match=r"another data images \(30 there, 24 here"):
        train(samples=swapped, resume=True)
    other = [*both[:53], replace(both[53], camera_id=9)]
    with pytest.raises(InputError, match=r"another data 2 images \(.* camera 9\) here"):
        train(samples=other, resume=True)


def test_one_dataset_can_not_go_on_with_two(train, trained_on, both):
    with pytest.raises(Reached):
        train()
    with pytest.raises(InputError, match=r"number of datasets \(1 there, 2 here\)"):
        train(samples=both, resume=True)


def test_resuming_where_nothing_is_begins_anew(train, trained_on, tmp_path):
    with pytest.raises(Reached):
        train(resume=True)
    assert (tmp_path / "run" / "run.json").exists()


def test_held_out_people_of_one_camera_are_refused_before_training(tiny_samples):
    one_camera = [s for s in tiny_samples[0] if s.camera_id == 1]
    with pytest.raises(InputError, match="none of the 2 held-out .* two cameras"):
        draw_held_out(one_camera, 2, 0)


def test_held_out_people_without_a_camera_are_refused_before_training(tiny_samples):
    """As of a second dataset, whose pattern has no group for it."""
    held_out = draw_held_out(tiny_samples[0], 2, 0)
    at = [k for k, s in enumerate(tiny_samples[0]) if s.person_id == min(held_out)][1]
    samples = list(tiny_samples[0])
    samples[at] = replace(samples[at], camera_id=NO_CAMERA)
    with pytest.raises(InputError, match="1 images of held-out .* no camera") as caught:
        draw_held_out(samples, 2, 0)
    assert str(caught.value).startswith(f"{samples[at].path}: ")
    # Of those that are trained on it is not asked.
    others = [
        s if s.person_id in held_out else replace(s, camera_id=NO_CAMERA)
        for s in tiny_samples[0]
    ]
    assert draw_held_out(others, 2, 0) == held_out


def test_what_was_left_out_is_in_the_run(train, trained_on, tmp_path):
    with pytest.raises(Reached):
        train(left_out={"a.jpg": "it is empty"})
    assert "it is empty" in (tmp_path / "run" / "left_out.json").read_text()


def test_the_best_score_so_far_is_that_of_the_best_that_is_there(tmp_path):
    lines = ('{"step": 3, "reid/loss": 1.0}', '{"step": 3, "held_out/mAP": 0.5}')
    log = tmp_path / "metrics.jsonl"
    log.write_text("\n".join([*lines, ""]))
    assert logged_map(log, 3) == 0.5
    assert logged_map(log, None) == logged_map(log, 6) == -1


def test_a_better_epoch_after_the_checkpoint_is_found_again(
    train, tiny_config, tmp_path, monkeypatch
):
    """Killed after the best of an epoch was saved, and before its checkpoint."""
    scores = {0: 0.5, 1: 0.9, 2: 0.7}
    config = with_reid(tiny_config, held_out_identities=2, epochs=3)
    validated = []

    def score(*arguments):
        validated.append(len(validated))
        return scores[validated[-1]]

    monkeypatch.setattr(reid, "held_out_map", score)

    def steps():
        return [p.name[-1] for p in sorted((tmp_path / "run" / "best").iterdir())]

    with monkeypatch.context() as patch:
        save = reid.BestCheckpoints.save

        def killed(self, step):
            save(self, step)
            if step == 4:
                raise Reached

        patch.setattr(reid.BestCheckpoints, "save", killed)
        with pytest.raises(Reached):
            train(config)
    assert steps() == ["2", "4"]
    # The epoch comes again, and is worse this time: the first is the best then.
    validated[:] = [0]
    scores[1] = 0.4
    train(config, resume=True)
    assert validated == [0, 1, 2] and steps() == ["2", "6"]
    maps = read_metrics(tmp_path / "run" / "metrics.jsonl")
    assert [r["held_out/mAP"] for r in maps if "held_out/mAP" in r] == [0.5, 0.4, 0.7]
