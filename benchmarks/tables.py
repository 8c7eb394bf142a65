"""Generate the tables in README.md and docs/ from benchmarks/results, and those of the settings from their declaration.

python benchmarks/tables.py            prints the tables
python benchmarks/tables.py --write    writes them into the pages, between `<!-- NAME -->` and `<!-- /NAME -->`,
                                       and draws the figures of docs/
"""

import json
import re
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parent))

import settings_tables
from common import RESULTS, ROOT, provenance
from paper import tables as paper_tables
from quality import document_tables, explanation_tables, newsgroups_tables, reliability_tables, unit_tables
from quality import tables as quality_tables
from speed import tables as speed_tables

try:
    from figures import FIGURES
except ModuleNotFoundError as missing:  # on a machine on which only benchmarks run, such as one with a GPU
    if missing.name != "matplotlib":
        raise
    click.echo("matplotlib is not installed, so the figures of docs/ are not drawn.", err=True)
    FIGURES = {}

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
# Models in the results -> labels in the tables.
LABELS = {
    "8 units under 4": "Layers of 8 and 4 units",
}


def raw_text() -> str:
    """20 Newsgroups as raw posts, with the default settings."""
    results = _results("newsgroups_text")
    fit = results["fit"]
    return (
        f"{fit['documents']:,} posts with their headers ({fit['tokens']:,} tokens, vocabulary of {fit['words']:,})"
        f" take {results['fit_wall_seconds']:.0f} s from `.jsonl.gz` to model folder with the default settings, and at"
        f" most {results['fit_peak_mebibytes']:,} MiB of memory. NPMI is {results['npmi']:.2f}, diversity"
        f" {results['diversity']:.2f}, and {results['live_units']} of {sum(fit['units'])} units are live."
        f" {provenance(results)}"
    )


def demo() -> str:
    """Return what `make demo` prints about its model, shortened."""
    return f"```console\n{_results('demo')['output']}\n```"


def calibration() -> str:
    """Errors of the estimators of log p(x), on models that can be enumerated."""
    results = _results("calibration")
    rows = []
    for model, figures in results["models"].items():
        rows += [
            "",
            f"**{LABELS.get(model, model)}** (exact: {figures['exact']['perplexity_per_document']:.1f} per document)",
            "",
        ]
        rows += ["| estimate | perplexity per document | error, nats per document | seconds |", "|---|--:|--:|--:|"]
        rows += [
            f"| {name} | {each['perplexity_per_document']:.1f} | {_signed(each['mean_error'], 3)} ±"
            f" {each['standard_error']:.3f} | {each['seconds']:.1f} |"
            for name, each in figures.items()
            if isinstance(each, dict) and name != "exact"
        ]
    documents = next(iter(results["models"].values()))["documents"]
    return "\n".join([*rows[1:], "", f"{documents} test documents of 20 Newsgroups. {provenance(results)}"])


def peers_perplexities() -> str:
    """Return what scikit-learn and gensim print for a model with known perplexity."""
    results = _results("peers_figures")
    sklearn, gensim = results["scikit_learn"], results["gensim"]
    test_documents = sklearn["documents"][-1]["documents"]
    rows = [
        "| LDA with one topic (the unigram model) | documents | printed | true perplexity per word |",
        "|---|--:|--:|--:|",
        *(
            f"| scikit-learn, `perplexity` | {each['documents']:,} | {_large(each['reported'])}"
            f" | {each['exact']:,.0f} |"
            for each in sklearn["documents"]
        ),
        f"| gensim, `2 ** -log_perplexity` as in its log | {test_documents:,} | {gensim['reported']:,.0f}"
        f" | {gensim['exact']:,.0f} |",
        f"| gensim, `exp(-log_perplexity)` | {test_documents:,} | {gensim['exp_minus_bound']:,.0f}"
        f" | {gensim['exact']:,.0f} |",
    ]
    half = sklearn["reported_for_half_the_columns"]
    width = (
        f"For a matrix with half of the training columns, scikit-learn prints {half:,.0f} and no error."
        if half is not None
        else "For a matrix with half of the training columns, scikit-learn raises an error."
    )
    return "\n".join([*rows, "", f"{width} {provenance(results)}"])


def windows() -> str:
    """Return how much gensim's way of counting windows changes C_V."""
    results = _results("peers_figures")
    c_v = results["c_v"]
    return (
        f"Example: on {c_v['texts']:,} raw posts, the mean C_V of the words of fifty clusters is"
        f" {c_v['like_gensim']:.3f} with gensim's counting and {c_v['as_the_paper']:.3f} with the paper's; for single"
        f" lists the difference is up to {c_v['largest_difference']:.2f}. {provenance(results)}"
    )


def retrieval() -> str:
    """Precision, clusters and accuracy of codes, tf-idf and latent semantic analysis; means over seeds."""
    results = _results("retrieval")
    if "rows" not in results:
        return "Not measured yet: `python benchmarks/quality/retrieval.py` does."
    rows = [
        "| representation | split | seeds | similarity | precision at 1 | at 10 | at 100 | purity | NMI | accuracy"
        " | macro F1 |",
        "|---|---|--:|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in results["rows"]:
        groups.setdefault((row["model"], row["split"]), []).append(row)
    for name, figures in results["word_vectors"].items():
        groups[name, "by date"] = [figures]
    for (name, split), runs in sorted(groups.items(), key=lambda group: group[0][1] != "by date"):
        clusters = [run["clustering"].get("themes", run["clustering"]["units"]) for run in runs if "clustering" in run]
        found = [f"{fmean(each[key] for each in clusters):.3f}" if clusters else "" for key in ("purity", "nmi")]
        found += [f"{fmean(run['classification'][key] for run in runs):.3f}" for key in ("accuracy", "macro_f1")]
        for measure in runs[0]["retrieval"]:
            precision = zip(*(run["retrieval"][measure]["precision"] for run in runs), strict=True)
            at = [f"{fmean(each):.3f}" for each in precision]
            rows.append(f"| {' | '.join([name, split, str(len(runs)), measure, *at, *found])} |")
    return "\n".join([*rows, "", provenance(results)])


def chains() -> str:
    """Return the cost of autoregressive layers relative to factorial ones."""
    results = _results("chains")
    rows = [
        "| | samples | documents | units | factorial, ms | autoregressive, ms | ratio |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name, label in (("sampling", "sampling a layer"), ("training_step", "training step, prior and q")):
        rows += [
            f"| {label} | {each['samples']} | {each['documents']} | {each['units']} | {each['factorial_ms']:.2f}"
            f" | {each['autoregressive_ms']:.2f} | {each['ratio']:.1f} |"
            for each in results[name]
        ]
    return "\n".join([*rows, "", f"2,000 words, one thread. {provenance(results)}"])


def rcv1() -> str:
    """Time and memory on a corpus of RCV1's size, and perplexity beside that of the generating model."""
    results = _results("rcv1")
    rows = [
        "| model | training, s | documents per second | memory without file cache | with file cache"
        " | perplexity per document, bound | importance-weighted |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name, held_out in results["held_out"].items():
        bounds = " | ".join(f"{held_out[bound]['perplexity_per_document']:.0f}" for bound in ("elbo", "importance"))
        label, cells = "the generating model", " | | | "
        if trained := results["trained"].get(name):
            label, cells = (
                name,
                (
                    f"{trained['wall_seconds']:.0f} | {trained['documents_per_second']:,}"
                    f" | {trained['peak_private_mebibytes']} MiB | {trained['peak_total_mebibytes']:,} MiB"
                ),
            )
        rows.append(f"| {label} | {cells} | {bounds} |")
    settings, sampled, embedded = results["settings"], results["sampled"]["train"], results["embed"]
    unigram = results["held_out"]["SBN-50"]["elbo"]["unigram_perplexity_per_document"]
    note = (
        f"Training: {settings['documents']:,} documents with {sampled['tokens']:,} tokens and a vocabulary of"
        f" {sampled['words']:,}, sampled in {sampled['wall_seconds']:.0f} s; {settings['epochs']} epoch. Test:"
        f" {settings['held_out']:,} documents; {settings['importance_samples']} samples for the importance-weighted"
        f" bound; word frequencies only: {unigram:.0f}. `docnvil embed` writes {embedded['documents_per_second']:,}"
        f" documents per second. {provenance(results)}"
    )
    return "\n".join([*rows, "", note])


TABLES = {
    "demo": demo,
    "raw-text": raw_text,
    "calibration": calibration,
    "peers-perplexities": peers_perplexities,
    "windows": windows,
    "retrieval": retrieval,
    "chains": chains,
    "rcv1": rcv1,
    **document_tables.TABLES,
    **explanation_tables.TABLES,
    **newsgroups_tables.TABLES,
    **paper_tables.TABLES,
    **quality_tables.TABLES,
    **reliability_tables.TABLES,
    **speed_tables.TABLES,
    **unit_tables.TABLES,
    **settings_tables.TABLES,
}


def render(page: str) -> str:
    """Return a page with every marked part generated again."""
    marks = re.compile(r"(<!-- (?P<name>[a-z0-9-]+) -->\n).*?(<!-- /(?P=name) -->)", re.DOTALL)
    return marks.sub(lambda match: f"{match[1]}{TABLES[match['name']]()}\n{match[3]}", page)


def _signed(value: float, digits: int) -> str:
    """Format a number with its sign, with a minus sign instead of a hyphen."""
    return f"{value:+.{digits}f}".replace("-", "−")


def _large(value: float) -> str:
    """Format a number of any size; from a million on as a power of ten."""
    if value < 1e6:
        return f"{value:,.0f}"
    digits, power = f"{value:.0e}".split("e")
    return f"{digits} · 10^{int(power)}"


def _results(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


@click.command()
@click.option("--write", is_flag=True, help="Write the tables into README.md and docs/, and draw the figures of docs/.")
def main(write: bool) -> None:
    """Print the tables, or write tables and figures."""
    if write:
        for page in PAGES:
            page.write_text(render(page.read_text(encoding="utf-8")), encoding="utf-8")
        for name, draw in FIGURES.items():
            (ROOT / "docs" / name).write_text(draw(), encoding="utf-8")
    else:
        click.echo("\n\n".join(table() for table in TABLES.values()))


if __name__ == "__main__":
    main()
