"""Layers that Keras lacks or has with other numbers than the reference networks."""

from tfipgan.layers.batch_normalization import batch_normalization
from tfipgan.layers.convolution import Convolution2D
from tfipgan.layers.domain_affine import DomainAffine
from tfipgan.layers.generalized_mean_pooling import GeneralizedMeanPooling
from tfipgan.layers.instance_batch_normalization import InstanceBatchNormalization
from tfipgan.layers.instance_normalization import InstanceNormalization

__all__ = [
    "Convolution2D",
    "DomainAffine",
    "GeneralizedMeanPooling",
    "InstanceBatchNormalization",
    "InstanceNormalization",
    "batch_normalization",
]
