import math

import numpy as np
import pytest
import tensorflow as tf

from tfipgan import losses
from tfipgan.losses import ADVERSARIAL_KINDS

LN2 = math.log(2)


def maps(*values):
    """Source maps of two patches, one above the other: a pair to each image."""
    return tf.constant(values, tf.float32)[:, :, None, None]


def log_logits(*probabilities):
    """Logits whose softmax is `probabilities`; a constant more makes no difference."""
    return tf.math.log(tf.constant(probabilities, tf.float32)) + 3.0


def test_wasserstein_by_hand():
    scores = maps((1, 2), (-3, 8))  # mean 2
    assert losses.real_loss(scores) == -2
    assert losses.fake_loss(scores) == 2
    assert losses.generator_loss(scores) == -2


def test_vanilla_by_hand():
    # sigmoid(log 3) is 3/4, of -log 3 it is 1/4, of 0 it is 1/2.
    scores = maps((math.log(3), -math.log(3)), (0, 0))
    right = (math.log(4 / 3) + math.log(4) + 2 * LN2) / 4
    for loss in (losses.real_loss, losses.fake_loss, losses.generator_loss):
        assert float(loss(scores, "vanilla")) == pytest.approx(right, rel=1e-6)
    scores = maps((math.log(3),))
    assert float(losses.real_loss(scores, "vanilla")) == pytest.approx(math.log(4 / 3))
    assert float(losses.fake_loss(scores, "vanilla")) == pytest.approx(math.log(4))
    # Non-saturating: a fake that D sees through still has a gradient for G.
    assert float(losses.generator_loss(-scores, "vanilla")) == pytest.approx(
        math.log(4)
    )


def test_vanilla_does_not_overflow():
    for score in (-200.0, 200.0):
        scores = maps((score,))
        for loss in (losses.real_loss, losses.fake_loss, losses.generator_loss):
            assert float(loss(scores, "vanilla")) in (0, 200)


@pytest.mark.parametrize("kind", ADVERSARIAL_KINDS)
def test_what_each_side_wants(kind):
    scores = tf.Variable(maps((0.3, -0.2)))
    with tf.GradientTape(persistent=True) as tape:
        real = losses.real_loss(scores, kind)
        fake = losses.fake_loss(scores, kind)
        generator = losses.generator_loss(scores, kind)
    assert (tape.gradient(real, scores).numpy() < 0).all()
    assert (tape.gradient(fake, scores).numpy() > 0).all()
    assert (tape.gradient(generator, scores).numpy() < 0).all()


def test_gradient_penalty_by_hand():
    gradients = np.zeros((3, 2, 1, 2), np.float32)
    gradients[0, :, 0, 0] = 3, 4  # norm 5
    gradients[1, 0, 0] = 0.6, 0.8  # norm 1
    gradients[2, 1, 0, 1] = -3  # norm 3
    penalty = losses.gradient_penalty(tf.constant(gradients))
    assert float(penalty) == pytest.approx((4**2 + 0 + 2**2) / 3)


def test_gradient_penalty_of_a_linear_discriminator():
    images = tf.random.stateless_normal((4, 2, 2, 3), (1, 2))
    weights = tf.fill((2, 2, 3), 0.5)  # norm sqrt(12) / 2
    with tf.GradientTape() as tape:
        tape.watch(images)
        scores = tf.einsum("bhwc,hwc->b", images, weights)
    penalty = losses.gradient_penalty(tape.gradient(scores, images))
    assert float(penalty) == pytest.approx((math.sqrt(3) - 1) ** 2, rel=1e-5)


def test_gradient_penalty_of_no_gradient():
    gradients = tf.Variable(tf.zeros((2, 2, 2, 3)))
    with tf.GradientTape() as tape:
        penalty = losses.gradient_penalty(gradients)
    assert float(penalty) == pytest.approx(1, rel=1e-6)
    assert np.isfinite(tape.gradient(penalty, gradients)).all()


@pytest.mark.parametrize("loss", [losses.domain_loss, losses.identity_loss])
def test_cross_entropy_by_hand(loss):
    logits = log_logits((1 / 2, 1 / 4, 1 / 4), (1 / 8, 1 / 8, 3 / 4))
    labels = tf.constant([0, 1])
    assert float(loss(logits, labels)) == pytest.approx((LN2 + 3 * LN2) / 2, rel=1e-5)


def test_label_smoothing_by_hand():
    logits = log_logits((1 / 2, 1 / 4, 1 / 4), (1 / 8, 1 / 8, 3 / 4))
    labels = tf.constant([0, 1])
    # 1 - e on the class and a third of e on each: with e = 0.3 that is 0.8, 0.1, 0.1.
    first = 0.8 * LN2 + 0.1 * 4 * LN2
    second = 0.8 * 3 * LN2 + 0.1 * 3 * LN2 + 0.1 * math.log(4 / 3)
    loss = losses.identity_loss(logits, labels, smoothing=0.3)
    assert float(loss) == pytest.approx((first + second) / 2, rel=1e-5)
    plain = losses.identity_loss(logits, labels)
    assert losses.identity_loss(logits, labels, smoothing=0.0) == plain


# Two people of two images and one who is alone, on a line.
ON_A_LINE = tf.constant([[0.0, 0], [3, 0], [4, 0], [10, 0], [4.5, 0]])
PEOPLE = tf.constant([7, 7, 2, 2, 5])
# To the farthest of the own less to the nearest other; the last has none of its own.
GAPS = (3 - 4, 3 - 1, 6 - 0.5, 6 - 5.5)


@pytest.mark.parametrize("margin", [0, 0.3, 1.5])
def test_triplet_by_hand(margin):
    loss = losses.triplet_loss(ON_A_LINE, PEOPLE, margin)
    right = np.mean([max(0, margin + gap) for gap in GAPS])
    assert float(loss) == pytest.approx(right, rel=1e-6)


def test_soft_triplet_by_hand():
    loss = losses.triplet_loss(ON_A_LINE, PEOPLE, "soft")
    right = np.mean([math.log(1 + math.exp(gap)) for gap in GAPS])
    assert float(loss) == pytest.approx(right, rel=1e-6)


def test_triplet_takes_features_as_they_are():
    short = losses.triplet_loss(ON_A_LINE, PEOPLE, 0)
    assert float(losses.triplet_loss(2 * ON_A_LINE, PEOPLE, 0)) == 2 * short > 0


def slow_triplet(features, identities, margin):
    terms = []
    for i, (anchor, identity) in enumerate(zip(features, identities, strict=True)):
        distances = [np.linalg.norm(anchor - other) for other in features]
        own, others = (
            [
                d
                for j, d in enumerate(distances)
                if j != i and (identities[j] == identity) == want
            ]
            for want in (True, False)
        )
        if own and others:
            terms.append(max(0, margin + max(own) - min(others)))
    return np.mean(terms) if terms else 0


@pytest.mark.parametrize("seed", range(5))
def test_triplet_of_random_batches(seed):
    draw = np.random.default_rng(seed)
    identities = draw.integers(0, 6, 12)
    features = draw.normal(size=(12, 4))
    value = losses.triplet_loss(
        tf.constant(features, tf.float32), tf.constant(identities), 0.5
    )
    right = slow_triplet(features, identities, 0.5)
    assert float(value) == pytest.approx(right, rel=1e-5)


def test_triplet_gradient():
    """Of one anchor's pair: it is drawn to its own, and pushed from the other."""
    features = tf.Variable([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]])
    with tf.GradientTape() as tape:
        # Of the third anchor nothing: it has none of its own.
        loss = losses.triplet_loss(features, tf.constant([1, 1, 2]), 5.0)
    assert float(loss) == pytest.approx(((5 + 5 - 10) + (5 + 5 - 5)) / 2)
    gradient = np.array(tape.gradient(loss, features))
    unit = np.array([0.6, 0.8])
    # Only the second anchor's hinge is open: 5 + |2nd - 1st| - |2nd - 3rd|.
    np.testing.assert_allclose(gradient, [-unit / 2, unit, -unit / 2], atol=1e-6)


@pytest.mark.parametrize("margin", [0.3, "soft"])
def test_triplet_of_equal_features(margin):
    features = tf.Variable(tf.ones((4, 3)))
    with tf.GradientTape() as tape:
        loss = losses.triplet_loss(features, tf.constant([0, 0, 1, 1]), margin)
    right = LN2 if margin == "soft" else 0.3
    assert float(loss) == pytest.approx(right, rel=1e-6)
    np.testing.assert_array_equal(tape.gradient(loss, features), np.zeros((4, 3)))


@pytest.mark.parametrize("identities", [[1, 2, 3], [4, 4, 4]])
def test_no_triplets(identities):
    features = tf.Variable([[0.0, 1], [2, 2], [5, 1]])
    with tf.GradientTape() as tape:
        loss = losses.triplet_loss(features, tf.constant(identities), "soft")
    assert loss == 0
    np.testing.assert_array_equal(tape.gradient(loss, features), np.zeros((3, 2)))


def test_near_features_have_the_distance_that_they_have():
    """Though the products of such lengths leave nothing of it in float32."""
    features = tf.constant([[1000.0, 0.0], [1000.0, 0.01], [1000.0, 0.5], [1000.0, 3]])
    loss = losses.triplet_loss(features, tf.constant([0, 0, 1, 1]), 10.0)
    gaps = (0.01 - 0.5, 0.01 - 0.49, 2.5 - 0.49, 2.5 - 2.99)
    assert float(loss) == pytest.approx(10 + np.mean(gaps), abs=2e-2)


def test_reconstruction_by_hand():
    images = tf.reshape(tf.constant([1.0, -1.0, 0.5, 0.0, 0.0, 0.0]), (1, 2, 1, 3))
    other = tf.reshape(tf.constant([0.0, 1.0, 0.5, 0.0, 0.0, -3.0]), (1, 2, 1, 3))
    assert losses.reconstruction_loss(images, other) == 1
    assert losses.reconstruction_loss(images, images) == 0


SEMANTIC_LOGITS = ((1 / 2, 1 / 2), (1 / 4, 3 / 4), (1 / 8, 7 / 8), (1 / 2, 1 / 2))


def test_semantic_counts_source_rows_only():
    logits = log_logits(*SEMANTIC_LOGITS)
    identities = tf.constant([0, 0, 0, 0])
    is_source = tf.constant([True, True, False, False])
    right = (LN2 + 2 * LN2) / 2
    loss = losses.semantic_loss(logits, identities, is_source)
    assert float(loss) == pytest.approx(right, rel=1e-5)
    is_source = tf.constant([False, False, True, False])
    loss = losses.semantic_loss(logits, identities, is_source)
    assert float(loss) == pytest.approx(3 * LN2, rel=1e-5)
    # All rows: the mean that the identity loss is.
    loss = losses.semantic_loss(logits, identities, tf.fill((4,), True))
    right = float(losses.identity_loss(logits, identities))
    assert float(loss) == pytest.approx(right, rel=1e-6)


def test_semantic_shares_add_up_to_the_global_mean():
    logits = log_logits(*SEMANTIC_LOGITS)
    identities = tf.constant([0, 0, 0, 1])
    is_source = tf.constant([True, True, True, False])
    whole = losses.semantic_loss(logits, identities, is_source)
    shares = [
        losses.semantic_loss(logits[rows], identities[rows], is_source[rows], 3.0)
        for rows in (slice(0, 2), slice(2, 4))
    ]
    assert sum(map(float, shares)) == pytest.approx(float(whole), rel=1e-6)
    # A replica without source rows brings nothing.
    assert losses.semantic_loss(logits[3:], identities[3:], is_source[3:], 3.0) == 0


@pytest.mark.parametrize("garbage", [-1, -2, 2, 10**6])
def test_labels_of_target_rows_may_be_anything(garbage):
    logits = tf.Variable(log_logits(*SEMANTIC_LOGITS))
    is_source = tf.constant([True, False, True, False])
    with tf.GradientTape() as tape:
        identities = tf.constant([0, garbage, 1, garbage])
        loss = losses.semantic_loss(logits, identities, is_source)
    assert float(loss) == pytest.approx((LN2 + math.log(8 / 7)) / 2, rel=1e-5)
    gradient = tape.gradient(loss, logits).numpy()
    np.testing.assert_allclose(gradient[0], [-0.25, 0.25], rtol=1e-5)
    np.testing.assert_allclose(gradient[2], [1 / 16, -1 / 16], rtol=1e-5)
    np.testing.assert_array_equal(gradient[1::2], np.zeros((2, 2)))


def test_no_source_rows():
    logits = tf.Variable(log_logits(*SEMANTIC_LOGITS))
    with tf.GradientTape() as tape:
        loss = losses.semantic_loss(logits, tf.fill((4,), -2), tf.fill((4,), False))
    assert loss == 0
    np.testing.assert_array_equal(tape.gradient(loss, logits), np.zeros((4, 2)))


def unit_rows(draw, *shape):
    rows = draw.normal(size=shape).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_cluster_loss_by_hand():
    # Similarities 1 and 0 over 0.5: log(1 + e^-2) for the first row, the second is of
    # the other cluster: log(1 + e^2).
    loss = losses.cluster_loss(
        tf.constant([[1.0, 0.0], [1.0, 0.0]]),
        tf.constant([[1.0, 0.0], [0.0, 1.0]]),
        tf.constant([0, 1], tf.int64),
        0.5,
    )
    expected = (np.log(1 + np.exp(-2)) + np.log(1 + np.exp(2))) / 2
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


def slow_camera_loss(features, proxies, rows, of_proxies, temperature, negatives):
    """Row by row, of (cluster, camera) pairs."""
    terms = []
    for feature, (cluster, camera) in zip(features, rows, strict=True):
        logits = proxies @ feature / temperature
        positive = [
            logit
            for logit, (c, k) in zip(logits, of_proxies, strict=True)
            if c == cluster and k != camera
        ]
        others = [
            logit
            for logit, (c, _) in zip(logits, of_proxies, strict=True)
            if c != cluster
        ]
        hardest = sorted(others, reverse=True)[:negatives]
        total = np.log(np.sum(np.exp([*positive, *hardest])))
        terms.append(total - np.mean(positive) if positive else 0.0)
    return np.mean(terms)


@pytest.mark.parametrize("negatives", [2, 50])
def test_camera_loss_is_that_of_the_slow_version(negatives):
    draw = np.random.default_rng(0)
    # Cluster 3 was seen by one camera only: its row counts as 0.
    of_proxies = np.array(
        [(0, 1), (0, 2), (0, 4), (1, 1), (1, 2), (2, 2), (2, 4), (3, 1)]
    )
    rows = np.array([(0, 1), (0, 4), (3, 1), (2, 2), (1, 2)])
    features, proxies = unit_rows(draw, 5, 6), unit_rows(draw, 8, 6)
    same = rows[:, None] == of_proxies[None]
    features = tf.constant(features)
    with tf.GradientTape() as tape:
        tape.watch(features)
        loss = losses.camera_loss(
            features, proxies, same[..., 0], same[..., 1], 0.2, negatives
        )
    expected = slow_camera_loss(
        features.numpy(), proxies, rows, of_proxies, 0.2, negatives
    )
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    gradient = tape.gradient(loss, features).numpy()
    assert np.isfinite(gradient).all()
    assert not gradient[2].any()
    assert gradient[[0, 1, 3, 4]].any(axis=1).all()


def test_camera_loss_without_any_other_camera_is_zero():
    features = tf.constant([[1.0, 0.0]])
    loss = losses.camera_loss(
        features, features, tf.constant([[True]]), tf.constant([[True]]), 0.07, 50
    )
    assert float(loss) == 0.0


def test_contrastive_by_hand():
    # Distances 5, 1 and 0.
    features = tf.constant([[3.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    others = tf.constant([[0.0, 4.0], [1.0, 2.0], [2.0, 2.0]])
    assert float(losses.contrastive_loss(features, others)) == pytest.approx(26 / 3)
    # max(0, 3 - d)^2: 0, 4 and 9.
    found = losses.contrastive_loss(features, others, 3.0)
    assert float(found) == pytest.approx(13 / 3, rel=1e-5)
    for margin in (None, 3.0):
        with tf.GradientTape() as tape:
            tape.watch(features)
            loss = losses.contrastive_loss(features, others, margin)
        gradient = tape.gradient(loss, features).numpy()
        # The pair of distance 1 is drawn together, or pushed apart.
        assert gradient[1] == pytest.approx([0, -2 / 3 if margin is None else 4 / 3])
        assert not gradient[2].any()
