"""The loss terms, each a pure function of tensors.

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


def least_squares_loss(scores, label):
    """Mean squared difference of scores and their label (LSGAN, Mao et al. 2017).

    Args:
        scores: (batch, h, w, 1), a patch discriminator's.
        label: 1.0 for real images, and for G's own aim; 0.0 for translated ones.
    """
    return tf.reduce_mean(tf.square(scores - label))


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


def contrastive_loss(features, others, margin=None):
    """Contrastive loss of pairs (Hadsell et al. 2006; SPGAN's SiaNet).

    With d the Euclidean distance of a pair: d^2 to draw it together; with a margin
    max(0, margin - d)^2, to push it apart.

    Args:
        features, others: (batch, size), a pair in each row.
        margin: float; None for pairs that belong together.
    """
    squares = tf.reduce_sum(tf.square(features - others), axis=1)
    if margin is None:
        return tf.reduce_mean(squares)
    # The root's own gradient is infinite at zero.
    distances = tf.sqrt(tf.maximum(squares, 1e-12))
    return tf.reduce_mean(tf.square(tf.nn.relu(margin - distances)))


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


def identity_loss(identity_logits, identities, smoothing=0.0):
    """Cross-entropy of the re-ID network (paper section 3.1).

    Args:
        identity_logits: (batch, num_identities).
        identities: int (batch,).
        smoothing: float e in [0, 1), label smoothing: the target has 1 - e on the
            identity and e / num_identities on all of them, this one too.
    """
    loss = tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(identities, identity_logits)
    )
    if not smoothing:
        return loss
    uniform = -tf.reduce_mean(tf.nn.log_softmax(identity_logits))
    return (1.0 - smoothing) * loss + smoothing * uniform


def triplet_loss(features, identities, margin):
    """Batch-hard triplet loss (Hermans et al. 2017), of Euclidean distances.

    For each row, an anchor, with p the distance to the farthest other row of its
    identity and n that to the nearest row of another: max(0, margin + p - n), or
    softplus(p - n). Rows without such a p or n are left out of the mean.

    Args:
        features: (batch, size), taken as they are, not normalised.
        identities: (batch,).
        margin: float of at least 0, or "soft".

    Returns:
        Scalar; 0 when all rows are left out. Where two rows are equal, the gradient of
        their distance is 0.
    """
    same = identities[:, tf.newaxis] == identities[tf.newaxis, :]
    positive = same & ~tf.eye(tf.shape(features)[0], dtype=tf.bool)
    # Products are fast and do to choose by; of equal rows they may leave some rounding.
    fixed = tf.stop_gradient(features)
    lengths = tf.reduce_sum(tf.square(fixed), axis=1)
    squares = lengths[:, tf.newaxis] + lengths[tf.newaxis, :]
    squares -= 2.0 * tf.matmul(fixed, fixed, transpose_b=True)
    inf = squares.dtype.max
    farthest = tf.argmax(tf.where(positive, squares, -inf), axis=1)
    nearest = tf.argmin(tf.where(same, inf, squares), axis=1)
    gaps = _distances(features, farthest) - _distances(features, nearest)
    terms = tf.nn.softplus(gaps) if margin == "soft" else tf.nn.relu(margin + gaps)
    is_anchor = tf.reduce_any(positive, axis=1) & ~tf.reduce_all(same, axis=1)
    count = tf.reduce_sum(tf.cast(is_anchor, tf.float32))
    total = tf.reduce_sum(tf.where(is_anchor, terms, tf.zeros_like(terms)))
    return total / tf.maximum(count, 1.0)


def _distances(features, others):
    """Return each row's distance to the row that `others` names, (batch,)."""
    squares = tf.reduce_sum(tf.square(features - tf.gather(features, others)), axis=1)
    # The root's own gradient is infinite at zero.
    return tf.sqrt(tf.maximum(squares, 1e-12))


def cluster_loss(features, memory, clusters, temperature):
    """Cross-entropy of the similarities to all clusters (cluster contrast's InfoNCE).

    Args:
        features: (batch, size), L2-normalised.
        memory: (clusters, size), L2-normalised; what each cluster is remembered by.
        clusters: int (batch,), each row's own.
        temperature: float that similarities are divided by.
    """
    logits = tf.matmul(features, memory, transpose_b=True) / temperature
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=clusters, logits=logits)
    )


def camera_loss(
    features, proxies, same_cluster, same_camera, temperature, num_negatives
):
    """Pull rows to their cluster in other cameras (PPLR's inter-camera proxies).

    For each row: cross-entropy over the proxies of its cluster in other cameras, which
    have equal shares of the target, and the most similar proxies of other clusters.

    Args:
        features: (batch, size), L2-normalised.
        proxies: (proxies, size), L2-normalised, each of a cluster in a camera.
        same_cluster, same_camera: bool (batch, proxies), whether it is the row's own.
        temperature: float that similarities are divided by.
        num_negatives: how many of other clusters, at most.

    Returns:
        Scalar. Rows whose cluster no other camera has count as 0 in the mean.
    """
    logits = tf.matmul(features, proxies, transpose_b=True) / temperature
    positive = same_cluster & ~same_camera
    # Of these the exponential is 0; from an infinity the gradient would be NaN.
    lowest = tf.constant(-1e9, logits.dtype)
    count = tf.minimum(num_negatives, tf.shape(logits)[1])
    hardest, _ = tf.math.top_k(tf.where(same_cluster, lowest, logits), count)
    compared = tf.concat([tf.where(positive, logits, lowest), hardest], axis=1)
    number = tf.reduce_sum(tf.cast(positive, logits.dtype), axis=1)
    chosen = tf.reduce_sum(tf.where(positive, logits, tf.zeros_like(logits)), axis=1)
    mean = chosen / tf.maximum(number, 1.0)
    terms = tf.reduce_logsumexp(compared, axis=1) - mean
    return tf.reduce_mean(tf.where(number > 0, terms, tf.zeros_like(terms)))
