"""The main use of docnvil on real text: build a corpus, train, read topics, evaluate, embed, report.

Data: docstrings of the Python packages that docnvil installs, 7,000 documents, so it runs offline on any machine. Every
command is printed with its output, then three held-out documents with their topics, and a comparison with
scikit-learn's LDA.

    python benchmarks/demo.py --out demo    3 minutes on two cores; writes the folder demo/
    python benchmarks/demo.py --keep-results    also benchmarks/results/demo.json and docs/overview.svg
"""

import csv
import gzip
import json
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from scipy.sparse import csr_array, vstack

sys.path.insert(0, str(Path(__file__).parent))

from common import ROOT, CompletedCommand, docnvil, run_command, save_results
from ng20 import evaluate_words
from peers import fit_peer

from docnvil.corpus.reading import read_corpus
from docnvil.runtime.folders import replace_file

RECIPE = ROOT / "corpora" / "python-api" / "recipe.py"
TEXTS = "python-api.jsonl.gz"
UNITS = 50
SHOWN_LINES = 12
EXAMPLE_PACKAGES = ("pandas", "scipy", "torch")


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("demo"), show_default=True, help="Folder to write."
)
@click.option("--keep-results", is_flag=True, help="Also write benchmarks/results/demo.json and docs/overview.svg.")
def main(out: Path, keep_results: bool) -> None:
    """Train a topic model on the documentation of Python packages, and use it."""
    start = time.perf_counter()
    if out.exists() and any(out.iterdir()) and not (out / TEXTS).exists():
        raise click.ClickException(f"{out} has files, but not those of an earlier demo. Choose another --out.")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    shown = {"echo": True, "cwd": out}

    step("1. Write the documents: the docstrings of seven Python packages.")
    command = [sys.executable, str(RECIPE), "--out", TEXTS]
    run_command(command, label=f"python corpora/python-api/recipe.py --out {TEXTS}", **shown)
    step("2. Count words and hold out a tenth of the documents for evaluation.")
    docnvil("corpus", "build", TEXTS, "--label-column", "label", "--held-out", 0.1, "--out", "corpus", **shown)
    step(f"3. Train a model with {UNITS} units. A unit is a topic that each document switches on or off.")
    fit = docnvil("fit", "corpus/train", "--units", UNITS, "--out", "model", **shown)
    step("4. List the topics: unit, share of the documents with the unit on, NPMI coherence, typical words.")
    coherence = ("topics", "model", "--coherence", "corpus/train", "--coherence", "corpus/test")
    topics = docnvil(*coherence, **shown)
    step("5. Evaluate the model on the held-out documents: lower perplexity is better.")
    perplexity = docnvil("perplexity", "model", "corpus/test", **shown)
    step("6. Embed the held-out documents: the probability of each unit, one row per document.")
    docnvil("embed", "model", "corpus/test", "--out", "embeddings.csv", **shown)
    summary = docnvil(*coherence, "--json", cwd=out).json
    click.echo("\nThree of these documents, with the units whose probability is above 0.9:")
    for line in example_lines(out, summary["units"]):
        click.echo(line)
    step("7. Write a page to read in a browser: a map of all documents, a search, and each unit with documents.")
    options = ("--test", "corpus/test", "--title", "The documentation of seven Python packages")
    docnvil("report", "model", TEXTS, *options, "--out", "report.html", "--overview", "overview.svg", **shown)

    step("8. Compare the topics with those of scikit-learn's LDA on the same counts.")
    lda = measure_lda(out)
    click.echo(f"\n{'':34s}NPMI  diversity  seconds to fit")
    click.echo(f"{'docnvil':32s}{summary['npmi']:6.3f}  {summary['diversity']:9.3f}  {fit.seconds:14.0f}")
    for ranking in ("by probability", "by relevance"):
        npmi, diversity = lda[ranking]["npmi"], lda[ranking]["diversity"]
        click.echo(f"{'LDA, words ' + ranking:32s}{npmi:6.3f}  {diversity:9.3f}  {lda['fit_wall_seconds']:14.0f}")
    click.echo(f"\nDone in {time.perf_counter() - start:.0f} s. Open {out / 'report.html'} in a browser.")
    if keep_results:
        replace_file(ROOT / "docs" / "overview.svg", (out / "overview.svg").read_bytes())
        results = {
            "output": "\n\n".join(shorten(command) for command in (topics, perplexity)),
            "units": UNITS,
            "fit_wall_seconds": round(fit.seconds, 1),
            "perplexity": docnvil("perplexity", "model", "corpus/test", "--json", cwd=out).json,
            "topics": {name: summary[name] for name in ("npmi", "diversity", "live_units")},
            "scikit-learn LDA": lda,
        }
        save_results("demo", "python benchmarks/demo.py --keep-results", results)


def step(title: str) -> None:
    """Print the title of a step."""
    click.secho(f"\n{title}", fg="green")


def example_lines(out: Path, units: list[dict[str, Any]]) -> Iterator[str]:
    """Yield lines that show, for one held-out document per package, its text and the units that are on."""
    with gzip.open(out / TEXTS, "rt", encoding="utf-8") as file:
        texts = {record["id"]: record["text"] for record in map(json.loads, file)}
    with (out / "embeddings.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for package in EXAMPLE_PACKAGES:
        for row in rows:
            on = [unit for unit in units if float(row[f"unit{unit['unit']}"]) > 0.9]
            if row["label"] == package and len(on) == 3:
                yield f"\n{row['id']}: {' '.join(texts[row['id']].split())[:80]}..."
                yield from (f"  unit {unit['unit']:2d}: {' '.join(unit['words'])}" for unit in on)
                break


def measure_lda(out: Path) -> dict[str, Any]:
    """Fit scikit-learn's LDA on the training documents and evaluate its topics as docnvil's."""
    train, test = (read_corpus(out / "corpus" / part).counts for part in ("train", "test"))
    lda = fit_peer("sklearn-lda", train, UNITS, seed=0)
    reference = csr_array(vstack([train, test], format="csr"))
    rankings = ("by probability", "by relevance")
    quality = {ranking: evaluate_words(lda.model.words(ranking=ranking), reference) for ranking in rankings}
    return {"fit_wall_seconds": round(lda.seconds, 1), **quality}


def shorten(command: CompletedCommand) -> str:
    """Return a command and its output, without the middle of a long list."""
    lines = command.stdout.rstrip().splitlines()
    if len(lines) > 2 * SHOWN_LINES:
        lines = [*lines[: SHOWN_LINES + 1], f"      ... {UNITS - SHOWN_LINES} more units ...", *lines[-2:]]
    return "\n".join([command.command, *lines])


if __name__ == "__main__":
    main()
