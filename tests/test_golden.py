"""Models written by earlier versions open and give the recorded results."""

import json
from pathlib import Path

import numpy as np
import pytest
from golden.make import TEXTS

from docnvil.estimator import DocNVIL
from docnvil.text.counts import count_words
from docnvil.text.documents import Document

FORMATS = sorted((Path(__file__).parent / "golden").glob("format-*"))


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
