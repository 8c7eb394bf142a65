"""The main job on real text, in one go: build a corpus, train, judge, read, embed, draw.

    python benchmarks/demo.py --out demo

The text is the documentation of the Python packages that docnvil installs, so that any machine has it, offline.
"""

import shutil
import sys
import time
from pathlib import Path

import click
import numpy as np
from scipy.sparse import csr_array, vstack

sys.path.insert(0, str(Path(__file__).parent))

from common import ROOT, Done, docnvil, keep, run
from peers import fitted

from docnvil.analysis.coherence import diversity, npmi
from docnvil.corpus.loading import read_corpus
from docnvil.runtime.folders import replace_file

RECIPE = ROOT / "corpora" / "python-api" / "recipe.py"
UNITS = 50
SHOWN_LINES = 12


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("demo"), show_default=True)
@click.option("--keep-results", is_flag=True, help="Also write the figures to benchmarks/results/demo.json.")
def main(out: Path, keep_results: bool) -> None:
    started = time.perf_counter()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    told = "python corpora/python-api/recipe.py --out python-api.jsonl.gz"
    run([sys.executable, str(RECIPE), "--out", "python-api.jsonl.gz"], told=told, shown=True, cwd=out)

    here = {"shown": True, "cwd": out}
    labels = ("--label-column", "label")
    docnvil("corpus", "build", "python-api.jsonl.gz", *labels, "--held-out", 0.1, "--out", "corpus", **here)
    fit = docnvil("fit", "corpus/train", "--units", UNITS, "--out", "model", **here)
    topics = docnvil("topics", "model", "--coherence", "corpus/train", "--coherence", "corpus/test", **here)
    judged = docnvil("perplexity", "model", "corpus/test", **here)
    docnvil("embed", "model", "corpus/test", "--out", "embeddings.csv", **here)
    title = ("--title", "The documentation of seven Python packages")
    docnvil("report", "model", *title, "--out", "report.html", "--overview", "overview.svg", **here)

    train, test = (read_corpus(out / "corpus" / part).counts for part in ("train", "test"))
    lda = fitted("sklearn-lda", train, UNITS, seed=0)
    reference = csr_array(vstack([train, test], format="csr"))
    ours = docnvil(
        "topics", "model", "--coherence", "corpus/train", "--coherence", "corpus/test", "--json", cwd=out
    ).json
    click.echo("\nHow the words of the units hang together, beside scikit-learn's LDA on the same counts:\n")
    click.echo(f"{'':34s}NPMI  diversity  seconds to fit")
    click.echo(f"{'docnvil':32s}{ours['npmi']:6.3f}  {ours['diversity']:9.3f}  {fit.seconds:14.0f}")
    peers = {}
    for ranking in ("by probability", "by relevance"):
        words = lda.model.words(ranking=ranking)
        peers[ranking] = {"npmi": float(np.mean(npmi(words, reference))), "diversity": diversity(words)}
        of_lda = peers[ranking]
        click.echo(
            f"{'LDA, words ' + ranking:32s}{of_lda['npmi']:6.3f}  {of_lda['diversity']:9.3f}  {lda.seconds:14.0f}"
        )
    click.echo(
        f"\nDone in {time.perf_counter() - started:.0f} s. In {out}: model, embeddings.csv, and report.html to look at."
    )
    if keep_results:
        replace_file(ROOT / "docs" / "overview.svg", (out / "overview.svg").read_bytes())
        figures = {
            "shown": "\n\n".join(_shortened(done) for done in (topics, judged)),
            "units": UNITS,
            "fit_wall_seconds": round(fit.seconds, 1),
            "perplexity": docnvil("perplexity", "model", "corpus/test", "--json", cwd=out).json,
            "topics": {name: ours[name] for name in ("npmi", "diversity", "live_units")},
            "scikit-learn LDA": {"fit_wall_seconds": round(lda.seconds, 1), **peers},
        }
        keep("demo", "python benchmarks/demo.py --keep-results", figures)


def _shortened(done: Done) -> str:
    """Return a command and what it printed, the middle of a long list left out."""
    lines = done.stdout.rstrip().splitlines()
    if len(lines) > 2 * SHOWN_LINES:
        lines = [*lines[:SHOWN_LINES], f"      ... {UNITS - SHOWN_LINES} more units ...", *lines[-2:]]
    return "\n".join([done.command, *lines])


if __name__ == "__main__":
    main()
