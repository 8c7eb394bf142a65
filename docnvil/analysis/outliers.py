"""Outliers: documents that do not fit the model.

The likelihood per word alone says little, because repeated words make any document look typical. The scores here start
from the gain over the same layer without units, (ELBO - log p_0(x)) / L, and are calibrated by length on reference
documents, most of which must be normal.

- `foreign`: -z(gain) + 0.5 |z(log p(x) / L)| + 0.4 z(share of unknown words) - 0.6 z(similarity of the nearest
  reference documents). Each z is a residual of a robust regression on log L, divided by the spread at this length.
- `mixed`: the log odds of a logistic regression between reference documents and artificial mixtures of them: two
  documents together, or one with half of its words from another. It uses the gain, how far the words of a document are
  as probable as in the training documents that contain them, and whether its neighbors are about one subject.

Axes: N documents, V words, K units of the first layer, F features. Unit: nats.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from docnvil.analysis.neighborhood import Neighborhood
from docnvil.analysis.perplexity import document_bounds
from docnvil.analysis.topics import UnitStatistics
from docnvil.analysis.unit_probabilities import unit_probabilities
from docnvil.errors import ConfigurationError, CorpusError, counted
from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.normalizers import log_normalizer
from docnvil.model.null_models import NullModel
from docnvil.schema import check_whole
from docnvil.text.sparse import CountRows, SelectedRows, row_chunks, row_sums

MIN_TOKENS = 10  # known words of a document that is scored
MIN_REFERENCES = 50
MAX_REFERENCES = 4000
N_SAMPLES = 10  # of the ELBO
LIKELIHOOD_WEIGHT, UNKNOWN_WEIGHT, SIMILARITY_WEIGHT = 0.5, 0.4, 0.6  # of `foreign`, chosen on 20 Newsgroups
FEATURES = ("log_length", "distinct", "gain", "reconstruction", "kl", "lift", "expected", "expected_spread")
FEATURES += ("spread", "low", "unexpected", "pairs", "relative_pairs", "log_likelihood", *Neighborhood.NAMES)
MIN_IDF = 1e-3  # of words in all training documents
ROUNDS = 10  # of reweighting in a robust regression

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class OutlierScores:
    """Scores of documents, `[N]` each; larger ones are further from the reference. NaN for fewer than 10 known words.

    Arguments:
        gain: nats per word over the same layer without units.
        expected_gain: the gain of reference documents of the same length.
        foreign: how badly the units explain the document, in standard deviations.
        mixed: the log odds that the document is a mixture of two.
        score: the larger of the two, as -log of the share of reference documents with a larger value.
        unknown: the share of unknown words, or None if they were not counted.
    """

    gain: Values
    expected_gain: Values
    foreign: Values
    mixed: Values
    score: Values
    unknown: Values | None


@dataclass(frozen=True, eq=False)
class _Regression:
    """A robust quadratic regression on log L, with a spread that depends on L; returns residuals in its units."""

    mean: Values
    log_spread: Values

    def predict(self, log_length: Values) -> Values:
        return _powers(log_length) @ self.mean

    def standardize(self, log_length: Values, values: Values) -> Values:
        return (values - self.predict(log_length)) / np.exp(_powers(log_length) @ self.log_spread)


class OutlierModel:
    """What reference documents are like.

    Arguments:
        network: the belief network.
        statistics: how often its units and words occur together in the training documents.
        null_model: the same output layer without units.
        reference: `[M, V]`, documents of which most are normal.
        unknown: the share of unknown words of each, `[M]`; None if they were not counted.
        seed: seed of the chosen documents and mixtures.

    Raises:
        ConfigurationError: the model is not one of words.
        CorpusError: fewer than 50 documents have ten known words or more.
    """

    def __init__(
        self,
        network: BeliefNetwork,
        statistics: UnitStatistics,
        null_model: NullModel,
        reference: CountRows,
        unknown: Values | None = None,
        *,
        seed: int = 0,
    ) -> None:
        if not network.generative.visible.supports_completion:
            raise ConfigurationError("Outliers need a model of words, and this is a model of binary vectors.")
        self._network, self._null_model = network, null_model
        self._words = _WordProfiles(network, statistics)
        rng = np.random.default_rng(check_whole("seed", seed))
        long = np.flatnonzero(row_sums(reference) >= MIN_TOKENS) if reference.shape[0] else np.zeros(0, np.int64)
        if len(long) < MIN_REFERENCES:
            raise CorpusError(
                f"Only {counted(len(long), 'document', 'have')} {MIN_TOKENS} known words or more, and calibration needs"
                f" {MIN_REFERENCES}. Give more normal documents with --reference."
            )
        chosen = np.sort(rng.choice(long, min(len(long), MAX_REFERENCES), replace=False))
        counts = csr_array(SelectedRows(reference, chosen)[:])
        idf = np.log((statistics.n_documents + 1) / (statistics.document_frequency + 1))
        self._neighborhood = Neighborhood(network, np.maximum(idf, MIN_IDF), counts)
        features = self.features(counts, [np.arange(counts.shape[0])])
        log_length = features[:, 0]
        names = ("gain", "log_likelihood", "neighbor_similarity")
        self._regressions = {name: _regress(log_length, features[:, FEATURES.index(name)]) for name in names}
        self._has_unknown = unknown is not None
        shares = None if unknown is None else unknown[chosen]
        if shares is not None:
            self._regressions["unknown"] = _regress(log_length, shares)
        self._classifier = _fit_mixtures(features, self.features(*_mixtures(counts, rng)))
        foreign, mixed = self._foreign(features, shares), self._classifier.decision_function(features)
        self._sorted = {"foreign": np.sort(foreign), "mixed": np.sort(mixed)}

    def score(self, counts: CountRows, unknown: Values | None = None) -> OutlierScores:
        """Return the scores of documents, `[N, V]`, whose shares of unknown words are `unknown`, `[N]`."""
        lengths = row_sums(counts, np.float64)
        values = np.full((5, counts.shape[0]), np.nan)
        start = 0
        for chunk in row_chunks(counts):
            rows = np.arange(start, start := start + chunk.shape[0])
            long = lengths[rows] >= MIN_TOKENS
            if not long.any():
                continue
            features = self.features(csr_array(chunk[np.flatnonzero(long)]))
            shares = None if unknown is None else unknown[rows[long]]
            foreign, mixed = self._foreign(features, shares), self._classifier.decision_function(features)
            surprise = np.maximum(self._tail("foreign", foreign), self._tail("mixed", mixed))
            expected = self._regressions["gain"].predict(features[:, 0])
            values[:, rows[long]] = features[:, FEATURES.index("gain")], expected, foreign, mixed, surprise
        return OutlierScores(*values, unknown=unknown)

    def features(self, counts: csr_array, sources: Sequence[NDArray[np.int64]] = ()) -> Values:
        """Return the features of documents, `[N, V]` to `[N, F]`; for `sources` see `Neighborhood.features`."""
        bounds = document_bounds(self._network, counts, n_samples=N_SAMPLES)
        null = self._null_model.log_prob(counts)
        lengths = np.maximum(bounds.lengths, 1)
        distinct = np.diff(counts.indptr) / lengths
        return np.column_stack(
            [
                np.log(lengths),
                distinct,
                (bounds.log_likelihood - null) / lengths,
                (bounds.reconstruction - null) / lengths,
                bounds.kl,
                *self._words.features(counts),
                bounds.log_likelihood / lengths,
                self._neighborhood.features(counts, sources),
            ]
        )

    def _foreign(self, features: Values, unknown: Values | None) -> Values:
        def standardized(name: str, values: Values) -> Values:
            return self._regressions[name].standardize(features[:, 0], values)

        gain, likelihood, similarity = (
            standardized(name, features[:, FEATURES.index(name)])
            for name in ("gain", "log_likelihood", "neighbor_similarity")
        )
        score = -gain + LIKELIHOOD_WEIGHT * np.abs(likelihood) - SIMILARITY_WEIGHT * similarity
        if unknown is not None and self._has_unknown:
            score += UNKNOWN_WEIGHT * standardized("unknown", unknown)
        return score

    def _tail(self, name: str, values: Values) -> Values:
        """Return -log of the share of reference documents with a larger value."""
        ordered = self._sorted[name]
        larger = len(ordered) - np.searchsorted(ordered, values)
        return -np.log((larger + 0.5) / (len(ordered) + 0.5))


class _WordProfiles:
    """How probable words are given their document's units, and in the training documents that contain them."""

    def __init__(self, network: BeliefNetwork, statistics: UnitStatistics) -> None:
        visible = network.generative.visible
        self._network = network
        self._weight, self._bias = visible.weight.detach(), visible.bias.detach()
        frequency = statistics.word_frequency + 0.01
        self._log_frequency = np.log(frequency / frequency.sum())
        with_word = statistics.documents_on / np.maximum(statistics.document_frequency, 1)
        profiles = np.clip(with_word, 0, 1).T  # [V, K]
        self._expected = self._lifts(profiles, np.arange(len(profiles)), np.arange(len(profiles)))
        self._profiles = profiles - statistics.activity / max(1, statistics.n_documents)

    def features(self, counts: csr_array) -> tuple[Values, ...]:
        """Return the features of documents that describe their distinct words, `[N]` each."""
        n_units = self._profiles.shape[1]
        units = unit_probabilities(self._network, counts)[:, :n_units]
        n_words = np.diff(counts.indptr)
        documents, words = np.repeat(np.arange(len(n_words)), n_words), counts.indices
        n_words = np.maximum(n_words, 1)

        def mean(values: NDArray[Any]) -> Values:
            return np.bincount(documents, values, minlength=len(n_words)) / n_words

        lifts, expected = self._lifts(units, documents, words), self._expected[words]
        missing = lifts - expected
        spread = np.sqrt(np.maximum(mean(missing**2) - mean(missing) ** 2, 0))
        present = csr_array((np.ones(len(words)), words, counts.indptr), shape=counts.shape)
        sums, squares = present @ self._profiles, mean((self._profiles**2).sum(1)[words])
        pairs = ((sums**2).sum(1) - squares * n_words) / np.maximum(n_words * (n_words - 1), 1)
        relative = pairs / (squares + 1e-9)
        means = mean(lifts), mean(expected), np.sqrt(mean(expected**2))
        return (*means, spread, mean(lifts < -0.5), mean(missing < -1.5), pairs, relative)

    @torch.no_grad()
    def _lifts(self, units: NDArray[Any], documents: NDArray[Any], words: NDArray[Any]) -> Values:
        """Return log p(w | h) / p(w) for pairs of a row of `units` and a word, `[nnz]`."""
        samples = torch.from_numpy(np.asarray(units, dtype=np.float32)).to(self._weight)
        normalizers = log_normalizer(samples, self._weight, self._bias)
        lifts = np.empty(len(words))
        for start in range(0, len(words), 1 << 16):
            part = slice(start, start + (1 << 16))
            row, word = (torch.from_numpy(np.asarray(each[part], dtype=np.int64)) for each in (documents, words))
            row, word = row.to(samples.device), word.to(samples.device)
            logits = (samples[row] * self._weight[word]).sum(1) + self._bias[word] - normalizers[row]
            lifts[part] = logits.double().cpu().numpy()
        return lifts - self._log_frequency[words]


def _mixtures(counts: csr_array, rng: np.random.Generator) -> tuple[csr_array, list[NDArray[np.int64]]]:
    """Return pairs of documents together, documents with half of their words from another, `[2 N, V]`, and the two."""
    order = rng.permutation(counts.shape[0])
    others = counts[order]
    together = csr_array(counts + others)
    halves = [csr_array((_half(counts, rng) + _half(others, rng))[:])]
    mixed = csr_array(vstack([together, *halves], format="csr"))
    mixed.sort_indices()
    filled = np.flatnonzero(np.diff(mixed.indptr))
    return csr_array(mixed[filled]), [np.tile(each, 2)[filled] for each in (np.arange(len(order)), order)]


def _half(counts: csr_array, rng: np.random.Generator) -> csr_array:
    """Return documents with about half of their tokens."""
    half = csr_array(counts.astype(np.float64))
    half.data = rng.binomial(np.asarray(np.round(counts.data), dtype=np.int64), 0.5).astype(np.float64)
    half.eliminate_zeros()
    return half


def _fit_mixtures(features: Values, mixtures: Values) -> Any:
    """Return a logistic regression on the features and their products, with classes of equal weight."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    regression = LogisticRegression(C=0.1, max_iter=3000, class_weight="balanced")
    steps = StandardScaler(), PolynomialFeatures(2, include_bias=False), StandardScaler(), regression
    is_mixture = np.repeat([0, 1], [len(features), len(mixtures)])
    return make_pipeline(*steps).fit(np.concatenate([features, mixtures]), is_mixture)


def _powers(log_length: Values) -> Values:
    return np.column_stack([np.ones_like(log_length), log_length, log_length**2])


def _regress(log_length: Values, values: Values) -> _Regression:
    """Fit a quadratic by iteratively reweighted least squares (Huber), and its spread likewise on a log scale."""
    powers, weights = _powers(log_length), np.ones(len(values))
    for _ in range(ROUNDS):
        mean = np.linalg.lstsq(powers * weights[:, None], values * weights, rcond=None)[0]
        residuals = np.abs(values - powers @ mean)
        limit = 2 * 1.4826 * np.median(residuals) + 1e-12
        weights = np.sqrt(1 / np.maximum(1, residuals / limit))
    middle = np.median(residuals)
    limited = np.clip(residuals, 0.01 * middle, 4 * middle) + 1e-9  # outliers must not widen the spread
    log_spread = np.linalg.lstsq(powers, np.log(limited), rcond=None)[0]
    scaled = residuals / np.exp(powers @ log_spread)
    log_spread[0] += np.log(1.4826 * np.median(scaled) + 1e-12)
    return _Regression(mean, log_spread)
