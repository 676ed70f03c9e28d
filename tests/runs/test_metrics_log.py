"""The log: a line each time, and none of steps that are done again."""

import json

import pytest
import tensorflow as tf

from tfipgan.errors import InputError
from tfipgan.runs.metrics_log import MetricsLog, read_metrics


def test_lines_and_events(tmp_path):
    log = MetricsLog(tmp_path)
    log.write(5, {"D/loss": 1.5, "G/loss": -2.0})
    log.write(10, {"D/loss": 1.0})
    log.close()
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"step": 5, "D/loss": 1.5, "G/loss": -2.0},
        {"step": 10, "D/loss": 1.0},
    ]
    assert read_metrics(tmp_path / "metrics.jsonl") == [json.loads(x) for x in lines]
    (events,) = (tmp_path / "tensorboard").iterdir()
    scalars = [
        (record.step, value.tag, float(tf.make_ndarray(value.tensor)))
        for raw in tf.data.TFRecordDataset(str(events)).as_numpy_iterator()
        for record in [tf.compat.v1.Event.FromString(raw)]
        for value in record.summary.value
    ]
    assert scalars == [(5, "D/loss", 1.5), (5, "G/loss", -2.0), (10, "D/loss", 1.0)]


def test_a_line_is_there_as_soon_as_it_is_written(tmp_path):
    log = MetricsLog(tmp_path)
    log.write(1, {"loss": 0.5})
    assert len(read_metrics(tmp_path / "metrics.jsonl")) == 1
    log.close()


def test_resuming_drops_the_steps_that_come_again(tmp_path):
    first = MetricsLog(tmp_path)
    for step in (2, 4, 6):
        first.write(step, {"loss": float(step)})
    first.close()
    second = MetricsLog(tmp_path, start_step=4)
    second.write(6, {"loss": 0.0})
    second.close()
    records = read_metrics(tmp_path / "metrics.jsonl")
    assert [(r["step"], r["loss"]) for r in records] == [(2, 2.0), (4, 4.0), (6, 0.0)]


def test_a_new_run_has_no_lines(tmp_path):
    assert read_metrics(tmp_path / "metrics.jsonl") == []
    MetricsLog(tmp_path).close()
    assert read_metrics(tmp_path / "metrics.jsonl") == []


def test_a_torn_last_line_is_left_out_and_another_is_an_error(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 5}\n{"step": 9, "x"')
    assert read_metrics(path) == [{"step": 5}]
    MetricsLog(tmp_path, start_step=5).close()
    assert path.read_text() == '{"step": 5}\n'
    for line in (b'{"step": 5', b"3", b'{"loss": 3}', b'{"step": 5, \xff: 3}'):
        path.write_bytes(line + b'\n{"step": 9}\n')
        with pytest.raises(InputError, match=r"metrics\.jsonl: line 1 is damaged"):
            read_metrics(path)


def test_events_that_cannot_be_written_are_an_error_of_the_system(tmp_path):
    (tmp_path / "tensorboard").touch()
    with pytest.raises(OSError, match="tensorboard"):
        MetricsLog(tmp_path).write(1, {"loss": 0.5})
