"""The networks of the paper as Keras subclassed models."""

from tfipgan.models.discriminator import Discriminator
from tfipgan.models.generator import Generator
from tfipgan.models.patch_discriminator import PatchDiscriminator
from tfipgan.models.reid import LinearHead, ReidHead, ReidNetwork
from tfipgan.models.resnet import ResNet
from tfipgan.models.siamese import SiameseNetwork

__all__ = [
    "Discriminator",
    "Generator",
    "LinearHead",
    "PatchDiscriminator",
    "ReidHead",
    "ReidNetwork",
    "ResNet",
    "SiameseNetwork",
]
