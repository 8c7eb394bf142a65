"""Seed words on 20 Newsgroups: whether units keep to them, what they cost, and how well they classify documents.

Each of the 20 newsgroups has a unit with three seed words, chosen from its subject and the vocabulary without a look at
test documents. The same model without seed words is trained as well. Reported: the share of seeded units with two or
more of their three words among their top ten; the test perplexity per document of both models; and how often the most
probable seeded unit of a test document is that of its newsgroup. No label is used in training. The first baseline
counts the seed words in the document, the second is the most frequent newsgroup.

    python benchmarks/quality/seed_words.py    5 minutes on one core; writes benchmarks/results/seed_words.json
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

sys.path.insert(0, str(Path(__file__).parents[1]))

import ng20
from common import docnvil, save_results, shared_data

from docnvil.analysis.perplexity import document_bounds
from docnvil.storage.model_folder import load_model
from docnvil.text.vocabulary import Vocabulary
from docnvil.training.fitted_model import FittedModel

COMMAND = "python benchmarks/quality/seed_words.py"
TOP_N = 10
SEED_WORDS = {
    "alt.atheism": ["atheism", "atheist", "atheists"],
    "comp.graphics": ["graphics", "image", "jpeg"],
    "comp.os.ms-windows.misc": ["windows", "microsoft", "dos"],
    "comp.sys.ibm.pc.hardware": ["motherboard", "ide", "bios"],
    "comp.sys.mac.hardware": ["mac", "apple", "quadra"],
    "comp.windows.x": ["motif", "xterm", "widget"],
    "misc.forsale": ["sale", "shipping", "offer"],
    "rec.autos": ["car", "engine", "ford"],
    "rec.motorcycles": ["bike", "motorcycle", "riding"],
    "rec.sport.baseball": ["baseball", "pitching", "cubs"],
    "rec.sport.hockey": ["hockey", "nhl", "playoffs"],
    "sci.crypt": ["encryption", "cryptography", "clipper"],
    "sci.electronics": ["circuit", "wiring", "electronics"],
    "sci.med": ["medical", "disease", "doctor"],
    "sci.space": ["space", "orbit", "nasa"],
    "soc.religion.christian": ["christ", "church", "christians"],
    "talk.politics.guns": ["gun", "firearms", "weapons"],
    "talk.politics.mideast": ["israel", "arab", "turkish"],
    "talk.politics.misc": ["government", "president", "tax"],
    "talk.religion.misc": ["religion", "morality", "bible"],
}


def write_seed_words(path: Path) -> None:
    """Write the seed words as TOML."""
    lines = [
        f'"{name}" = [{", ".join(f"{chr(34)}{word}{chr(34)}" for word in words)}]' for name, words in SEED_WORDS.items()
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def train(folder: Path, name: str, seed: int, *options: object) -> FittedModel:
    """Train a model with the default recipe and return it."""
    path = folder / f"{name}-{seed}"
    docnvil("fit", ng20.paths()[0], "--seed", seed, "--threads", 1, "--out", path, *options)
    return load_model(path, "cpu")


def perplexity(model: FittedModel, test: csr_array) -> float:
    """Return the test perplexity per document, from the variational bound with 10 samples."""
    return document_bounds(model.network, test).summarize().perplexity_per_document


def kept_words(model: FittedModel) -> dict[str, int]:
    """Return how many seed words of each unit are among its top ten words."""
    tops = model.top_words(TOP_N)
    return {name: len(set(words) & set(top)) for (name, words), top in zip(SEED_WORDS.items(), tops, strict=False)}


def accuracy(scores: NDArray[Any], labels: NDArray[np.int64]) -> float:
    """Return how often the newsgroup with the largest score, `[N, 20]`, is that of the document."""
    return float((scores.argmax(1) == labels).mean())


@click.command()
@click.option("--seeds", default=2, show_default=True, help="Training seeds, from 0.")
def main(seeds: int) -> None:
    """Measure what seed words do; write benchmarks/results/seed_words.json."""
    _, test = ng20.load()
    groups = shared_data(f"{ng20.CORPUS}/groups.txt").read_text(encoding="utf-8").split()
    labels = np.array([list(SEED_WORDS).index(groups[label]) for label in np.load(ng20.label_paths()[1])])
    vocabulary = Vocabulary.load(shared_data(f"{ng20.CORPUS}/vocabulary.txt"))
    counted = np.stack([test[:, vocabulary.columns_of(words)].sum(axis=1) for words in SEED_WORDS.values()], axis=1)
    runs = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_seed_words(folder / "seeds.toml")
        for seed in range(seeds):
            seeded = train(folder, "seeded", seed, "--seed-words", folder / "seeds.toml")
            plain = train(folder, "plain", seed)
            probabilities = seeded.transform(test)[:, : len(SEED_WORDS)]
            kept = kept_words(seeded)
            runs.append(
                {
                    "seed": seed,
                    "kept_two": float(np.mean([each >= 2 for each in kept.values()])),
                    "kept": kept,
                    "perplexity_seeded": perplexity(seeded, test),
                    "perplexity_plain": perplexity(plain, test),
                    "accuracy": accuracy(probabilities, labels),
                }
            )
            click.echo(str(runs[-1]), err=True)
    most_frequent = float(np.bincount(labels).max() / len(labels))
    baselines = {"accuracy_of_counting": accuracy(counted, labels), "accuracy_of_most_frequent": most_frequent}
    settings = {"corpus": ng20.CORPUS, "units": 50, "seed_words": SEED_WORDS, "documents": len(labels)}
    save_results("seed_words", COMMAND, {**settings, **baselines, "runs": runs})


if __name__ == "__main__":
    main()
