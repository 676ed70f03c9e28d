"""The re-ID network's optimisers, their learning rates, and what they leave alone."""

from collections.abc import Callable

import keras

from tfipgan.config import ReidConfig
from tfipgan.training.schedules import CosineDecay, StepDecay, Warmup


def learning_rates(reid: ReidConfig, epoch_steps: int, initial: float) -> Callable:
    """Return a learning rate's schedule, a function of the steps done.

    Args:
        reid: of the config.
        epoch_steps: steps of an epoch.
        initial: the rate that is warmed up and decays.
    """
    warmup_steps = reid.warmup_epochs * epoch_steps
    if reid.schedule == "cosine":
        decay_steps = reid.epochs * epoch_steps - warmup_steps
        schedule = CosineDecay(initial, warmup_steps, decay_steps)
    else:
        epochs = reid.decay_epoch
        several = isinstance(epochs, tuple)
        steps = [e * epoch_steps for e in epochs] if several else epochs * epoch_steps
        schedule = StepDecay(initial, steps, reid.decay_factor)
    return Warmup(schedule, warmup_steps) if warmup_steps else schedule


def make_optimizers(
    reid: ReidConfig, epoch_steps: int
) -> dict[str, keras.optimizers.Optimizer]:
    """Return new optimisers of the backbone and of the head, by name; not yet built."""
    return {
        # Named, because checkpoints know optimisers' variables by names.
        name: _make(reid, learning_rates(reid, epoch_steps, initial), name)
        for name, initial in (
            ("backbone_optimizer", reid.backbone_learning_rate),
            ("head_optimizer", reid.learning_rate),
        )
    }


def freeze_stages(backbone, count: int) -> None:
    """Have the first stages of a `ResNet` stay as they are, as training goes on.

    Their weights are no trainable variables any more, and their batch norms normalise
    by the statistics that they have, which is how Keras takes this attribute.

    Args:
        backbone: whose `stages` say what they are.
        count: 0 for none, 1 for conv1, 2 for conv2_x too, to 5 for all.
    """
    for stage in backbone.stages()[:count]:
        for layer in stage:
            layer.trainable = False


def _make(reid, rates, name):
    if reid.optimizer == "adam":
        # Betas and epsilon are PyTorch's defaults, which the field leaves as they are.
        return keras.optimizers.Adam(
            rates, beta_1=0.9, beta_2=0.999, epsilon=1e-8, name=name
        )
    return keras.optimizers.SGD(rates, momentum=reid.momentum, nesterov=True, name=name)
