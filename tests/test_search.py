"""Search: scores compared with their definitions, and the index as a folder that is refused when it is stale."""

import json
import os
import shutil

import numpy as np
import pytest
from commands import run
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import TfidfTransformer
from text_data import SUBJECTS, write_jsonl

import docnvil
from docnvil.corpus.loading import load_document_term_matrix
from docnvil.errors import CheckpointError, ConfigurationError, CorpusError, VocabularyError
from docnvil.search.fingerprints import fingerprint_corpus
from docnvil.search.index import build_index, make_index, open_index, pack_codes
from docnvil.search.query import PRESELECTED, search_like, search_words
from docnvil.text.excerpts import read_excerpts
from docnvil.text.settings import SourceOptions


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("search")
    generator = np.random.default_rng(0)
    rows = []
    for number in range(150):
        words = generator.choice(SUBJECTS[number % 3], generator.integers(3, 12))
        text = " ".join(words) if number % 20 else f"unknown{number}"
        rows.append(
            {"id": f"d{number}", "title": f"Title {number}", "text": text if number % 20 else f"unknown{number}"}
        )
    write_jsonl(path / "corpus.jsonl", rows)
    options = ("--units", 3, "--epochs", 60, "--batch-size", 10, "--out", path / "model")
    run("fit", path / "corpus.jsonl", *options)
    return path


@pytest.fixture(scope="module")
def model(folder):
    return docnvil.load(folder / "model", "cpu")


@pytest.fixture(scope="module")
def matrix(folder, model):
    return load_document_term_matrix(folder / "corpus.jsonl", rules=model.token_rules, vocabulary=model.vocabulary)


@pytest.fixture(scope="module", params=["exact", "preselected"])
def index(request, folder, model, matrix, tmp_path_factory):
    path, source, options = tmp_path_factory.mktemp("index") / "index", folder / "corpus.jsonl", SourceOptions()
    limit = 1000 if request.param == "exact" else 0
    fingerprint = fingerprint_corpus(source, options)
    build_index(path, model, matrix.counts, read_excerpts(source, options, matrix), fingerprint, exact_limit=limit)
    opened = open_index(path, model, source, options)
    assert opened.has_codes == (request.param == "preselected")
    return opened


def counts_of(model, *words):
    row = np.zeros((1, len(model.vocabulary)), dtype=np.int64)
    for word in words:
        row[0, model.vocabulary.get(word)] += 1
    return csr_array(row)


def tf_idf_of(matrix):
    transformer = TfidfTransformer(sublinear_tf=True).fit(matrix.counts)
    return transformer, transformer.transform(matrix.counts).toarray()


def by_row(results, name):
    return {result.row: getattr(result, name) for result in results}


def test_words_score_is_tf_idf_plus_log_likelihood(index, model, matrix):
    query = counts_of(model, "mast", "sail", "sail")
    results = search_words(index, query, 150, weight=0.4)
    assert set(by_row(results, "id")) == set(np.flatnonzero(~matrix.empty).tolist())
    transformer, vectors = tf_idf_of(matrix)
    lexical = vectors @ transformer.transform(query).toarray()[0]
    units = model.transform(matrix)
    visible = model.network.generative.visible
    logits = units @ visible.weight.detach().numpy().T + visible.bias.detach().numpy()
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    frequency = model.statistics.word_frequency + 0.01
    gains = (log_p - np.log(frequency / frequency.sum())) @ query.toarray()[0] / 3
    for result in results:
        assert result.lexical == pytest.approx(lexical[result.row], abs=2e-3)
        assert result.model == pytest.approx(gains[result.row], abs=2e-2)
        assert result.score == pytest.approx(result.lexical + 0.4 * result.model, abs=1e-5)
    assert [each.score for each in results] == sorted((each.score for each in results), reverse=True)


def test_like_score_is_tf_idf_plus_cosine_of_units(index, model, matrix):
    row = 4
    results = search_like(index, row, 150, weight=0.7)
    assert row not in by_row(results, "id")
    assert len(results) == 149 - matrix.empty.sum()
    _, vectors = tf_idf_of(matrix)
    weights = -np.log(model.statistics.activity / model.statistics.n_documents + 1e-3)
    units = model.transform(matrix) * np.maximum(weights, 0)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    for result in results:
        assert result.lexical == pytest.approx(vectors[result.row] @ vectors[row], abs=3e-3)
        assert result.model == pytest.approx(units[result.row] @ units[row], abs=3e-2)


def test_results_are_of_the_subject_even_without_the_word(index, model, matrix):
    results = search_words(index, counts_of(model, "keel"), 45)
    assert {result.row % 3 for result in results} == {1}
    assert any(result.lexical == 0 for result in results)
    assert {result.row % 3 for result in search_like(index, 5, 20)} == {2}


def test_results_have_titles_and_excerpts(index, matrix):
    first = search_like(index, 4, 1)[0]
    assert first.id == matrix.ids[first.row] == f"d{first.row}"
    assert first.title == f"Title {first.row}"
    assert first.excerpt.split()[0] in SUBJECTS[1]


def test_documents_without_known_words_are_not_found_and_cannot_be_a_query(index, model):
    assert 20 not in by_row(search_words(index, counts_of(model, "salt"), 150), "id")
    with pytest.raises(CorpusError, match="no word of the model's vocabulary"):
        search_like(index, 20)
    with pytest.raises(CorpusError, match="No word of the query"):
        search_words(index, counts_of(model))


def test_rows_by_id(index):
    assert index.row_of("d149") == 149
    with pytest.raises(CorpusError, match='No document has the id "d150"'):
        index.row_of("d150")


def test_preselection_finds_what_exact_search_finds(model, tmp_path):
    generator = np.random.default_rng(1)
    counts = csr_array(generator.poisson(0.3, (4 * PRESELECTED, len(model.vocabulary))))
    source = tmp_path / "counts.npz"
    ids = tuple(map(str, range(4 * PRESELECTED)))
    docnvil.write_counts(docnvil.DocumentTermMatrix(counts, model.vocabulary, ids), source, "npz")
    matrix = load_document_term_matrix(source, vocabulary=model.vocabulary)
    found = []
    for name, limit in (("exact", 10**6), ("codes", 10)):
        excerpts = read_excerpts(source, SourceOptions(), matrix)
        fingerprint = fingerprint_corpus(source, SourceOptions())
        build_index(tmp_path / name, model, matrix.counts, excerpts, fingerprint, exact_limit=limit)
        index = open_index(tmp_path / name, model, source, SourceOptions())
        queries = [search_words(index, csr_array(matrix.counts[[row]]), 10) for row in range(5)]
        queries += [search_like(index, row, 10) for row in range(5)]
        found.append([{result.row for result in results} for results in queries])
    shared = [len(exact & codes) for exact, codes in zip(*found, strict=True)]
    assert np.mean(shared) > 9


def test_packed_codes_can_be_unpacked():
    codes = np.random.default_rng(0).random((7, 37)) < 0.5
    packed = pack_codes(codes)
    assert packed.shape == (3, 7)
    unpacked = (packed[:, :, None] >> np.arange(16, dtype=np.uint16)) & 1
    assert (unpacked.transpose(1, 0, 2).reshape(7, -1)[:, :37] == codes).all()


def test_the_index_does_not_depend_on_chunks(folder, model, matrix, tmp_path, monkeypatch):
    from docnvil.text import sparse

    source, options = folder / "corpus.jsonl", SourceOptions()
    paths = tmp_path / "whole", tmp_path / "chunks"
    for path in paths:
        make_index(path, model, matrix.counts, read_excerpts(source, options, matrix), source, options)
        monkeypatch.setattr(sparse, "CHUNK_ENTRIES", 40)
    for name in ("words", "weights", "postings_rows", "postings_weights", "indptr"):
        first, second = (np.load(path / f"{name}.npy") for path in paths)
        assert (first == second).all(), name
    first, second = (np.load(path / "probabilities.npy") for path in paths)
    assert first == pytest.approx(second, abs=1e-3)


def test_command_searches_and_reuses_the_index(folder):
    arguments = ("search", folder / "model", folder / "corpus.jsonl")
    first = run(*arguments, "mast sail zebra", "--top", 3, "--json", stderr=("Building the index", '"zebra"'))
    second = run(*arguments, "mast sail", "--top", 3, "--json")
    assert "Building" not in second.stderr
    rows = json.loads(second.stdout)["results"]
    assert rows == json.loads(first.stdout)["results"]
    assert [row["rank"] for row in rows] == [1, 2, 3]
    like = run(*arguments, "--like", "d4", "--top", 2)
    assert "Title" in like.stdout


def test_command_writes_a_table(folder, tmp_path):
    out = tmp_path / "found.csv"
    run("search", folder / "model", folder / "corpus.jsonl", "mast", "--out", out)
    lines = out.read_text().splitlines()
    assert lines[0] == "rank,id,score,lexical,model,title,excerpt"
    assert len(lines) == 11


def test_command_refuses(folder):
    arguments = ("search", folder / "model", folder / "corpus.jsonl")
    run(*arguments, status=2, stderr="either WORDS or --like")
    run(*arguments, "mast", "--like", "d1", status=2, stderr="either WORDS or --like")
    run(*arguments, "zebra the", status=1, stderr=("No word of the query", '"zebra"'))
    run(*arguments, "--like", "nobody", status=1, stderr='No document has the id "nobody"')


def test_a_stale_index_is_refused_and_rebuilt(folder, tmp_path):
    source = tmp_path / "corpus.jsonl"
    text = (folder / "corpus.jsonl").read_text()
    source.write_text(text)
    arguments = ("search", folder / "model", source, "mast", "--json")
    run(*arguments)
    os.utime(source, (1, 1))  # the same content is not stale
    run(*arguments)
    source.write_text(text.replace("d4", "e4"))
    run(*arguments, status=1, stderr=("another state of", "--rebuild"))
    run(*arguments, "--rebuild")
    run(*arguments, "--text-column", "title", status=1, stderr="other options")
    (tmp_path / "corpus.jsonl.search" / "words.npy").write_bytes(b"damaged")
    run(*arguments, status=1, stderr="words.npy")


@pytest.mark.parametrize("is_renamed", [False, True])
def test_a_change_that_keeps_size_and_time_is_noticed(folder, tmp_path, is_renamed):
    source, other = tmp_path / "corpus.jsonl", tmp_path / "other"
    text = (folder / "corpus.jsonl").read_text()
    source.write_text(text)
    arguments = ("search", folder / "model", source, "mast", "--json")
    run(*arguments)
    status = source.stat()
    (other if is_renamed else source).write_text(text.replace("d4", "e4"))
    os.utime(other if is_renamed else source, ns=(status.st_atime_ns, status.st_mtime_ns))
    if is_renamed:
        other.replace(source)
    assert (source.stat().st_size, source.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    run(*arguments, status=1, stderr=("another state of", "--rebuild"))


def test_a_copy_of_a_corpus_keeps_its_index(folder, tmp_path):
    texts = tmp_path / "texts"
    texts.mkdir()
    for number, words in enumerate(SUBJECTS):
        (texts / f"{number}.txt").write_text(" ".join(words))
    arguments = ("search", folder / "model", texts, "mast", "--index", texts / "index", "--json")
    first = run(*arguments, stderr="Building")
    (texts / "results.csv").touch()  # neither the index nor a table is a document of this folder
    assert run(*arguments).stdout == first.stdout
    shutil.copytree(texts, tmp_path / "copy")
    shutil.rmtree(texts)
    (tmp_path / "copy").rename(texts)
    again = run(*arguments)
    assert "Building" not in again.stderr
    assert again.stdout == first.stdout
    (texts / "3.txt").write_text("mast sail")
    run(*arguments, status=1, stderr="another state of")


def test_the_index_of_another_model_is_refused(folder, matrix, tmp_path):
    source, options = folder / "corpus.jsonl", SourceOptions()
    other = docnvil.fit(matrix, docnvil.Settings(units=(3,), epochs=1))
    make_index(tmp_path / "index", other, matrix.counts, read_excerpts(source, options, matrix), source, options)
    with pytest.raises(CheckpointError, match="another model"):
        open_index(tmp_path / "index", docnvil.load(folder / "model"), source, options)


def test_the_index_of_the_current_folder_is_beside_it(folder, tmp_path, monkeypatch):
    (tmp_path / "texts").mkdir()
    for number, words in enumerate(SUBJECTS):
        (tmp_path / "texts" / f"{number}.txt").write_text(" ".join(words))
    monkeypatch.chdir(tmp_path / "texts")
    result = run("search", folder / "model", ".", "mast", "--json")
    assert json.loads(result.stdout)["results"][0]["id"] == "1.txt"
    assert (tmp_path / "texts.search" / "index.json").exists()
    assert len(json.loads(run("search", folder / "model", ".", "--like", "1.txt", "--json").stdout)["results"]) == 2


def test_a_folder_that_is_not_an_index_is_not_replaced(folder, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("important")
    arguments = ("search", folder / "model", folder / "corpus.jsonl", "mast", "--index", tmp_path / "mine")
    run(*arguments, status=1)
    run(*arguments, "--rebuild", status=1)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "important"


@pytest.mark.parametrize("number", [0, -1, 1.5, "a", None, True], ids=repr)
def test_limits_and_rows_are_whole_numbers(number, index, model):
    for call in (
        lambda: search_words(index, counts_of(model, "keel"), number),
        lambda: search_like(index, 1, number),
        lambda: search_like(index, number or -1),
    ):
        with pytest.raises(ConfigurationError, match=r"(top_n|row) is .*Give a whole number"):
            call()


def test_rows_and_queries_of_another_corpus_are_refused(index):
    with pytest.raises(ConfigurationError, match=r"There is no row 150. The index has the rows 0 to 149"):
        search_like(index, 150)
    with pytest.raises(VocabularyError, match="The query has shape"):
        search_words(index, csr_array(np.ones((1, 3), dtype=int)))
