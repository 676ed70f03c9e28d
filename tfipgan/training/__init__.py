"""Training runs: one file a method, and what all methods share."""
