"""Predictions of LDA and of caches: compared with enumeration and brute force."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.special import gammaln

from docnvil.analysis.completion import evaluate_predictor, split_words
from docnvil.comparison import lda_inference
from docnvil.comparison.adapters import MixtureOfTopics
from docnvil.comparison.cache import CachedTopics, add_cache, fit_cache
from docnvil.comparison.lda_inference import infer_proportions

GENERATOR = np.random.default_rng(0)
TOPICS, ALPHA = GENERATOR.dirichlet(np.full(6, 0.5), 3), np.array([0.2, 0.5, 1.0])


def enumerated_proportions(words: list[int]) -> np.ndarray:
    """Return E[theta | words] by a sum over all topics of all words."""
    total, weighted = 0.0, np.zeros(3)
    for assignment in product(range(3), repeat=len(words)):
        n = np.bincount(assignment, minlength=3)
        joint = np.exp((gammaln(ALPHA + n) - gammaln(ALPHA)).sum()) * TOPICS[assignment, words].prod()
        total, weighted = total + joint, weighted + joint * (ALPHA + n) / (ALPHA.sum() + len(words))
    return weighted / total


def test_proportions_are_close_to_the_posterior_mean():
    for words in ([], [0], [0, 1], [0, 0, 1, 2, 5], [3, 4, 4, 2, 2, 2, 1]):
        counts = csr_array(np.bincount(words, minlength=6)[None].astype(int))
        exact = enumerated_proportions(words)
        inferred = infer_proportions(counts, TOPICS, ALPHA)[0]
        assert inferred == pytest.approx(exact, abs=1e-9 if len(words) < 2 else 0.1)  # CVB0 is exact for one word


def test_batches_do_not_change_the_proportions(monkeypatch):
    counts = csr_array(GENERATOR.poisson(0.7, (40, 6)))
    expected = infer_proportions(counts, TOPICS, ALPHA)
    assert expected.sum(axis=1) == pytest.approx(1)
    monkeypatch.setattr(lda_inference, "ENTRIES_PER_BATCH", 5)
    assert infer_proportions(counts, TOPICS, ALPHA) == pytest.approx(expected, rel=1e-12)


def test_a_word_that_no_topic_has_is_no_error():
    topics = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    assert np.isfinite(infer_proportions(csr_array(np.array([[0, 1, 2]])), topics, np.ones(2))).all()


def bursty_model(concentration: float) -> tuple[MixtureOfTopics, csr_array]:
    """Return topics, and documents whose words recur as often as the concentration says."""
    generator = np.random.default_rng(1)
    topics = generator.dirichlet(np.full(40, 0.3), 3)
    proportions = generator.dirichlet(np.full(3, 0.3), 1500)
    words = np.array([generator.dirichlet(concentration * row + 1e-9) for row in proportions @ topics])
    return MixtureOfTopics(topics, lambda counts: counts, alpha=np.full(3, 0.3)), csr_array(
        generator.multinomial(60, words)
    )


def test_the_cache_finds_the_concentration_of_the_documents_and_predicts_better():
    model, counts = bursty_model(30.0)
    fitted_to = []
    cached = add_cache(model, counts[:1000], lambda part: fitted_to.append(part) or model, seed=3)
    assert [part.shape for part in fitted_to] == [(800, 40)]
    assert cached.concentration == pytest.approx(30, rel=0.35)
    assert cached.concentration == add_cache(model, counts[:1000], lambda part: model, seed=3).concentration
    observed, held_out = split_words(counts[1000:], 0.3, np.random.default_rng(2))
    predictions = cached.predict(observed[:5])
    assert predictions.sum(axis=1) == pytest.approx(1)
    lengths = observed[:5].sum(axis=1)[:, None]
    mixed = cached.concentration * model.predict(observed[:5]) + observed[:5].toarray()
    assert predictions == pytest.approx(mixed / (cached.concentration + lengths))
    scores = [evaluate_predictor(each.predict, observed, held_out).summarize() for each in (model, cached)]
    assert scores[1].perplexity_per_word < 0.9 * scores[0].perplexity_per_word


def test_words_that_do_not_recur_need_no_cache():
    model = SimpleNamespace(predict=lambda counts: np.full(counts.shape, 1 / 40))
    observed = csr_array(np.eye(40, dtype=int))
    concentration = fit_cache(model.predict, observed, csr_array(np.roll(np.eye(40, dtype=int), 1, axis=1)))
    assert concentration == np.inf
    assert np.array_equal(CachedTopics(model, concentration).predict(observed), model.predict(observed))
    assert fit_cache(model.predict, observed, csr_array((40, 40), dtype=int)) == np.inf
    assert add_cache(model, observed[:4], lambda part: model).concentration == np.inf  # too few documents
