"""What the commands share: their options, and the set-up of logging and TensorFlow."""

import codecs
import contextlib
import functools
import io
import logging
import os
import re
import signal
import sys
import tempfile
from pathlib import Path

import click

from tfipgan.config import Config, load_config
from tfipgan.config.keras_settings import keras_floatx
from tfipgan.data.filenames import EXAMPLE_PATTERN, NAMING_FORMATS
from tfipgan.errors import InputError
from tfipgan.files.output_file import require_short_name

FOLDER = click.Path(path_type=Path)


# A file to write: a folder in its place, or too long a name, would be noticed after
# the work only.
class _NewFile(click.Path):
    def convert(self, value, parameter, context):
        path = super().convert(value, parameter, context)
        require_short_name(path)
        return path


NEW_FILE = _NewFile(path_type=Path, dir_okay=False)


def config_options(command):
    """Add --config and --set; the command gets `config`, a `Config`."""

    @click.option(
        "--config",
        "config_path",
        metavar="FILE|NAME",
        required=True,
        help="A YAML file, or a packaged config such as synthetic/ipgan.",
    )
    @click.option(
        "--set",
        "overrides",
        metavar="KEY=VALUE",
        multiple=True,
        help="Override a value, such as gan.batch_size=8. May be repeated.",
    )
    @functools.wraps(command)
    def wrapper(*args, config_path: str, overrides: tuple[str, ...], **kwargs):
        config: Config = load_config(config_path, overrides)
        return command(*args, config=config, **kwargs)

    return wrapper


def dataset_options(prefix=""):
    """Add --format and --pattern, or with a prefix --source-format and so on."""
    dash, under = (f"{prefix}-", f"{prefix}_") if prefix else ("", "")
    of_what = f" of the {prefix}" if prefix else ""

    def decorate(command):
        named = click.option(
            f"--{dash}format",
            f"{under}format",
            type=click.Choice(["auto", *NAMING_FORMATS]),
            default="auto",
            help=f"How the names{of_what} are read.  [default: recognised]",
        )
        pattern = click.option(
            f"--{dash}pattern",
            f"{under}pattern",
            metavar="REGEX",
            help=f"For names{of_what} of your own: a regular expression with groups "
            f"person and camera, like '{EXAMPLE_PATTERN}'.",
        )
        return named(pattern(command))

    return decorate


def runtime_options(command):
    """Add --threads and --no-progress; TensorFlow is set up before the command runs.

    The command gets `progress`, a bool.
    """

    @functools.wraps(command)
    def wrapper(*args, threads: int | None, **kwargs):
        set_up_tensorflow(threads)
        return command(*args, **kwargs)

    return computing_options(wrapper)


def computing_options(command):
    """Add --threads and --no-progress, and set up nothing.

    The command gets `threads`, an int or None, and `progress`, a bool.
    """

    @click.option(
        "--threads",
        type=click.IntRange(min=1),
        help="CPU threads to compute with.  [default: all cores]",
    )
    @click.option("--no-progress", is_flag=True, help="Show no progress bar.")
    @functools.wraps(command)
    def wrapper(*args, no_progress: bool, **kwargs):
        return command(*args, progress=not no_progress, **kwargs)

    return wrapper


def skip_option(listed, names=True, images=True):
    """Return the option --skip-unreadable.

    Args:
        listed: text of the help, where the images that were left out are listed.
        names: bool, whether images whose names can't be read are left out too.
        images: bool, whether images are opened at all.
    """
    what = "that can't be read" + (", or whose names can't" if names else "")
    if not images:
        what = "whose names can't be read"
    return click.option(
        "--skip-unreadable", is_flag=True, help=f"Leave out images {what}; {listed}."
    )


def stripes_option(of_what):
    """Add --pool-stripes; `of_what` says what it is an option of."""
    return click.option(
        "--pool-stripes",
        type=click.IntRange(min=1),
        metavar="P",
        help=f"{of_what}: pool each of P horizontal stripes of the last map by itself, "
        "by its maximum (LMP), and not the whole map.",
    )


def require_stripes(run, pool_stripes):
    """Raise InputError if a re-ID run's last map has not so many rows; None is none."""
    from tfipgan.models.stripes import check_stripes

    if pool_stripes is not None:
        config = run.config
        height = config.reid.image_size[0]
        check_stripes(pool_stripes, height, config.backbone.last_stride)


def image_size(context, parameter, value):
    """Read an option's HEIGHTxWIDTH, in pixels; a callback of click."""
    if value is None:
        return None
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", value)
    if not match:
        raise click.BadParameter(f"{value!r}, expected HEIGHTxWIDTH, such as 128x64")
    return int(match[1]), int(match[2])


def training_options(command):
    """Add --devices, --cache-images and --resume.

    The command gets `devices`, `cache_gib` (a float or None) and `resume`.
    """
    cache = click.option(
        "--cache-images",
        "cache_gib",
        type=click.FloatRange(min=0, min_open=True),
        metavar="GIB",
        help="Decode all images once and keep them, in this much memory at most.  "
        "[default: decoded as they are needed]",
    )
    return cache(device_options(command))


def device_options(command):
    """Add --devices and --resume; the command gets `devices` and `resume`."""
    devices = click.option(
        "--devices",
        callback=lambda context, parameter, value: value.split(",") if value else None,
        metavar="NAMES",
        help="Devices to train on, such as GPU:0,GPU:1.  [default: all GPUs, or CPU]",
    )
    resume = click.option(
        "--resume", is_flag=True, help="Go on with the run in --out, if there is one."
    )
    return devices(resume(command))


def require_working_folder():
    """Raise InputError if the folder that paths start from is gone."""
    try:
        os.getcwd()
    except OSError as error:
        raise InputError(
            f"the working folder can't be used ({error.strerror}); it may have been "
            "removed: cd into one that is there"
        ) from error


def write_any_name():
    """Let stdout take every path: as the bytes it has, else with escapes."""

    def replace(error):
        try:
            return codecs.lookup_error("surrogateescape")(error)
        except UnicodeEncodeError:
            return codecs.backslashreplace_errors(error)

    codecs.register_error("tfipgan-path", replace)
    if isinstance(sys.stdout, io.TextIOWrapper):  # not where a program collects it
        sys.stdout.reconfigure(errors="tfipgan-path")


def set_up_logging():
    """Send the project's log to stderr; results go to stdout."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s"
    )
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    logging.getLogger("absl").setLevel(logging.ERROR)


def set_up_tensorflow(threads: int | None) -> None:
    """Import TensorFlow without its chatter and bound its threads.

    Raises:
        ConfigError: Keras is set to another backend.
    """
    floatx = keras_floatx()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Several commands may share a GPU, as the demo's do.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    with _quiet_stderr():
        import tensorflow as tf

        # Devices are looked for here, with more chatter on machines without a GPU.
        tf.config.list_physical_devices()
        if floatx != "float32":
            import keras

            keras.backend.set_floatx("float32")
    if threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)


@contextlib.contextmanager
def sigterm_exits():
    """Let SIGTERM end the block as Ctrl-C does, so that it ends what it has started."""

    def end(number, frame):
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _quiet_stderr():
    """Hold back what native code writes to stderr; let it through after an error."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(kept, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
