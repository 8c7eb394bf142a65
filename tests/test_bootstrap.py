"""Bootstrap intervals against normal ones, and their coverage."""

import numpy as np
import pytest

from docnvil.analysis import bootstrap as module
from docnvil.analysis.bootstrap import bootstrap_intervals
from docnvil.errors import ConfigurationError


@pytest.fixture
def values() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    lengths = generator.poisson(40, 400).astype(float)
    return -lengths * generator.normal(6, 0.5, 400), lengths


def test_intervals_of_a_normal_mean_are_the_normal_ones(values):
    log_likelihood, lengths = values
    rates = -log_likelihood / lengths
    error = 1.96 * rates.std() / np.sqrt(len(rates))
    interval = np.log(bootstrap_intervals(*values, 0.95).perplexity_per_document)
    assert interval == pytest.approx([rates.mean() - error, rates.mean() + error], abs=0.1 * error)


def test_intervals_contain_the_perplexity_and_grow_with_the_share(values):
    log_likelihood, lengths = values
    per_word = np.exp(-log_likelihood.sum() / lengths.sum())
    narrow, wide = (bootstrap_intervals(*values, share).perplexity_per_word for share in (0.5, 0.99))
    assert wide[0] < narrow[0] < per_word < narrow[1] < wide[1]


def test_intervals_cover_the_true_perplexity_as_often_as_stated():
    generator = np.random.default_rng(1)
    covered = 0
    for seed in range(200):
        lengths = generator.poisson(30, 80).astype(float)
        log_likelihood = -lengths * generator.normal(5, 1, 80)
        low, high = bootstrap_intervals(
            log_likelihood, lengths, 0.9, n_resamples=200, seed=seed
        ).perplexity_per_document
        covered += low < np.exp(5) < high
    assert 0.83 < covered / 200 < 0.96


def test_intervals_do_not_depend_on_empty_documents_or_chunks(values, monkeypatch):
    result = bootstrap_intervals(*values, seed=3)
    assert result == bootstrap_intervals(*values, seed=3)
    assert result != bootstrap_intervals(*values, seed=4)
    with_empty = (np.append(each, 0.0) for each in values)
    assert bootstrap_intervals(*with_empty, seed=3) == result
    monkeypatch.setattr(module, "MAX_DRAWS", 4000)
    assert bootstrap_intervals(*values, seed=3).perplexity_per_word == pytest.approx(result.perplexity_per_word)


@pytest.mark.parametrize("share", [0.0, 1.0, 95])
def test_invalid_shares_raise_an_error(values, share):
    with pytest.raises(ConfigurationError, match="between 0 and 1"):
        bootstrap_intervals(*values, share)


def test_documents_without_words_raise_an_error():
    with pytest.raises(ConfigurationError, match="No document has words"):
        bootstrap_intervals(np.zeros(2), np.zeros(2))
