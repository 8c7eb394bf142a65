"""Matrices of any format and type give the counts that the same dense matrix of int64 gives, or an error that says
what is wrong with them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import docnvil
from docnvil.errors import CorpusError
from docnvil.text.matrices import as_entries, canonical
from docnvil.text.sparse import as_counts
from docnvil.training.data import checked_counts

TYPES = [np.bool_, np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64]
FLOATS = [np.float16, np.float32, np.float64, np.longdouble]
FORMATS = ["csr", "csc", "coo", "lil", "bsr", "dia", "dok"]
KEEP_DUPLICATES = ["csr", "csc", "coo", "bsr"]


@pytest.fixture(scope="module")
def model():
    return docnvil.fit(np.eye(4, dtype=int) + 1, docnvil.Settings(units=(2,), epochs=1))


@pytest.fixture(scope="module")
def estimator():
    return docnvil.DocNVIL(n_components=1, epochs=1, random_state=0).fit(np.eye(4, dtype=int) + 1)


def build(form, shape, rows, columns, values):
    """Return a sparse matrix that stores these entries, duplicates included."""
    if form == "coo":
        return sparse.coo_array((values, (rows, columns)), shape=shape)
    lines, places = (columns, rows) if form == "csc" else (rows, columns)
    order = np.argsort(lines, kind="stable")
    starts = np.searchsorted(lines[order], np.arange(shape[form == "csc"] + 1))
    values = values[order][:, None, None] if form == "bsr" else values[order]
    return getattr(sparse, f"{form}_array")((values, places[order], starts), shape=shape)


def repeat_entry(form, value, n_times, kind):
    """Return a matrix `[1, 4]` whose entry in column 2 is stored several times."""
    return build(form, (1, 4), np.zeros(n_times, int), np.full(n_times, 2), np.full(n_times, value, kind))


@st.composite
def entries(draw):
    """Draw a type, a shape, and entries of up to 100 with duplicates, as rows, columns and values."""
    kind = draw(st.sampled_from(TYPES + FLOATS[1:]))
    shape = draw(st.tuples(st.integers(1, 4), st.just(4)))
    n_entries = draw(st.integers(0, 12))
    lists = (st.lists(st.integers(0, top), min_size=n_entries, max_size=n_entries) for top in (shape[0] - 1, 3, 100))
    rows, columns, values = (np.array(draw(each), dtype=np.int64) for each in lists)
    return kind, shape, rows, columns, values


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=40)
@given(entries=entries())
def test_all_formats_and_types_give_the_counts_of_the_dense_matrix(form, entries):
    kind, shape, rows, columns, values = entries
    values = values.astype(kind)
    dense = np.zeros(shape, dtype=np.int64)
    np.add.at(dense, (rows, columns), values.astype(np.int64))
    if form in KEEP_DUPLICATES:
        matrix = build(form, shape, rows, columns, values)
        assert matrix.nnz == len(values)
    else:
        matrix = sparse.coo_array(dense.clip(max=100).astype(kind)).asformat(form)
        dense = matrix.toarray().astype(np.int64)
    before = matrix.copy()
    assert np.array_equal(as_counts(matrix, where="it").toarray(), dense)
    checked = checked_counts(matrix).matrix
    assert checked.has_canonical_format
    assert checked.data.all()
    assert np.array_equal(checked.toarray(), dense)
    assert (matrix.dtype, matrix.nnz) == (before.dtype, before.nnz)


@pytest.mark.parametrize("form", KEEP_DUPLICATES)
@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32])
def test_sums_of_duplicates_do_not_overflow_in_any_method(form, kind, model, estimator):
    value = int(np.iinfo(kind).max) // 2
    matrix, table = repeat_entry(form, value, 6, kind), np.array([[0, 0, 6 * value, 0]])
    assert model.evaluate(matrix).tokens == 6 * value
    assert model.transform(matrix).tolist() == model.transform(table).tolist()
    assert docnvil.count_words(matrix).n_tokens == 6 * value
    assert estimator.evaluate(matrix).tokens == 6 * value


def test_sums_of_duplicates_do_not_overflow_in_training():
    matrix = sparse.csr_array((np.full(12, 100, np.int8), np.repeat([0, 1], 6), [0, 6, 12]), shape=(2, 2))
    fitted = docnvil.fit(matrix, docnvil.Settings(units=(2,), epochs=1))
    assert fitted.statistics.word_frequency.tolist() == [600, 600]


@pytest.mark.parametrize("form", KEEP_DUPLICATES)
def test_duplicates_of_true_are_counted(form, model):
    matrix = repeat_entry(form, True, 2, np.bool_)
    assert model.evaluate(matrix).tokens == 2
    assert docnvil.count_words(matrix).n_tokens == 2


def test_sums_that_the_type_cannot_represent_are_exact():
    assert canonical(repeat_entry("csr", 2, 3, np.float32), where="it").dtype == np.float32
    matrix = sparse.csr_array((np.array([2**24, 1], np.float32), [0, 0], [0, 2]), shape=(1, 1))
    assert canonical(matrix, where="it").toarray().tolist() == [[2**24 + 1]]


@pytest.mark.parametrize("kind", [*FLOATS, ">f2", ">f4", ">f8", ">i2", ">i4", ">u8", np.uint32, np.uint64])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.coo_array])
def test_all_types_of_numbers_are_accepted(kind, form, model):
    table = np.array([[3, 0, 1, 0], [0, 2, 0, 200]])
    matrix = table.astype(kind)
    if form is not np.asarray:
        matrix = form(table)
        matrix.data = matrix.data.astype(kind)  # SciPy itself makes no matrices of some of these types
    assert model.transform(matrix).tolist() == model.transform(table).tolist()
    assert docnvil.fit(matrix, docnvil.Settings(units=(1,), epochs=1)).statistics.word_frequency.sum() == 206
    assert docnvil.count_words(matrix).counts.toarray().tolist() == table.tolist()


@pytest.mark.parametrize("value", [2**63, 2**64 - 1])
def test_totals_that_no_type_represents_are_refused(value, model):
    for matrix in (np.array([[value, 0, 0, 0]], np.uint64), sparse.csr_array(np.array([[value, 0, 0, 0]], np.uint64))):
        with pytest.raises(CorpusError, match="too large to be stored exactly"):
            model.transform(matrix)


def break_csr(**arrays):
    matrix = sparse.csr_array(np.eye(4, dtype=int))
    for name, values in arrays.items():
        setattr(matrix, name, np.array(values))
    return matrix


def break_other(form, name, values):
    matrix = sparse.eye_array(4, dtype=int, format=form)
    setattr(matrix, name, np.array(values) if name != "coords" else tuple(map(np.array, values)))
    return matrix


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (break_csr(indices=[0, 1, 9, 3]), r"row 2 has an entry in column 9, and the columns are 0 to 3"),
        (break_csr(indices=[0, -1, 2, 3]), r"row 1 has an entry in column -1, and the columns are 0 to 3"),
        (break_csr(indptr=[0, 1, 2, 3, 9]), r"row 3 \(from 0\) has the entries 3 to 9 of 4"),
        (break_csr(indptr=[0, 1, 3, 2, 4]), r"row 2 \(from 0\) has the entries 3 to 2 of 4"),
        (break_csr(indptr=[0, 1, 2, 4]), r"indptr must have 5 numbers, the first of them 0, for 4 rows"),
        (break_csr(indptr=[1, 1, 2, 3, 4]), r"indptr must have 5 numbers, the first of them 0"),
        (break_csr(indices=[0.0, 1.0, 2.0, 3.0]), r"indptr and indices must be 1-D arrays of whole numbers"),
        (break_csr(data=[1, 1]), r"row 2 \(from 0\) has the entries 2 to 3 of 2"),
        (break_other("csc", "indices", [0, 1, 2, 7]), r"column 3 has an entry in row 7, and the rows are 0 to 3"),
        (break_other("bsr", "indices", [0, 1, 2, 7]), r"row 3 has an entry in column 7"),
        (break_other("coo", "coords", ([0, 1, 2, 3], [0, 1, 2, 4])), r"in row 3, column 4, and the columns are 0 to 3"),
        (break_other("coo", "coords", ([0, -1, 2, 3], [0, 1, 2, 3])), r"in row -1, column 1, and the rows are 0 to 3"),
    ],
)
def test_entries_outside_the_matrix_are_refused_everywhere(matrix, message, model):
    for use in (
        docnvil.count_words,
        model.transform,
        model.evaluate,
        lambda counts: docnvil.fit(counts, docnvil.Settings(units=(1,), epochs=1)),
        docnvil.DocNVIL(n_components=1, epochs=1).fit,
    ):
        with pytest.raises(CorpusError, match=f"is not a valid sparse matrix: .*{message}.* Build it again"):
            use(matrix)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[1, 2], [3]], r"(The matrix|X) has 2 values in row 0 and 1 in row 1 \(from 0\)"),
        ([[1, 2], 3], r"(The matrix|X) has 2 values in row 0 and 1 in row 1"),
        ([["cat", None], ["dog"]], r"Item 1 is \['cat', None\], which is not a text"),
        ([["cat", 3]], r"Item 1 is \['cat', 3\], which is not a text"),
        (np.ma.array(np.eye(2), mask=np.eye(2)), r"masked array"),
        (np.array([[np.datetime64("2020-01-01")]]), r"an array of dates or durations \(datetime64\[D\]\)"),
        (torch.eye(2, requires_grad=True), "cannot be converted to a NumPy array"),
        (torch.eye(2).to_sparse(), "cannot be converted to a NumPy array"),
    ],
)
def test_other_sources_are_refused_with_a_message(matrix, message):
    for use in (docnvil.count_words, docnvil.fit, docnvil.DocNVIL(n_components=1, epochs=1).fit):
        with pytest.raises(CorpusError, match=message):
            use(matrix)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [([[1j]], "complex numbers"), ([[2**70]], r"not a 2-D array of numbers \(shape \(1, 1\), object\)")],
)
def test_other_types_are_refused_with_a_message(matrix, message):
    for use in (docnvil.count_words, docnvil.fit):
        with pytest.raises(CorpusError, match=message):
            use(matrix)


def test_masked_arrays_are_refused_in_the_constructor_of_the_matrix_also():
    with pytest.raises(CorpusError, match="masked array"):
        docnvil.DocumentTermMatrix(np.ma.array([[1]], mask=[[True]]), docnvil.Vocabulary(["cat"]), ("1",))


@settings(max_examples=20)
@given(st.sampled_from(TYPES + FLOATS))
def test_entries_have_a_type_that_torch_has(kind):
    values = as_entries(np.ones((1, 2), kind), where="it").data
    assert torch.from_numpy(values).sum() == 2


@pytest.mark.parametrize("validation", [0, 2])
def test_a_matrix_of_zeros_has_nothing_to_learn(validation):
    zeros = np.zeros((20, 4), dtype=int)
    with pytest.raises(CorpusError, match="All counts are 0"):
        docnvil.fit(zeros, docnvil.Settings(validation=validation))
    images = docnvil.fit(zeros, docnvil.Settings("binary", units=(2,), epochs=1, validation=validation))
    assert images.best.validation_bound < 0  # but images may be black
