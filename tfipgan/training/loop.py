"""The one loop that drives a train_step: one device, many, or many workers."""

from collections.abc import Callable, Iterator

import tensorflow as tf


class StepLoop:
    """Calls a train_step, traced once, on the batches of one dataset after another.

    Args:
        train_step: function of a batch; returns a dict of scalars that are equal on all
            replicas.
        strategy: whose replicas in this process share each batch.
        jit_compile: whether XLA compiles the step; see `check_compiler`.
    """

    def __init__(self, train_step: Callable, strategy, jit_compile: bool = False):
        self._strategy = strategy

        @tf.function(jit_compile=jit_compile or None)
        def step_function(batch):
            results = strategy.run(train_step, args=(batch,))
            return tf.nest.map_structure(
                lambda value: strategy.experimental_local_results(value)[0], results
            )

        self._step_function = step_function

    @property
    def traces(self) -> int:
        """How often the step was traced."""
        return self._step_function.experimental_get_tracing_count()

    def steps(
        self, batches: tf.data.Dataset, start_step: int, end_step: int
    ) -> Iterator[tuple[int, dict]]:
        """Call the step end_step - start_step times.

        Args:
            batches: one to a step, from start_step on; of several workers each has its
                own rows of the global batches.
            start_step, end_step: ints, steps done before the first one and the last.

        Yields:
            After each step its number, from 1, and the dict of its scalars. They are
            tensors: on a GPU it is reading them that waits for the step's end.
        """
        strategy = self._strategy
        # One replica takes the batches as they are: TensorFlow's distributed iterator
        # keeps a tuner of its own, whatever the dataset's options, and its end waits
        # for that tuner's sleep.
        if strategy.num_replicas_in_sync > 1:
            batches = strategy.distribute_datasets_from_function(
                lambda context, whole=batches: _split(
                    whole, context.num_replicas_in_sync // context.num_input_pipelines
                )
            )
        iterator = iter(batches)
        for step in range(start_step + 1, end_step + 1):
            yield step, self._step_function(next(iterator))


def _split(batches, replicas):
    """Return the batches in equal parts in turn, for a process's replicas."""
    if replicas == 1:
        return batches

    def split(column):
        rows, *rest = column.shape
        part = -1 if rows is None else rows // replicas
        return tf.reshape(column, (replicas, part, *rest))

    return batches.map(lambda batch: tf.nest.map_structure(split, batch)).unbatch()
