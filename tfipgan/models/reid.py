"""The re-ID network: backbone, pooling, neck and the classification head."""

import keras
import tensorflow as tf

from tfipgan.errors import InputError
from tfipgan.layers import GeneralizedMeanPooling, batch_normalization
from tfipgan.models.resnet import ResNet

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
POOLINGS = ("avg", "gem")
NECKS = ("none", "bnneck")


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
        self.classifier = _classifier(num_classes, self.dtype_policy)

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
class LinearHead(keras.layers.Layer):
    """The classifier alone, without bias: what follows a neck (Luo et al. 2019).

    Args:
        num_classes: int, training identities N.
        dtype: Keras's; "mixed_bfloat16" computes in bfloat16.

    Input (batch, features), output logits float32 (batch, num_classes). It is called
    as `ReidHead`, and has no dropout.
    """

    def __init__(self, num_classes, **kwargs):
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.classifier = _classifier(num_classes, self.dtype_policy, use_bias=False)

    def build(self, input_shape):
        self.classifier.build(input_shape)
        self.built = True

    def call(self, inputs, training=False, dropout_noise=None):
        return tf.cast(self.classifier(inputs), tf.float32)

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes}


def _classifier(num_classes, dtype, use_bias=True):
    return keras.layers.Dense(
        num_classes,
        use_bias=use_bias,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.001),
        name="classifier",
        dtype=dtype,
    )


@keras.saving.register_keras_serializable(package="tfipgan")
class ReidNetwork(keras.Model):
    """Identity classifier and feature extractor; frozen, it is the paper's D_sem.

    Args:
        num_classes: int, training identities N; None for features only.
        depth, ibn, width: of `ResNet`.
        fc_units, dropout: of `ReidHead`; unused with a neck.
        mean, std: three floats each, of RGB values in [0, 1]; images are normalised
            inside, so that every caller feeds the same thing.
        stride_first, last_stride: of `ResNet`.
        pooling: "avg", or "gem" for `GeneralizedMeanPooling`.
        neck: "none", or "bnneck" for batch norm without a shift after the pooling, and
            the classifier alone after it (`LinearHead`).
        dtype: Keras's; "mixed_bfloat16" computes in bfloat16, but norms, the neck and
            the pooling of the last map in float32.

    Call: images float32 RGB (batch, height, width, 3) in [0, 1]; returns logits float32
    (batch, num_classes). `extract_features` returns features.

    Raises:
        InputError: an unknown pooling or neck, or as `ResNet`.
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
        last_stride=2,
        pooling="avg",
        neck="none",
        **kwargs,
    ):
        # Images are normalised in float32; the backbone casts them.
        super().__init__(autocast=False, **kwargs)
        for name, value, known in (
            ("pooling", pooling, POOLINGS),
            ("neck", neck, NECKS),
        ):
            if value not in known:
                raise InputError(
                    f"{name} is {value!r}, expected one of {', '.join(known)}"
                )
        self.mean = tuple(mean)
        self.std = tuple(std)
        dtype = self.dtype_policy
        self.backbone = ResNet(
            depth, ibn, width, stride_first, last_stride, name="backbone", dtype=dtype
        )
        self.pooling = self.neck = self.head = None
        if pooling == "gem":
            self.pooling = GeneralizedMeanPooling(name="pooling")
        if neck == "bnneck":
            # In float32 whatever the precision: it makes the feature.
            self.neck = batch_normalization("neck", "float32", center=False)
        if num_classes is not None and neck == "bnneck":
            self.head = LinearHead(num_classes, name="head", dtype=dtype)
        elif num_classes is not None:
            self.head = ReidHead(
                num_classes, fc_units, dropout, name="head", dtype=dtype
            )
        self.fc_units = fc_units
        self.dropout = dropout

    @property
    def backbone_variables(self):
        """Trainable variables that come with weights: the backbone's, and GeM's p."""
        return _trainable(self.backbone, self.pooling)

    @property
    def head_variables(self):
        """Trainable variables of the layers that are new: the neck's and the head's."""
        return _trainable(self.neck, self.head)

    def call(self, images, training=False, dropout_noise=None):
        return self.classify(
            self.pool(images, training=training),
            training=training,
            dropout_noise=dropout_noise,
        )

    def pool(self, images, training=False):
        """Return pool5: float32 (batch, feature_size), before a neck, of any length."""
        normalised = (images - tf.constant(self.mean)) / tf.constant(self.std)
        maps = self.backbone(normalised, training=training)
        if self.pooling is not None:
            return self.pooling(maps)
        return tf.reduce_mean(tf.cast(maps, tf.float32), axis=(1, 2))

    def classify(self, features, training=False, dropout_noise=None):
        """Return logits float32 (batch, num_classes) of what `pool` returned.

        Raises:
            InputError: the network has no classes.
        """
        if self.head is None:
            raise InputError(
                "this network has no identity classifier, it gives features only: "
                "use `extract_features`, or give num_classes"
            )
        return self.head(
            self._after_neck(features, training),
            training=training,
            dropout_noise=dropout_noise,
        )

    def describe(self, features, training=False):
        """Return the feature of what `pool` returned: after the neck, L2-normalised.

        With `training` the neck takes the statistics of the batch.
        """
        return tf.math.l2_normalize(self._after_neck(features, training), axis=-1)

    def extract_features(self, images):
        """Return the feature of images, in inference mode: see `describe`."""
        return self.describe(self.pool(images))

    def _after_neck(self, features, training):
        return features if self.neck is None else self.neck(features, training=training)

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
            "last_stride": self.backbone.last_stride,
            "pooling": "avg" if self.pooling is None else "gem",
            "neck": "none" if self.neck is None else "bnneck",
        }


def _trainable(*layers):
    return [
        variable
        for layer in layers
        if layer is not None
        for variable in layer.trainable_variables
    ]
