"""The loss terms of the paper, each a pure function of tensors.

All take and return float32; each returns the mean over the rows it was given, a scalar,
unless it says otherwise.
"""

import tensorflow as tf

ADVERSARIAL_KINDS = ("wgan-gp", "vanilla")


def real_loss(source_map, kind="wgan-gp"):
    """D's loss on real images, the first half of -L_adv (eq. 1, 5 and 8).

    Args:
        source_map: (batch, h, w, 1) scores of real images.
        kind: "wgan-gp", -mean(D(x)); or "vanilla", mean(-log sigmoid(D(x))).
    """
    if kind == "wgan-gp":
        return -tf.reduce_mean(source_map)
    return tf.reduce_mean(tf.nn.softplus(-source_map))


def fake_loss(source_map, kind="wgan-gp"):
    """D's loss on translated images, the second half of -L_adv (eq. 1, 5 and 8).

    Args:
        source_map: (batch, h, w, 1) scores of translated images.
        kind: "wgan-gp", mean(D(y)); or "vanilla", mean(-log(1 - sigmoid(D(y)))).
    """
    if kind == "wgan-gp":
        return tf.reduce_mean(source_map)
    return tf.reduce_mean(tf.nn.softplus(source_map))


def generator_loss(source_map, kind="wgan-gp"):
    """G's adversarial loss (eq. 6 and 9): to have its images scored as real.

    Args:
        source_map: (batch, h, w, 1) scores of translated images.
        kind: "wgan-gp", -mean(D(y)); or "vanilla", the non-saturating form
            mean(-log sigmoid(D(y))).
    """
    return real_loss(source_map, kind)


def gradient_penalty(gradients):
    """Mean of (|gradient of D at an interpolated image| - 1)^2 (WGAN-GP).

    Args:
        gradients: (batch, height, width, channels), d sum(source map) / d image.
    """
    squares = tf.reduce_sum(tf.square(gradients), axis=(1, 2, 3))
    # The root's own gradient is infinite at zero, where D starts for a blank image.
    norms = tf.sqrt(tf.maximum(squares, 1e-16))
    return tf.reduce_mean(tf.square(norms - 1.0))


def domain_loss(domain_logits, domains):
    """Cross-entropy of the domain logits (eq. 2 for real images, eq. 3 for translated).

    Args:
        domain_logits: (batch, num_domains).
        domains: int (batch,), each image's domain or the one asked for.
    """
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(domains, domain_logits)
    )


def reconstruction_loss(images, reconstructed):
    """Mean absolute difference after the way there and back (eq. 4).

    Args:
        images, reconstructed: (batch, height, width, 3) in [-1, 1].
    """
    return tf.reduce_mean(tf.abs(images - reconstructed))


def semantic_loss(identity_logits, identities, is_source, num_source=None):
    """Cross-entropy of the identity after translation, source rows only (eq. 7).

    Args:
        identity_logits: (batch, num_identities), D_sem of the translated images.
        identities: int (batch,); rows that are not the source's may hold anything.
        is_source: bool (batch,).
        num_source: float scalar, rows to divide by; by default those of this batch.
            With several replicas it is the global batch's, and the terms add up.

    Returns:
        Scalar; 0 when there are no source rows.
    """
    mask = tf.cast(is_source, tf.float32)
    if num_source is None:
        num_source = tf.reduce_sum(mask)
    # Labels of target rows are set to 0: an out-of-range label would give NaN, and NaN
    # times a mask of 0 is NaN.
    labels = tf.where(is_source, identities, tf.zeros_like(identities))
    terms = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, identity_logits)
    return tf.reduce_sum(terms * mask) / tf.maximum(num_source, 1.0)


def identity_loss(identity_logits, identities):
    """Cross-entropy of the re-ID network (paper section 3.1).

    Args:
        identity_logits: (batch, num_identities).
        identities: int (batch,).
    """
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(identities, identity_logits)
    )
