"""Map of documents: positions in the plane, near each other for documents with similar units.

Axes: N documents, K features, M landmarks.
"""

import numpy as np
from numpy.typing import NDArray

from docnvil.errors import MissingDependencyError
from docnvil.runtime.packages import is_installed

MAX_LANDMARKS = 4000  # documents that t-SNE places; it takes about 15 seconds for them
NEIGHBORS = 3
JITTER = 0.004  # of the width of the map; keeps documents with equal units apart


def map_method() -> str:
    """Return which method places documents: "UMAP" if umap-learn is installed, or else "t-SNE"."""
    return "UMAP" if is_installed("umap") else "t-SNE"


def place_documents(features: NDArray[np.floating], *, method: str | None = None, seed: int = 0) -> NDArray[np.float64]:
    """Return the position of each document, `[N, 2]`, between 0 and 1; the same input gives the same positions.

    t-SNE places at most 4,000 documents, the landmarks. The others are placed between their 3 nearest landmarks.

    Source: van der Maaten & Hinton (2008), *Visualizing data using t-SNE*; McInnes et al. (2018), *UMAP*.

    Arguments:
        features: `[N, K]`, such as unit probabilities.
        method: "UMAP" or "t-SNE"; None for that of `map_method`.
        seed: seed of the method.

    Raises:
        MissingDependencyError: the method is UMAP, and umap-learn is not installed.

    Example:
        >>> positions = place_documents(np.eye(2)[[0] * 20 + [1] * 20], method="t-SNE")
        >>> positions.shape, bool(positions.min() >= 0), bool(positions.max() <= 1)
        ((40, 2), True, True)
    """
    features = np.ascontiguousarray(features, dtype=np.float32)
    rng = np.random.default_rng(seed)
    if len(features) < 8:  # too few for neighbors: on a circle
        angle = 2 * np.pi * np.arange(len(features)) / max(1, len(features))
        return 0.5 + 0.4 * np.column_stack([np.cos(angle), np.sin(angle)])
    method = method or map_method()
    landmarks = np.arange(len(features))
    if len(features) > MAX_LANDMARKS and method != "UMAP":
        landmarks = np.sort(rng.choice(len(features), MAX_LANDMARKS, replace=False))
    placed = _umap(features, seed) if method == "UMAP" else _tsne(features[landmarks], seed)
    placed = _into_unit_square(placed.astype(np.float64))
    if len(landmarks) == len(features):
        return placed
    return np.clip(_place_between(features, landmarks, placed, rng), 0, 1)


def _umap(features: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    import warnings

    try:
        from umap import UMAP
    except ImportError:
        raise MissingDependencyError(
            "The layout UMAP needs the package umap-learn. Install it, or choose --layout t-SNE."
        ) from None
    with warnings.catch_warnings(action="ignore"):  # a seed means one process, of which it warns
        neighbors = min(15, len(features) - 1)
        return UMAP(n_neighbors=neighbors, min_dist=0.1, random_state=seed, init="pca").fit_transform(features)


def _tsne(features: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(features) - 1) / 3)
    jittered = features + np.random.default_rng(seed).normal(scale=1e-3, size=features.shape).astype(np.float32)
    start = _principal_components(jittered)
    return TSNE(2, perplexity=perplexity, init=start, random_state=seed, max_iter=600).fit_transform(jittered)


def _principal_components(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the first two principal components with a fixed sign, small as t-SNE needs them at the start."""
    centered = features - features.mean(0)
    _, vectors = np.linalg.eigh((centered.T @ centered).astype(np.float64))
    axes = vectors[:, -2:][:, ::-1]
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])
    if axes.shape[1] < 2:  # one feature
        axes = np.column_stack([axes, np.zeros(len(axes))])
    start = centered @ axes
    return (1e-4 * start / max(float(start[:, 0].std()), 1e-12)).astype(np.float32)


def _place_between(
    features: NDArray[np.float32], landmarks: NDArray[np.int64], placed: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    from sklearn.neighbors import NearestNeighbors

    positions = np.empty((len(features), 2))
    positions[landmarks] = placed
    others = np.setdiff1d(np.arange(len(features)), landmarks)
    search = NearestNeighbors(n_neighbors=NEIGHBORS, algorithm="brute").fit(features[landmarks])
    distance, nearest = search.kneighbors(features[others])
    weight = 1 / (distance + 1e-3) ** 2
    around = placed[nearest]  # [n, 3, 2]
    far = np.linalg.norm(around - around[:, :1], axis=-1) > 0.05  # of neighbors in several places, the nearest counts
    weight = np.where(far, 0.0, weight)
    middle = (around * weight[..., None]).sum(1) / weight.sum(1)[:, None]
    positions[others] = middle + rng.normal(scale=JITTER, size=middle.shape)
    return positions


def _into_unit_square(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale both axes alike, so that 99 % of the documents are well inside; far ones are moved to the edge."""
    low, high = np.quantile(positions, 0.002, axis=0), np.quantile(positions, 0.998, axis=0)
    scale = float((high - low).max()) * 1.06 or 1.0
    return np.clip((positions - (low + high) / 2) / scale + 0.5, 0, 1)
