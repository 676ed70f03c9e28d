"""A local server with TensorFlow Serving's protocol, its client, config files."""
