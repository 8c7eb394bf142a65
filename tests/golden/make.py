"""Write the golden folder of the current format: a small model with every part, and its results.

    python tests/golden/make.py tests/golden/format-1

Run it once for each new format, and never again: later versions of docnvil must read what this one wrote.
"""

import json
import sys
from pathlib import Path

import numpy as np

from docnvil.estimator import DocNVIL
from docnvil.text.counts import count_words
from docnvil.text.documents import Document

TEXTS = [" ".join([text] * 6) for text in ("wind and sail, mast and anchor", "salt in the oven, flour and salt")]


def make(folder: Path) -> None:
    documents = [Document(str(number), TEXTS[number % 2]) for number in range(24)]
    matrix = count_words(documents, max_df=1.0)
    model = DocNVIL(n_components=(3, 2), recipe="best", epochs=300, batch_size=6, l1=0.1, random_state=0).fit(matrix)
    model.save(folder / "model")
    answers = {
        "words": list(model.vocabulary_),
        "transform": model.transform(matrix.select(np.arange(2))).tolist(),
        "score_samples": model.score_samples(matrix.select(np.arange(2))).tolist(),
        "top_words": model.top_words(3),
    }
    (folder / "answers.json").write_text(json.dumps(answers, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
