"""Sampled documents follow the model, and depend only on the seed, their row and their length."""

import json
import math
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import run
from exact import exact_log_likelihood, random_network, sparse
from scipy.sparse import csr_array, vstack

from docnvil.analysis import sampling
from docnvil.analysis.sampling import sample_documents
from docnvil.corpus.reading import read_corpus
from docnvil.corpus.writing import write_corpus
from docnvil.errors import ConfigurationError
from docnvil.estimator import DocNVIL
from docnvil.text.document_term_matrix import DocumentTermMatrix
from docnvil.text.vocabulary import Vocabulary

WORDS, LENGTH, DOCUMENTS = 3, 3, 60_000


def sampled(network, lengths, seed=0) -> csr_array:
    return csr_array(vstack(list(sample_documents(network, np.asarray(lengths), seed=seed))))


@pytest.mark.parametrize(
    ("units", "settings"),
    [
        ((3,), {}),
        ((2, 2), {}),
        ((3,), {"prior": "autoregressive"}),
        ((3,), {"prior": "mixture", "themes": 2}),
        ((2,), {"observation": "dirichlet-multinomial"}),
    ],
    ids=["one layer", "two layers", "fDARN", "mixture", "Dirichlet-multinomial"],
)
def test_documents_are_as_frequent_as_the_model_says(units, settings):
    network = random_network(WORDS, units, **settings)
    counts = sampled(network, np.full(DOCUMENTS, LENGTH)).toarray()
    possible = [count for count in product(range(LENGTH + 1), repeat=WORDS) if sum(count) == LENGTH]
    sequences = [math.factorial(LENGTH) / math.prod(map(math.factorial, count)) for count in possible]
    sequence_probability = exact_log_likelihood(network, sparse(torch.tensor(possible, dtype=torch.float64))).exp()
    expected = sequence_probability.detach().numpy() * sequences
    frequencies = [(counts == count).all(1).mean() for count in np.array(possible)]
    assert expected.sum() == pytest.approx(1)
    assert frequencies == pytest.approx(expected, abs=5 * 0.5 / math.sqrt(DOCUMENTS))  # five standard errors, at most


@pytest.mark.parametrize("observation", ["softmax", "dirichlet-multinomial"])
def test_samples_do_not_depend_on_batches(monkeypatch, observation):
    network = random_network(7, (4,), observation=observation)
    lengths = np.random.default_rng(0).integers(0, 30, 50)
    whole = sampled(network, lengths)
    assert whole.sum(axis=1).tolist() == lengths.tolist()
    monkeypatch.setattr(sampling, "DOCUMENTS_PER_CHUNK", 7)
    monkeypatch.setattr(sampling, "MAX_VALUES", 60)
    assert (sampled(network, lengths) != whole).nnz == 0
    assert (sampled(network, lengths[:20]) != whole[:20]).nnz == 0
    assert (sampled(network, lengths, seed=1) != whole).nnz


def test_models_of_binary_vectors_raise_an_error():
    with pytest.raises(ConfigurationError, match="has no words to sample"):
        sampled(random_network(3, (2,), observation="bernoulli"), [1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory, block_counts) -> Path:
    """A folder with `model` and `corpus`, whose last document is empty."""
    path = tmp_path_factory.mktemp("sampling")
    matrix = DocumentTermMatrix(
        np.vstack([block_counts[:30], 3 * block_counts[30:31], 0 * block_counts[:1]]),
        Vocabulary([f"word-{column}" for column in range(15)]),
        tuple(map(str, range(32))),
    )
    write_corpus(matrix, path / "corpus")
    DocNVIL(2, epochs=2, random_state=0).fit(matrix).save(path / "model")
    return path


def sample(folder, *options, **expected):
    return run("sample", folder / "model", "--lengths-of", folder / "corpus", *options, **expected)


def test_the_command_writes_a_corpus_with_the_lengths_of_another(folder, tmp_path):
    result = sample(folder, "--documents", 500, "--out", tmp_path / "drawn", "--json")
    corpus = read_corpus(tmp_path / "drawn")
    assert corpus.ids[:2] == ("1", "2")
    assert corpus.vocabulary.words[3] == "word-3"
    assert set(corpus.lengths.tolist()) == {20, 60}  # the length of the empty document is not used
    assert json.loads(result.stdout)["tokens"] == corpus.n_tokens
    sample(folder, "--documents", 500, "--out", tmp_path / "again")
    for file in (tmp_path / "drawn").iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


def test_an_existing_folder_is_replaced_with_force_only(folder, tmp_path):
    (tmp_path / "drawn").mkdir()
    sample(folder, "--documents", 5, "--out", tmp_path / "drawn", status=1, stderr="--force")
    sample(folder, "--documents", 5, "--out", tmp_path / "drawn", "--force")


def test_a_corpus_without_words_of_the_vocabulary_raises_an_error(folder, tmp_path):
    (tmp_path / "other.txt").write_text("other words\n")
    arguments = ["sample", folder / "model", "--documents", 5, "--out", tmp_path / "drawn"]
    run(*arguments, "--lengths-of", tmp_path / "other.txt", status=1, stderr="vocabulary")
    assert not (tmp_path / "drawn").exists()
