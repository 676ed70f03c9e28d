"""Cross-domain person re-identification with IPGAN, in TensorFlow and Keras."""

__version__ = "0.1.0"
