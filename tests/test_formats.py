import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from scipy import sparse
from scipy.io import mmread, mmwrite
from sklearn.datasets import dump_svmlight_file, load_svmlight_file
from text_data import assert_same, matrices

from docnvil.errors import ConfigurationError, CorpusError, VocabularyError
from docnvil.text.document_term_matrix import DocumentTermMatrix
from docnvil.text.formats import read_counts, write_counts
from docnvil.text.vocabulary import Vocabulary

FORMAT_BY_NAME = {
    "a.npz": "npz",
    "a.mtx": "mtx",
    "a.mtx.gz": "mtx",
    "docword.a.txt": "uci",
    "docword.a.txt.gz": "uci",
    "a.ldac": "ldac",
    "a.ldac.gz": "ldac",
    "a.svmlight": "svmlight",
    "a.svm.gz": "svmlight",
}
MATRIX = DocumentTermMatrix([[2, 0, 1, 0], [0, 0, 0, 0], [0, 3, 0, 0]], Vocabulary(list("abcd")), ("x", "y", "z"))
BANNER = "%%MatrixMarket matrix coordinate integer general"
TEXT_BY_FORMAT = {  # MATRIX in each format
    "mtx": f"{BANNER}\n%\n3 4 3\n1 1 2\n1 3 1\n3 2 3\n",
    "uci": "3\n4\n3\n1 1 2\n1 3 1\n3 2 3\n",
    "ldac": "2 0:2 2:1\n0\n1 1:3\n",
    "svmlight": "# Column indices are one-based\n0 1:2 3:1\n0\n0 2:3\n",
}


@pytest.fixture
def write_file(tmp_path: Path) -> Callable[..., Path]:
    def write(content: str, name: str = "counts.txt") -> Path:
        (tmp_path / name).write_text(content, encoding="utf-8")
        return tmp_path / name

    return write


@pytest.mark.parametrize("name", FORMAT_BY_NAME)
class TestRoundTrip:
    @settings(max_examples=25)
    @given(matrix=matrices())
    def test_reading_returns_what_was_written(self, tmp_path_factory, name, matrix):
        path = tmp_path_factory.mktemp("counts") / name
        write_counts(matrix, path, FORMAT_BY_NAME[name])
        assert_same(read_counts(path, FORMAT_BY_NAME[name]), matrix)

    def test_write_counts_returns_all_files_it_writes(self, tmp_path, name):
        paths = write_counts(MATRIX, tmp_path / name, FORMAT_BY_NAME[name])
        assert sorted(paths) == sorted(tmp_path.iterdir())

    def test_equal_counts_give_equal_bytes(self, tmp_path, name):
        if name.endswith(".npz"):
            pytest.skip("a zip archive contains the time")
        one, two = (write_counts(MATRIX, tmp_path / folder / name, FORMAT_BY_NAME[name]) for folder in ("one", "two"))
        assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]

    def test_truncated_file_is_refused(self, tmp_path, name):
        path = tmp_path / name
        write_counts(MATRIX, path, FORMAT_BY_NAME[name])
        content = path.read_bytes()
        # A truncated line of plain svmlight is valid, but missing lines do not match the ids.
        line_ends = [0, *(index + 1 for index, byte in enumerate(content[:-1]) if byte == ord("\n"))]
        all_lengths = range(0, len(content) - 1, 1 + len(content) // 60)
        for length in line_ends if name == "a.svmlight" else all_lengths:
            path.write_bytes(content[:length])
            with pytest.raises((CorpusError, VocabularyError), match=path.name):
                read_counts(path, FORMAT_BY_NAME[name])

    def test_missing_file_is_refused(self, tmp_path, name):
        with pytest.raises(CorpusError, match="nothing at"):
            read_counts(tmp_path / name, FORMAT_BY_NAME[name])

    def test_binary_file_is_refused(self, tmp_path, name):
        content = b"\x93NUMPY\xff\xfe 3 4 5\n" * 3
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        with pytest.raises(CorpusError, match=name):
            read_counts(tmp_path / name, FORMAT_BY_NAME[name])


@pytest.mark.parametrize("format", TEXT_BY_FORMAT)
def test_written_text_follows_the_format(tmp_path, format):
    write_counts(MATRIX, tmp_path / "a.txt", format)
    assert (tmp_path / "a.txt").read_text() == TEXT_BY_FORMAT[format]


def test_unknown_format_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="svmlight"):
        read_counts(tmp_path / "a", "xls")
    with pytest.raises(ConfigurationError, match="svmlight"):
        write_counts(MATRIX, tmp_path / "a", "xls")


def test_empty_ids_and_ids_with_line_breaks_are_refused(tmp_path):
    for name in ("a\nb", ""):
        with pytest.raises(CorpusError, match="prepared corpus"):
            write_counts(DocumentTermMatrix([[1]], Vocabulary(["a"]), (name,)), tmp_path / "a.npz", "npz")
    assert not list(tmp_path.iterdir())


def test_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.svm"
    write_counts(MATRIX, path, "svmlight")
    before = path.read_bytes()
    labeled = DocumentTermMatrix([[1]], Vocabulary(["a"]), ("x",), {"label": ("two words",)})
    with pytest.raises(CorpusError, match="'two words'"):
        write_counts(labeled, path, "svmlight")
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 3


class TestVocabulary:
    @pytest.mark.parametrize(
        "name",
        ["counts.vocab.txt", "vocab.counts.txt", "counts.txt.vocab", "counts.vocab", "vocabulary.txt", "vocab.txt"],
    )
    def test_vocabulary_file_beside_the_counts_is_used(self, write_file, name):
        path = write_file(TEXT_BY_FORMAT["uci"])
        assert read_counts(path, "uci").vocabulary == Vocabulary.numbered(4)
        write_file("a\nb\nc\nd\n", name)
        assert read_counts(path, "uci").vocabulary == Vocabulary(list("abcd"))

    def test_given_vocabulary_and_specific_file_names_take_precedence(self, write_file):
        path = write_file(TEXT_BY_FORMAT["uci"], "docword.kos.txt")
        write_file("a\nb\nc\nd\n", "vocabulary.txt")
        write_file("e\nf\ng\nh\n", "vocab.kos.txt")
        given_path = write_file("i\nj\nk\nl\n", "words.txt")
        assert read_counts(path, "uci").vocabulary == Vocabulary(list("efgh"))
        assert read_counts(path, "uci", vocabulary_path=given_path).vocabulary == Vocabulary(list("ijkl"))

    @pytest.mark.parametrize("format", TEXT_BY_FORMAT)
    def test_vocabulary_with_too_few_words_is_refused(self, write_file, format):
        path = write_file(TEXT_BY_FORMAT[format])
        write_file("a\nb\n", "vocabulary.txt")
        with pytest.raises(VocabularyError, match=r"counts\.txt has \d words and .*vocabulary\.txt has 2.*vocabulary"):
            read_counts(path, format)

    @pytest.mark.parametrize("format", ["ldac", "svmlight"])
    def test_vocabulary_sets_the_width_of_formats_that_do_not_state_it(self, write_file, format):
        path = write_file(TEXT_BY_FORMAT[format])
        assert read_counts(path, format).vocabulary_size == 3
        write_file("a\nb\nc\nd\ne\n", "vocabulary.txt")
        assert read_counts(path, format).vocabulary_size == 5

    def test_vocabulary_with_too_many_words_is_refused_if_the_format_states_the_width(self, write_file):
        path = write_file(TEXT_BY_FORMAT["uci"])
        write_file("a\nb\nc\nd\ne\n", "vocabulary.txt")
        with pytest.raises(VocabularyError, match=r"has 4 words and .* has 5"):
            read_counts(path, "uci")

    def test_missing_vocabulary_is_refused(self, write_file, tmp_path):
        with pytest.raises(VocabularyError, match=r"words\.txt"):
            read_counts(write_file(TEXT_BY_FORMAT["uci"]), "uci", vocabulary_path=tmp_path / "words.txt")


class TestIds:
    def test_ids_are_row_numbers_without_an_ids_file(self, write_file):
        assert read_counts(write_file(TEXT_BY_FORMAT["ldac"]), "ldac").ids == ("1", "2", "3")

    @pytest.mark.parametrize("ids", ["x\ny\n", "x\ny\nz\nx\n"])
    def test_wrong_number_of_ids_is_refused(self, write_file, ids):
        path = write_file(TEXT_BY_FORMAT["ldac"])
        write_file(ids, "counts.ids.txt")
        with pytest.raises(CorpusError, match=r"3 documents and .*counts\.ids\.txt has [24] ids"):
            read_counts(path, "ldac")


class TestMalformed:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", "line 3 .*'' is not the numbers of documents, words and entries"),
            ("3\n4\nmany\n", "line 3 .*'3 4 many'"),
            ("3\n4\n1_0\n", "line 3 .*'3 4 1_0'"),
            ("3\n4\n1\n1 1_0 1\n", "line 4 .*word '1_0' is not an integer"),
            (f"3\n{10**18}\n1\n1 1 1\n", "line 3 .*words are out of range"),
            ("3\n4\n2\n1 1 1\n0 1 1\n", "line 5 .*document 0 .* from 1 to 3"),
            ("3\n4\n1\n4 1 1\n", "line 4 .*document 4 .* from 1 to 3"),
            ("3\n4\n1\n1 0 1\n", "line 4 .*word 0 .* from 1 to 4"),
            ("3\n4\n1\n1 5 1\n", "line 4 .*word 5 .* from 1 to 4"),
            ("3\n4\n1\n1 1.5 1\n", "line 4 .*word '1.5' is not an integer"),
            ("3\n4\n1\n1 1 -1\n", "line 4 .*count -1"),
            ("3\n4\n2\n1 1 1.5\n1 1 0.5\n", "line 4 .*count 1.5"),
            ("3\n4\n1\n1 1\n", "line 4 .*'1 1' is not 3 numbers"),
            ("3\n4\n2\n1 1 1\n", "promises 2 entries .* has 1"),
            ("3\n4\n0\n1 1 1\n", "promises 0 entries .* has 1"),
            ("3\n0\n1\n1 1 1\n", "line 4 .*word 1 .* from 1 to 0"),
            (f"3\n4\n1\n1 1 {10**30}\n", r"line 4 .*count 1e\+30"),
        ],
    )
    def test_uci(self, write_file, content, message):
        with pytest.raises(CorpusError, match=rf"counts\.txt,? .*{message}"):
            read_counts(write_file(content), "uci")

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("2 0:1", "begins with '2' and has 1 pair"),
            ("1 0:1 1:1", "begins with '1' and has 2 pairs"),
            ("", "begins with '' and has 0 pairs"),
            ("1 0", "'0' is not 2 numbers"),
            ("1 0:1:2", "'0:1:2' is not 2 numbers"),
            ("1 -1:1", "word -1"),
            ("1 0:-1", "count -1"),
            ("1 0:0.5", "count 0.5"),
            ("1 0.5:1", "word '0.5' is not an integer"),
            ("one 0:1", "'one'"),
            (f"1 0:{10**30}", r"count 1e\+30"),
        ],
    )
    def test_ldac(self, write_file, line, message):
        with pytest.raises(CorpusError, match=rf"counts\.txt, line 2 .*{message}"):
            read_counts(write_file(f"1 0:1\n{line}\n"), "ldac")

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("1:1 2:1", "begins with '1:1' instead of a label"),
            ("0 1", "'1' is not 2 numbers"),
            ("0 1:", "'1:' is not 2 numbers"),
            ("0 1:x", "'1:x' is not 2 numbers"),
            ("0 1:2,500", "'1:2,500' is not 2 numbers"),
            ("0 1:0.5", "count 0.5"),
            ("0 1:nan", "count nan"),
            ("0 1:inf", "count inf"),
            ("0 1:-1", "count -1"),
            ("0 a:1", "word 'a' is not an integer"),
            ("0 1_0:1", "word '1_0' is not an integer"),
            ("0 1:1_0", "'1:1_0' is not 2 numbers"),
            ("0 2.0:1", "word '2.0' is not an integer"),
            ("0 -1:1", "word -1"),
            ("0 1:1e30", r"count 1e\+30"),
        ],
    )
    def test_svmlight(self, write_file, line, message):
        with pytest.raises(CorpusError, match=rf"counts\.txt, line 3 .*{message}"):
            read_counts(write_file(f"0 1:1\n# comment\n{line}\n"), "svmlight")

    @pytest.mark.parametrize(
        "banner",
        [
            "",
            "%%MatrixMarket matrix array real general",
            "%%MatrixMarket matrix coordinate integer symmetric",
            "%%MatrixMarket matrix coordinate pattern general",
            "%%MatrixMarket matrix coordinate complex general",
        ],
    )
    def test_mtx_of_another_kind(self, write_file, banner):
        with pytest.raises(CorpusError, match="does not begin with '%%MatrixMarket matrix coordinate integer general'"):
            read_counts(write_file(f"{banner}\n1 1 1\n1 1 2\n"), "mtx")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", "line 2 .*'' is not the numbers of documents, words and entries"),
            ("2 2\n", "line 2 .*'2 2' is not the numbers"),
            ("2 2 1\n3 1 1\n", "line 3 .*document 3 .* from 1 to 2"),
            ("% comment\n2 2 1\n1 0 1\n", "line 4 .*word 0 .* from 1 to 2"),
            ("2 2 2\n1 1 1\n", "promises 2 entries and has 1"),
            ("2 2 1\n1 1 x\n", "line 3 .*'1 1 x' is not 3 numbers"),
            ("2 2 1\n1 1 2,500\n", "line 3 .*'1 1 2,500' is not 3 numbers"),
            ("2 2 2\n1 1 1\n\n1 1 0.5\n", "line 5 .*count 0.5"),
            ("2 2 1\n1 1 -1\n", "line 3 .*count -1"),
            ("2 2 1\n1 1\n", "line 3 .*'1 1' is not 3 numbers"),
            (f"2 2 1\n1 1 {2**53 + 1}\n", "line 3 .*count 9007199254740992 is not an integer"),
        ],
    )
    def test_mtx(self, write_file, content, message):
        with pytest.raises(CorpusError, match=rf"counts\.txt,? .*{message}"):
            read_counts(write_file(f"{BANNER}\n{content}"), "mtx")

    def test_npz_without_a_sparse_matrix(self, tmp_path):
        np.savez(tmp_path / "a.npz", values=np.ones(3))
        with pytest.raises(CorpusError, match=r"a\.npz is not a sparse matrix"):
            read_counts(tmp_path / "a.npz", "npz")

    def test_npz_with_one_dimension(self, tmp_path):
        sparse.save_npz(tmp_path / "a.npz", sparse.coo_array([1, 2]))
        with pytest.raises(CorpusError, match=r"a\.npz has an array of shape \(2,\)"):
            read_counts(tmp_path / "a.npz", "npz")

    def test_npz_with_pickled_objects(self, tmp_path):
        parts = {"data": np.array([1, None]), "indices": [0, 1], "indptr": [0, 2], "shape": [1, 2], "format": b"csr"}
        np.savez(tmp_path / "a.npz", **parts)
        with pytest.raises(CorpusError, match=r"a\.npz is not a sparse matrix"):
            read_counts(tmp_path / "a.npz", "npz")

    def test_npz_with_fractions(self, tmp_path):
        sparse.save_npz(tmp_path / "a.npz", sparse.csr_matrix([[0.5]]))
        with pytest.raises(CorpusError, match=r"a\.npz contains 0\.5 in row 0, column 0"):
            read_counts(tmp_path / "a.npz", "npz")

    def test_counts_without_words_are_refused(self, write_file):
        with pytest.raises(CorpusError, match="has no words"):
            read_counts(write_file("0\n0\n"), "ldac")


class TestFilesOfOtherPrograms:
    def test_scikit_learn_reads_our_svmlight(self, tmp_path):
        labeled = DocumentTermMatrix(MATRIX.counts, MATRIX.vocabulary, MATRIX.ids, {"label": ("3", "1", "2")})
        write_counts(labeled, tmp_path / "a.svm", "svmlight")
        table, labels = load_svmlight_file(str(tmp_path / "a.svm"), n_features=4, zero_based=False)
        assert np.array_equal(table.toarray(), MATRIX.counts.toarray())
        assert labels.tolist() == [3, 1, 2]
        assert read_counts(tmp_path / "a.svm", "svmlight").metadata == {"label": ("3", "1", "2")}

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            ("a 1:1 2:2\nb\n", [[1, 2], [0, 0]]),
            ("a 1:1 2:2\nb 0:3\n", [[0, 1, 2], [3, 0, 0]]),
            ("# Column indices are zero-based\na 1:1 2:2\n", [[0, 1, 2]]),
        ],
    )
    def test_svmlight_words_start_at_1_unless_word_0_occurs_or_a_comment_says_so(self, write_file, content, expected):
        assert read_counts(write_file(content), "svmlight").counts.toarray().tolist() == expected

    def test_svmlight_as_scikit_learn_writes_it(self, tmp_path):
        dump_svmlight_file(MATRIX.counts, [1, 2, 3], str(tmp_path / "a.svm"), comment="counts")
        matrix = read_counts(tmp_path / "a.svm", "svmlight")
        assert np.array_equal(matrix.counts.toarray(), MATRIX.counts.toarray()[:, :3])
        assert matrix.metadata == {"label": ("1", "2", "3")}

    def test_svmlight_comments_blank_lines_and_query_ids_are_ignored(self, write_file):
        matrix = read_counts(write_file("# made by hand\n\n+1 qid:7 1:2.0 # the first\n-1 1:1e2\n"), "svmlight")
        assert matrix.counts.toarray().tolist() == [[2], [100]]
        assert matrix.metadata == {"label": ("+1", "-1")}

    @pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_matrix, sparse.coo_array])
    def test_npz_of_any_sparse_format_and_type(self, tmp_path, kind):
        sparse.save_npz(tmp_path / "a.npz", kind(MATRIX.counts.astype(np.float64)))
        assert np.array_equal(read_counts(tmp_path / "a.npz", "npz").counts.toarray(), MATRIX.counts.toarray())

    def test_mtx_with_comments_and_decimal_points(self, write_file):
        content = "%%matrixmarket Matrix coordinate real general\n% comment\n\n2 2 3\n1 1 1.0\n1 2 1\n1\t2  1e0\n"
        assert read_counts(write_file(content), "mtx").counts.toarray().tolist() == [[1, 2], [0, 0]]

    def test_scipy_reads_our_mtx(self, tmp_path):
        write_counts(MATRIX, tmp_path / "a.mtx", "mtx")
        assert np.array_equal(mmread(tmp_path / "a.mtx").toarray(), MATRIX.counts.toarray())

    def test_mtx_as_scipy_writes_it(self, tmp_path):
        mmwrite(tmp_path / "a.mtx", MATRIX.counts.astype(np.float64))
        assert np.array_equal(read_counts(tmp_path / "a.mtx", "mtx").counts.toarray(), MATRIX.counts.toarray())

    @pytest.mark.parametrize(
        ("content", "format"),
        [("1\n1\n2\n1 1 1\n1 1 2\n", "uci"), ("2 0:1 0:2\n", "ldac"), ("a 1:1 1:2\n", "svmlight")],
    )
    def test_duplicate_entries_are_added_up(self, write_file, content, format):
        assert read_counts(write_file(content), format).counts.toarray().tolist() == [[3]]

    @pytest.mark.parametrize(("content", "format"), [("2 1:1 0:2\n", "ldac"), ("a 2:1 1:2\n", "svmlight")])
    def test_words_may_be_unsorted(self, write_file, content, format):
        assert read_counts(write_file(content), format).counts.toarray().tolist() == [[2, 1]]


def test_daily_kos(shared_data):
    matrix = read_counts(shared_data("kos/docword.kos.txt.gz"), "uci")
    assert (matrix.n_documents, matrix.vocabulary_size, matrix.n_tokens) == (3430, 6906, 467714)
    assert matrix.vocabulary[0] == "aarp"


def test_20_newsgroups_of_salakhutdinov_and_hinton(shared_data):
    matrix = read_counts(shared_data("ng20_sh2009/train.npz"), "npz")
    assert (matrix.n_documents, matrix.vocabulary_size, matrix.n_tokens) == (11284, 2000, 584661)
    assert matrix.vocabulary.words[:3] == ("ax", "writes", "article")
