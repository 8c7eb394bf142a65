"""The size of RCV1: 804,414 documents over 10,000 words, drawn from a model of real text, learned from disk.

python benchmarks/scale/rcv1.py --work rcv1/        writes benchmarks/results/rcv1.json

The papers' matrix cannot be had, so documents are drawn from an SBN fitted to 20 Newsgroups, as long as real posts are.
That gives what no real corpus has, the true model, whose own importance-weighted estimate on held-out documents says
how well they can be explained at all. What is measured is whether docnvil carries the size: time and memory, and how
near the trained models come. A stage that is done is not done again; an interrupted training goes on, and then tells
the wall seconds of its last run alone.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import SOFTMAX, keep, shared_data

from docnvil.runtime.folders import replace_file
from docnvil.runtime.machine import machine

DOCUMENTS, HELD_OUT, WORDS, UNITS = 804_414, 10_000, 10_000, 50
FACTORIAL = ("--posterior", "factorial")
MODELS = {
    "SBN-50": ["--prior", "factorial", *FACTORIAL],
    "fDARN-50": ["--prior", "autoregressive", *FACTORIAL],
}
SECONDS_BETWEEN_LOOKS = 0.02


@dataclass(frozen=True)
class Stages:
    """Figures of finished stages, each in a file of its own, so that a second run finds them."""

    folder: Path

    def __call__(self, name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return a stage's figures, from its file or by doing the work."""
        file = self.folder / f"{name}.json"
        if not file.exists():
            click.secho(f"{name}", bold=True, err=True)
            replace_file(file, json.dumps(work(), indent=2).encode())
        return json.loads(file.read_text(encoding="utf-8"))


def measured(*arguments: object) -> dict[str, Any]:
    """Run a docnvil command; return what it printed as JSON, its wall seconds and its peaks of memory.

    Private memory is what the process holds beside the file cache (RssAnon), looked at every 20 ms; total memory
    includes the pages of mapped files. Both are known on Linux only.
    """
    command = [sys.executable, "-m", "docnvil", *map(str, arguments)]
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        private = total = 0
        while process.poll() is None:
            now_private, now_total = memory_of(process.pid)
            private, total = max(private, now_private), max(total, now_total)
            time.sleep(SECONDS_BETWEEN_LOOKS)
        printed = process.stdout.read()
    if process.returncode:
        raise click.ClickException(f"{' '.join(command)} ended with status {process.returncode}. See above.")
    return {
        **(json.loads(printed) if printed else {}),
        "wall_seconds": round(time.perf_counter() - started, 1),
        "peak_private_mebibytes": round(private / 1024),
        "peak_total_mebibytes": round(total / 1024),
    }


def memory_of(process: int) -> tuple[int, int]:
    """Return private memory and the peak of all resident memory of a process, in KiB; zeros where they are not told."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return 0, 0
    found = (re.search(rf"^{name}:\s+(\d+)", status, re.MULTILINE) for name in ("RssAnon", "VmHWM"))
    private, total = (int(match[1]) if match else 0 for match in found)
    return private, total


@click.command()
@click.option("--work", type=click.Path(path_type=Path), required=True, help="Where corpora and models go; kept.")
@click.option("--documents", default=DOCUMENTS, show_default=True, help="Documents drawn; fewer to try it out.")
@click.option("--held-out", default=HELD_OUT, show_default=True, help="Of these, how many judge.")
@click.option("--epochs", default=1, show_default=True, help="Passes over the documents drawn.")
@click.option("--samples", default=200, show_default=True, help="Of the importance-weighted bound.")
@click.option("--seed", default=0, show_default=True)
def main(work: Path, documents: int, held_out: int, epochs: int, samples: int, seed: int) -> None:
    source = shared_data("ng20_raw/ng20_bydate.jsonl.gz")
    settings = {
        "documents": documents - held_out,
        "held_out": held_out,
        "words": WORDS,
        "units": UNITS,
        "epochs": epochs,
        "recipe": "default",
        "validation": held_out,
        "importance_samples": samples,
        "seed": seed,
    }
    work.mkdir(parents=True, exist_ok=True)
    stage = Stages(work)
    if stage("settings", lambda: settings) != settings:
        raise click.ClickException(f"{work} was begun with other settings. Choose another --work, or remove it.")

    real, generating = work / "real", work / "generating"
    columns = ["--text-column", "text", "--id-column", "id", "--label-column", "group"]
    built = stage(
        "1-real-text",
        lambda: measured(
            *("corpus", "build", source, *columns, "--vocabulary-size", WORDS, "--out", real, "--force", "--json")
        ),
    )
    stage("2-generating-model", lambda: measured(*fit(real, generating, seed), *MODELS["SBN-50"]))
    corpora = {}
    for number, (part, size) in enumerate((("train", documents - held_out), ("test", held_out)), start=1):
        drawing = ["sample", generating, "--documents", size, "--lengths-of", real, "--out", work / part]
        corpora[part] = stage(
            f"3-draw-{part}",
            lambda drawing=drawing, number=number: measured(*drawing, "--seed", seed + number, "--force", "--json"),
        )
    trained = {
        name: stage(
            f"4-train-{name}",
            lambda name=name, options=options: measured(
                *fit(work / "train", work / name, seed),
                *("--epochs", epochs, "--validation", held_out, *options),
            ),
        )
        for name, options in MODELS.items()
    }
    judged = {
        name: stage(f"5-judge-{name}", lambda name=name: judge(work / name, work / "test", samples))
        for name in ("generating", *MODELS)
    }
    embedded = stage("6-embed", lambda: embed(work / "SBN-50", work / "train", work / "embeddings.csv"))

    for figures in trained.values():
        figures["documents_per_second"] = round(epochs * figures["documents"] / figures["seconds"])
    for part, drawn in corpora.items():
        drawn["bytes"] = sum(path.stat().st_size for path in (work / part).iterdir())
    embedded["documents_per_second"] = round((documents - held_out) / embedded["wall_seconds"])
    figures = {
        "settings": settings,
        "real": built["corpora"][0],
        "drawn": corpora,
        "trained": trained,
        "held_out": judged,
        "embed": embedded,
    }
    figures = without_paths(figures)
    show(figures)
    if documents == DOCUMENTS:
        keep("rcv1", "make bench-rcv1", figures)
    else:
        replace_file(work / "rcv1.json", json.dumps({"machine": machine(), **figures}, indent=2).encode())


def fit(corpus: Path, model: Path, seed: int) -> list[object]:
    """Return the command that trains a model, or goes on where an earlier run was interrupted."""
    unfinished = model.with_name(model.name + ".unfinished").exists()
    return [
        *("fit", corpus, "--out", model, "--units", UNITS, "--seed", seed, *SOFTMAX),
        *("--json", "--resume" if unfinished else "--force"),
    ]


def judge(model: Path, corpus: Path, samples: int) -> dict[str, Any]:
    """Return a model's perplexities on held-out documents, by the bound of the papers and by the tighter one."""
    elbo = measured("perplexity", model, corpus, "--json")
    importance = measured("perplexity", model, corpus, "--bound", "importance", "--samples", samples, "--json")
    return {"elbo": elbo, "importance": importance}


def embed(model: Path, corpus: Path, out: Path) -> dict[str, Any]:
    """Write every document's code, and remove the table."""
    figures = measured("embed", model, corpus, "--out", out, "--force")
    figures["bytes"] = out.stat().st_size
    out.unlink()
    return figures


def without_paths(value: Any) -> Any:
    """Drop what names places of this machine."""
    if isinstance(value, dict):
        return {name: without_paths(each) for name, each in value.items() if name not in ("model", "corpus")}
    return value


def show(figures: dict[str, Any]) -> None:
    """Print the figures a reader looks for first."""
    for name, done in figures["trained"].items():
        click.echo(
            f"{name}: {done['wall_seconds']:.0f} s, {done['documents_per_second']:,} documents/s, peak"
            f" {done['peak_private_mebibytes']} MiB private, {done['peak_total_mebibytes']} MiB in all"
        )
    for name, found in figures["held_out"].items():
        click.echo(
            f"{name}: held-out perplexity per document {found['elbo']['perplexity_per_document']:.1f} (bound),"
            f" {found['importance']['perplexity_per_document']:.1f} (importance-weighted)"
        )
    done = figures["embed"]
    click.echo(
        f"embed: {done['documents_per_second']:,} documents/s, peak {done['peak_private_mebibytes']} MiB private,"
        f" {done['peak_total_mebibytes']} MiB in all"
    )


if __name__ == "__main__":
    main()
