"""The one loop that drives a model's train_step: one device, many, or many workers."""

from collections.abc import Iterator

import tensorflow as tf
from tqdm import tqdm


def training_steps(
    model,
    batches,
    strategy,
    *,
    start_step,
    num_steps,
    jit_compile=False,
    progress=True,
    title="",
) -> Iterator[tuple[int, dict]]:
    """Call the model's train_step num_steps - start_step times.

    Args:
        model: has `train_step(batch)`, which returns a dict of scalars that are equal
            on all replicas.
        batches: dataset of batches, one to a step, from start_step on; of several
            workers each has its own rows of the global batches.
        strategy: whose replicas in this process share each batch.
        start_step, num_steps: ints, steps done before and steps of the whole run.
        jit_compile: whether XLA compiles the step; see `check_compiler`.
        progress: whether to show a progress bar on stderr.
        title: in front of the bar.

    Yields:
        After each step its number, from 1, and the dict of its scalars. They are
        tensors: on a GPU it is reading them that waits for the step's end.
    """

    @tf.function(jit_compile=jit_compile or None)
    def step_function(batch):
        results = strategy.run(model.train_step, args=(batch,))
        return tf.nest.map_structure(
            lambda value: strategy.experimental_local_results(value)[0], results
        )

    # One replica takes the batches as they are: TensorFlow's distributed iterator keeps
    # a tuner of its own, whatever the dataset's options, and its end waits for that
    # tuner's sleep.
    if strategy.num_replicas_in_sync > 1:
        shares = strategy.distribute_datasets_from_function(
            lambda context: _split(
                batches, context.num_replicas_in_sync // context.num_input_pipelines
            )
        )
    else:
        shares = batches
    iterator = iter(shares)
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
            terms = step_function(next(iterator))
            bar.update()
            yield step, terms


def _split(batches, replicas):
    """Return the batches in equal parts in turn, for a process's replicas."""
    if replicas == 1:
        return batches

    def split(column):
        rows, *rest = column.shape
        part = -1 if rows is None else rows // replicas
        return tf.reshape(column, (replicas, part, *rest))

    return batches.map(lambda batch: tf.nest.map_structure(split, batch)).unbatch()
