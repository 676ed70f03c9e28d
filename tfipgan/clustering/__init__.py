"""Pseudo labels for images whose identities aren't known; NumPy, SciPy, scikit-learn.

No label is read here, and no TensorFlow.
"""

from tfipgan.clustering.choose import score
from tfipgan.clustering.cluster import Clustering, cluster_images
from tfipgan.clustering.quality import Quality, agreement, purity
from tfipgan.clustering.settings import ClusterSettings

__all__ = [
    "ClusterSettings",
    "Clustering",
    "Quality",
    "agreement",
    "cluster_images",
    "purity",
    "score",
]
