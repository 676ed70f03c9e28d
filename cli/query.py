"""tfipgan query: ask a server with the exported models, from any machine."""

import functools
import os
from pathlib import Path

import click

from tfipgan.cli.common import FOLDER, NEW_FILE, dataset_options

_IMAGES = click.Path(path_type=Path)
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


class _Camera(click.ParamType):
    name = "camera"

    def convert(self, value, parameter, context):
        if value == "all" or isinstance(value, int):
            return value
        if not value.isdecimal() or int(value) >= 2**31:
            self.fail(f"{value!r} is neither a camera's number nor all.")
        return int(value)


@click.group("query")
def query():
    """Translate or describe images on a server: tfipgan serve, TensorFlow Serving."""


def _options(command):
    """Add what both commands share; the command gets `connect` and `options`.

    `connect()` makes the `Client`; `options` are what both functions take.
    """

    @click.option(
        "--server",
        default="localhost:8500",
        show_default=True,
        metavar="HOST:PORT",
        help="The server's gRPC address, or unix:PATH.",
    )
    @click.option("--version", type=click.IntRange(min=0), help="Of the model to ask.")
    @click.option("--label", help="The server's name for a version, such as stable.")
    @click.option(
        "--batch-size",
        type=click.IntRange(min=1),
        default=32,
        show_default=True,
        help="Images of a request.",
    )
    @click.option(
        "--in-flight",
        type=click.IntRange(1, 64),
        default=4,
        show_default=True,
        help="Requests at a time.",
    )
    @click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=60,
        show_default=True,
        help="Seconds for one try of a request.",
    )
    @click.option(
        "--retries",
        type=click.IntRange(0, 20),
        default=3,
        show_default=True,
        help="Further tries if the server is not there, too late or too busy.",
    )
    @click.option("--tls", is_flag=True, help="Speak TLS.")
    @click.option("--ca", type=_FILE, help="Who signed the server's certificate (PEM).")
    @click.option(
        "--tls-name",
        metavar="NAME",
        help="In the server's certificate.  [default: the host of --server]",
    )
    @click.option("--cert", type=_FILE, help="The client's own certificate (PEM).")
    @click.option("--key", type=_FILE, help="The key of --cert (PEM).")
    @click.option(
        "--skip-unreadable",
        is_flag=True,
        help="List images that can't be decoded and go on without them.",
    )
    @click.option("--no-progress", is_flag=True, help="Show no progress bar.")
    @dataset_options()
    @functools.wraps(command)
    def wrapper(
        *args, server, version, label, batch_size, in_flight, timeout, retries, tls,
        tls_name, ca, cert, key, skip_unreadable, no_progress, **kwargs,
    ):  # fmt: skip
        if (ca or cert or key or tls_name) and not tls:
            raise click.UsageError("--ca, --tls-name, --cert and --key are for --tls.")
        if (cert is None) != (key is None):
            raise click.UsageError("--cert and --key belong together.")

        # Before gRPC is imported: else it writes what our one line says better.
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")

        def connect():
            import grpc

            from tfipgan.serving.client import Client

            files = [path and _read_pem(path) for path in (ca, key, cert)]
            return Client(
                server,
                version=version,
                label=label,
                timeout=timeout,
                retries=retries,
                credentials=grpc.ssl_channel_credentials(*files) if tls else None,
                tls_name=tls_name,
            )

        options = {
            "batch_size": batch_size,
            "in_flight": in_flight,
            "skip_unreadable": skip_unreadable,
            "progress": not no_progress,
        }
        return command(*args, connect=connect, options=options, **kwargs)

    return wrapper


def _read_pem(path):
    from tfipgan.errors import InputError

    contents = path.read_bytes()
    if b"-----BEGIN " not in contents:
        raise InputError(f"{path} holds no key or certificate; expected a PEM file")
    return contents


@query.command("translate")
@click.argument("images", type=_IMAGES)
@click.option(
    "--camera",
    type=_Camera(),
    required=True,
    metavar="K|all",
    help="The target's own number of the camera, or all of them.",
)
@click.option("--out", type=FOLDER, required=True, help="Folder to make.")
@click.option("--resume", is_flag=True, help="Leave out what is in --out already.")
@_options
def query_translate(images, camera, out, resume, format, pattern, connect, options):
    """Write IMAGES, a file or a folder, in the style of a target camera.

    Names stay, with _to_c<camera> before the ending: 0002_c1s1_000451_03_to_c4.jpg.
    """
    from tfipgan.data.output_place import require_outside
    from tfipgan.serving.client_files import find_images
    from tfipgan.serving.client_translation import translate_files

    require_outside(out, folders=[images] if images.is_dir() else [])
    samples, root = find_images(images, format, pattern)
    number = None if camera == "all" else camera
    with connect() as client:
        written, num_existing = translate_files(
            client, samples, root, out, number, resume=resume, **options
        )
    also = (
        f", {num_existing} of {len(samples)} were there already" if num_existing else ""
    )
    click.echo(f"{written} images written{also}")


@query.command("extract")
@click.argument("images", type=_IMAGES)
@click.option("--out", type=NEW_FILE, required=True, help="The .npz file to write.")
@_options
def query_extract(images, out, format, pattern, connect, options):
    """Write the embeddings of IMAGES, a file or a folder, for tfipgan evaluate.

    Names that match no format are kept, with person -2 and camera -1.
    """
    from tfipgan.files.output_file import require_new_file
    from tfipgan.serving.client_files import extract_files, find_images

    require_new_file(out)
    samples, _ = find_images(images, format, pattern)
    out.parent.mkdir(parents=True, exist_ok=True)  # fails before the work, not after
    with connect() as client:
        features = extract_files(client, samples, **options)
    features.save(out)
    click.echo(f"{len(features)} images, {features.features.shape[1]} values each")
