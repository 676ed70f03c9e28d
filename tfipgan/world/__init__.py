"""The built-in world: drawn pedestrians, seen by the cameras of two places."""
