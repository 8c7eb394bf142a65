import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import coo_array, csr_array, csr_matrix
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import docnvil
from docnvil.errors import ConfigurationError, VocabularyError
from docnvil.estimator import DocNVIL
from docnvil.text.document_term_matrix import DocumentTermMatrix
from docnvil.text.vocabulary import Vocabulary
from docnvil.training.data import checked_counts
from docnvil.training.fit import split_data
from docnvil.training.settings import Settings

NOT_PASSING_YET: dict[str, str] = {}  # name of scikit-learn's check -> why


def reasons_not_to_pass(estimator: DocNVIL) -> dict[str, str]:
    return NOT_PASSING_YET


@parametrize_with_checks([DocNVIL(epochs=5), DocNVIL((4, 2), epochs=3)], expected_failed_checks=reasons_not_to_pass)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_checks_of_scikit_learn_pass(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def fitted(block_counts) -> DocNVIL:
    return DocNVIL(n_components=3, epochs=20, batch_size=20, random_state=0).fit(block_counts)


@pytest.mark.parametrize("form", [csr_array, csr_matrix, coo_array, pd.DataFrame, lambda counts: counts.astype(float)])
def test_all_matrix_types_give_the_same_model(block_counts, fitted, form):
    given = form(block_counts)
    if isinstance(given, pd.DataFrame):
        given.columns = [f"word{word}" for word in range(15)]
    other = DocNVIL(n_components=3, epochs=20, batch_size=20, random_state=0).fit(given)
    assert np.array_equal(other.transform(given), fitted.transform(block_counts))


def test_int64_indices_are_accepted(block_counts, fitted):
    wide = csr_array(block_counts)
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    assert np.array_equal(fitted.transform(wide), fitted.transform(block_counts))


def test_every_row_keeps_its_place(block_counts, fitted):
    with_empty = np.vstack([block_counts[:5], np.zeros((2, 15), dtype=int), block_counts[5:7]])
    codes = fitted.transform(with_empty)
    assert codes.shape == (9, 3)
    assert codes[[0, 1, 2, 3, 4, 7, 8]] == pytest.approx(fitted.transform(block_counts[:7]), rel=1e-5)
    assert fitted.score_samples(with_empty)[5:7].tolist() == [0, 0]


@pytest.mark.parametrize("gradient", ["rws", "wake-sleep"])
def test_gradients_without_a_learning_signal_have_no_sparsity(block_counts, gradient):
    settings = {"n_components": 3, "gradient": gradient, "epochs": 1, "random_state": 0}
    assert DocNVIL(n_components=3, epochs=1, random_state=0).fit(block_counts).model_.training.sparsity > 0
    assert DocNVIL(**settings).fit(block_counts).model_.training.sparsity == 0
    with pytest.raises(ConfigurationError, match="sparsity can be chosen only with gradient"):
        DocNVIL(**settings, sparsity=1.0).fit(block_counts)


def test_gradients_for_factorial_posteriors_have_one_by_default(block_counts):
    settings = {"n_components": 3, "gradient": "arms", "epochs": 1, "random_state": 0}
    assert DocNVIL(**settings).fit(block_counts).model_.network.config.posterior == "factorial"
    with pytest.raises(ConfigurationError, match="factorial"):
        DocNVIL(**settings, posterior="autoregressive").fit(block_counts)


def test_empty_documents_are_left_out_of_training(block_counts):
    spaced = np.zeros((240, 15), dtype=int)
    spaced[::2] = block_counts
    model = DocNVIL(n_components=3, epochs=5, batch_size=20, random_state=0).fit(spaced)
    assert model.model_.corpus["empty_documents"] == 120
    assert np.isfinite(model.history_[-1].validation_bound)


def test_a_recipe_holds_out_few_documents(block_counts):
    documents = checked_counts(block_counts)
    assert split_data(documents, Settings("paper")).train.shape[0] == 110
    assert split_data(checked_counts(block_counts[:40]), Settings()).train.shape[0] == 36  # at most a tenth
    many = checked_counts(np.tile(block_counts, (10, 1)))
    assert split_data(many, Settings()).train.shape[0] == 1176  # 2 %
    assert split_data(many, Settings("paper")).train.shape[0] == 1176
    assert split_data(documents, Settings("paper", validation=100)).train.shape[0] == 20
    half_empty = np.vstack([block_counts, np.zeros_like(block_counts)])
    with pytest.raises(ConfigurationError, match="only 120 documents have words"):
        DocNVIL(2, epochs=1, validation=150).fit(half_empty)


def test_a_document_term_matrix_brings_its_words(block_counts):
    words = [f"subject{word // 5}-{word % 5}" for word in range(15)]
    matrix = DocumentTermMatrix(csr_array(block_counts), Vocabulary(list(words)), tuple(map(str, range(120))))
    model = DocNVIL(n_components=3, epochs=20, batch_size=20, random_state=0).fit(matrix)
    assert {word for unit in model.top_words(5) for word in unit} <= set(words)
    assert model.transform(matrix).shape == (120, 3)
    assert docnvil.DocNVIL is DocNVIL


def test_another_vocabulary_of_the_same_size_is_refused(block_counts):
    def of(words: str) -> DocumentTermMatrix:
        return DocumentTermMatrix(csr_array(block_counts), Vocabulary(list(words)), tuple(map(str, range(120))))

    model = DocNVIL(2, epochs=1).fit(of("abcdefghijklmno"))
    with pytest.raises(VocabularyError, match=r"docnvil\.align_vocabulary"):
        model.transform(of("onmlkjihgfedcba"))
    turned = docnvil.align_vocabulary(of("onmlkjihgfedcba"), model.vocabulary_)
    assert np.array_equal(turned.counts.toarray(), block_counts[:, ::-1])
    model.transform(turned)


def test_a_loaded_estimator_refits_to_the_same_weights(block_counts, tmp_path):
    model = DocNVIL(3, recipe="paper", epochs=2, validation=5).fit(block_counts)
    model.save(tmp_path / "model")
    again = clone(DocNVIL.load(tmp_path / "model")).fit(block_counts)
    assert np.array_equal(again.components_, model.components_)


def test_column_names_become_the_vocabulary(block_counts):
    frame = pd.DataFrame(block_counts, columns=[f"w{word}" for word in range(15)])
    assert DocNVIL(2, epochs=1).fit(frame).vocabulary_.words == tuple(frame.columns)


def test_output_columns_are_named(block_counts, fitted):
    assert list(fitted.get_feature_names_out()) == ["docnvil0", "docnvil1", "docnvil2"]
    frame = clone(fitted).set_params(epochs=1).set_output(transform="pandas").fit_transform(block_counts)
    assert list(frame.columns) == ["docnvil0", "docnvil1", "docnvil2"]


def test_the_float_type_is_preserved(block_counts, fitted):
    for kind in (np.float32, np.float64):
        assert fitted.transform(block_counts.astype(kind)).dtype == kind


def test_score_is_the_mean_elbo(block_counts, fitted):
    assert fitted.score(block_counts) == pytest.approx(fitted.score_samples(block_counts).mean())
    total = fitted.evaluate(block_counts).log_likelihood
    assert fitted.score_samples(block_counts).sum() == pytest.approx(total)


def test_unit_probabilities_are_features_for_a_classifier(block_counts):
    linear_model = pytest.importorskip("sklearn.linear_model")
    pipeline = make_pipeline(
        DocNVIL(n_components=6, epochs=100, batch_size=20, l1=0), linear_model.LogisticRegression()
    )
    assert pipeline.fit(block_counts, np.arange(120) % 3).score(block_counts, np.arange(120) % 3) > 0.9


def test_random_states_may_be_none_or_a_generator(block_counts):
    first, second = (DocNVIL(2, epochs=1, random_state=None).fit(block_counts).components_ for _ in range(2))
    assert not np.array_equal(first, second)
    third, fourth = (
        DocNVIL(2, epochs=1, random_state=np.random.RandomState(7)).fit(block_counts).components_ for _ in range(2)
    )
    assert np.array_equal(third, fourth)


def test_the_paper_recipe_uses_the_published_protocol(block_counts):
    model = DocNVIL(3, recipe="paper", epochs=3).fit(block_counts)
    assert model.model_.training.optimizer == "sgd"
    assert model.model_.training.batch_size == 20
    assert model.model_.training.n_samples == 1
    assert model.model_.training.baseline == "learned"


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"n_components": 0}, "is 0"),
        ({"recipe": "grandmother's"}, "Choose one of default, best, themes, large-batch, hash, binary, paper"),
        ({"validation": 1.5}, "a share below 1"),
        ({"validation": float("nan")}, "a share below 1"),
        ({"validation": float("inf")}, "a share below 1"),
        ({"n_components": 2.5}, "is 2.5"),
        ({"random_state": -1}, "seed of 0 or more"),
        ({"device": "meta"}, "no device 'meta'"),
        ({"validation": 120}, "none would remain"),
        ({"device": "abacus"}, "no device 'abacus'"),
        ({"epochs": 0}, "epochs is 0"),
    ],
)
def test_impossible_settings_are_refused(block_counts, settings, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        DocNVIL(**settings).fit(block_counts)


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_impossible_counts_are_refused(block_counts, bad):
    counts = block_counts.astype(float)
    counts[3, 4] = bad
    with pytest.raises(ValueError, match=r"Negative values|NaN|infinity"):
        DocNVIL(epochs=1).fit(counts)


def test_a_matrix_of_another_width_is_refused(block_counts, fitted):
    with pytest.raises(ValueError, match="14 features"):
        fitted.transform(block_counts[:, :14])


def test_options_of_nvil_are_refused_for_other_gradients(block_counts):
    model = DocNVIL(3, gradient="vimco", baseline="learned", center=False, random_state=0)
    with pytest.raises(ConfigurationError, match="baseline, center can be chosen only with gradient nvil"):
        model.fit(block_counts)


def test_a_pickled_estimator_holds_no_state_of_the_training():
    counts = np.random.default_rng(0).poisson(1.0, (60, 2000))
    model = DocNVIL(20, epochs=1, random_state=0).fit(counts)
    statistics = model.model_.statistics
    arrays = [model.components_, statistics.documents_on, statistics.document_frequency, statistics.word_frequency]
    parameters = sum(each.numel() * each.element_size() for each in model.model_.network.state_dict().values())
    assert len(pickle.dumps(model)) < 1.1 * (parameters + sum(each.nbytes for each in arrays)) + 50_000
    assert np.array_equal(pickle.loads(pickle.dumps(model)).transform(counts), model.transform(counts))
