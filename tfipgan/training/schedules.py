"""Learning rates as functions of the optimiser's own count of updates."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="tfipgan")
class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Constant, then linear to 0 (paper section 4.2).

    Args:
        initial: float, the rate of the first part.
        constant_steps: int, training steps at the initial rate.
        decay_steps: int, training steps over which it falls to 0.
        updates_per_step: int, the optimiser's updates in a training step.
    """

    def __init__(self, initial, constant_steps, decay_steps, updates_per_step=1):
        self.initial = initial
        self.constant_steps = constant_steps
        self.decay_steps = decay_steps
        self.updates_per_step = updates_per_step

    def __call__(self, step):
        step = tf.cast(tf.cast(step, tf.int64) // self.updates_per_step, tf.float32)
        fallen = (step - self.constant_steps) / max(self.decay_steps, 1)
        return self.initial * (1.0 - tf.clip_by_value(fallen, 0.0, 1.0))

    def get_config(self):
        return {
            "initial": self.initial,
            "constant_steps": self.constant_steps,
            "decay_steps": self.decay_steps,
            "updates_per_step": self.updates_per_step,
        }


@keras.saving.register_keras_serializable(package="tfipgan")
class StepDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Constant, then `factor` times that (CamStyle's schedule of the re-ID network).

    Args:
        initial: float.
        decay_step: int, the first step at the lower rate.
        factor: float.
    """

    def __init__(self, initial, decay_step, factor):
        self.initial = initial
        self.decay_step = decay_step
        self.factor = factor

    def __call__(self, step):
        lower = tf.cast(step, tf.int64) >= self.decay_step
        return tf.where(lower, self.initial * self.factor, self.initial)

    def get_config(self):
        return {
            "initial": self.initial,
            "decay_step": self.decay_step,
            "factor": self.factor,
        }
