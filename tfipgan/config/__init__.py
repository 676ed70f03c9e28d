"""What a run is set to, and which of several workers this process is.

Needs no TensorFlow.
"""

from tfipgan.config.loading import (
    EXPERIMENT_FILE,
    load_config,
    load_saved_config,
    packaged_configs,
    packaged_folder,
    save_config,
)
from tfipgan.config.sections import (
    AdaptConfig,
    BackboneConfig,
    Config,
    EvaluationConfig,
    GanConfig,
    ReidConfig,
    TranslationConfig,
)
from tfipgan.config.values import config_from_dict, to_dict

__all__ = [
    "EXPERIMENT_FILE",
    "AdaptConfig",
    "BackboneConfig",
    "Config",
    "EvaluationConfig",
    "GanConfig",
    "ReidConfig",
    "TranslationConfig",
    "config_from_dict",
    "load_config",
    "load_saved_config",
    "packaged_configs",
    "packaged_folder",
    "save_config",
    "to_dict",
]
