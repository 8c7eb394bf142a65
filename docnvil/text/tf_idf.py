"""Term frequencies times inverse document frequencies.

Axes: N documents, V words.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array


def tf_idf(counts: csr_array, idf: NDArray[np.floating]) -> csr_array:
    """Return the vectors (1 + log x_w) idf_w, with length 1, `[N, V]`; a fractional count below 1 counts as 1.

    Example:
        >>> tf_idf(csr_array(np.array([[1, 1, 0], [0, 0, 0]])), np.array([3.0, 4.0, 1.0])).toarray().round(2)
        array([[0.6, 0.8, 0. ],
               [0. , 0. , 0. ]])
    """
    weights = (1 + np.log(np.maximum(counts.data, 1))) * idf[counts.indices]
    matrix = csr_array((weights, counts.indices, counts.indptr), shape=counts.shape)
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1))).ravel()
    matrix.data /= np.repeat(lengths, np.diff(matrix.indptr))
    return matrix
