"""A few changed and invented files for every reader; `python -m torture --attack fuzz` reads a million."""

import pytest
from torture.arena import Arena
from torture.fuzz import quick_tries

from docnvil.errors import CorpusError
from docnvil.text.document_term_matrix import DocumentTermMatrix
from docnvil.text.sparse import as_counts
from docnvil.text.vocabulary import Vocabulary


@pytest.mark.filterwarnings("ignore")
def test_changed_files_give_a_message_or_a_result(tmp_path):
    pytest.importorskip("openpyxl")
    pytest.importorskip("pyarrow")
    outcomes = [each.run() for each in quick_tries(Arena(tmp_path, seed=1), 12)]
    assert len(outcomes) > 60
    assert not [outcome.detail for outcome in outcomes if outcome.failures]
    assert {outcome.result for outcome in outcomes} >= {"read and refused"}


@pytest.mark.parametrize("starts", [[0, -1, 2], [0, 3, 2], [1, 1, 2], [0, 2**62, -(2**62)], [0, 0, -2], [0, 1, 3]])
def test_rows_that_do_not_follow_each_other_are_refused(starts):
    matrix = DocumentTermMatrix([[1, 0], [0, 2]], Vocabulary(list("ab")), ("1", "2")).counts.copy()
    matrix.indptr = matrix.indptr.astype("int64")
    matrix.indptr[:] = starts
    with pytest.raises(CorpusError, match="not a valid sparse matrix"):
        as_counts(matrix, where="The matrix")
