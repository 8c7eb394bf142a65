"""Prepared corpora: what is written is read back, and damage is noticed."""

import contextlib
import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from text_data import anything, as_dicts, assert_same, documents, matrices

from docnvil.corpus.loading import load_document_term_matrix
from docnvil.corpus.reading import read_corpus
from docnvil.corpus.writing import write_corpus, writing_corpus
from docnvil.errors import (
    CheckpointError,
    ConfigurationError,
    CorpusError,
    OutputExistsError,
    VocabularyError,
)
from docnvil.runtime.folders import MANIFEST, writing_folder
from docnvil.text.counts import count_words
from docnvil.text.document_term_matrix import DocumentTermMatrix
from docnvil.text.documents import SourceOptions
from docnvil.text.formats import write_counts
from docnvil.text.tokens import TokenRules
from docnvil.text.vocabulary import Vocabulary

MATRIX = DocumentTermMatrix(
    [[2, 0, 1], [0, 0, 0], [0, 3, 0]],
    Vocabulary(["cat", "größe", "mouse"]),
    ("x", "y\n", ""),
    {"label": ("1", "", 'a "b",\r'), "id": ("k", "l", "m")},
    TokenRules(stemmer="porter", stop_words=("the",)),
)
AUTO = SourceOptions()
FILES = ["corpus.json", "counts.npy", "documents.csv", "indices.npy", "indptr.npy", MANIFEST, "vocabulary.txt"]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    write_corpus(MATRIX, tmp_path / "corpus")
    return tmp_path / "corpus"


class TestFolder:
    def test_reading_restores_what_was_written(self, corpus):
        found = read_corpus(corpus)
        assert_same(found, MATRIX)
        assert found.metadata == MATRIX.metadata
        assert list(found.metadata) == ["label", "id"]
        assert found.rules == MATRIX.rules

    @settings(max_examples=30)
    @given(matrix=matrices(anything), data=st.data())
    def test_any_strings_and_counts_are_restored(self, tmp_path_factory, matrix, data):
        column = st.tuples(*[anything] * matrix.n_documents)
        metadata = data.draw(st.dictionaries(anything, column, max_size=3))
        full = DocumentTermMatrix(matrix.counts, matrix.vocabulary, matrix.ids, metadata)
        path = tmp_path_factory.mktemp("corpora") / "corpus"
        write_corpus(full, path)
        assert_same(read_corpus(path), full)
        assert read_corpus(path).metadata == metadata

    def test_the_files_have_the_documented_form(self, corpus):
        assert sorted(file.name for file in corpus.iterdir()) == sorted(FILES)
        description = json.loads((corpus / "corpus.json").read_text())
        sizes = {
            name: description[name] for name in ("format_version", "documents", "words", "tokens", "empty_documents")
        }
        assert sizes == {"format_version": 1, "documents": 3, "words": 3, "tokens": 6, "empty_documents": 1}
        assert description["rules"]["stemmer"] == "porter"
        assert (corpus / "vocabulary.txt").read_text(encoding="utf-8") == "cat\ngröße\nmouse\n"
        types = [np.load(corpus / f"{name}.npy").dtype for name in ("indptr", "indices", "counts")]
        assert types == [np.int64, np.int32, np.int32]

    def test_counts_are_memory_mapped(self, corpus):
        found = read_corpus(corpus).counts
        for part in (found.data, found.indices):
            while part.base is not None and not isinstance(part, np.memmap):
                part = part.base
            assert isinstance(part, np.memmap)

    def test_an_existing_corpus_is_replaced_only_with_force(self, corpus):
        with pytest.raises(OutputExistsError, match="force=True"):
            write_corpus(MATRIX, corpus)
        write_corpus(MATRIX.select([0]), corpus, force=True)
        assert read_corpus(corpus).ids == ("x",)


class TestDamage:
    @pytest.mark.parametrize("name", FILES)
    def test_a_missing_file_is_reported(self, corpus, name):
        (corpus / name).unlink()
        with pytest.raises(CheckpointError, match=name):
            read_corpus(corpus)

    @pytest.mark.parametrize("name", FILES)
    def test_a_truncated_file_is_reported(self, corpus, name):
        content = (corpus / name).read_bytes()
        for length in (0, 1, len(content) // 2, len(content) - 2):
            (corpus / name).write_bytes(content[:length])
            with pytest.raises(CheckpointError, match=name):
                read_corpus(corpus)

    @pytest.mark.parametrize("name", [name for name in FILES if name != MANIFEST])
    def test_a_flipped_bit_is_reported(self, corpus, name):
        content = bytearray((corpus / name).read_bytes())
        for place in range(0, len(content), 1 + len(content) // 40):
            content[place] ^= 1 << place % 8
            (corpus / name).write_bytes(content)
            with pytest.raises(CheckpointError, match=name):
                read_corpus(corpus)
            content[place] ^= 1 << place % 8

    def test_a_flipped_bit_in_the_manifest_is_reported_or_harmless(self, corpus):
        content = bytearray((corpus / MANIFEST).read_bytes())
        for place in range(0, len(content), 3):
            content[place] ^= 1 << place % 8
            (corpus / MANIFEST).write_bytes(content)
            with contextlib.suppress(CheckpointError):
                assert_same(read_corpus(corpus), MATRIX)
            content[place] ^= 1 << place % 8

    def test_a_missing_folder_is_reported(self, tmp_path):
        with pytest.raises(CheckpointError, match="no corpus folder"):
            read_corpus(tmp_path / "nowhere")

    def test_another_kind_of_folder_is_refused(self, tmp_path):
        with writing_folder(tmp_path / "model", kind="model") as folder:
            (folder / "model.json").write_text("{}")
        with pytest.raises(CheckpointError, match="is a model folder, but a corpus folder is needed"):
            read_corpus(tmp_path / "model")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"format_version": 2}, "format version 2.*reads version 1"),
            ({"rules": {"lowercase": True}}, "token rules"),
            ({"rules": 3}, "token rules"),
        ],
    )
    def test_other_versions_and_invalid_rules_are_refused(self, corpus, tmp_path, change, message):
        with writing_folder(tmp_path / "other", kind="corpus") as folder:
            for file in corpus.iterdir():
                if file.name != MANIFEST:
                    (folder / file.name).write_bytes(file.read_bytes())
            description = json.loads((folder / "corpus.json").read_text())
            (folder / "corpus.json").write_text(json.dumps(description | change))
        with pytest.raises(CheckpointError, match=message):
            read_corpus(tmp_path / "other")

    def test_replacing_a_corpus_does_not_change_opened_ids(self, tmp_path):
        write_corpus(MATRIX, tmp_path / "corpus")
        matrix = read_corpus(tmp_path / "corpus")
        write_corpus(MATRIX.select(slice(1)), tmp_path / "corpus", force=True)
        assert len(matrix.ids) == MATRIX.n_documents
        assert list(matrix.ids) == list(MATRIX.ids)
        assert matrix.metadata == MATRIX.metadata

    @pytest.mark.parametrize("rows", ["id\r\nx\r\n", "id,label\r\nx\r\n", ""])
    def test_a_table_with_other_rows_or_columns_is_refused(self, corpus, tmp_path, rows):
        with writing_folder(tmp_path / "other", kind="corpus") as folder:
            for file in corpus.iterdir():
                if file.name != MANIFEST:
                    (folder / file.name).write_bytes(file.read_bytes())
            (folder / "documents.csv").write_text(rows, newline="")
        with pytest.raises(CheckpointError):
            list(read_corpus(tmp_path / "other").ids)

    @pytest.mark.parametrize("name", [name for name in FILES if name != MANIFEST])
    def test_files_of_another_program_are_refused(self, corpus, tmp_path, name):
        with writing_folder(tmp_path / "other", kind="corpus") as folder:
            for file in corpus.iterdir():
                if file.name != MANIFEST:
                    (folder / file.name).write_bytes(file.read_bytes())
            (folder / name).write_bytes(b"something else")
        with pytest.raises(CheckpointError):
            read_corpus(tmp_path / "other")


class TestLoadDocumentTermMatrix:
    lines = "A cat saw a mouse.\nThe mouse saw no cat\n\nAn owl!\n"

    @pytest.fixture
    def texts(self, tmp_path):
        (tmp_path / "texts.txt").write_text(self.lines)
        return tmp_path / "texts.txt"

    def test_texts_are_counted(self, texts):
        matrix = load_document_term_matrix(texts, AUTO, rules=TokenRules(stop_words=("saw",)), min_df=2, max_df=0.5)
        assert as_dicts(matrix) == [{"cat": 1, "mouse": 1}, {"cat": 1, "mouse": 1}, {}, {}]

    def test_texts_are_counted_over_a_given_vocabulary(self, texts, tmp_path):
        Vocabulary(["owl", "cat"]).save(tmp_path / "words.txt")
        for matrix in (
            load_document_term_matrix(texts, AUTO, vocabulary=Vocabulary(["owl", "cat"])),
            load_document_term_matrix(texts, AUTO, vocabulary_path=tmp_path / "words.txt"),
        ):
            assert matrix.counts.toarray().tolist() == [[0, 1], [0, 1], [0, 0], [1, 0]]

    def test_a_corpus_is_read(self, corpus):
        assert_same(load_document_term_matrix(corpus, AUTO), MATRIX)
        assert_same(load_document_term_matrix(corpus, AUTO, vocabulary=MATRIX.vocabulary), MATRIX)

    def test_a_vocabulary_file_for_a_corpus_is_refused(self, corpus, tmp_path):
        with pytest.raises(ConfigurationError, match="vocabulary"):
            load_document_term_matrix(corpus, AUTO, vocabulary_path=tmp_path / "words.txt")

    def test_a_corpus_without_a_manifest_is_not_read_as_texts(self, corpus):
        (corpus / MANIFEST).unlink()
        with pytest.raises(CheckpointError, match="no manifest"):
            load_document_term_matrix(corpus, AUTO)

    @pytest.mark.parametrize("name", ["a.npz", "a.svm", "docword.a.txt"])
    def test_counts_with_words_are_matched_by_word(self, tmp_path, name):
        form = {"a.npz": "npz", "a.svm": "svmlight", "docword.a.txt": "uci"}[name]
        plain = DocumentTermMatrix(MATRIX.counts, MATRIX.vocabulary, ("1", "2", "3"))
        write_counts(plain, tmp_path / name, form)
        matrix = load_document_term_matrix(tmp_path / name, AUTO, vocabulary=Vocabulary(["mouse", "owl", "cat"]))
        assert matrix.counts.toarray().tolist() == [[1, 0, 2], [0, 0, 0], [0, 0, 0]]

    def test_a_corpus_is_matched_by_word(self, corpus):
        matrix = load_document_term_matrix(corpus, AUTO, vocabulary=Vocabulary(["mouse", "owl"]))
        assert matrix.counts.toarray().tolist() == [[1, 0], [0, 0], [0, 0]]

    def test_counts_without_words_are_matched_by_column(self, tmp_path):
        (tmp_path / "a.ldac").write_text("1 1:4\n0\n")
        named, numbered = Vocabulary(["cat", "owl"]), Vocabulary.numbered(2)
        for vocabulary in (named, numbered):
            matrix = load_document_term_matrix(tmp_path / "a.ldac", AUTO, vocabulary=vocabulary)
            assert matrix.vocabulary == vocabulary
            assert matrix.counts.toarray().tolist() == [[0, 4], [0, 0]]
        with pytest.raises(VocabularyError, match=r"has 2 words, but the model has 3.*vocabulary"):
            load_document_term_matrix(tmp_path / "a.ldac", AUTO, vocabulary=Vocabulary(list("abc")))

    def test_a_vocabulary_without_words_is_matched_by_column(self, corpus):
        matrix = load_document_term_matrix(corpus, AUTO, vocabulary=Vocabulary.numbered(3))
        assert np.array_equal(matrix.counts.toarray(), MATRIX.counts.toarray())

    def test_no_word_in_common_is_an_error(self, corpus):
        with pytest.raises(VocabularyError, match="no word in common"):
            load_document_term_matrix(corpus, AUTO, vocabulary=Vocabulary(["der", "die", "das"]))

    def test_a_source_with_only_empty_documents_is_an_error(self, texts, corpus, tmp_path):
        with pytest.raises(CorpusError, match='is known: the vocabulary has 1 word, such as "dog", and the documents'):
            load_document_term_matrix(texts, AUTO, vocabulary=Vocabulary(["dog"]))
        write_corpus(MATRIX.select([1]), tmp_path / "empty")
        with pytest.raises(CorpusError, match=r"Every document of .* is empty: none contains a word"):
            load_document_term_matrix(tmp_path / "empty", AUTO)

    def test_a_prepared_corpus_has_the_counts_of_its_texts(self, tmp_path):
        matrix = count_words(documents("cat mouse", "cat", ""), size=None, min_df=1, max_df=1.0)
        write_corpus(matrix, tmp_path / "corpus")
        assert_same(load_document_term_matrix(tmp_path / "corpus", AUTO), matrix)


def test_writing_in_chunks_gives_the_same_bytes(tmp_path):
    counts = np.random.default_rng(0).integers(0, 2, (30, 4))
    ids, labels = tuple(map(str, range(30))), tuple("abc" * 10)
    matrix = DocumentTermMatrix(counts, Vocabulary(list("wxyz")), ids, {"id": labels})
    write_corpus(matrix, tmp_path / "whole")
    with writing_corpus(tmp_path / "chunks", matrix.vocabulary, metadata_names=("id",)) as corpus:
        for rows in (slice(0, 0), slice(0, 7), slice(7, 8), slice(8, 30)):
            corpus.append(matrix.counts[rows], ids[rows], {"id": labels[rows]})
    np.save(tmp_path / "counts.npy", matrix.counts.data)
    assert (tmp_path / "whole" / "counts.npy").read_bytes() == (tmp_path / "counts.npy").read_bytes()
    for file in (tmp_path / "whole").iterdir():
        assert (tmp_path / "chunks" / file.name).read_bytes() == file.read_bytes()


def test_a_failed_write_leaves_no_files(tmp_path):
    def interrupted():
        with writing_corpus(tmp_path / "chunks", Vocabulary(list("wxyz"))) as corpus:
            corpus.append(csr_array((2, 4), dtype=np.int32), ("a", "b"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not list(tmp_path.iterdir())


def test_the_limit_of_the_csv_module_is_not_changed(tmp_path):
    limit = csv.field_size_limit()
    matrix = DocumentTermMatrix([[1]], Vocabulary(["cat"]), ("x" * (limit + 1),), {"note": ("y" * (limit + 1),)})
    write_corpus(matrix, tmp_path / "corpus")
    restored = read_corpus(tmp_path / "corpus")
    assert (restored.ids, restored.metadata) == (matrix.ids, matrix.metadata)
    assert csv.field_size_limit() == limit
