"""What an adaptation goes on from: another run's network, without its classifier."""

from dataclasses import replace

from tfipgan.config import Config
from tfipgan.errors import InputError
from tfipgan.models import ReidNetwork
from tfipgan.models.from_config import build_reid_network
from tfipgan.runs.run import Run, load_reid_network
from tfipgan.weights.variables import assign_all, named_weights


def adapted_config(config: Config, start: Run) -> Config:
    """Return the config with `backbone` and `reid` of the run to go on from."""
    return replace(config, backbone=start.config.backbone, reid=start.config.reid)


def load_start(start: Run) -> ReidNetwork:
    """Return the network of a re-ID run.

    Raises:
        InputError: as `load_reid_network`, or it tells cameras apart.
    """
    if start.config.reid.labels != "person":
        raise InputError(
            f"{start.path} was trained with reid.labels {start.config.reid.labels}, so "
            "its features tell those apart and not people: give a run of `tfipgan "
            "train-reid` with reid.labels person, or of `import-weights`"
        )
    return load_reid_network(start)


def feature_network(
    config: Config, source: ReidNetwork, precision: str = "float32"
) -> ReidNetwork:
    """Return a new network with another's weights, but without a classifier.

    Args:
        config: of `adapted_config`.
        source: of `load_start`.
        precision: "float32" or "bfloat16".

    Raises:
        InputError: weights that are NaN or infinite.
    """
    network = build_reid_network(config.backbone, config.reid, None, precision)
    variables = named_weights(network)
    source_weights = named_weights(source)
    values = {name: source_weights[name].numpy() for name in variables}
    assign_all(variables, values, "the network of --model")
    return network
