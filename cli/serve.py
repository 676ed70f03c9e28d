"""tfipgan serve: exported models over gRPC."""

import logging
import queue
import re
import signal
from pathlib import Path

import click

from tfipgan.cli.common import FOLDER, set_up_tensorflow

PEM = click.Path(path_type=Path, exists=True, dir_okay=False)
PORT = click.IntRange(0, 65535)


def _read_labels(context, parameter, values):
    labels = []
    for value in values:
        match = re.fullmatch(r"([^:=]+):([^:=]+)=([0-9]+)", value)
        if match is None:
            raise click.BadParameter(
                f"{value!r} is no label; expected MODEL:LABEL=VERSION, "
                "such as extractor:stable=1"
            )
        labels.append((match[1], match[2], int(match[3])))
    return tuple(labels)


@click.command("serve")
@click.argument("models", type=FOLDER)
@click.option("--port", type=PORT, default=8500, help="0: a free one.  [default: 8500]")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address.")
@click.option(
    "--versions",
    type=click.Choice(["latest", "all"]),
    default="latest",
    show_default=True,
    help="Which versions of each model answer.",
)
@click.option(
    "--label",
    "labels",
    multiple=True,
    callback=_read_labels,
    metavar="MODEL:LABEL=VERSION",
    help="Serve a version under a label too.  May be repeated.",
)
@click.option(
    "--queue",
    "capacity",
    type=click.IntRange(min=1),
    default=256,
    show_default=True,
    help="Requests that may wait; the next one is refused.",
)
@click.option(
    "--merge-rows",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="Run requests that wait together, up to so many images, more on a GPU; "
    "1: never.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Runs at the same time.",
)
@click.option(
    "--max-rows",
    type=click.IntRange(min=1),
    default=1024,
    show_default=True,
    help="Most images of one request.",
)
@click.option(
    "--max-message-mib",
    type=click.IntRange(1, 2047),
    default=64,
    show_default=True,
    help="Largest request.",
)
@click.option(
    "--tensor-content",
    is_flag=True,
    help="Answer with raw bytes in place of typed fields.",
)
@click.option("--tls-cert", type=PEM, help="Certificate of the server.")
@click.option("--tls-key", type=PEM, help="Its key.")
@click.option("--tls-client-ca", type=PEM, help="Ask clients for a certificate by it.")
@click.option("--metrics-port", type=PORT, help="Serve Prometheus here.")
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    default=30,
    show_default=True,
    help="Seconds that requests under way get when the server stops.",
)
@click.option(
    "--threads", type=click.IntRange(min=1), help="CPU threads.  [default: all cores]"
)
def serve(models, **options):
    """Answer gRPC requests with the models of a folder, as TensorFlow Serving does.

    MODELS holds a folder for each model, and that one a folder for each version, as
    tfipgan export writes them. New versions are taken while the server runs. Stop it
    with Ctrl-C or SIGTERM.
    """
    set_up_tensorflow(options.pop("threads"))
    from tfipgan.serving.server import Server, ServerOptions

    # gRPC prints a traceback for each request that is no message at all.
    logging.getLogger("grpc._common").setLevel(logging.CRITICAL)
    click.echo(
        "This is tfipgan's own small server, not TensorFlow Serving: it speaks the "
        "same protocol, for a laptop or a test.",
        err=True,
    )
    grace = options.pop("grace")
    server = Server(
        models,
        ServerOptions(
            all_versions=options.pop("versions") == "all",
            largest_rows=options.pop("max_rows"),
            message_bytes=options.pop("max_message_mib") * 2**20,
            client_ca=options.pop("tls_client_ca"),
            **options,
        ),
    )
    server.start()
    # Unlike an Event, a SimpleQueue may be used inside a signal handler.
    signals = queue.SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: signals.put(number))
    if server.metrics_address is not None:
        click.echo(f"metrics on http://{server.metrics_address}/metrics", err=True)
    click.echo(server.address)
    name = signal.Signals(signals.get()).name
    for number in (signal.SIGTERM, signal.SIGINT):
        # A second signal ends the process at once.
        signal.signal(number, signal.SIG_DFL)
    click.echo(f"{name}: finishing the requests under way", err=True)
    server.stop(grace)
