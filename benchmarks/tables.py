"""Tables for the README and docs/ out of benchmarks/results, so that no figure is copied by hand.

python benchmarks/tables.py            print them
python benchmarks/tables.py --write    put them into the pages, between their marks, and draw the figures in docs/
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parent))

from common import RESULTS, ROOT, provenance
from figures import FIGURES
from paper import tables as paper_tables
from quality import tables as quality_tables
from speed import tables as speed_tables

PAGES = (
    ROOT / "README.md",
    ROOT / "docs" / "comparison.md",
    ROOT / "docs" / "evaluation.md",
    ROOT / "docs" / "gradients.md",
    ROOT / "docs" / "paper.md",
    ROOT / "docs" / "speed.md",
    ROOT / "docs" / "scale.md",
)


def newsgroups() -> str:
    """20 Newsgroups, 2,000 words, 50 units: the bound beside the published ones, the words beside LDA's."""
    found = _results("newsgroups")
    rows = [
        "| model, 50 units or topics | test perplexity per document | completion per word | per document | NPMI"
        " | diversity | seconds |",
        "|---|--:|--:|--:|--:|--:|--:|",
        *(_our_row(found, name) for name in found["mean"]),
        *(_lda_row(name, figures, "by relevance") for name, figures in found["peers"].items()),
        *(_lda_row(name, figures, "by probability") for name, figures in found["peers"].items() if "LDA" in name),
        "| SBN, Mnih & Gregor (2014) | 909 * | | | | | |",
        "| DocNADE, as reported there | 896 * | | | | | |",
        "| Replicated Softmax, as reported there | 953 * | | | | | |",
        "| LDA, as reported there | 1091 * | | | | | |",
        f"| word frequencies alone | {found['mean']['recipe default']['unigram_per_document']:.0f} | | | | | |",
    ]
    return "\n".join([*rows, "", f"{provenance(found)} \\* Published figures, not run here."])


def raw_text() -> str:
    """20 Newsgroups as raw posts, at the defaults."""
    found = _results("newsgroups_text")
    fit = found["fit"]
    return (
        f"Raw text at the defaults: {fit['documents']:,} posts with their headers ({fit['tokens']:,} counted words of"
        f" {fit['words']:,}) take {found['fit_wall_seconds']:.0f} s from `.jsonl.gz` to model folder, with"
        f" {found['fit_peak_mebibytes']:,} MiB of memory at the peak; NPMI {found['npmi']:.2f}, diversity"
        f" {found['diversity']:.2f}, {found['live_units']} of {sum(fit['units'])} units alive. {provenance(found)}"
    )


def demo() -> str:
    """Return what `make demo` prints of its model, shortened."""
    found = _results("demo")
    return f"```console\n{found['output']}\n```"


def calibration() -> str:
    """Errors of every estimator of log p(x), on models that can be enumerated."""
    found = _results("calibration")
    rows = []
    for model, figures in found["models"].items():
        rows += ["", f"**{model}** (exact: {figures['exact']['perplexity_per_document']:.1f} per document)", ""]
        rows += ["| estimate | perplexity per document | error, nats a document | seconds |", "|---|--:|--:|--:|"]
        rows += [
            f"| {name} | {each['perplexity_per_document']:.1f} | {_signed(each['mean_error'], 3)} ±"
            f" {each['standard_error']:.3f} | {each['seconds']:.1f} |"
            for name, each in figures.items()
            if isinstance(each, dict) and name != "exact"
        ]
    documents = next(iter(found["models"].values()))["documents"]
    return "\n".join([*rows[1:], "", f"{documents} test documents of 20 Newsgroups. {provenance(found)}"])


def peers_perplexities() -> str:
    """Return what scikit-learn and gensim print for a model whose perplexity is known."""
    found = _results("peers_figures")
    learn, gensim = found["scikit_learn"], found["gensim"]
    rows = [
        "| LDA with one topic, which is the unigram model | documents | printed | true perplexity per word |",
        "|---|--:|--:|--:|",
        *(
            f"| scikit-learn, `perplexity` | {each['documents']:,} | {_large(each['reported'])}"
            f" | {each['exact']:,.0f} |"
            for each in learn["documents"]
        ),
        f"| gensim, `2 ** -log_perplexity` as it logs it | {learn['documents'][-1]['documents']:,}"
        f" | {gensim['reported']:,.0f} | {gensim['exact']:,.0f} |",
        f"| gensim, `exp(-log_perplexity)` | {learn['documents'][-1]['documents']:,} | {gensim['exp_minus_bound']:,.0f}"
        f" | {gensim['exact']:,.0f} |",
    ]
    half = learn["reported_for_half_the_columns"]
    width = (
        f"Given only half of the columns it was trained on, scikit-learn's model answers {half:,.0f}, and no error."
        if half is not None
        else "Given only half of the columns it was trained on, scikit-learn's model refuses."
    )
    return "\n".join([*rows, "", f"{width} {provenance(found)}"])


def windows() -> str:
    """Return how much gensim's way of counting windows changes C_V."""
    found = _results("peers_figures")["c_v"]
    return (
        f"On {found['texts']:,} raw posts, for the words of fifty clusters, C_V is {found['like_gensim']:.3f} as gensim"
        f" counts and {found['as_the_paper']:.3f} as the paper does; single lists differ by up to"
        f" {found['largest_difference']:.2f}. {provenance(_results('peers_figures'))}"
    )


def retrieval() -> str:
    """Precision and accuracy of codes beside those of words."""
    found = _results("retrieval")
    rows = [
        "| documents as | nearest by | precision at 1 | at 10 | at 100 | accuracy | macro F1 |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for name, figures in found["representations"].items():
        told = figures["classification"]
        for measure, each in figures["retrieval"].items():
            at = (f"{each['precision'][each['retrieved'].index(number)]:.3f}" for number in (1, 10, 100))
            rows.append(f"| {name} | {measure} | {' | '.join(at)} | {told['accuracy']:.3f} | {told['macro_f1']:.3f} |")
    return "\n".join([*rows, "", provenance(found)])


def chains() -> str:
    """Return what autoregressive layers cost beside factorial ones."""
    found = _results("chains")
    rows = [
        "| | samples | documents | units | factorial, ms | autoregressive, ms | ratio |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name, label in (("sampling", "sampling a layer"), ("training_step", "a whole update, prior and q")):
        rows += [
            f"| {label} | {each['samples']} | {each['documents']} | {each['units']} | {each['factorial_ms']:.2f}"
            f" | {each['autoregressive_ms']:.2f} | {each['ratio']:.1f} |"
            for each in found[name]
        ]
    return "\n".join([*rows, "", f"2,000 words, one thread. {provenance(found)}"])


def rcv1() -> str:
    """Say what RCV1's size costs, and how near one comes to the model that drew the documents."""
    found = _results("rcv1")
    rows = [
        "| model | seconds | documents a second | memory beside the file cache | in all"
        " | perplexity per document, bound | importance-weighted |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name, judged in found["held_out"].items():
        bounds = " | ".join(f"{judged[bound]['perplexity_per_document']:.0f}" for bound in ("elbo", "importance"))
        cells = "the model that drew them | | | "
        if trained := found["trained"].get(name):
            cells = (
                f"{trained['wall_seconds']:.0f} | {trained['documents_per_second']:,}"
                f" | {trained['peak_private_mebibytes']} MiB | {trained['peak_total_mebibytes']:,} MiB"
            )
        rows.append(f"| {name} | {cells} | {bounds} |")
    settings, drawn, embedded = found["settings"], found["sampled"]["train"], found["embed"]
    unigram = found["held_out"]["SBN-50"]["elbo"]["unigram_perplexity_per_document"]
    told = (
        f"{settings['documents']:,} documents with {drawn['tokens']:,} words of {drawn['words']:,}, drawn in"
        f" {drawn['wall_seconds']:.0f} s, {settings['epochs']} epoch; judged on {settings['held_out']:,} more,"
        f" importance-weighted with {settings['importance_samples']} samples; word frequencies alone {unigram:.0f}."
        f" Codes are written at {embedded['documents_per_second']:,} documents a second. {provenance(found)}"
    )
    return "\n".join([*rows, "", told])


TABLES = {
    "demo": demo,
    "newsgroups": newsgroups,
    "raw-text": raw_text,
    "calibration": calibration,
    "peers-perplexities": peers_perplexities,
    "windows": windows,
    "retrieval": retrieval,
    "chains": chains,
    "rcv1": rcv1,
    **paper_tables.TABLES,
    **quality_tables.TABLES,
    **speed_tables.TABLES,
}


def rendered(text: str) -> str:
    """Return a page with every marked table made anew."""
    marks = re.compile(r"(<!-- (?P<name>[a-z0-9-]+) -->\n).*?(<!-- /(?P=name) -->)", re.DOTALL)
    return marks.sub(lambda found: f"{found[1]}{TABLES[found['name']]()}\n{found[3]}", text)


def _our_row(found: dict[str, Any], name: str) -> str:
    mean = found["mean"][name]
    bounds = [run["perplexity_per_document"] for run in found["runs"] if run["model"] == name]
    return (
        f"| **docnvil**, {name} | **{mean['perplexity_per_document']:.0f}**"
        f" ({len(bounds)} seeds within {max(bounds) - min(bounds):.1f}; importance-weighted with"
        f" {mean['importance_samples']:,.0f} samples {mean['importance_weighted_per_document']:.0f})"
        f" | **{mean['completion_per_word']:.0f}** | **{mean['completion_per_document']:.0f}**"
        f" | {mean['npmi']:.2f} | {mean['diversity']:.2f} | {mean['fit_wall_seconds']:.0f} |"
    )


def _lda_row(name: str, figures: dict[str, Any], ranking: str) -> str:
    npmi, diversity = figures[ranking]["npmi"], figures[ranking]["diversity"]
    seconds = f"{figures['fit_wall_seconds']:.0f}" if figures["fit_wall_seconds"] >= 1 else "under 1"
    completed = " | ".join(
        f"{figures[key]:.0f}" if key in figures else "" for key in ("completion_per_word", "completion_per_document")
    )
    return f"| {name}, words {ranking} | | {completed} | {npmi:.2f} | {diversity:.2f} | {seconds} |"


def _signed(value: float, digits: int) -> str:
    """Write a number with a true minus sign, which a table shows best."""
    return f"{value:+.{digits}f}".replace("-", "−")


def _large(value: float) -> str:
    """Write a number of any size: beyond a million in powers of ten."""
    if value < 1e6:
        return f"{value:,.0f}"
    digits, power = f"{value:.0e}".split("e")
    return f"{digits} · 10^{int(power)}"


def _results(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


@click.command()
@click.option("--write", is_flag=True, help="Put the tables into README.md and docs/, and draw the figures.")
def main(write: bool) -> None:
    """Print the tables, or write them."""
    if write:
        for page in PAGES:
            page.write_text(rendered(page.read_text(encoding="utf-8")), encoding="utf-8")
        for name, draw in FIGURES.items():
            (ROOT / "docs" / name).write_text(draw(), encoding="utf-8")
    else:
        click.echo("\n\n".join(table() for table in TABLES.values()))


if __name__ == "__main__":
    main()
