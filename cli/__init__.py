"""The commands of `tfipgan`, one module for each."""
