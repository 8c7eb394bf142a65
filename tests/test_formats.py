import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from scipy import sparse
from scipy.io import mmread, mmwrite
from sklearn.datasets import load_svmlight_file
from text_data import assert_same, matrices

from docnvil.errors import ConfigurationError, CorpusError, VocabularyError
from docnvil.text.counts import DocumentTermMatrix
from docnvil.text.formats import read_counts, write_counts
from docnvil.text.vocabulary import Vocabulary

NAMES = {
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
MATRIX = DocumentTermMatrix([[2, 0, 1, 0], [0, 0, 0, 0], [0, 3, 0, 0]], Vocabulary("abcd"), ("x", "y", "z"))
BANNER = "%%MatrixMarket matrix coordinate integer general"
SMALL = {
    "mtx": f"{BANNER}\n3 4 3\n1 1 2\n1 3 1\n3 2 3\n",
    "uci": "3\n4\n3\n1 1 2\n1 3 1\n3 2 3\n",
    "ldac": "2 0:2 2:1\n0\n1 1:3\n",
    "svmlight": "0 1:2 3:1\n0\n0 2:3\n",
}


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    def write(content: str, name: str = "counts.txt") -> Path:
        (tmp_path / name).write_text(content, encoding="utf-8")
        return tmp_path / name

    return write


@pytest.mark.parametrize("name", NAMES)
class TestRoundTrip:
    @settings(max_examples=25)
    @given(matrix=matrices())
    def test_everything_comes_back(self, tmp_path_factory, name, matrix):
        path = tmp_path_factory.mktemp("counts") / name
        write_counts(matrix, path, NAMES[name])
        assert_same(read_counts(path, NAMES[name]), matrix)

    def test_the_same_counts_are_the_same_bytes(self, tmp_path, name):
        found = []
        for folder in ("one", "two"):
            paths = write_counts(MATRIX, tmp_path / folder / name, NAMES[name])
            found.append([path.read_bytes() for path in paths])
            assert sorted(paths) == sorted((tmp_path / folder).iterdir())
        if NAMES[name] != "npz":  # a zip archive holds the time
            assert found[0] == found[1]

    def test_a_file_cut_short_is_an_error(self, tmp_path, name):
        path = tmp_path / name
        write_counts(MATRIX, path, NAMES[name])
        content = path.read_bytes()
        # Nothing tells that a line of plain svmlight once was longer; that lines are missing, the ids tell.
        whole_lines = [0, *(place + 1 for place, byte in enumerate(content[:-1]) if byte == ord("\n"))]
        every_place = range(0, len(content) - 1, 1 + len(content) // 60)
        for length in whole_lines if name == "a.svmlight" else every_place:
            path.write_bytes(content[:length])
            with pytest.raises((CorpusError, VocabularyError), match=path.name):
                read_counts(path, NAMES[name])

    def test_a_missing_file_is_an_error(self, tmp_path, name):
        with pytest.raises(CorpusError, match="nothing at"):
            read_counts(tmp_path / name, NAMES[name])

    def test_bytes_that_are_no_text_are_an_error(self, tmp_path, name):
        content = b"\x93NUMPY\xff\xfe 3 4 5\n" * 3
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        with pytest.raises(CorpusError, match=name):
            read_counts(tmp_path / name, NAMES[name])


@pytest.mark.parametrize("form", SMALL)
def test_the_text_is_as_the_form_wants_it(tmp_path, form):
    write_counts(MATRIX, tmp_path / "a.txt", form)
    assert (tmp_path / "a.txt").read_text() == SMALL[form]


def test_unknown_forms_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="svmlight"):
        read_counts(tmp_path / "a", "xls")
    with pytest.raises(ConfigurationError, match="svmlight"):
        write_counts(MATRIX, tmp_path / "a", "xls")


def test_an_id_that_fills_no_line_is_refused(tmp_path):
    for name in ("a\nb", ""):
        with pytest.raises(CorpusError, match="prepared corpus"):
            write_counts(DocumentTermMatrix([[1]], Vocabulary("a"), (name,)), tmp_path / "a.npz", "npz")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.svm"
    write_counts(MATRIX, path, "svmlight")
    before = path.read_bytes()
    labeled = DocumentTermMatrix([[1]], Vocabulary("a"), ("x",), {"label": ("two words",)})
    with pytest.raises(CorpusError, match="'two words'"):
        write_counts(labeled, path, "svmlight")
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 3


class TestVocabulary:
    @pytest.mark.parametrize("name", ["counts.vocab.txt", "vocab.counts.txt", "vocabulary.txt"])
    def test_it_is_found_beside(self, written, name):
        path = written(SMALL["uci"])
        assert read_counts(path, "uci").vocabulary == Vocabulary.numbered(4)
        written("a\nb\nc\nd\n", name)
        assert read_counts(path, "uci").vocabulary == Vocabulary("abcd")

    def test_the_one_given_comes_first_then_the_nearest(self, written):
        path = written(SMALL["uci"], "docword.kos.txt")
        written("a\nb\nc\nd\n", "vocabulary.txt")
        written("e\nf\ng\nh\n", "vocab.kos.txt")
        given_path = written("i\nj\nk\nl\n", "words.txt")
        assert read_counts(path, "uci").vocabulary == Vocabulary("efgh")
        assert read_counts(path, "uci", vocabulary_path=given_path).vocabulary == Vocabulary("ijkl")

    @pytest.mark.parametrize("form", SMALL)
    def test_one_too_short_is_an_error(self, written, form):
        path = written(SMALL[form])
        written("a\nb\n", "vocabulary.txt")
        with pytest.raises(
            VocabularyError, match=r"counts\.txt has \d words and .*vocabulary\.txt has 2.*--vocabulary"
        ):
            read_counts(path, form)

    @pytest.mark.parametrize("form", ["ldac", "svmlight"])
    def test_it_says_how_many_words_there_are_where_the_form_does_not(self, written, form):
        path = written(SMALL[form])
        assert read_counts(path, form).vocabulary_size == 3
        written("a\nb\nc\nd\ne\n", "vocabulary.txt")
        assert read_counts(path, form).vocabulary_size == 5

    def test_one_too_long_is_an_error_where_the_form_says_its_width(self, written):
        path = written(SMALL["uci"])
        written("a\nb\nc\nd\ne\n", "vocabulary.txt")
        with pytest.raises(VocabularyError, match=r"has 4 words and .* has 5"):
            read_counts(path, "uci")

    def test_a_missing_one_is_an_error(self, written, tmp_path):
        with pytest.raises(VocabularyError, match=r"words\.txt"):
            read_counts(written(SMALL["uci"]), "uci", vocabulary_path=tmp_path / "words.txt")


class TestIds:
    def test_rows_are_numbered_without(self, written):
        assert read_counts(written(SMALL["ldac"]), "ldac").ids == ("1", "2", "3")

    @pytest.mark.parametrize("ids", ["x\ny\n", "x\ny\nz\nx\n"])
    def test_those_that_do_not_fit_are_an_error(self, written, ids):
        path = written(SMALL["ldac"])
        written(ids, "counts.ids.txt")
        with pytest.raises(CorpusError, match=r"3 documents and .*counts\.ids\.txt [24] ids"):
            read_counts(path, "ldac")


class TestMalformed:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", "line 1 .*'' is not a whole number"),
            ("3\n4\nmany\n", "line 3 .*'many'"),
            ("3\n4\n2\n1 1 1\n0 1 1\n", "line 5 .*document 0 .* from 1 to 3"),
            ("3\n4\n1\n4 1 1\n", "line 4 .*document 4 .* from 1 to 3"),
            ("3\n4\n1\n1 0 1\n", "line 4 .*word 0 .* from 1 to 4"),
            ("3\n4\n1\n1 5 1\n", "line 4 .*word 5 .* from 1 to 4"),
            ("3\n4\n1\n1 1 -1\n", "line 4 .*count -1"),
            ("3\n4\n1\n1 1 1.5\n", "line 4 .*'1 1 1.5'"),
            ("3\n4\n1\n1 1\n", "line 4 .*'1 1' is not 3 whole numbers"),
            ("3\n4\n2\n1 1 1\n", "promises 2 entries .* has 1"),
            ("3\n4\n0\n1 1 1\n", "promises 0 entries .* has 1"),
            (f"3\n4\n1\n1 1 {10**30}\n", "line 4 "),
        ],
    )
    def test_uci(self, written, content, message):
        with pytest.raises(CorpusError, match=rf"counts\.txt,? .*{message}"):
            read_counts(written(content), "uci")

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("2 0:1", "promises 2 words and has 1"),
            ("1 0:1 1:1", "promises 1 words and has 2"),
            ("", "''"),
            ("1 0", "'0' is not 2 whole numbers"),
            ("1 0:1:2", "not 2 whole numbers"),
            ("1 -1:1", "word -1"),
            ("1 0:-1", "count -1"),
            ("1 0:0.5", "'0 0.5'"),
            ("one 0:1", "'one'"),
            (f"1 0:{10**30}", "malformed"),
        ],
    )
    def test_ldac(self, written, line, message):
        with pytest.raises(CorpusError, match=rf"counts\.txt, line 2 .*{message}"):
            read_counts(written(f"1 0:1\n{line}\n"), "ldac")

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("1:1 2:1", "begins with '1:1' instead of a label"),
            ("0 1", "'' is not a count"),
            ("0 1:x", "'x' is not a count"),
            ("0 1:0.5", "'0.5' is not a count"),
            ("0 1:nan", "'nan' is not a count"),
            ("0 1:inf", "'inf' is not a count"),
            ("0 1:-1", "count"),
            ("0 a:1", "'a' is not a whole number"),
            ("0 -1:1", "word -1"),
            ("0 1:1e30", "malformed"),
        ],
    )
    def test_svmlight(self, written, line, message):
        with pytest.raises(CorpusError, match=rf"counts\.txt, line 2 .*{message}"):
            read_counts(written(f"0 1:1\n{line}\n"), "svmlight")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", "does not begin with '%%MatrixMarket matrix coordinate integer general'"),
            ("%%MatrixMarket matrix array real general\n1 1\n2\n", "does not begin"),
            ("%%MatrixMarket matrix coordinate integer symmetric\n1 1 1\n1 1 2\n", "does not begin"),
            (f"{BANNER}\n", "promises 1 entries and has 0"),
            (f"{BANNER}\n2 2\n", "line 2 .*'2 2' is not 3 whole numbers"),
            (f"{BANNER}\n2 2 1\n3 1 1\n", "line 3 .*row 3 .* from 1 to 2"),
            (f"{BANNER}\n% remark\n2 2 1\n1 0 1\n", "line 4 .*column 0 .* from 1 to 2"),
            (f"{BANNER}\n2 2 2\n1 1 1\n", "promises 2 entries and has 1"),
            (f"{BANNER}\n2 2 1\n1 1 x\n", "line 3 .*'x' is not a count"),
            (f"{BANNER}\n2 2 1\n1 1 0.5\n", "line 3 .*'0.5' is not a count"),
            (f"{BANNER}\n2 2 1\n1 1 -1\n", "line 3 .*count -1"),
            (f"{BANNER}\n2 2 1\n1 1\n", "line 3 .*'1' is not 2 whole numbers"),
            (f"{BANNER}\n2 2 1\n1 1 {10**30}\n", "line 3 "),
        ],
    )
    def test_mtx(self, written, content, message):
        with pytest.raises(CorpusError, match=rf"counts\.txt,? .*{message}"):
            read_counts(written(content), "mtx")

    def test_npz_of_something_else(self, tmp_path):
        np.savez(tmp_path / "a.npz", values=np.ones(3))
        with pytest.raises(CorpusError, match=r"a\.npz is not a sparse matrix"):
            read_counts(tmp_path / "a.npz", "npz")

    def test_npz_holds_no_objects(self, tmp_path):
        parts = {"data": np.array([1, None]), "indices": [0, 1], "indptr": [0, 2], "shape": [1, 2], "format": b"csr"}
        np.savez(tmp_path / "a.npz", **parts)
        with pytest.raises(CorpusError, match=r"a\.npz is not a sparse matrix"):
            read_counts(tmp_path / "a.npz", "npz")

    def test_npz_of_weights(self, tmp_path):
        sparse.save_npz(tmp_path / "a.npz", sparse.csr_matrix([[0.5]]))
        with pytest.raises(CorpusError, match=r"a\.npz: row 0, column 0 \(from 0\) holds 0\.5"):
            read_counts(tmp_path / "a.npz", "npz")

    def test_counts_without_words(self, written):
        with pytest.raises(CorpusError, match="has no words"):
            read_counts(written("0\n0\n"), "ldac")


class TestPeers:
    def test_svmlight_as_scikit_learn_reads_it(self, tmp_path):
        labeled = DocumentTermMatrix(MATRIX.counts, MATRIX.vocabulary, MATRIX.ids, {"label": ("3", "1", "2")})
        write_counts(labeled, tmp_path / "a.svm", "svmlight")
        table, labels = load_svmlight_file(str(tmp_path / "a.svm"), n_features=4, zero_based=False)
        assert np.array_equal(table.toarray(), MATRIX.counts.toarray())
        assert labels.tolist() == [3, 1, 2]
        assert read_counts(tmp_path / "a.svm", "svmlight").metadata == {"label": ("3", "1", "2")}

    def test_svmlight_is_from_1_unless_a_word_0_occurs(self, written):
        assert read_counts(written("a 1:1 2:2\nb\n"), "svmlight").counts.toarray().tolist() == [[1, 2], [0, 0]]
        assert read_counts(written("a 1:1 2:2\nb 0:3\n"), "svmlight").counts.toarray().tolist() == [
            [0, 1, 2],
            [3, 0, 0],
        ]

    def test_svmlight_passes_over_remarks(self, written):
        matrix = read_counts(written("# made by hand\n\n+1 qid:7 1:2.0 # the first\n-1 1:1e2\n"), "svmlight")
        assert matrix.counts.toarray().tolist() == [[2], [100]]
        assert matrix.metadata == {"label": ("+1", "-1")}

    @pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_matrix, sparse.coo_array])
    def test_npz_of_any_kind(self, tmp_path, kind):
        sparse.save_npz(tmp_path / "a.npz", kind(MATRIX.counts.astype(np.float64)))
        assert np.array_equal(read_counts(tmp_path / "a.npz", "npz").counts.toarray(), MATRIX.counts.toarray())

    def test_mtx_with_remarks_and_decimal_points(self, written):
        content = "%%matrixmarket Matrix coordinate real general\n% remark\n\n2 2 3\n1 1 1.0\n1 2 1\n1\t2  1e0\n"
        assert read_counts(written(content), "mtx").counts.toarray().tolist() == [[1, 2], [0, 0]]

    def test_mtx_as_scipy_reads_and_writes_it(self, tmp_path):
        write_counts(MATRIX, tmp_path / "ours.mtx", "mtx")
        assert np.array_equal(mmread(tmp_path / "ours.mtx").toarray(), MATRIX.counts.toarray())
        mmwrite(tmp_path / "theirs.mtx", MATRIX.counts)
        assert np.array_equal(read_counts(tmp_path / "theirs.mtx", "mtx").counts.toarray(), MATRIX.counts.toarray())

    def test_repeated_entries_are_added_up(self, written):
        assert read_counts(written("1\n1\n2\n1 1 1\n1 1 2\n"), "uci").counts.toarray().tolist() == [[3]]
        assert read_counts(written("2 0:1 0:2\n"), "ldac").counts.toarray().tolist() == [[3]]


def test_daily_kos(shared_data):
    matrix = read_counts(shared_data("kos/docword.kos.txt.gz"), "uci")
    assert (matrix.n_documents, matrix.vocabulary_size, matrix.n_tokens) == (3430, 6906, 467714)
    assert matrix.vocabulary[0] == "aarp"


def test_20_newsgroups_of_salakhutdinov_and_hinton(shared_data):
    matrix = read_counts(shared_data("ng20_sh2009/train.npz"), "npz")
    assert (matrix.n_documents, matrix.vocabulary_size, matrix.n_tokens) == (11284, 2000, 584661)
    assert matrix.vocabulary.words[:3] == ("ax", "writes", "article")
