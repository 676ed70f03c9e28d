"""Features, ranking metrics, figures and the report. Needs no TensorFlow."""

from tfipgan.evaluation.feature_set import FeatureSet
from tfipgan.evaluation.metrics import evaluate_ranking

__all__ = ["FeatureSet", "evaluate_ranking"]
