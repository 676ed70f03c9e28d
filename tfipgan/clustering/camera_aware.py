"""Codes of k-reciprocal neighbours in which every camera has its say (CA-Jaccard).

Chen, Fan, Chen and Zhu, "CA-Jaccard: Camera-aware Jaccard Distance for Person
Re-identification", CVPR 2024: images of one camera look alike, so that the nearest ones
of all are mostly of one's own camera. Own and other cameras are ranked apart.
"""

import numpy as np
from scipy import sparse

from tfipgan.clustering.jaccard import averaged, reciprocal, weighted

# Images over which a code is averaged, of one's own camera, itself included, and of the
# others: the values of the published commands for Market-1501 and MSMT17.
MEAN_INTRA = 2
MEAN_INTER = 4


def camera_aware_codes(
    features: np.ndarray,
    intra: np.ndarray,
    inter: np.ndarray,
    k_intra: int,
    k_inter: int,
) -> sparse.csr_array:
    """Return each image's code by its camera-aware neighbours, rows with a sum of 1.

    A code has softmax weights of the images that find each other among the k_intra
    nearest of their camera or the k_inter nearest of the other cameras, and is averaged
    over the 2 nearest of its camera and the 4 nearest of others. The neighbours'
    neighbours aren't joined, unlike in `plain_codes`. A camera of one image gives this
    image nothing but itself.

    Args:
        features: float32 (N, D), rows of length 1.
        intra, inter: int32, of `nearest_by_camera`; k_intra + 1 and k_inter + 1 columns
            are read where there are as many.
        k_intra: neighbours of its own camera, itself not counted.
        k_inter: neighbours of other cameras; one more counts, as in the published code,
            where the image itself would have its place.
    """
    own = reciprocal(intra[:, : k_intra + 1])
    sets = own + reciprocal(inter[:, : k_inter + 1])
    means = [intra[:, :MEAN_INTRA], inter[:, :MEAN_INTER]]
    return averaged(weighted(features, sparse.csr_array(sets)), means)
