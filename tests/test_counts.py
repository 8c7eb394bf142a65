"""Counts of words: how documents become a document-term matrix, and what can be done with one."""

from collections import Counter
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer
from text_data import as_dicts, assert_same, documents, matrices

from docnvil.errors import ConfigurationError, CorpusError, VocabularyError
from docnvil.text import accumulator
from docnvil.text.accumulator import CountAccumulator, count_pairs
from docnvil.text.counts import count_words
from docnvil.text.document_term_matrix import DocumentTermMatrix, align_vocabulary
from docnvil.text.documents import Document, SourceOptions, read_documents
from docnvil.text.sparse import as_counts
from docnvil.text.splits import split_documents
from docnvil.text.token_reader import TokenIndex, TokenReader
from docnvil.text.tokens import Tokenizer, TokenRules, tokenize
from docnvil.text.vocabulary import Vocabulary

ALL = {"size": None, "min_df": 1, "max_df": 1.0}
PLAIN = TokenRules(stop_words=())


class TestCountPairs:
    columns = st.lists(st.lists(st.integers(-2, 5), max_size=9), min_size=1, max_size=6)

    @given(columns)
    def test_it_agrees_with_a_counter_per_row(self, columns):
        rows = np.repeat(np.arange(len(columns)), [len(row) for row in columns])
        flat = np.array(list(chain.from_iterable(columns)), dtype=np.int64)
        row_entries, entry_columns, counts = count_pairs(rows, flat, len(columns))
        expected = [sorted((column, n) for column, n in Counter(row).items() if column >= 0) for row in columns]
        assert row_entries.tolist() == [len(row) for row in expected]
        assert list(zip(entry_columns.tolist(), counts.tolist(), strict=True)) == list(chain.from_iterable(expected))

    def test_keys_may_need_64_bits(self):
        rows, columns = np.array([70_000, 3, 70_000, 3]), np.array([2**31 - 1, 5, 2**31 - 1, 2**31 - 1])
        row_entries, entry_columns, counts = count_pairs(rows, columns, 70_001)
        assert (row_entries[3], row_entries[70_000], row_entries.sum()) == (2, 1, 3)
        assert entry_columns.tolist() == [5, 2**31 - 1, 2**31 - 1]
        assert counts.tolist() == [1, 1, 2]


class TestCountAccumulator:
    word = st.sampled_from(["ant", "bee", "cat", "the", "é"])
    chunks = st.lists(st.lists(st.lists(word, max_size=9).map(" ".join), min_size=1, max_size=4), max_size=4)

    @given(chunks, st.none() | st.just(Vocabulary(["cat", "dog", "bee"])))
    def test_chunks_add_up(self, chunks, vocabulary):
        tokenizer = Tokenizer(TokenRules())
        added = CountAccumulator(TokenReader(tokenizer, TokenIndex(tokenizer, vocabulary)))
        for chunk in chunks:
            added.add(documents(*chunk))
        words = list(vocabulary or added.reader.index.words)
        texts = [Counter(tokenize(text, tokenizer.rules)) for chunk in chunks for text in chunk]
        assert len(added.ids) == len(texts)
        assert added.unknown_counts().tolist() == [
            sum(n for word, n in text.items() if word not in words) for text in texts
        ]
        counts = added.take_counts(len(words))
        assert counts.shape == (len(texts), len(words))
        assert counts.has_canonical_format
        assert counts.toarray().tolist() == [[text[word] for word in words] for text in texts]

    def test_a_word_may_occur_any_number_of_times(self):
        matrix = count_words(documents("cat " * 255, "cat " * 256 + "mouse", "cat " * 70_000, ""), **ALL)
        assert matrix.vocabulary.words == ("cat", "mouse")
        assert matrix.counts.toarray().tolist() == [[255, 0], [256, 1], [70_000, 0], [0, 0]]


class TestAsCounts:
    @pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"])
    @pytest.mark.parametrize("kind", [sparse.coo_array, sparse.coo_matrix])
    @pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8, np.float32, np.float64, bool])
    def test_all_sparse_formats_give_the_same_result(self, form, kind, dtype):
        table = np.array([[0, 1, 0], [0, 0, 0], [1, 1, 0]])
        counts = as_counts(kind(table.astype(dtype)).asformat(form), where="it")
        assert isinstance(counts, sparse.csr_array)
        assert counts.dtype == counts.indices.dtype == counts.indptr.dtype == np.int32
        assert counts.has_canonical_format
        assert np.array_equal(counts.toarray(), table)

    def test_columns_are_sorted_without_changing_the_input(self):
        parts = np.array([1, 2, 0, 3]), np.array([2, 0, 1, 2], dtype=np.int64), np.array([0, 4], dtype=np.int64)
        given_matrix = sparse.csr_array(tuple(part.copy() for part in parts), shape=(1, 3))
        counts = as_counts(given_matrix, where="it")
        assert (counts.indices.tolist(), counts.data.tolist()) == ([0, 2], [2, 4])
        assert given_matrix.data.tolist() == [1, 2, 0, 3]
        assert given_matrix.indices.tolist() == [2, 0, 1, 2]

    def test_canonical_counts_are_not_copied(self):
        counts = as_counts([[1, 0], [2, 3]], where="it")
        assert np.shares_memory(as_counts(counts, where="it").data, counts.data)

    @pytest.mark.parametrize("form", ["csr", "coo"])
    def test_small_types_do_not_overflow(self, form):
        entries = np.array([200, 200], dtype=np.uint8)
        places = np.array([0, 0])
        matrix = sparse.coo_array((entries, (places, places)), shape=(1, 1))
        if form == "csr":
            matrix = sparse.csr_array((entries, places, np.array([0, 2])), shape=(1, 1))
        assert as_counts(matrix, where="it").toarray().tolist() == [[400]]

    @pytest.mark.parametrize(("table", "dtype"), [([[2**31 - 1]], np.int32), ([[2**31 - 1, 1]], np.int64)])
    def test_the_total_fits_the_type(self, table, dtype):
        assert as_counts(np.array(table), where="it").dtype == dtype

    @pytest.mark.parametrize(
        ("value", "shown"), [(-1, "-1"), (-1.0, "-1.0"), (0.5, "0.5"), (np.nan, "nan"), (np.inf, "inf")]
    )
    @pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.coo_array, np.asarray])
    def test_invalid_counts_are_named_in_the_message(self, value, shown, form):
        table = np.array([[0, 1, 2], [0, 0, value], [-5, 0, 0]])
        with pytest.raises(CorpusError, match=rf"The file contains {shown} in row 1, column 2 \(from 0\)\. .* weights"):
            as_counts(form(table), where="The file")

    @pytest.mark.parametrize("matrix", [[1, 2], [["a"]], [[1j]], 3, [[[1]]]])
    def test_other_input_than_a_table_of_numbers_is_refused(self, matrix):
        with pytest.raises(CorpusError, match="Give"):
            as_counts(matrix, where="it")

    def test_totals_that_are_not_exact_are_refused(self):
        with pytest.raises(CorpusError, match="exactly"):
            as_counts([[1e300]], where="it")

    @pytest.mark.parametrize("indices", [[0, 9], [0, -1]])
    def test_indices_outside_the_matrix_are_refused(self, indices):
        matrix = sparse.csr_array(([1, 1], [0, 1], [0, 2]), shape=(1, 2))
        matrix.indices = np.array(indices, dtype=np.int32)
        with pytest.raises(CorpusError, match="not a valid sparse matrix"):
            as_counts(matrix, where="it")

    @given(matrices())
    def test_dense_and_sparse_agree(self, matrix):
        for form in (matrix.counts.toarray(), matrix.counts.tocsc(), matrix.counts.tocoo()):
            assert np.array_equal(as_counts(form, where="it").toarray(), matrix.counts.toarray())


class TestDocumentTermMatrix:
    matrix = DocumentTermMatrix(
        [[2, 0, 1], [0, 0, 0], [0, 3, 0]], Vocabulary(list("abc")), ("x", "y", "z"), {"label": ("1", "", "3")}
    )

    def test_sizes(self):
        matrix = self.matrix
        assert (matrix.n_documents, matrix.vocabulary_size, matrix.n_tokens) == (3, 3, 6)
        assert (matrix.lengths.tolist(), matrix.lengths.dtype) == ([3, 0, 3], np.int64)
        assert matrix.empty.tolist() == [False, True, False]

    def test_repr_is_one_line_without_words(self):
        assert repr(self.matrix) == "DocumentTermMatrix(n_documents=3, vocabulary_size=3, n_tokens=6)"

    def test_sums_do_not_overflow(self):
        matrix = DocumentTermMatrix([[2**31 - 1] * 3, [0, 0, 1]], Vocabulary(list("abc")), ("x", "y"))
        assert matrix.n_tokens == 3 * (2**31 - 1) + 1
        assert matrix.lengths.tolist() == [3 * (2**31 - 1), 1]

    @pytest.mark.parametrize("rows", [[2, 0], np.array([2, 0]), slice(None, None, -2)])
    def test_select_keeps_the_given_order(self, rows):
        chosen = self.matrix.select(rows)
        assert chosen.ids == ("z", "x")
        assert chosen.metadata == {"label": ("3", "1")}
        assert chosen.counts.toarray().tolist() == [[0, 3, 0], [2, 0, 1]]

    def test_select_accepts_a_mask(self):
        assert self.matrix.select(self.matrix.empty).ids == ("y",)
        assert self.matrix.select([]).n_documents == 0

    def test_select_accepts_repeated_rows(self):
        assert self.matrix.select([0, 2, 0]).ids == ("x", "z", "x")

    def test_unknown_words_are_counted_per_document(self):
        assert self.matrix.n_unknown == 0
        aligned = align_vocabulary(self.matrix, Vocabulary(["a", "z"]))
        dropped = self.matrix.lengths - aligned.lengths
        assert aligned.unknown_counts.tolist() == dropped.tolist()
        assert align_vocabulary(aligned, Vocabulary(["z"])).n_unknown == self.matrix.n_tokens
        assert aligned.select([2]).n_unknown == dropped[2]
        texts = documents("mast sail sail", "", "the sail, the keel, the tide")
        counted = count_words(texts, vocabulary=Vocabulary(["sail"]))
        assert counted.unknown_counts.tolist() == [1, 0, 2]  # stop words are dropped, which is not unknown

    def test_repeated_ids_are_kept_and_listed(self):
        assert self.matrix.repeated_ids == ()
        assert self.matrix.select([2, 0, 1, 0, 0, 2]).repeated_ids == ("x", "z")

    def test_the_vocabulary_must_have_one_word_per_column(self):
        with pytest.raises(VocabularyError, match="3 columns, but the vocabulary has 2 words"):
            DocumentTermMatrix([[1, 2, 3]], Vocabulary(list("ab")), ("x",))

    def test_there_must_be_one_id_per_row(self):
        with pytest.raises(CorpusError, match="1 row and 2 ids"):
            DocumentTermMatrix([[1]], Vocabulary(["a"]), ("x", "y"))

    def test_there_must_be_one_metadata_value_per_row(self):
        with pytest.raises(CorpusError, match="'label' has 2 values for 1 row"):
            DocumentTermMatrix([[1]], Vocabulary(["a"]), ("x",), {"label": ("1", "2")})


word = st.sampled_from(["ant", "bee", "cat", "dog", "the", "größe", "हिन्दी"])
texts = st.lists(st.lists(word, max_size=12).map(" ".join), min_size=1, max_size=8)


class TestCountWords:
    @given(texts)
    def test_it_agrees_with_a_counter_per_document(self, texts):
        rules = TokenRules()
        expected = [dict(Counter(tokenize(text, rules))) for text in texts]
        if any(expected):
            matrix = count_words(documents(*texts), rules=rules, **ALL)
            assert as_dicts(matrix) == expected
            assert matrix.rules == rules

    @given(texts, st.randoms())
    def test_the_order_of_documents_does_not_change_column_sums(self, texts, random):
        shuffled = documents(*texts)
        random.shuffle(shuffled)
        vocabulary = Vocabulary(["zebra", "cat", "ant"])
        for given_vocabulary in (None, vocabulary):
            original = count_words(documents("zebra", *texts), rules=PLAIN, vocabulary=given_vocabulary, **ALL)
            reordered = count_words(
                [*shuffled, Document("0", "zebra")], rules=PLAIN, vocabulary=given_vocabulary, **ALL
            )
            assert original.vocabulary == reordered.vocabulary
            total = original.counts.sum(axis=0)
            assert np.array_equal(total, reordered.counts.sum(axis=0))

    @pytest.mark.parametrize("chunk", [1, 3, 1000])
    def test_results_do_not_depend_on_chunks(self, monkeypatch, chunk):
        source = documents("a bee", "", "the cat the bee", "bee bee bee cat owl", "")
        whole = count_words(source, **ALL)
        monkeypatch.setattr(accumulator, "CHUNK_CHARACTERS", chunk)
        assert_same(count_words(source, **ALL), whole)

    def test_empty_documents_keep_their_rows(self):
        matrix = count_words(documents("", "the of", "cat cat", "..."), **ALL)
        assert matrix.ids == ("1", "2", "3", "4")
        assert matrix.empty.tolist() == [True, True, False, True]

    def test_a_given_vocabulary_is_kept(self):
        vocabulary = Vocabulary(["owl", "cat"])
        matrix = count_words(documents("cat owl cat bee", "bee"), vocabulary=vocabulary, size=1, min_df=2)
        assert matrix.vocabulary is vocabulary
        assert matrix.counts.toarray().tolist() == [[1, 2], [0, 0]]

    def test_stems_are_counted_together(self):
        matrix = count_words(documents("running runs", "run"), rules=TokenRules(stemmer="porter"), **ALL)
        assert as_dicts(matrix) == [{"run": 2}, {"run": 1}]

    def test_metadata_has_one_value_per_row(self):
        source = [
            Document("1", "cat"),
            Document("2", "cat", {"label": "a"}),
            Document("3", "cat", {"year": "1999", "label": "b"}),
            Document("4", "cat"),
        ]
        metadata = count_words(source, **ALL).metadata
        assert metadata == {"label": ("", "a", "b", ""), "year": ("", "", "1999", "")}

    def test_no_documents_are_an_error(self):
        with pytest.raises(CorpusError, match="no documents"):
            count_words([])

    def test_limits_are_checked_before_anything_is_read(self):
        def never():
            raise AssertionError
            yield

        with pytest.raises(ConfigurationError):
            count_words(never(), min_df=2.0)

    def test_limits_that_exclude_all_words_are_an_error(self):
        with pytest.raises(VocabularyError, match="min_df 2 removes 2"):
            count_words(documents("cat", "owl"))

    @given(
        texts=texts,
        size=st.none() | st.integers(1, 5),
        min_df=st.integers(1, 3) | st.floats(0.0, 0.6),
        max_df=st.integers(2, 5) | st.floats(0.4, 1.0),
    )
    def test_it_agrees_with_scikit_learn(self, texts, size, min_df, max_df):
        texts = [text.encode("ascii", "ignore").decode() for text in texts]
        pattern = r"(?u)\b\w\w+\b"
        vectorizer = CountVectorizer(token_pattern=pattern, min_df=min_df, max_df=max_df)
        rules = TokenRules(token_pattern=pattern, stop_words=())
        try:
            expected = vectorizer.fit_transform(texts)
        except ValueError:
            with pytest.raises(VocabularyError):
                count_words(documents(*texts), rules=rules, size=size, min_df=min_df, max_df=max_df)
            return
        matrix = count_words(documents(*texts), rules=rules, size=size, min_df=min_df, max_df=max_df)
        # Among equally frequent words, scikit-learn's choice is arbitrary, so the words are chosen here.
        frequencies = dict(zip(vectorizer.get_feature_names_out(), expected.sum(axis=0).A1, strict=True))
        best = sorted(frequencies, key=lambda name: (-frequencies[name], name))[:size]
        assert matrix.vocabulary.words == tuple(best)
        assert np.array_equal(
            matrix.counts.toarray(), expected[:, [vectorizer.vocabulary_[name] for name in best]].toarray()
        )


class TestAlignVocabulary:
    def test_columns_are_matched_by_word(self):
        matrix = DocumentTermMatrix([[1, 2, 3], [0, 4, 0]], Vocabulary(list("abc")), ("x", "y"), {"label": ("1", "2")})
        aligned = align_vocabulary(matrix, Vocabulary(list("cxa")))
        assert aligned.counts.toarray().tolist() == [[3, 0, 1], [0, 0, 0]]
        assert aligned.ids == ("x", "y")
        assert aligned.metadata == matrix.metadata
        assert matrix.n_tokens - aligned.n_tokens == 6

    def test_an_equal_vocabulary_returns_the_same_object(self):
        matrix = DocumentTermMatrix([[1, 2]], Vocabulary(list("ab")), ("x",))
        assert align_vocabulary(matrix, Vocabulary(list("ab"))) is matrix

    @given(matrices(), st.randoms())
    def test_aligning_back_restores_the_matrix(self, matrix, random):
        words = list(matrix.vocabulary)
        random.shuffle(words)
        assert_same(align_vocabulary(align_vocabulary(matrix, Vocabulary(words)), matrix.vocabulary), matrix)


class TestSplit:
    matrix = DocumentTermMatrix(np.arange(10)[:, None], Vocabulary(["a"]), tuple("abcdefghij"))

    @pytest.mark.parametrize(("held_out", "expected"), [(3, 3), (0.3, 3), (0.25, 2), (1, 1), (9, 9), (0.99, None)])
    def test_both_sets_keep_the_order(self, held_out, expected):
        if expected is None:
            with pytest.raises(ConfigurationError, match="Holding out 10 of 10"):
                split_documents(self.matrix, held_out, np.random.default_rng(0))
            return
        train, test = split_documents(self.matrix, held_out, np.random.default_rng(0))
        assert test.n_documents == expected
        assert list(train.ids) == sorted(train.ids)
        assert list(test.ids) == sorted(test.ids)
        assert sorted(train.ids + test.ids) == list("abcdefghij")
        assert test.counts.toarray()[:, 0].tolist() == [ord(name) - ord("a") for name in test.ids]

    def test_the_split_depends_on_the_generator_only(self):
        parts = [split_documents(self.matrix, 5, np.random.default_rng(seed))[1].ids for seed in (1, 1, 2)]
        assert parts[0] == parts[1] != parts[2]

    @pytest.mark.parametrize("held_out", [0, 10, -1, 0.0, 1.0, 1.5, 0.01])
    def test_the_number_of_held_out_documents_is_checked(self, held_out):
        with pytest.raises(ConfigurationError, match=r"Hold|Give"):
            split_documents(self.matrix, held_out, np.random.default_rng(0))


def test_20_newsgroups(shared_data):
    source = shared_data("ng20_raw/ng20_bydate.jsonl.gz")
    options = SourceOptions(id_column="", label_column="group")
    chosen = [document for document in read_documents(source, options) if int(document.id) % 10 == 0]
    matrix = count_words(chosen, size=2000)
    rules = TokenRules()
    known = set(matrix.vocabulary)
    assert as_dicts(matrix.select(slice(0, 40))) == [
        dict(Counter(token for token in tokenize(document.text, rules) if token in known)) for document in chosen[:40]
    ]
    assert (matrix.n_documents, matrix.vocabulary_size) == (1884, 2000)
    assert next(iter(matrix.metadata)) == "group"
    assert len(set(matrix.metadata["group"])) == 20
    assert not set(rules.stop_words) & known
