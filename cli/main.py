"""The `tfipgan` command: a group of one command a module."""

import signal
import sys

import click

from tfipgan import __version__
from tfipgan.cli.adapt import adapt
from tfipgan.cli.common import require_working_folder, set_up_logging, write_any_name
from tfipgan.cli.demo import demo
from tfipgan.cli.evaluate import evaluate
from tfipgan.cli.export import export
from tfipgan.cli.extract import extract
from tfipgan.cli.fit_camel import fit_camel
from tfipgan.cli.identity_accuracy import identity_accuracy
from tfipgan.cli.import_weights import import_weights
from tfipgan.cli.inspect import inspect
from tfipgan.cli.query import query
from tfipgan.cli.reproduce import reproduce
from tfipgan.cli.serve import serve
from tfipgan.cli.subset import subset
from tfipgan.cli.synthesize import synthesize
from tfipgan.cli.train_gan import train_gan
from tfipgan.cli.train_reid import train_reid
from tfipgan.cli.translate import translate
from tfipgan.cli.translation_quality import translation_quality
from tfipgan.errors import ConfigError, InputError, TrainingError


class _OneLineErrors(click.Group):
    """Prints the errors that a user can mend as one line and sets the exit code."""

    def invoke(self, context):
        try:
            return super().invoke(context)
        except ConfigError as error:
            failure = click.ClickException(str(error))
            failure.exit_code = 2
            raise failure from error
        except (InputError, TrainingError, OSError, ImportError) as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            # As a shell has it of a process that the signal ended.
            click.echo("Interrupted", err=True)
            raise SystemExit(128 + signal.SIGINT) from None
        except Exception as error:
            if not _is_tensorflow_error(error):
                raise
            line = f"TensorFlow: {type(error).__name__}: {_first_line(error)}"
            raise click.ClickException(line) from error


def _is_tensorflow_error(error):
    """Whether an operation failed: a file changed under way, or memory ran out."""
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and isinstance(error, tensorflow.errors.OpError)


def _first_line(error):
    lines = [line.strip() for line in str(error.message).splitlines() if line.strip()]
    # The line that names the failed node says less than the one after it.
    messages = [line for line in lines if not line.startswith("Detected at node")]
    return (messages or lines or ["no message"])[0]


@click.group(
    cls=_OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__)
def main():
    """Take a person re-identification network to cameras that nobody has labelled."""
    require_working_folder()
    write_any_name()
    set_up_logging()


for command in (
    demo,
    reproduce,
    synthesize,
    inspect,
    subset,
    train_reid,
    train_gan,
    adapt,
    translate,
    extract,
    fit_camel,
    evaluate,
    identity_accuracy,
    translation_quality,
    import_weights,
    export,
    query,
    serve,
):
    main.add_command(command)
