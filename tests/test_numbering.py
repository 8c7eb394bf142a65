"""Conventions that a single file of counts does not settle: the number of the first word, rows and columns."""

from pathlib import Path

import numpy as np
import pytest
from commands import run
from scipy.io import mmwrite
from scipy.sparse import csr_array, save_npz
from sklearn.datasets import dump_svmlight_file

from docnvil.corpus.loading import load_document_term_matrix
from docnvil.corpus.reading import read_corpus
from docnvil.errors import ConfigurationError, CorpusError, DocnvilWarning, VocabularyError
from docnvil.text.formats import read_counts
from docnvil.text.settings import SourceOptions
from docnvil.text.vocabulary import Vocabulary

COUNTS = np.array([[3, 1, 0], [2, 0, 2], [0, 3, 1]])
TRAIN, TEST = "0 0:3 1:1\n0 0:2 2:2\n0 1:3 2:1\n", "0 1:2 2:1\n"  # zero-based; TEST lacks word 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("train", TRAIN), ("test", TEST)):
        (tmp_path / f"{name}.svmlight").write_text(text)
        (tmp_path / f"{name}.vocab.txt").write_text("cat\ndog\nowl\n")
    return tmp_path


def counts_of(path: Path, format: str, **options: object) -> list[list[int]]:
    return read_counts(path, format, **options).counts.toarray().tolist()


class TestIndexBase:
    def test_a_test_file_without_word_0_is_not_shifted(self, folder):
        result = run("corpus", "build", folder / "test.svmlight", "--out", folder / "o")
        assert "does not say whether its first word has the number 0 or 1. 0 is assumed" in result.stderr
        assert read_corpus(folder / "o").counts.toarray().tolist() == [[0, 2, 1]]
        assert read_corpus(folder / "o").reading == {"index_base": "0"}

    @pytest.mark.parametrize("has_words", [True, False])
    def test_the_base_is_recorded_with_the_model_and_used_for_later_files(self, folder, has_words):
        if not has_words:
            for path in folder.glob("*.vocab.txt"):
                path.unlink()
        settings = ("--units", 2, "--epochs", 2)
        for source, model in (("train.svmlight", "model"), ("corpus", "model-of-corpus")):
            if source == "corpus":
                run("corpus", "build", folder / "train.svmlight", "--out", folder / "corpus")
            run("fit", folder / source, "--out", folder / model, *settings)
            result = run("embed", folder / model, folder / "test.svmlight", "--out", folder / f"{model}.csv")
            assert "assumed" not in result.stderr
            run("embed", folder / model, folder / "test.svmlight", "--index-base", 0, "--out", folder / "0")
            assert (folder / f"{model}.csv").read_text() == (folder / "0").read_text()
            (folder / "0").unlink()
        arguments = ("embed", folder / "model", folder / "test.svmlight", "--index-base", 1, "--out", folder / "1")
        run(*arguments, status=0 if has_words else 1)
        if has_words:
            assert (folder / "1").read_text() != (folder / "model.csv").read_text()

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("0 1:2 3:1\n", [[2, 0, 1]]),  # an index V
            ("0 0:1 1:2\n", [[1, 2, 0]]),  # an index 0
            ("# Column indices are zero-based\n0 1:2\n", [[0, 2, 0]]),
            ("# Column indices are one-based\n0 1:2\n", [[2, 0, 0]]),
        ],
    )
    @pytest.mark.filterwarnings("ignore:.*uses only the first")
    @pytest.mark.filterwarnings("error:.*is assumed")
    def test_what_settles_the_base(self, folder, text, expected):
        (folder / "test.svmlight").write_text(text)
        assert counts_of(folder / "test.svmlight", "svmlight") == expected

    @pytest.mark.parametrize("zero_based", [True, False])
    @pytest.mark.parametrize("comment", ["made by scikit-learn", None])
    def test_files_of_scikit_learn(self, folder, zero_based, comment):
        rows = csr_array(COUNTS[2:])  # without word 0
        dump_svmlight_file(rows, [0], str(folder / "test.svmlight"), zero_based=zero_based, comment=comment)
        assert counts_of(folder / "test.svmlight", "svmlight") == COUNTS[2:].tolist()

    def test_a_chosen_base_that_contradicts_the_file_is_refused(self, folder):
        with pytest.raises(CorpusError, match="contains the word 0, but index_base says"):
            read_counts(folder / "train.svmlight", "svmlight", index_base="1")
        (folder / "test.svmlight").write_text("0 1:2 3:1\n")
        with pytest.raises(VocabularyError, match=r"has 4 words and .* has 3.*index_base 1"):
            read_counts(folder / "test.svmlight", "svmlight", index_base="0")
        with pytest.raises(ConfigurationError, match="Choose one of auto, 0, 1"):
            SourceOptions(index_base="2")
        assert SourceOptions(index_base=1).index_base == "1"

    def test_ldac_is_zero_based_unless_word_v_occurs(self, folder):
        (folder / "a.vocab.txt").write_text("cat\ndog\nowl\n")
        (folder / "a.ldac").write_text("2 1:2 2:1\n")
        assert counts_of(folder / "a.ldac", "ldac") == [[0, 2, 1]]
        assert counts_of(folder / "a.ldac", "ldac", index_base="1") == [[2, 1, 0]]
        (folder / "a.ldac").write_text("2 1:2 3:1\n")
        with pytest.warns(DocnvilWarning, match="the word 3 of 3, so its words are numbered from 1"):
            assert counts_of(folder / "a.ldac", "ldac") == [[2, 0, 1]]

    def test_a_vocabulary_of_the_model_settles_the_base(self, tmp_path):
        (tmp_path / "a.svm").write_text("0 1:2 3:1\n")
        vocabulary = Vocabulary(["cat", "dog", "owl"])
        with pytest.warns(DocnvilWarning, match="no vocabulary was found"):
            matrix = load_document_term_matrix(tmp_path / "a.svm", vocabulary=vocabulary)
        assert matrix.counts.toarray().tolist() == [[2, 0, 1]]


class TestTranspose:
    @pytest.mark.parametrize("name", ["a.npz", "a.mtx", "a.mm"])
    def test_rows_of_words_are_read_with_transpose(self, tmp_path, name):
        terms_by_documents = csr_array(COUNTS[:2].T)
        if name.endswith("npz"):
            save_npz(tmp_path / name, terms_by_documents)
        else:
            with (tmp_path / name).open("wb") as file:
                mmwrite(file, terms_by_documents)
        (tmp_path / "a.vocab.txt").write_text("cat\ndog\nowl\n")
        with pytest.raises(VocabularyError, match="The number of rows fits; pass transpose"):
            load_document_term_matrix(tmp_path / name)
        matrix = load_document_term_matrix(tmp_path / name, SourceOptions(transpose=True))
        assert matrix.counts.toarray().tolist() == COUNTS[:2].tolist()
        assert matrix.reading == {"transpose": True}

    def test_gensim_matrices_have_documents_as_rows_and_corpus2csc_words(self, tmp_path):
        matutils = pytest.importorskip("gensim.matutils")
        from gensim.corpora import MmCorpus

        bags = [[(0, 3), (1, 1)], [(0, 2), (2, 2)]]
        MmCorpus.serialize(str(tmp_path / "a.mm"), bags)
        save_npz(tmp_path / "b.npz", matutils.corpus2csc(bags))
        options = {"vocabulary": Vocabulary(["cat", "dog", "owl"])}
        with pytest.warns(DocnvilWarning, match="no vocabulary"):
            assert load_document_term_matrix(tmp_path / "a.mm", **options).counts.toarray().tolist() == [
                [3, 1, 0],
                [2, 0, 2],
            ]
        with (
            pytest.raises(VocabularyError, match="The number of rows fits; pass transpose"),
            pytest.warns(DocnvilWarning),
        ):
            load_document_term_matrix(tmp_path / "b.npz", **options)

    def test_ids_of_columns_suggest_to_transpose(self, tmp_path):
        save_npz(tmp_path / "a.npz", csr_array(COUNTS[:2].T))
        (tmp_path / "a.ids.txt").write_text("x\ny\n")
        with (
            pytest.raises(CorpusError, match="The number of columns fits; pass transpose"),
            pytest.warns(DocnvilWarning, match="no vocabulary"),
        ):
            read_counts(tmp_path / "a.npz", "npz")


class TestVocabularyFile:
    @pytest.mark.parametrize(
        ("name", "format"), [("docword.kos.txt", "uci"), ("kos.svm", "svmlight"), ("kos.ldac", "ldac")]
    )
    def test_places_are_listed_if_there_is_no_vocabulary(self, tmp_path, name, format):
        (tmp_path / name).write_text("1\n2\n1\n1 2 1\n" if format == "uci" else "1 1:1\n")
        with pytest.warns(DocnvilWarning, match=r"looked for .*vocab\.kos\.txt.*kos\.vocab.*vocabulary\.txt"):
            read_counts(tmp_path / name, format)

    @pytest.mark.parametrize("heading", ["word", "Term", '"x"'])
    def test_a_heading_is_suspected(self, folder, heading):
        (folder / "train.vocab.txt").write_text(f"{heading}\ncat\ndog\nowl\n")
        with pytest.warns(DocnvilWarning, match="has 4 words, of which .* only the first 3.*first line is"):
            read_counts(folder / "train.svmlight", "svmlight")
        save_npz(folder / "train.npz", csr_array(COUNTS))
        with pytest.raises(VocabularyError, match=r"has 3 words and .* has 4. Its first line is .*if it is a heading"):
            read_counts(folder / "train.npz", "npz")

    def test_more_words_than_in_use_are_told(self, folder):
        (folder / "train.vocab.txt").write_text("cat\ndog\nowl\nyak\n")
        with pytest.warns(DocnvilWarning, match="has 4 words, of which .* uses only the first 3"):
            read_counts(folder / "train.svmlight", "svmlight")


class TestOptionsWithoutEffect:
    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("a.txt", ["--text-column", "body"]),
            ("a.txt", ["--text-column", "text"]),
            ("a.txt", ["--index-base", 0]),
            ("a.txt", ["--transpose"]),
            ("a.csv", ["--array", "x"]),
            ("a.svm", ["--label-column", "x"]),
            ("a.svm", ["--transpose"]),
            ("a.npz", ["--index-base", 1]),
        ],
    )
    def test_they_are_refused(self, tmp_path, name, options):
        (tmp_path / "a.txt").write_text("text\tlabel\ncats purr\tx\n")
        (tmp_path / "a.csv").write_text("text\ncats purr\n")
        (tmp_path / "a.svm").write_text("0 0:1\n")
        save_npz(tmp_path / "a.npz", csr_array(COUNTS))
        arguments = ("--min-df", 1, "--max-df", 1.0, "--out", tmp_path / "o", *options)
        run("corpus", "build", tmp_path / name, *arguments, status=(1, 2), stderr=f"{options[0]} has no effect")
        assert not (tmp_path / "o").exists()
