"""Local max pooling (LMP): a feature of the last map's horizontal stripes."""

import tensorflow as tf

from tfipgan.errors import InputError


def pooled_stripes(maps, count: int) -> list:
    """Return the maximum of each of `count` horizontal stripes, from the top on.

    Stripes are as equal as can be: i of P is the rows from i R // P to (i + 1) R // P.

    Args:
        maps: float32 (batch, rows, columns, channels), the rows known.
        count: from 1 to the rows.

    Returns:
        A list of `count` tensors (batch, channels).
    """
    rows = maps.shape[1]
    borders = [i * rows // count for i in range(count + 1)]
    return [
        tf.reduce_max(maps[:, first:last], axis=(1, 2))
        for first, last in zip(borders, borders[1:], strict=False)
    ]


def check_stripes(count: int, height: int, last_stride: int) -> None:
    """Raise InputError for more stripes than the last map has rows, or none.

    Args:
        count: of stripes.
        height: of the images, in pixels.
        last_stride: of `ResNet`.
    """
    rows = -(-height // (16 * last_stride))
    if 1 <= count <= rows:
        return
    remedy = "" if last_stride == 1 else ", or train with backbone.last_stride 1"
    raise InputError(
        f"pool-stripes is {count}, expected 1 to {rows}: the last map of images "
        f"{height} pixels high has so many rows; give fewer{remedy}"
    )
