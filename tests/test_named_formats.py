"""Files with words: MALLET's lines, svmlight with words for numbers, and tables of documents by words."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import run

from docnvil.corpus.loading import load_document_term_matrix
from docnvil.corpus.reading import read_corpus
from docnvil.errors import ConfigurationError, CorpusError, DocnvilWarning, VocabularyError
from docnvil.text.documents import read_documents
from docnvil.text.formats import read_counts, write_counts
from docnvil.text.settings import SourceOptions
from docnvil.text.vocabulary import Vocabulary

COUNTS = [[2, 0, 1], [0, 0, 0], [0, 3, 0]]
WORDS = ("cat", "dog", "owl")


def write(folder: Path, text: str, name: str = "a.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


class TestMallet:
    def test_lines_are_name_label_and_text(self, tmp_path):
        path = write(tmp_path, "d1 pets cats purr  loudly\n\nd2\tsea\twind and sail\nd3 sea\n", "a.txt")
        documents = list(read_documents(path, SourceOptions("mallet")))
        assert [(each.id, each.text, each.metadata["label"]) for each in documents] == [
            ("d1", "cats purr  loudly", "pets"),
            ("d2", "wind and sail", "sea"),
            ("d3", "", "sea"),
        ]

    def test_a_line_without_a_label_is_refused_with_its_number(self, tmp_path):
        path = write(tmp_path, "d1 pets cats\n\nalone\n", "a.txt")
        with pytest.raises(CorpusError, match=r"a\.txt, line 3 has only the name 'alone'"):
            list(read_documents(path, SourceOptions("mallet")))

    def test_a_corpus_is_built_and_its_format_is_recorded_with_the_model(self, tmp_path):
        text = "".join(
            f"d{n} {'pets' if n % 2 else 'sea'} {'cats purr' if n % 2 else 'wind sail'}\n" for n in range(20)
        )
        path = write(tmp_path, text, "train.txt")
        run("corpus", "build", path, "--format", "mallet", "--max-df", 1.0, "--out", tmp_path / "corpus")
        corpus = read_corpus(tmp_path / "corpus")
        assert (corpus.n_documents, corpus.ids[:2], corpus.metadata["label"][:2]) == (20, ("d0", "d1"), ("sea", "pets"))
        run("fit", tmp_path / "corpus", "--units", 2, "--epochs", 1, "--out", tmp_path / "model")
        test = write(tmp_path, "x1 pets cats purr\n", "test.txt")
        run("embed", tmp_path / "model", test, "--out", tmp_path / "e.csv")
        assert (tmp_path / "e.csv").read_text().splitlines()[1].startswith("x1,pets,")


class TestSvmlightWithWords:
    @pytest.mark.parametrize(
        "text",
        [
            "a cat:2 owl:1\na\nb dog:3\n",
            "# made by hand\na cat:2 owl:1 # first\n\na\nb dog:3.0\n",
            "a cat:1 owl:1 cat:1\na\nb dog:3\n",
        ],
    )
    def test_words_become_the_vocabulary(self, tmp_path, text):
        matrix = read_counts(write(tmp_path, text, "a.svm"), "svmlight", vocabulary_path=None)
        columns = matrix.vocabulary.columns_of(WORDS)
        assert matrix.counts[:, columns].toarray().tolist() == COUNTS
        assert matrix.metadata["label"] == ("a", "a", "b")

    def test_words_with_colons_digits_and_hashes(self, tmp_path):
        text = "a c#:2 12:30:1 2019:4\nb cat:1 dog:1 owl:1\n"
        matrix = read_counts(write(tmp_path, text, "a.svm"), "svmlight")
        assert matrix.vocabulary.words == ("c#", "12:30", "2019", "cat", "dog", "owl")
        assert matrix.counts.toarray()[0].tolist() == [2, 1, 4, 0, 0, 0]

    def test_they_are_matched_by_word(self, tmp_path):
        path = write(tmp_path, "a cat:2 yak:1\n", "a.svm")
        matrix = load_document_term_matrix(path, vocabulary=Vocabulary(["owl", "cat"]))
        assert (matrix.counts.toarray().tolist(), matrix.n_unknown) == ([[0, 2]], 1)
        (tmp_path / "w.txt").write_text("yak\ncat\n")
        assert read_counts(path, "svmlight", vocabulary_path=tmp_path / "w.txt").counts.toarray().tolist() == [[1, 2]]

    @pytest.mark.parametrize("pair", ["cat", "cat:x", "cat:0.5", "cat:-1", ":3", "cat:1_0"])
    def test_malformed_pairs_are_refused_with_their_line(self, tmp_path, pair):
        path = write(tmp_path, f"a cat:2 owl:1 dog:4\n# comment\nb {pair}\n", "a.svm")
        with pytest.raises(CorpusError, match=r"a\.svm, line 3 is malformed"):
            read_counts(path, "svmlight")

    def test_one_word_among_numbers_is_an_error(self, tmp_path):
        path = write(tmp_path, "a 1:2 2:1\nb 1:3 12x:4\n", "a.svm")
        with pytest.raises(CorpusError, match="line 2 is malformed: the word '12x' is not an integer"):
            read_counts(path, "svmlight")


class TestTables:
    def check(self, path: Path, ids: tuple[str, ...] = ("x", "y", "z"), **options: object) -> None:
        matrix = read_counts(path, "dtm", **options)
        assert matrix.vocabulary.words == WORDS
        assert matrix.counts.toarray().tolist() == COUNTS
        assert matrix.ids == ids

    def test_a_table_of_pandas(self, tmp_path):
        frame = pd.DataFrame(COUNTS, columns=list(WORDS), index=list("xyz"))
        for options in ({}, {"sep": "\t"}, {"sep": ";"}, {"index_label": "doc_id"}):
            frame.to_csv(tmp_path / "a.csv", **options)
            self.check(tmp_path / "a.csv")
        frame.astype(float).replace(0.0, np.nan).to_csv(tmp_path / "a.csv")  # a pivot table has gaps
        self.check(tmp_path / "a.csv")
        frame.T.to_csv(tmp_path / "a.csv")
        self.check(tmp_path / "a.csv", transpose=True)

    def test_tables_of_r(self, tmp_path):
        rows = '"x",2,0,1\n"y",0,0,0\n"z",0,3,0\n'
        self.check(write(tmp_path, f'"","cat","dog","owl"\n{rows}'))  # write.csv
        self.check(write(tmp_path, f'"cat","dog","owl"\n{rows}'))  # write.table

    def test_ids_that_are_numbers_under_a_heading_for_ids(self, tmp_path):
        frame = pd.DataFrame(COUNTS, columns=list(WORDS), index=[7, 8, 9])
        for label in ("id", "Document", "doc.id", ""):
            frame.to_csv(tmp_path / "a.csv", index_label=label)
            self.check(tmp_path / "a.csv", ("7", "8", "9"))
        frame.to_csv(tmp_path / "a.csv", index_label="speech")
        with pytest.warns(DocnvilWarning, match="'speech', is read as the counts of a word.*pass id_column speech"):
            assert read_counts(tmp_path / "a.csv", "dtm").vocabulary.words == ("speech", *WORDS)
        self.check(tmp_path / "a.csv", ("7", "8", "9"), id_column="speech")

    def test_a_table_without_ids_keeps_its_first_word(self, tmp_path):
        pd.DataFrame(COUNTS, columns=list(WORDS)).to_csv(tmp_path / "a.csv", index=False)
        with pytest.warns(DocnvilWarning, match="'cat', is read as the counts of a word"):
            self.check(tmp_path / "a.csv", ("1", "2", "3"))
        self.check(tmp_path / "a.csv", ("1", "2", "3"), id_column="")

    def test_words_are_matched_with_those_of_a_model(self, tmp_path):
        path = write(tmp_path, ",cat,yak\nx,2,1\n")
        matrix = load_document_term_matrix(path, SourceOptions("dtm"), vocabulary=Vocabulary(["owl", "cat"]))
        assert (matrix.counts.toarray().tolist(), matrix.n_unknown) == ([[0, 2]], 1)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (",cat,dog\nx,1,2\n\ny,0.5,1\n", "line 4 has '0.5' in the column 'cat', which is not a count"),
            (",cat,dog\nx,1,-2\n", "line 2 has '-2' in the column 'dog'"),
            (",cat,dog\nx,1,2\ny,1\n", "line 3 has 2 cells, and the first row has 3"),
            (",cat,dog\n", "has no documents"),
            ("", "has no documents"),
        ],
    )
    def test_malformed_tables_are_refused_with_the_line(self, tmp_path, text, message):
        with pytest.raises(CorpusError, match=message):
            read_counts(write(tmp_path, text), "dtm")

    def test_a_word_twice_and_a_missing_id_column(self, tmp_path):
        with pytest.raises(VocabularyError, match="'cat' more than once"):
            read_counts(write(tmp_path, ",cat,cat\nx,1,2\n"), "dtm")
        with pytest.raises(CorpusError, match="no column 'key'"):
            read_counts(write(tmp_path, ",cat,dog\nx,1,2\n"), "dtm", id_column="key")

    def test_the_format_is_suggested_for_a_table_without_texts(self, tmp_path):
        with pytest.raises(CorpusError, match=r"no column 'text' for the text.*format dtm if the columns are words"):
            load_document_term_matrix(write(tmp_path, ",cat,dog\nx,2,1\n"))

    def test_tables_are_read_only(self, tmp_path):
        matrix = read_counts(write(tmp_path, ",cat,dog\nx,1,2\n"), "dtm")
        with pytest.raises(ConfigurationError, match="reads 'dtm' but does not write it"):
            write_counts(matrix, tmp_path / "b.csv", "dtm")


def test_repeated_words_are_named_with_the_file(tmp_path):
    (tmp_path / "a.csv").write_text("id,cat,cat\n1,1,1\n")
    with pytest.raises(VocabularyError, match=r"a\.csv: The vocabulary has the word 'cat' more than once"):
        read_counts(tmp_path / "a.csv", "dtm")
