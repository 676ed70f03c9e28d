"""What the commands share: the set-up of logging and of TensorFlow."""

import io
import logging
import os
import sys

import pytest

from tfipgan.cli.common import _quiet_stderr, set_up_logging, set_up_tensorflow


def test_the_log_goes_to_stderr(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setattr(logging.root, "level", logging.WARNING)
    monkeypatch.setattr(sys, "stderr", stream)
    set_up_logging()
    logging.getLogger("tfipgan.training").info("12 images")
    logging.getLogger("tensorflow").warning("chatter")
    logging.getLogger("absl").warning("chatter")
    (line,) = stream.getvalue().splitlines()
    assert line.endswith(" 12 images")


def test_threads_are_bounded_only_if_asked(monkeypatch):
    import tensorflow as tf

    asked = []
    for name in ("intra", "inter"):
        monkeypatch.setattr(
            tf.config.threading,
            f"set_{name}_op_parallelism_threads",
            lambda threads, name=name: asked.append((name, threads)),
        )
    set_up_tensorflow(None)
    assert asked == []
    set_up_tensorflow(3)
    assert asked == [("intra", 3), ("inter", 3)]


def test_threads_are_a_number_of_1_or_more(tfipgan):
    for command in ("extract", "evaluate"):
        result = tfipgan(command, "--threads", "0")
        assert result.exit_code == 2 and "--threads" in result.stderr


def test_native_chatter_is_held_back_unless_it_fails(capfd):
    with _quiet_stderr():
        os.write(2, b"chatter\n")
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n"
    with pytest.raises(ImportError), _quiet_stderr():
        os.write(2, b"the cause\n")
        raise ImportError
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "the cause\nheard\n"
