"""Models and search indexes written by earlier versions open and give the recorded results."""

import json
from pathlib import Path

import numpy as np
import pytest
from golden.make import TEXTS
from golden.make_index import INDEXES, answers_of, open_golden

from docnvil.errors import CheckpointError
from docnvil.estimator import DocNVIL
from docnvil.search.index import FORMAT_VERSION
from docnvil.text.counts import count_words
from docnvil.text.documents import Document

GOLDEN = Path(__file__).parent / "golden"
FORMATS = sorted(GOLDEN.glob("format-*"))


@pytest.mark.parametrize("folder", FORMATS, ids=lambda folder: folder.name)
def test_an_old_model_gives_the_recorded_results(folder):
    model = DocNVIL.load(folder / "model")
    answers = json.loads((folder / "answers.json").read_text(encoding="utf-8"))
    documents = [Document(str(number), text) for number, text in enumerate(TEXTS)]
    matrix = count_words(documents, rules=model.model_.token_rules, vocabulary=model.vocabulary_)
    assert list(model.vocabulary_) == answers["words"]
    # Means over samples, which a later version may draw differently; the scores must not change.
    assert model.transform(matrix) == pytest.approx(np.array(answers["transform"]), abs=0.02)
    assert model.score_samples(matrix) == pytest.approx(np.array(answers["score_samples"]), rel=1e-4)
    assert model.top_words(3) == answers["top_words"]


@pytest.mark.parametrize("name", INDEXES)
@pytest.mark.parametrize("folder", sorted(GOLDEN.glob("index-*")), ids=lambda folder: folder.name)
def test_an_old_index_gives_the_recorded_results_or_is_refused(folder, name):
    if folder.name != f"index-{FORMAT_VERSION}":
        with pytest.raises(CheckpointError, match="has index format"):
            open_golden(folder, name)
        return
    expected = json.loads((folder / "answers.json").read_text(encoding="utf-8"))[name]
    answers = answers_of(open_golden(folder, name))
    assert answers.pop("excerpts") == expected.pop("excerpts")
    assert answers.keys() == expected.keys()
    for query, results in answers.items():
        assert [each[:3] for each in results] == [each[:3] for each in expected[query]]
        assert [each[3] for each in results] == pytest.approx([each[3] for each in expected[query]], abs=1e-3)
