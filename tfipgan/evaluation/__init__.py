"""Features, distances, ranking and its measures: numbers only.

Only extraction (`features`) needs TensorFlow.
"""

from tfipgan.evaluation.feature_set import FeatureSet
from tfipgan.evaluation.metrics import evaluate_ranking

__all__ = ["FeatureSet", "evaluate_ranking"]
