"""Learning rates as functions of the optimiser's own count of updates."""

import math

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="tfipgan")
class ConstantThenLinearDecay(keras.optimizers.schedules.LearningRateSchedule):
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
        decay_step: int, the first step at the lower rate; or several, in rising order,
            each of which multiplies by `factor` once more.
        factor: float.
    """

    def __init__(self, initial, decay_step, factor):
        self.initial = initial
        self.decay_step = decay_step
        self.factor = factor

    def __call__(self, step):
        several = isinstance(self.decay_step, list | tuple)
        steps = self.decay_step if several else [self.decay_step]
        rates = [self.initial * self.factor**k for k in range(len(steps) + 1)]
        passed = tf.cast(step, tf.int64) >= tf.constant(steps, tf.int64)
        return tf.gather(rates, tf.reduce_sum(tf.cast(passed, tf.int32)))

    def get_config(self):
        return {
            "initial": self.initial,
            "decay_step": self.decay_step,
            "factor": self.factor,
        }


@keras.saving.register_keras_serializable(package="tfipgan")
class CosineDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Constant, then by half a period of the cosine to 0.

    Args:
        initial: float.
        constant_steps: int, steps at the initial rate.
        decay_steps: int, steps over which it falls to 0.
    """

    def __init__(self, initial, constant_steps, decay_steps):
        self.initial = initial
        self.constant_steps = constant_steps
        self.decay_steps = decay_steps

    def __call__(self, step):
        step = tf.cast(step, tf.float32)
        fallen = (step - self.constant_steps) / max(self.decay_steps, 1)
        angle = math.pi * tf.clip_by_value(fallen, 0.0, 1.0)
        return self.initial * 0.5 * (1.0 + tf.cos(angle))

    def get_config(self):
        return {
            "initial": self.initial,
            "constant_steps": self.constant_steps,
            "decay_steps": self.decay_steps,
        }


@keras.saving.register_keras_serializable(package="tfipgan")
class Warmup(keras.optimizers.schedules.LearningRateSchedule):
    """Another schedule, times a factor that rises linearly to 1.

    Args:
        schedule: the other one; its steps count from the run's first one too.
        warmup_steps: int of at least 1, the first step that is wholly the schedule's.
        start: float, the factor of step 0.
    """

    def __init__(self, schedule, warmup_steps, start=0.01):
        self.schedule = schedule
        self.warmup_steps = warmup_steps
        self.start = start

    def __call__(self, step):
        risen = tf.cast(step, tf.float32) / self.warmup_steps
        factor = self.start + (1.0 - self.start) * tf.minimum(risen, 1.0)
        return self.schedule(step) * factor

    def get_config(self):
        return {
            "schedule": keras.saving.serialize_keras_object(self.schedule),
            "warmup_steps": self.warmup_steps,
            "start": self.start,
        }

    @classmethod
    def from_config(cls, config):
        schedule = keras.saving.deserialize_keras_object(config["schedule"])
        return cls(**{**config, "schedule": schedule})
