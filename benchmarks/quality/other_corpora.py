"""docnvil, its `best` recipe and three LDAs on two corpora that no setting was tuned on, by `docnvil compare`.

Data: Daily Kos, with a tenth of the documents held out at random, and 20 Newsgroups as raw posts with their headers,
with its own split by date. A fifth of the words of each test document is hidden and predicted.

    python benchmarks/quality/other_corpora.py      15 minutes on two cores
                                                    writes benchmarks/results/other_corpora.json

Corpora already measured with the same settings are kept, so the same command resumes.
"""

import gzip
import json
import sys
import tempfile
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[1]))

import ng20
from common import docnvil, recipe_settings, resume_results, save_results, shared_data

COMMAND = "python benchmarks/quality/other_corpora.py"
MODELS = "docnvil,docnvil-best,sklearn-lda,gensim-lda,tomotopy-lda"


def build_daily_kos(folder: Path) -> tuple[Path, Path]:
    """Build a corpus from the UCI counts and return its training and held-out parts."""
    docnvil("corpus", "build", shared_data("kos/docword.kos.txt.gz"), "--held-out", 0.1, "--out", folder / "kos")
    return folder / "kos" / "train", folder / "kos" / "test"


def split_newsgroups(folder: Path) -> tuple[Path, Path]:
    """Write the posts of the corpus's training and test splits to two files and return their paths."""
    train, test = folder / "train.jsonl", folder / "test.jsonl"
    with gzip.open(ng20.raw_posts()) as posts, train.open("wb") as train_file, test.open("wb") as test_file:
        files = {"train": train_file, "test": test_file}
        for line in posts:
            files[json.loads(line)["split"]].write(line)
    return train, test


CORPORA = {"Daily Kos": build_daily_kos, "20 Newsgroups, raw posts": split_newsgroups}


@click.command()
@click.option("--units", default=50, show_default=True, help="Units or topics of every model.")
@click.option("--threads", default=2, show_default=True, help="Threads of every model.")
@click.option("--seed", default=0, show_default=True, help="Seed of every model.")
def main(units: int, threads: int, seed: int) -> None:
    """Compare models on Daily Kos and raw 20 Newsgroups; write benchmarks/results/other_corpora.json."""
    recipes = {name: recipe_settings(name) for name in ("default", "best")}
    settings = {"models": MODELS, "units": units, "threads": threads, "seed": seed, "recipes": recipes}
    results = resume_results("other_corpora", {"settings": settings}, {"corpora": {}})
    corpora = results["corpora"]
    options = ["--models", MODELS, "--components", units, "--threads", threads, "--seed", seed, "--json"]
    for name, prepare in CORPORA.items():
        if name in corpora:
            continue
        with tempfile.TemporaryDirectory() as folder:
            corpora[name] = docnvil("compare", *prepare(Path(folder)), *options).json
        for row in corpora[name]["models"]:
            click.echo(f"{name}: {row}")
        save_results("other_corpora", COMMAND, results)


if __name__ == "__main__":
    main()
