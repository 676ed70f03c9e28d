"""The re-ID network: backbone, pooling and the classification head."""

import keras
import tensorflow as tf

from tfipgan.errors import InputError
from tfipgan.layers import batch_normalization
from tfipgan.models.resnet import ResNet

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@keras.saving.register_keras_serializable(package="tfipgan")
class ReidHead(keras.layers.Layer):
    """FC, batch norm, ReLU, dropout and FC N (paper section 3.1; CamStyle's IDE).

    Args:
        num_classes: int, training identities N.
        fc_units: int, units of the first layer; the paper's is 1024.
        dropout: float in [0, 1), the share of units dropped in training.
        dtype: Keras's; "mixed_bfloat16" computes in bfloat16, but the norm in float32.

    Input (batch, features), output logits float32 (batch, num_classes). Dropout keeps
    the units where `dropout_noise` float32 (batch, fc_units) in [0, 1) is at least
    `dropout`: the noise is given, not drawn, so that it belongs to the image and not to
    the device. Without noise there is no dropout.
    """

    def __init__(self, num_classes, fc_units=1024, dropout=0.5, **kwargs):
        # Keras 3 would round the noise too: other units would be dropped.
        super().__init__(autocast=False, **kwargs)
        self.num_classes = num_classes
        self.fc_units = fc_units
        self.dropout = dropout
        self.embedding = keras.layers.Dense(
            fc_units,
            kernel_initializer=keras.initializers.VarianceScaling(
                2.0, "fan_out", "untruncated_normal"
            ),
            name="embedding",
            dtype=self.dtype_policy,
        )
        self.norm = batch_normalization("norm", self.dtype_policy)
        self.classifier = keras.layers.Dense(
            num_classes,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.001),
            name="classifier",
            dtype=self.dtype_policy,
        )

    def build(self, input_shape):
        hidden = (input_shape[0], self.fc_units)
        self.embedding.build(input_shape)
        self.norm.build(hidden)
        self.classifier.build(hidden)
        self.built = True

    def call(self, inputs, training=False, dropout_noise=None):
        x = tf.nn.relu(self.norm(self.embedding(inputs), training=training))
        if training and dropout_noise is not None and self.dropout:
            keep = tf.cast(dropout_noise >= self.dropout, x.dtype)
            x = x * keep / (1.0 - self.dropout)
        return tf.cast(self.classifier(x), tf.float32)

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "fc_units": self.fc_units,
            "dropout": self.dropout,
        }


@keras.saving.register_keras_serializable(package="tfipgan")
class ReidNetwork(keras.Model):
    """Identity classifier and feature extractor; frozen, it is the paper's D_sem.

    Args:
        num_classes: int, training identities N; None for descriptors only.
        depth, ibn, width: of `ResNet`.
        fc_units, dropout: of `ReidHead`.
        mean, std: three floats each, of RGB values in [0, 1]; images are normalised
            inside, so that every caller feeds the same thing.
        stride_first: of `ResNet`.
        dtype: Keras's; "mixed_bfloat16" computes in bfloat16, but norms and the mean
            over the last map in float32.

    Call: images float32 RGB (batch, height, width, 3) in [0, 1]; returns logits float32
    (batch, num_classes). `embed` returns descriptors.
    """

    def __init__(
        self,
        num_classes,
        depth=50,
        ibn=None,
        width=64,
        fc_units=1024,
        dropout=0.5,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        stride_first=False,
        **kwargs,
    ):
        # Images are normalised in float32; the backbone casts them.
        super().__init__(autocast=False, **kwargs)
        self.mean = tuple(mean)
        self.std = tuple(std)
        dtype = self.dtype_policy
        self.backbone = ResNet(
            depth, ibn, width, stride_first, name="backbone", dtype=dtype
        )
        self.head = None
        if num_classes is not None:
            self.head = ReidHead(
                num_classes, fc_units, dropout, name="head", dtype=dtype
            )
        self.fc_units = fc_units
        self.dropout = dropout

    def call(self, images, training=False, dropout_noise=None):
        features = self.pool(images, training=training)
        return self.classify(features, training, dropout_noise)

    def pool(self, images, training=False):
        """Return pool5: float32 (batch, feature_size), not normalised."""
        normalised = (images - tf.constant(self.mean)) / tf.constant(self.std)
        maps = self.backbone(normalised, training=training)
        return tf.reduce_mean(tf.cast(maps, tf.float32), axis=(1, 2))

    def classify(self, features, training=False, dropout_noise=None):
        """Return logits float32 (batch, num_classes) of what `pool` gives."""
        if self.head is None:
            raise InputError(
                "this network has no identity classifier, it gives descriptors only: "
                "use `embed`, or give num_classes"
            )
        return self.head(features, training=training, dropout_noise=dropout_noise)

    def embed(self, images):
        """Return the descriptor: pool5, L2-normalised, in inference mode."""
        return tf.math.l2_normalize(self.pool(images), axis=-1)

    def get_config(self):
        return {
            "dtype": self.dtype_policy.name,  # which Keras 2 leaves out
            **super().get_config(),
            "num_classes": None if self.head is None else self.head.num_classes,
            "depth": self.backbone.depth,
            "ibn": self.backbone.ibn,
            "width": self.backbone.width,
            "fc_units": self.fc_units,
            "dropout": self.dropout,
            "mean": self.mean,
            "std": self.std,
            "stride_first": self.backbone.stride_first,
        }
