"""Descriptors that no network makes: BoW and LOMO; nothing here needs TensorFlow."""
