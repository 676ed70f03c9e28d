"""Named weights: in and out of checkpoints and of the public networks' files."""

from tfipgan.weights.pytorch_names import load_pytorch_state_dict

__all__ = ["load_pytorch_state_dict"]
