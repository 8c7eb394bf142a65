"""How soon docnvil predicts held-out words as well as tomotopy's LDA does after 1,000 iterations.

    python benchmarks/quality/time_to_completion.py     writes benchmarks/results/time_to_completion.json

20 Newsgroups, 50 units or topics, the split that comes with the corpus, both on two threads, in turn, seed by seed.
docnvil is trained for 1, 2, 3, ... epochs by the default recipe, each training from the start, until its completion
perplexity per word is at most tomotopy's. What counts is the wall time of that one command, the start of Python and the
writing of the model included; of tomotopy only the training.
"""

import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import click
from newsgroups import completion_split
from scipy.sparse import csr_array, load_npz

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import docnvil, keep, shared_data
from peers import fitted

from docnvil.analysis.completion import evaluate_predictor

COMMAND = "python benchmarks/quality/time_to_completion.py"
MOST_EPOCHS = 40


def one_seed(seed: int, units: int, threads: int) -> dict[str, Any]:
    """Train tomotopy once, and docnvil for more and more epochs until it is as good."""
    train = shared_data("ng20_sh2009/train.npz")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts = completion_split(folder)
        lda = fitted("tomotopy-lda", csr_array(load_npz(train)), units, seed)
        scores = evaluate_predictor(lda.model.predict, *(csr_array(load_npz(path)) for path in parts))
        theirs = scores.summarize().perplexity_per_word
        tried = []
        for epochs in range(1, MOST_EPOCHS + 1):
            model = folder / f"after-{epochs}"
            options = ["--units", units, "--seed", seed, "--threads", threads, "--epochs", epochs]
            fit = docnvil("fit", train, *options, "--out", model, "--json")
            ours = docnvil("completion", model, parts[0], "--predict", parts[1], "--json").json
            tried.append(
                {
                    "epochs": epochs,
                    "wall_seconds": round(fit.seconds, 2),
                    "training_seconds": round(fit.json["seconds"], 2),
                    "completion_per_word": ours["perplexity_per_word"],
                }
            )
            click.echo(f"seed {seed}: {tried[-1]}; tomotopy {theirs:.1f} in {lda.seconds:.1f} s", err=True)
            if ours["perplexity_per_word"] <= theirs:
                break
    return {
        "seed": seed,
        "tomotopy": {"seconds": round(lda.seconds, 2), "completion_per_word": theirs},
        "docnvil": tried,
        "reached": tried[-1]["completion_per_word"] <= theirs,
        "share_of_its_time": round(tried[-1]["wall_seconds"] / lda.seconds, 3),
    }


@click.command()
@click.option("--units", default=50, show_default=True)
@click.option("--seeds", default=3, show_default=True, help="Seeds 0, 1, ...")
@click.option("--threads", default=2, show_default=True, help="Of docnvil; tomotopy takes all cores.")
def main(units: int, seeds: int, threads: int) -> None:
    """Time docnvil to tomotopy's figure."""
    runs = [one_seed(seed, units, threads) for seed in range(seeds)]
    share = median(run["share_of_its_time"] for run in runs) if all(run["reached"] for run in runs) else None
    click.echo(f"share of tomotopy's time: {share}")
    keep("time_to_completion", COMMAND, {"units": units, "threads": threads, "runs": runs, "share_of_its_time": share})


if __name__ == "__main__":
    main()
