"""Daily Kos and raw 20 Newsgroups: docnvil beside three LDAs, by `docnvil compare`.

    python benchmarks/quality/other_corpora.py      writes benchmarks/results/other_corpora.json

Daily Kos holds out a tenth at random; 20 Newsgroups is split by date, as it comes, headers and all. A fifth of each
test document's words is hidden and predicted. A corpus that has been measured with the same settings is kept.
"""

import gzip
import json
import sys
import tempfile
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import docnvil, keep, kept, shared_data

from docnvil.training.recipes import RECIPES

COMMAND = "python benchmarks/quality/other_corpora.py"
MODELS = "docnvil,docnvil-best,sklearn-lda,gensim-lda,tomotopy-lda"


def daily_kos(folder: Path) -> tuple[Path, Path]:
    """Build a corpus of the UCI counts, a tenth of it held out."""
    docnvil("corpus", "build", shared_data("kos/docword.kos.txt.gz"), "--held-out", 0.1, "--out", folder / "kos")
    return folder / "kos" / "train", folder / "kos" / "test"


def newsgroups(folder: Path) -> tuple[Path, Path]:
    """Cut the posts by date, as they come; the vocabulary is chosen by the training part."""
    parts = {part: folder / f"{part}.jsonl" for part in ("train", "test")}
    files = {part: path.open("wb") for part, path in parts.items()}
    with gzip.open(shared_data("ng20_raw/ng20_bydate.jsonl.gz")) as posts:
        for line in posts:
            files[json.loads(line)["split"]].write(line)
    for file in files.values():
        file.close()
    return parts["train"], parts["test"]


CORPORA = {"Daily Kos": daily_kos, "20 Newsgroups, raw posts": newsgroups}


@click.command()
@click.option("--units", default=50, show_default=True)
@click.option("--threads", default=2, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(units: int, threads: int, seed: int) -> None:
    """Compare models on corpora that nothing was tuned on."""
    recipes = {name: {**RECIPES[name].model, **RECIPES[name].training} for name in ("default", "best")}
    settings = {"models": MODELS, "units": units, "threads": threads, "seed": seed, "recipes": recipes}
    found = kept("other_corpora", {"settings": settings}, {"corpora": {}})
    corpora = found["corpora"]
    for name, prepared in CORPORA.items():
        if name in corpora:
            continue
        with tempfile.TemporaryDirectory() as folder:
            options = ["--models", MODELS, "--components", units, "--threads", threads, "--seed", seed, "--json"]
            corpora[name] = docnvil("compare", *prepared(Path(folder)), *options).json
        for row in corpora[name]["models"]:
            click.echo(f"{name}: {row}")
        keep("other_corpora", COMMAND, found)


if __name__ == "__main__":
    main()
