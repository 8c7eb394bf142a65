"""Codes that documents share with their nearest neighbors, for a recognition network to learn.

A code that reconstructs a document's own words spends bits on what is particular to it. A search by subject needs what
it has in common with similar documents. Therefore each document gets the mean features of its neighbors, rotated and
rounded to bits, and q learns to predict these bits from the document's words alone. No labels are used.

Source: Zhang et al. (2010), *Self-taught hashing for fast similarity search*, for learning codes of neighbors; Gong &
Lazebnik (2011), *Iterative quantization*, for the bits.

Axes: N documents, M reference documents, V words, F features, K bits.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from docnvil.text.sparse import CountRows, row_chunks
from docnvil.text.tf_idf import tf_idf

REFERENCE_DOCUMENTS = 10_000  # among which neighbors are found, at most: the time is proportional to N M
NEIGHBORS = 100
LATENT_DIMENSIONS = 100  # of latent semantic analysis
QUANTIZATION_STEPS = 50
SIMILARITIES = 4_000_000  # computed at once: 32 MB

# From counts `[n, V]` to one row of features per document, `[n, F]`.
Features = Callable[[csr_array], NDArray[np.floating]]


def neighbor_codes(
    counts: CountRows, n_bits: int, features: Features, generator: np.random.Generator
) -> NDArray[np.bool_]:
    """Return the code of each document, `[N, K]`.

    Arguments:
        counts: `[N, V]`, the documents.
        n_bits: K.
        features: describes documents, in addition to latent semantic analysis.
        generator: chooses the reference documents and the first rotation.
    """
    rows = np.arange(counts.shape[0])
    if len(rows) > REFERENCE_DOCUMENTS:
        rows = np.sort(generator.choice(rows, REFERENCE_DOCUMENTS, replace=False))
    reference = csr_array(counts[rows])
    latent = _LatentSemanticAnalysis.fit(reference, int(generator.integers(2**31)))

    def described(chunk: csr_array) -> NDArray[np.float64]:
        return _unit_length(np.hstack([_unit_length(features(chunk)), latent.transform(chunk)]))

    described_reference = described(reference)
    smoothed = _mean_of_neighbors(described_reference, described_reference)
    quantizer = _Quantizer.fit(smoothed, n_bits, generator)
    codes = [
        quantizer.codes(_mean_of_neighbors(described(csr_array(chunk)), described_reference))
        for chunk in row_chunks(counts)
    ]
    return np.concatenate([np.empty((0, n_bits), dtype=bool), *codes])


@dataclass(frozen=True)
class _LatentSemanticAnalysis:
    """Singular vectors of the tf-idf matrix: of words `[V, F]`, with the inverse document frequencies `[V]`."""

    idf: NDArray[np.float64]
    components: NDArray[np.float64]

    @classmethod
    def fit(cls, counts: csr_array, seed: int) -> "_LatentSemanticAnalysis":
        from sklearn.utils.extmath import randomized_svd

        frequencies = np.bincount(counts.indices, minlength=counts.shape[1])
        idf = np.log((1 + counts.shape[0]) / (1 + frequencies)) + 1
        n_components = max(1, min(LATENT_DIMENSIONS, *counts.shape))
        _, _, components = randomized_svd(tf_idf(counts, idf), n_components, random_state=seed)
        return cls(idf, components.T)

    def transform(self, counts: csr_array) -> NDArray[np.float64]:
        """Return the coordinates of documents, scaled to length 1, `[n, F]`."""
        return _unit_length(tf_idf(counts, self.idf) @ self.components)


def _unit_length(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    rows = np.asarray(rows, dtype=np.float64)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(float).tiny)


def _mean_of_neighbors(rows: NDArray[np.float64], reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each row the mean of its nearest reference rows, weighted by the squared cosine, `[n, F]`."""
    n_neighbors = min(NEIGHBORS, len(reference))
    means = np.empty_like(rows)
    size = max(1, SIMILARITIES // max(1, len(reference)))
    for start in range(0, len(rows), size):
        cosines = rows[start : start + size] @ reference.T
        nearest = np.argpartition(-cosines, n_neighbors - 1, axis=1)[:, :n_neighbors]
        weights = np.take_along_axis(cosines, nearest, 1).clip(min=0) ** 2
        weights /= np.maximum(weights.sum(axis=1, keepdims=True), np.finfo(float).tiny)
        means[start : start + size] = np.einsum("nk,nkf->nf", weights, reference[nearest])
    return means


@dataclass(frozen=True)
class _Quantizer:
    """Bits of features: the signs after centering and a projection, `[F, K]`."""

    center: NDArray[np.float64]
    projection: NDArray[np.float64]

    @classmethod
    def fit(cls, features: NDArray[np.float64], n_bits: int, generator: np.random.Generator) -> "_Quantizer":
        """Rotate the principal components so that rounding them to signs changes them least.

        More bits than components are the signs of random combinations of them.
        """
        center = features.mean(axis=0)
        _, _, components = np.linalg.svd(features - center, full_matrices=False)
        components = components[:n_bits].T  # [F, K']
        projected = (features - center) @ components
        rotation = np.linalg.qr(generator.standard_normal((projected.shape[1],) * 2))[0]
        for _ in range(QUANTIZATION_STEPS):
            left, _, right = np.linalg.svd(np.where(projected @ rotation > 0, 1.0, -1.0).T @ projected)
            rotation = (left @ right).T
        n_more = n_bits - rotation.shape[1]
        more = generator.standard_normal((rotation.shape[0], n_more))
        return cls(center, components @ np.hstack([rotation, more]))

    def codes(self, features: NDArray[np.float64]) -> NDArray[np.bool_]:
        return (features - self.center) @ self.projection > 0
