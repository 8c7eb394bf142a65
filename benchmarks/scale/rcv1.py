"""Training, evaluation and embedding at the size of RCV1: 804,414 documents over 10,000 words, read from disk.

Data: the matrix of the papers is not available, so documents are sampled from an SBN fitted to raw 20 Newsgroups, with
the lengths of real posts. The true model is therefore known: its importance-weighted bound on the held-out documents
shows how well they can be modeled at all. Measured: time and memory of each command, and how close the trained models
come to the true one.

    python benchmarks/scale/rcv1.py --work rcv1/    8 minutes on two cores; writes benchmarks/results/rcv1.json

Finished stages are not repeated and an interrupted training resumes; its wall seconds are then those of its last run.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parents[1]))

import ng20
from common import SOFTMAX, run_with_memory, save_results

from docnvil.runtime.folders import replace_file
from docnvil.runtime.machine import machine

DOCUMENTS, HELD_OUT, WORDS, UNITS = 804_414, 10_000, 10_000, 50
FACTORIAL = ("--posterior", "factorial")
MODELS = {
    "SBN-50": ["--prior", "factorial", *FACTORIAL],
    "fDARN-50": ["--prior", "autoregressive", *FACTORIAL],
}


@dataclass(frozen=True)
class Stages:
    """Results of finished stages, one JSON file each in `folder`, so that a second run finds them."""

    folder: Path

    def run(self, name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return a stage's results, from its file or by calling `work`."""
        file = self.folder / f"{name}.json"
        if not file.exists():
            click.secho(name, bold=True, err=True)
            replace_file(file, json.dumps(work(), indent=2).encode())
        return json.loads(file.read_text(encoding="utf-8"))


@click.command()
@click.option("--work", type=click.Path(path_type=Path), required=True, help="Folder for corpora and models; kept.")
@click.option("--documents", default=DOCUMENTS, show_default=True, help="Documents to sample.")
@click.option("--held-out", default=HELD_OUT, show_default=True, help="How many of them are test documents.")
@click.option("--epochs", default=1, show_default=True, help="Training epochs.")
@click.option("--samples", default=200, show_default=True, help="Samples of the importance-weighted bound.")
@click.option("--seed", default=0, show_default=True, help="Seed of sampling and training.")
def main(work: Path, documents: int, held_out: int, epochs: int, samples: int, seed: int) -> None:
    """Measure docnvil at the size of RCV1; write benchmarks/results/rcv1.json.

    With another number of --documents the results stay in the --work folder.
    """
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
    stages = Stages(work)
    if stages.run("settings", lambda: settings) != settings:
        raise click.ClickException(f"{work} was started with other settings. Choose another --work, or remove it.")
    results = without_paths(measure(stages, settings))
    show(results)
    if documents == DOCUMENTS:
        save_results("rcv1", "make bench-rcv1", results)
    else:
        replace_file(work / "rcv1.json", json.dumps({"machine": machine(), **results}, indent=2).encode())


def measure(stages: Stages, settings: dict[str, Any]) -> dict[str, Any]:
    """Run the stages that are missing, and return the results of all."""
    work, seed, held_out = stages.folder, settings["seed"], settings["held_out"]
    real, generating = work / "real", work / "generating"
    built = stages.run("1-real-text", lambda: build(real))
    stages.run("2-generating-model", lambda: fit(real, generating, seed, MODELS["SBN-50"]))
    sampled = {}
    for number, (part, size) in enumerate((("train", settings["documents"]), ("test", held_out)), start=1):
        command = ["sample", generating, "--documents", size, "--lengths-of", real, "--out", work / part]
        command += ["--seed", seed + number, "--force", "--json"]
        sampled[part] = stages.run(f"3-sample-{part}", lambda command=command: docnvil(*command))
        sampled[part]["bytes"] = sum(path.stat().st_size for path in (work / part).iterdir())
    trained = {}
    for name, options in MODELS.items():
        options = ["--epochs", settings["epochs"], "--validation", held_out, *options]
        trained[name] = stages.run(
            f"4-train-{name}", lambda name=name, options=options: fit(work / "train", work / name, seed, options)
        )
        documents = settings["epochs"] * trained[name]["documents"]
        trained[name]["documents_per_second"] = round(documents / trained[name]["seconds"])
    evaluated = {
        name: stages.run(
            f"5-evaluate-{name}",
            lambda name=name: evaluate(work / name, work / "test", settings["importance_samples"]),
        )
        for name in ("generating", *MODELS)
    }
    embedded = stages.run("6-embed", lambda: embed(work / "SBN-50", work / "train", work / "embeddings.csv"))
    embedded["documents_per_second"] = round(settings["documents"] / embedded["wall_seconds"])
    return {
        "settings": settings,
        "real": built["corpora"][0],
        "sampled": sampled,
        "trained": trained,
        "held_out": evaluated,
        "embed": embedded,
    }


def docnvil(*arguments: object) -> dict[str, Any]:
    """Run a docnvil command; return the JSON it printed, its wall seconds and its peak memory."""
    return run_with_memory([sys.executable, "-m", "docnvil", *arguments])


def build(out: Path) -> dict[str, Any]:
    """Build a corpus of the raw posts."""
    options = ["--vocabulary-size", WORDS, "--out", out, "--force", "--json"]
    return docnvil("corpus", "build", ng20.raw_posts(), *ng20.RAW_COLUMNS, *options)


def fit(corpus: Path, model: Path, seed: int, options: list[object]) -> dict[str, Any]:
    """Train a model, or resume its interrupted training."""
    unfinished = model.with_name(model.name + ".unfinished").exists()
    common = ["--out", model, "--units", UNITS, "--seed", seed, *SOFTMAX]
    return docnvil("fit", corpus, *common, "--json", "--resume" if unfinished else "--force", *options)


def evaluate(model: Path, corpus: Path, samples: int) -> dict[str, Any]:
    """Return a model's perplexities on held-out documents, by the variational and the importance-weighted bound."""
    elbo = docnvil("perplexity", model, corpus, "--json")
    importance = docnvil("perplexity", model, corpus, "--bound", "importance", "--samples", samples, "--json")
    return {"elbo": elbo, "importance": importance}


def embed(model: Path, corpus: Path, out: Path) -> dict[str, Any]:
    """Embed all documents, and delete the table."""
    results = docnvil("embed", model, corpus, "--out", out, "--force")
    results["bytes"] = out.stat().st_size
    out.unlink()
    return results


def without_paths(value: Any) -> Any:
    """Return results without the entries that are paths on this machine."""
    if isinstance(value, dict):
        return {name: without_paths(each) for name, each in value.items() if name not in ("model", "corpus")}
    return value


def show(results: dict[str, Any]) -> None:
    """Print the main results."""
    for name, figures in {**results["trained"], "embed": results["embed"]}.items():
        click.echo(
            f"{name}: {figures['wall_seconds']:.0f} s, {figures['documents_per_second']:,} documents/s, peak"
            f" {figures['peak_private_mebibytes']} MiB private, {figures['peak_total_mebibytes']} MiB in total"
        )
    for name, bounds in results["held_out"].items():
        click.echo(
            f"{name}: held-out perplexity per document {bounds['elbo']['perplexity_per_document']:.1f} (bound),"
            f" {bounds['importance']['perplexity_per_document']:.1f} (importance-weighted)"
        )


if __name__ == "__main__":
    main()
