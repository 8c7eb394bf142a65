"""Large batches, which GPUs and many processes need: held-out perplexity after the same number of documents.

Data: 180,000 pieces of 12 words of the training posts of 20 Newsgroups without their headers (raw text, the 2,000 most
frequent words), and 5,000 pieces of test posts. Every training passes twenty times over the documents. The learning
rates of the recipe `large-batch` were chosen on the validation documents of the training, not on the test pieces.

    python benchmarks/quality/large_batches.py      40 minutes on one core; writes benchmarks/results/large_batches.json

Rows already measured with the same recipe are kept, so the same command resumes.
"""

import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
from scipy.sparse import csr_array

sys.path.insert(0, str(Path(__file__).parents[1]))

import ng20
from common import recipe_settings, resume_results, save_results

import docnvil
from docnvil.text.sparse import row_sums

COMMAND = "python benchmarks/quality/large_batches.py"
DOCUMENTS, TEST_DOCUMENTS = 180_000, 5_000
PIECE_LENGTH, MIN_TOKENS, VOCABULARY_SIZE = 12, 2, 2_000
EPOCHS = 20
DEFAULT = "default"
# From batch size to learning rate, for the recipe large-batch.
RATES: dict[int, float] = {1_000: 0.03, 5_000: 0.1, 20_000: 0.2, 50_000: 0.2}
# With thousands of updates, Adam's usual decay rates are better: 985 with those of the recipe.
DECAY_RATES: dict[int, dict[str, float]] = {1_000: {"beta1": 0.9, "beta2": 0.999}}


def pieces(split: str) -> Iterator[docnvil.Document]:
    """Yield consecutive pieces of the posts' bodies."""
    with gzip.open(ng20.raw_posts(), "rt", encoding="utf-8") as file:
        for line in file:
            post = json.loads(line)
            if post["split"] != split:
                continue
            words = post["text"].split("\n\n", 1)[-1].split()
            for start in range(0, max(1, len(words) - PIECE_LENGTH // 2), PIECE_LENGTH):
                yield docnvil.Document(f"{post['id']}-{start}", " ".join(words[start : start + PIECE_LENGTH]))


def chosen(matrix: docnvil.DocumentTermMatrix, number: int, seed: int) -> csr_array:
    """Return the counts of that many pieces with at least two known words, drawn at random."""
    rows = np.flatnonzero(row_sums(matrix.counts) >= MIN_TOKENS)
    return csr_array(matrix.counts[np.sort(np.random.default_rng(seed).permutation(rows)[:number])])


def evaluate(train: csr_array, test: csr_array, batch_size: int | None, seed: int) -> dict[str, Any]:
    """Train with a batch size, or with the default recipe, and return the measures of the test pieces."""
    settings = docnvil.Settings(DEFAULT, epochs=EPOCHS, seed=seed, device="cpu")
    if batch_size is not None:
        options = {"batch_size": batch_size, "learning_rate": RATES[batch_size], **DECAY_RATES.get(batch_size, {})}
        settings = docnvil.Settings("large-batch", epochs=EPOCHS, seed=seed, device="cpu", **options)
    model = docnvil.fit(train, settings)
    result = model.evaluate(test)
    return {
        "updates": model.history[-1].updates,
        "learning_rate": model.training.learning_rate,
        "beta1": model.training.beta1,
        "beta2": model.training.beta2,
        "validation_perplexity_per_document": model.best.validation_perplexity,
        "perplexity_per_document": result.perplexity_per_document,
        "perplexity_per_word": result.perplexity_per_word,
        "live_units": sum(not topic.dead for topic in model.topics()),
    }


@click.command()
@click.option("--seeds", default=1, show_default=True, help="Number of seeds: 0, 1, ...")
def main(seeds: int) -> None:
    """Measure large batches; write benchmarks/results/large_batches.json."""
    settings = {
        "corpus": "ng20_raw",
        "documents": DOCUMENTS,
        "epochs": EPOCHS,
        "rates": {str(size): rate for size, rate in RATES.items()},
        "decay_rates": {str(size): rates for size, rates in DECAY_RATES.items()},
        "recipes": json.loads(json.dumps({name: recipe_settings(name) for name in (DEFAULT, "large-batch")})),
    }
    results = resume_results("large_batches", settings, {"rows": []})
    counted = docnvil.count_words(pieces("train"), size=VOCABULARY_SIZE)
    held_out = docnvil.count_words(pieces("test"), vocabulary=counted.vocabulary, rules=counted.rules)
    train, test = chosen(counted, DOCUMENTS, 0), chosen(held_out, TEST_DOCUMENTS, 1)
    done = {(row["batch_size"], row["seed"]) for row in results["rows"]}
    for seed in range(seeds):
        for batch_size in (None, *RATES):
            if (batch_size, seed) not in done:
                row = {"batch_size": batch_size, "seed": seed, **evaluate(train, test, batch_size, seed)}
                results["rows"].append(row)
                click.echo(f"{row}", err=True)
                save_results("large_batches", COMMAND, results)


if __name__ == "__main__":
    main()
