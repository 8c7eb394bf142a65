"""Whether `docnvil sweep` finds the number of units of corpora that are drawn from models of known size.

A model of each true size is trained on 20 Newsgroups (600 words), `docnvil sample` draws a corpus from it, and `docnvil
sweep` compares numbers of units on that corpus. Reported: the suggested number and the range of numbers that are not
worse than the best one.

    python benchmarks/quality/sweep.py    7 minutes on one core; writes benchmarks/results/sweep.json

With --folder, an interrupted run continues: models, corpora and finished trainings in it are used again. True sizes
that were measured with the same settings are kept.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parents[1]))

import ng20
from common import docnvil, resume_results, save_results

COMMAND = "python benchmarks/quality/sweep.py"
UNITS = {5: (2, 5, 10), 10: (5, 10, 20)}  # compared, by the true number
VOCABULARY_SIZE = 600


def sweep_sample(folder: Path, truth: int, documents: int, held_out: int, seeds: int, epochs: int) -> dict[str, Any]:
    """Train a model with `truth` units, draw a corpus from it and return what the sweep says about it."""
    train = ng20.paths()[0]
    model, corpus = folder / f"model-{truth}", folder / f"corpus-{truth}"
    limits = ("--vocabulary-size", VOCABULARY_SIZE, "--epochs", 10, "--threads", 1)
    if not model.exists():
        docnvil("fit", train, "--units", truth, *limits, "--out", model)
    if not corpus.exists():
        docnvil("sample", model, "--documents", documents, "--lengths-of", train, "--out", corpus)
    options = ("--held-out", held_out, "--seeds", seeds, "--epochs", epochs, "--bound-samples", 50)
    units = ",".join(map(str, UNITS[truth]))
    result = docnvil("sweep", corpus, "--units", units, *options, "--out", folder / f"sweep-{truth}", "--json").json
    names = ("rows", "best", "suggested", "largest", "no_units_per_word")
    return {name: result[name] for name in names}


@click.command()
@click.option("--documents", default=3000, show_default=True, help="Documents drawn from each model.")
@click.option("--held-out", default=600, show_default=True, help="Documents held out of these.")
@click.option("--seeds", default=2, show_default=True, help="Trainings with each number of units.")
@click.option("--epochs", default=25, show_default=True, help="Epochs of each training.")
@click.option("--folder", type=click.Path(path_type=Path), help="Folder to work in; by default a temporary one.")
def main(folder: Path | None, **settings: int) -> None:
    """Compare the suggested with the true number of units; write benchmarks/results/sweep.json."""
    fixed = {"corpus": ng20.CORPUS, "vocabulary_size": VOCABULARY_SIZE, **settings}
    results = resume_results("sweep", fixed, {"truths": {}})
    with tempfile.TemporaryDirectory() as temporary:
        for truth in UNITS:
            if str(truth) not in results["truths"]:
                results["truths"][str(truth)] = sweep_sample(folder or Path(temporary), truth, **settings)
                save_results("sweep", COMMAND, results)


if __name__ == "__main__":
    main()
