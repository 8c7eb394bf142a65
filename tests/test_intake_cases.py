"""Files as pandas, R, Excel, Spark, MySQL, gensim and others write them, from a file to the counts that are right."""

import bz2
from pathlib import Path

import numpy as np
import pandas
import pytest
from click.testing import Result
from commands import run
from text_data import as_dicts

from docnvil.corpus.reading import read_corpus
from docnvil.errors import CorpusError, DocnvilNote, DocnvilWarning, VocabularyError
from docnvil.text.counts import count_words
from docnvil.text.document_term_matrix import DocumentTermMatrix, limit_vocabulary
from docnvil.text.vocabulary import Vocabulary

LIMITS = ("--min-df", "1", "--max-df", "1.0")
ALL = {"min_df": 1, "max_df": 1.0}


class Build:
    """Runs `docnvil corpus build` on a file and reads what it wrote."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, name: str, content: str | bytes, *options: str, status: int = 0) -> Result:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return self.run_on(path, *options, status=status)

    def run_on(self, path: Path, *options: str, status: int = 0) -> Result:
        arguments = ("corpus", "build", path, "--out", self.folder / "corpus", "--force", *LIMITS, *options)
        return run(*arguments, status=status)

    def __call__(self, name: str, content: str | bytes, *options: str) -> list[dict[str, int]]:
        self.result = self.run(name, content, *options)
        return self.documents()

    def documents(self) -> list[dict[str, int]]:
        """The counts of each document by word."""
        return as_dicts(read_corpus(self.folder / "corpus"))

    def fails(self, name: str, content: str | bytes, *options: str) -> str:
        return self.run(name, content, *options, status=1).stderr


@pytest.fixture
def build(tmp_path) -> Build:
    return Build(tmp_path)


class TestLimitsOfCounts:
    def test_limits_that_restrict_nothing_keep_all_columns(self, build, tmp_path):
        (tmp_path / "test.vocab.txt").write_text("cat\ndog\nowl\n")
        assert build("test.svmlight", "0 1:2 2:1\n") == [{"dog": 2, "owl": 1}]
        assert read_corpus(tmp_path / "corpus").counts.toarray().tolist() == [[0, 2, 1]]
        assert "0 is assumed; pass --index-base" in build.result.stderr

    def test_limits_remove_words(self, build, tmp_path):
        (tmp_path / "x.vocab.txt").write_text("cat\ndog\nowl\n")
        assert build("x.ldac", "2 0:3 1:1\n2 0:1 2:2\n", "--min-df", "2") == [{"cat": 3}, {"cat": 1}]
        assert build("x.ldac", "2 0:3 1:1\n2 0:1 2:2\n", "--max-df", "0.5") == [{"dog": 1}, {"owl": 2}]
        assert build("x.ldac", "2 0:3 1:1\n2 0:1 2:2\n", "--vocabulary-size", "1") == [{"cat": 3}, {"cat": 1}]

    def test_words_without_names_cannot_be_removed(self, build):
        assert "Pass the words with --vocabulary" in build.fails("x.ldac", "2 0:3 1:1\n1 0:1\n", "--min-df", "2")

    def test_test_documents_get_the_words_of_the_training_documents(self, build, tmp_path):
        (tmp_path / "x.vocab.txt").write_text("cat\ndog\nowl\n")
        lines = "".join(f"2 0:{n} {1 + n % 2}:1\n" for n in range(1, 9))
        build.run("x.ldac", lines, "--held-out", "2", "--max-df", "0.9")
        train, test = (read_corpus(tmp_path / "corpus" / part) for part in ("train", "test"))
        assert train.vocabulary == test.vocabulary
        assert "cat" not in test.vocabulary
        assert test.n_unknown == test.unknown_counts.sum() > 0

    def test_no_word_is_left(self):
        matrix = DocumentTermMatrix([[1, 1]], Vocabulary(["cat", "dog"]), ("a",))
        with pytest.raises(VocabularyError, match="No word, of 2, is within the limits min_df 2"):
            limit_vocabulary(matrix, min_df=2)


class TestNotes:
    def test_neutral_facts_are_no_warnings(self, build):
        assert build("a.csv", "id;text\n1;cats purr\n2;dogs\n") == [{"cats": 1, "purr": 1}, {"dogs": 1}]
        assert build.result.stderr.startswith("Note: ")
        assert "Warning" not in build.result.stderr
        build("b.txt", "кошки мурлыкают громко\n".encode("cp1251") * 3, "--encoding", "auto")
        assert "Note: 1 file is not UTF-8" in build.result.stderr

    def test_notes_of_worker_processes(self, build):
        build("a.csv", "id;text\n1;cats purr\n2;dogs\n", "--workers", "2")
        assert build.result.stderr.startswith("Note: ")

    def test_in_python(self, tmp_path):
        from docnvil.corpus.loading import load_document_term_matrix

        (tmp_path / "a.csv").write_text("id;text\n1;cats purr\n2;dogs\n")
        with pytest.warns(DocnvilNote, match="semicolons"):
            load_document_term_matrix(tmp_path / "a.csv", **ALL)

    def test_fit_says_each_warning_once(self, tmp_path):
        lines = (f"{chr(0x4E00 + n)}老板还会位置服务，{'推荐性价比高' if n % 3 == 0 else ''}" for n in range(60))
        (tmp_path / "a.txt").write_text("\n".join(lines))
        options = ("--units", "2", "--epochs", "1", "--out", tmp_path / "model", "--json")
        result = run("fit", tmp_path / "a.txt", *options)
        assert result.stderr.count("whole clauses") == 1
        assert result.stderr.count("40 of 60 documents") == 1
        for text in ("whole clauses", "40 of 60 documents"):  # "warnings" has all
            assert result.stdout.count(text) == 1


class TestGensim:
    MATRIX = "%%MatrixMarket matrix coordinate real general\n2 3 3\n1 1 2\n1 3 1.0\n2 2 1\n"

    @pytest.mark.parametrize("head", ["2\n", ""])
    def test_the_words_of_a_dictionary_are_found(self, build, tmp_path, head):
        (tmp_path / "x_wordids.txt").write_text(head + "0\tcat\t2\n2\tdog\t1\n1\towl\t1\n")
        assert build("x.mm", self.MATRIX) == [{"cat": 2, "dog": 1}, {"owl": 1}]
        assert "Warning" not in build.result.stderr

    def test_compressed_words_of_make_wikicorpus(self, build, tmp_path):
        (tmp_path / "wiki_wordids.txt.bz2").write_bytes(bz2.compress(b"2\n0\tcat\t2\n2\tdog\t1\n1\towl\t1\n"))
        assert build("wiki_bow.mm", self.MATRIX) == [{"cat": 2, "dog": 1}, {"owl": 1}]

    def test_numbers_with_gaps_are_refused(self, tmp_path):
        (tmp_path / "v.txt").write_text("0\tcat\t2\n5\tdog\t1\n")
        with pytest.raises(VocabularyError, match="not 0, 1, 2"):
            Vocabulary.load(tmp_path / "v.txt")

    def test_a_heading_of_a_vocabulary_is_reported(self, build, tmp_path):
        (tmp_path / "vocab.txt").write_text("word\na\nb\nc\nd\n")
        build("x.libsvm", "+1 1:1 4:2\n-1 2:1\n")
        assert "Its first line is 'word'; remove it if it is a heading." in build.result.stderr


class TestBackslashes:
    def test_quotes_of_spark(self, build):
        text = 'id,text,z\n1,"He said \\"cats, purr\\"",NA\n2,"\\"dogs\\" bark",x\n3,NA,y\n'
        assert "--quoting backslash" in build.fails("a.csv", text)
        expected = [{"said": 1, "cats": 1, "purr": 1}, {"dogs": 1, "bark": 1}, {}]
        assert build("a.csv", text, "--quoting", "backslash") == expected

    def test_escapes_of_mysql(self, build):
        text = "1\tcats\\tpurr\\nloud\t5\n2\t\\N\t6\n3\tdogs\\\nbark\t7\n4\tback\\\\slash\t8\n"
        documents = build("a.tsv", text, "--quoting", "backslash", "--no-header", "--text-column", "2")
        expected = [{"cats": 1, "purr": 1, "loud": 1}, {}, {"dogs": 1, "bark": 1}, {"back": 1, "slash": 1}]
        assert documents == expected


class TestMissing:
    def test_spark_leaves_out_the_key_of_a_null(self, build):
        lines = '{"id":"1"}\n{"id":"2","text":"cats purr"}\n{"id":"3"}\n'
        assert build("a.jsonl", lines) == [{}, {"cats": 1, "purr": 1}, {}]
        assert "2 documents have no text (null, NaN or no such key) and are empty" in build.result.stderr

    def test_a_nested_key_may_be_missing(self, build):
        array = '[{"id":1,"article":{"body":"cats"}},{"id":2,"article":{}},{"id":3,"article":null}]'
        assert build("a.json", array, "--text-column", "article.body") == [{"cats": 1}, {}, {}]

    def test_a_wrong_column_is_an_error(self, build):
        lines = '{"id":"1","body":"x"}\n' * 3
        assert "no column 'text'" in build.fails("a.jsonl", lines)
        assert "no column 'title'" in build.fails("a.jsonl", lines, "--text-column", "body,title")

    @pytest.mark.parametrize("cell", ["#NV", "#BEZUG!", "#N/D", "#VALEUR!", "#¡REF!", "#RIF!", "#Н/Д", "#N/B"])
    def test_errors_of_excel_in_other_languages(self, build, cell):
        assert build("a.csv", f"id;text\n1;{cell}\n2;dogs\n") == [{}, {"dogs": 1}]

    def test_blank_rows_at_the_end_of_a_sheet(self, build):
        assert build("a.csv", "id;text\n1;cats\n2;dogs\n;\n;\n") == [{"cats": 1}, {"dogs": 1}]
        assert "Note: 2 blank rows at the end were skipped" in build.result.stderr
        assert build("a.csv", "text,n\ncats,1\n,\ndogs,2\n") == [{"cats": 1}, {}, {"dogs": 1}]


class TestEncodings:
    @pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
    def test_utf_16_without_a_mark(self, build, encoding):
        content = "Hello cats\nDogs bark\n".encode(encoding)
        assert f"zero bytes say {encoding}). Pass --encoding {encoding}." in build.fails("a.txt", content)
        expected = [{"hello": 1, "cats": 1}, {"dogs": 1, "bark": 1}]
        assert build("a.txt", content, "--encoding", encoding) == expected
        assert build("a.txt", content, "--encoding", "auto") == expected

    def test_utf_8_read_in_another_encoding_is_reported(self, build, tmp_path):
        folder = tmp_path / "texts"
        folder.mkdir()
        for number in range(3):
            (folder / f"{number}.txt").write_bytes(f"naïve cats {number}".encode())
        (folder / "x.txt").write_bytes("naïve dogs".encode("cp1252"))
        result = build.run_on(folder, "--encoding", "cp1252")
        assert "Warning: 3 files are UTF-8, but were read in another encoding" in result.stderr
        result = build.run_on(folder, "--encoding", "auto")
        assert build.documents()[0] == {"naïve": 1, "cats": 1}
        assert build.documents()[3] == {"naïve": 1, "dogs": 1}

    @pytest.mark.parametrize("text", ["Das „Café“ ist schön", "naïve", "l’été"])
    def test_cp1252_is_not_reported(self, build, text):
        build("a.txt", text.encode("cp1252"), "--encoding", "cp1252", "--stop-words", "none")
        assert "Warning" not in build.result.stderr


class TestColumns:
    def test_lines_of_mallet_read_as_texts_are_reported(self, build):
        text = "doc1\ten\tcats purr\ndoc2\ten\tdogs bark\n"
        build("a.txt", text)
        assert "Warning" in build.result.stderr
        assert "lines of MALLET need --format mallet" in build.result.stderr
        assert build("a.txt", text, "--format", "mallet") == [{"cats": 1, "purr": 1}, {"dogs": 1, "bark": 1}]

    def test_a_first_row_with_a_number_is_a_document(self, build):
        assert "pass --no-header" in build.fails("a.csv", "1,cats purr\n2,dogs bark\n")


class TestWordLists:
    TEXT = "Cats purr\nDogs bark\ncats dogs\n"

    def test_only_the_entries_of_the_file_are_checked(self, build, tmp_path):
        (tmp_path / "stop.txt").write_text("cats dogs\nbark\n")
        documents = build("a.txt", self.TEXT, "--stop-words", f"english,{tmp_path}/stop.txt")
        assert documents == [{"cats": 1, "purr": 1}, {"dogs": 1}, {"cats": 1, "dogs": 1}]
        assert '"cats dogs" can never match' in build.result.stderr
        assert "ain't" not in build.result.stderr

    def test_a_file_in_another_encoding(self, build, tmp_path):
        (tmp_path / "stop.txt").write_bytes("кошки\n".encode("cp1251"))
        message = build.fails("a.txt", self.TEXT, "--stop-words", f"{tmp_path}/stop.txt")
        assert "Save them as UTF-8" in message
        assert "--encoding" not in message

    def test_blank_lines_at_the_end_of_a_vocabulary(self, build, tmp_path):
        (tmp_path / "v.txt").write_bytes("\ufeffCats\r\nDOGS\r\n\r\n".encode())
        expected = [{"cats": 1}, {"dogs": 1}, {"cats": 1, "dogs": 1}]
        assert build("a.txt", self.TEXT, "--vocabulary", f"{tmp_path}/v.txt") == expected


class TestPython:
    def test_columns_of_the_same_name_are_refused(self):
        frame = pandas.DataFrame([["cats", "dogs"]], columns=["text", "text"])
        with pytest.raises(CorpusError, match="several columns 'text'"):
            count_words(frame, **ALL)

    @pytest.mark.parametrize("source", [[("a", "cats purr")], [b"cats"]])
    def test_items_of_wrong_types_are_named(self, source):
        with pytest.raises(CorpusError, match=r"Item 1 is .* not a text"):
            count_words(source, **ALL)

    def test_series_of_polars_with_tokens(self):
        polars = pytest.importorskip("polars")
        matrix = count_words(polars.Series([["cats", "the"], ["dogs"]]), **ALL)
        assert (matrix.vocabulary.words, matrix.counts.toarray().tolist()) == (("cats", "dogs"), [[1, 0], [0, 1]])

    def test_arrays_of_pyarrow(self):
        pyarrow = pytest.importorskip("pyarrow")
        with pytest.warns(DocnvilWarning, match="item 2"):
            matrix = count_words(pyarrow.array(["cats", None]), **ALL)
        assert matrix.counts.toarray().tolist() == [[1], [0]]

    def test_words_by_number(self):
        matrix = count_words([[(0, 2)], [(1, 1)]], vocabulary={1: "dogs", 0: "cats"})
        assert matrix.vocabulary.words == ("cats", "dogs")
        assert np.array_equal(matrix.counts.toarray(), [[2, 0], [0, 1]])
