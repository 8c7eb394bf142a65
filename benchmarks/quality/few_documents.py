"""Numbers of units on few documents: 200 units must not be worse than 10.

Data: 2,000 training documents of 20 Newsgroups, drawn at random, and its 7,502 test documents with the split of their
words that comes with the corpus. Reported: variational bound, completion, and live units.

    python benchmarks/quality/few_documents.py      10 minutes on one core; writes benchmarks/results/few_documents.json
"""

import json
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
from scipy.sparse import csr_array

sys.path.insert(0, str(Path(__file__).parents[1]))

import ng20
from common import recipe_settings, resume_results, save_results

import docnvil
from docnvil.analysis.completion import evaluate_completion

COMMAND = "python benchmarks/quality/few_documents.py"
DOCUMENTS = 2000
UNITS = (10, 50, 200)


def evaluate(units: int, seed: int) -> dict[str, Any]:
    """Train on the documents and return the measures of the test documents."""
    train, test = ng20.load()
    rows = np.sort(np.random.default_rng(0).choice(train.shape[0], DOCUMENTS, replace=False))
    model = docnvil.fit(csr_array(train[rows]), docnvil.Settings(units=(units,), seed=seed, device="cpu"))
    bound = model.evaluate(test)
    completion = evaluate_completion(model.network, *ng20.load_completion(), seed=seed).summarize()
    return {
        "perplexity_per_document": bound.perplexity_per_document,
        "completion_per_word": completion.perplexity_per_word,
        "completion_per_document": completion.perplexity_per_document,
        "live_units": sum(not topic.dead for topic in model.topics()),
    }


@click.command()
@click.option("--seeds", default=3, show_default=True, help="Number of seeds: 0, 1, ...")
def main(seeds: int) -> None:
    """Measure models of several sizes on few documents; write benchmarks/results/few_documents.json."""
    recipe = json.loads(json.dumps(recipe_settings("default")))
    settings = {"corpus": ng20.CORPUS, "documents": DOCUMENTS, "recipe": recipe}
    results = resume_results("few_documents", settings, {"rows": []})
    done = {(row["units"], row["seed"]) for row in results["rows"]}
    for seed in range(seeds):
        for units in UNITS:
            if (units, seed) not in done:
                results["rows"].append({"units": units, "seed": seed, **evaluate(units, seed)})
                click.echo(f"{results['rows'][-1]}", err=True)
                save_results("few_documents", COMMAND, results)


if __name__ == "__main__":
    main()
