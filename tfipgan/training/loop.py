"""The one loop that drives a model's train_step: one device, many, or many workers."""

import numpy as np
import tensorflow as tf
from tqdm import tqdm


def run_steps(
    model,
    batches,
    strategy,
    *,
    start_step,
    num_steps,
    on_metrics,
    on_step=None,
    metrics_every=10,
    progress=True,
    title="",
):
    """Call the model's train_step num_steps - start_step times.

    Args:
        model: has `train_step(batch)`, which returns a dict of scalars that are equal
            on all replicas.
        batches: dataset of global batches, one to a step, from start_step on.
        strategy: whose replicas share each batch.
        start_step, num_steps: ints, steps done before and steps of the whole run.
        on_metrics: called with (step, dict of floats: means over the last steps) every
            metrics_every steps and at the end; steps count from 1.
        on_step: called with (step) after each step, or None.
        progress: whether to show a progress bar on stderr.
        title: in front of the bar.
    """

    @tf.function
    def step_function(batch):
        results = strategy.run(model.train_step, args=(batch,))
        return tf.nest.map_structure(
            lambda value: strategy.experimental_local_results(value)[0], results
        )

    # One replica takes the batches as they are: TensorFlow's distributed iterator keeps
    # a tuner of its own, whatever the dataset's options, and its end waits for that
    # tuner's sleep.
    if strategy.num_replicas_in_sync > 1:
        batches = strategy.experimental_distribute_dataset(batches)
    iterator = iter(batches)
    window = []
    bar = tqdm(
        initial=start_step,
        total=num_steps,
        desc=title,
        unit="step",
        disable=not progress,
        mininterval=1.0,
        dynamic_ncols=True,
    )
    with bar:
        for step in range(start_step + 1, num_steps + 1):
            window.append(step_function(next(iterator)))
            bar.update()
            if step % metrics_every == 0 or step == num_steps:
                means = {
                    name: float(np.mean([terms[name].numpy() for terms in window]))
                    for name in window[0]
                }
                window = []
                on_metrics(step, means)
            if on_step is not None:
                on_step(step)
