"""Means over the global batch, from within one replica's step."""

import tensorflow as tf


def num_replicas():
    """Return the number of replicas in step with this one; 1 without a strategy."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def mean_over_replicas(terms):
    """Scale means over a replica's rows so that their sum is the global batch's mean.

    Args:
        terms: any nest of scalars. The replicas' batches have equal sizes.
    """
    return tf.nest.map_structure(lambda term: term / num_replicas(), terms)


def gradient_norm(gradients):
    """Return the length of all gradients together, as the optimiser adds them up.

    On several replicas this sums what the optimiser sums once more: Keras 3 neither
    takes gradients that are summed already nor gives its sums back.

    Args:
        gradients: list of tensors, this replica's share of each.
    """
    return tf.linalg.global_norm(sum_over_replicas(gradients))


def sum_over_replicas(terms):
    """Add up over replicas; every replica gets the sum.

    Args:
        terms: any nest of tensors, one or more to each replica.
    """
    if num_replicas() == 1:
        return terms
    return tf.distribute.get_replica_context().all_reduce(
        tf.distribute.ReduceOp.SUM, terms
    )


def rows_of_all(rows):
    """Return the rows of all replicas, in their order; every replica gets them.

    Each replica's gradient is with respect to its own rows: so of a loss of all rows,
    which all replicas compute, their gradients add up to its gradient.

    Args:
        rows: float (batch, ...), of the same shape on all replicas.
    """
    count = num_replicas()
    if count == 1:
        return rows
    index = tf.distribute.get_replica_context().replica_id_in_sync_group
    is_own = tf.reshape(tf.range(count) == index, (count, *[1] * rows.shape.rank))
    # By a sum, which all devices and workers have: the gradient of TensorFlow's
    # all_gather would add up what the replicas' equal losses say of these rows.
    own = rows[tf.newaxis]
    placed = tf.where(is_own, tf.stop_gradient(own), tf.zeros_like(own))
    every = tf.where(is_own, own, sum_over_replicas(placed))
    return tf.reshape(every, tf.concat([[-1], tf.shape(rows)[1:]], axis=0))
