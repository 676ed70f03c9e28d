"""Augmentation by stateless random numbers: the same seed gives the same image."""

import tensorflow as tf

# CamStyle's crop: this share of the image's area, and height over width in this range,
# as multiples of the image's own. CamStyle says 2 to 3, of images of 2 to 1.
CROP_AREA = (0.64, 1.0)
CROP_RELATIVE_ASPECT = (1.0, 1.5)
CROP_ATTEMPTS = 10
# Zhong et al. 2017, "Random erasing data augmentation": this share of the image's area,
# and height over width from 0.3 to 1 / 0.3. Their code draws a shape once; that of the
# bag of tricks (Luo et al. 2019) until one fits, at most so many times.
ERASED_AREA = (0.02, 0.4)
ERASED_ASPECT = (0.3, 1 / 0.3)
ERASING_ATTEMPTS = 100
_LUMA = (0.299, 0.587, 0.114)


def random_flip(image, seed):
    """Mirror left and right with probability one half.

    Args:
        image: (height, width, channels).
        seed: int32 (2,).
    """
    return tf.image.stateless_random_flip_left_right(image, seed)


def random_sized_crop(image, image_size, seed):
    """Crop a random part of a random shape and resize it (CamStyle's training input).

    The crop has 0.64 to 1 of the image's area, and 1 to 1.5 times its height over
    width, before the sides are rounded to whole pixels.

    Args:
        image: float32 (height, width, 3).
        image_size: (height, width) of the result in pixels.
        seed: int32 (2,).

    Returns:
        float32 (*image_size, 3). The whole image, resized, if none of ten drawn shapes
        fits into it: about half of them do, whatever the image's size.
    """
    shape = tf.cast(tf.shape(image)[:2], tf.float32)
    draws = tf.random.stateless_uniform((CROP_ATTEMPTS, 4), seed)
    area = _between(draws[:, 0], CROP_AREA) * shape[0] * shape[1]
    aspect = _between(draws[:, 1], CROP_RELATIVE_ASPECT) * (shape[0] / shape[1])
    sizes = tf.round(tf.stack([tf.sqrt(area * aspect), tf.sqrt(area / aspect)], axis=1))
    fits = tf.reduce_all(sizes <= shape, axis=1)
    first = tf.argmax(fits)
    size = tf.where(tf.reduce_any(fits), sizes[first], shape)
    start = tf.floor(draws[first, 2:] * (shape - size + 1.0))
    start, size = tf.cast(start, tf.int32), tf.cast(size, tf.int32)
    crop = tf.slice(image, [start[0], start[1], 0], [size[0], size[1], 3])
    return tf.image.resize(crop, image_size)


def pad_and_crop(image, padding, seed):
    """Pad each side with black and crop a random part of the image's own size.

    That shifts the image by up to `padding` pixels either way, each shift as likely.

    Args:
        image: (height, width, channels), of known shape.
        padding: int, pixels.
        seed: int32 (2,).
    """
    padded = tf.pad(image, [[padding, padding], [padding, padding], [0, 0]])
    return tf.image.stateless_random_crop(padded, image.shape, seed)


def random_erasing(image, probability, fill, seed):
    """Paint over a random rectangle of some images (Zhong et al. 2017).

    The rectangle has 0.02 to 0.4 of the image's area, and a height over width of 0.3 to
    1 / 0.3, before the sides are rounded to whole pixels. It is lower and narrower than
    the image, and lies anywhere in it.

    Args:
        image: float32 (height, width, channels).
        probability: float, 0 to 1.
        fill: a float for each channel.
        seed: int32 (2,).

    Returns:
        float32 of the same shape. The image as it is if none of a hundred drawn shapes
        fits into it, which happens from twenty times as wide as high on.
    """
    shape = tf.cast(tf.shape(image)[:2], tf.float32)
    draws = tf.random.stateless_uniform((ERASING_ATTEMPTS + 1, 4), seed)
    area = _between(draws[1:, 0], ERASED_AREA) * shape[0] * shape[1]
    aspect = _between(draws[1:, 1], ERASED_ASPECT)
    sizes = tf.round(tf.stack([tf.sqrt(area * aspect), tf.sqrt(area / aspect)], axis=1))
    fits = tf.reduce_all(sizes < shape, axis=1)
    chosen = (draws[0, 0] < probability) & tf.reduce_any(fits)
    first = tf.argmax(fits)
    size = tf.where(chosen, sizes[first], 0.0)
    start = tf.floor(draws[1:][first, 2:] * (shape - size + 1.0))
    rows, columns = (
        (start[axis] <= place) & (place < start[axis] + size[axis])
        for axis, place in enumerate((tf.range(shape[0]), tf.range(shape[1])))
    )
    erased = rows[:, None, None] & columns[None, :, None]
    return tf.where(erased, tf.constant(fill, tf.float32), image)


def color_jitter(image, strength, seed):
    """Change brightness, contrast, saturation and hue at random, in this order.

    Of a strength s, the first three are multiplied by factors from 1 - s to 1 + s, as
    torchvision's ColorJitter(s, s, s, s / 4) does it, and the hue is turned by at most
    s / 4 of the circle either way. Contrast is about the image's mean brightness,
    saturation about each pixel's.

    Args:
        image: float32 (height, width, 3), RGB in [0, 255].
        strength: float, 0 to 1.
        seed: int32 (2,).

    Returns:
        float32 of the same shape, in [0, 255].
    """
    draws = tf.random.stateless_uniform((4,), seed, -strength, strength)
    brightness, contrast, saturation = (1.0 + draws[i] for i in range(3))
    image = _clipped(image * brightness)
    mean = tf.reduce_mean(_luma(image))
    image = _clipped(mean + contrast * (image - mean))
    grey = _luma(image)
    image = _clipped(grey + saturation * (image - grey))
    return _clipped(255.0 * tf.image.adjust_hue(image / 255.0, draws[3] / 4))


def _luma(image):
    return tf.reduce_sum(image * _LUMA, axis=-1, keepdims=True)


def _clipped(image):
    return tf.clip_by_value(image, 0.0, 255.0)


def _between(draw, limits):
    low, high = limits
    return low + draw * (high - low)
