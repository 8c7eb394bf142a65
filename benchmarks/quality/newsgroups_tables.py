"""Tables of benchmarks/quality/newsgroups.py. Models with different output layers have tables of their own.

A Dirichlet-multinomial layer, in which words recur in a document, has lower perplexities than a softmax layer, whatever
its units do. Published perplexities are those of softmax layers.
"""

import sys
from collections.abc import Iterable, Mapping
from math import log
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import results_table

COMMAND = "python benchmarks/quality/newsgroups.py"
SOFTMAX = "softmax layer (as in the papers)"
PUBLISHED = {  # test perplexity per document, from Mnih & Gregor (2014), table 3
    "SBN, Mnih & Gregor (2014)": 909,
    "fDARN, Mnih & Gregor (2014)": 917,
    "DocNADE, in Mnih & Gregor (2014)": 896,
    "Replicated Softmax, in Mnih & Gregor (2014)": 953,
    "LDA, in Mnih & Gregor (2014)": 1091,
}


@results_table("newsgroups", COMMAND)
def newsgroups(results: dict[str, Any]) -> Iterable[str]:
    """Perplexity with the Dirichlet-multinomial layer, and completion and topics of all models."""
    yield (
        "| model, 50 units or topics | test perplexity per document | completion per word | completion per document"
        " | NPMI | diversity (distinct words) | training alone, s |"
    )
    yield "|---|--:|--:|--:|--:|--:|--:|"
    default = results["mean"]["recipe default"]
    for name, mean in sorted(results["mean"].items(), key=lambda item: item[0] != "recipe default"):
        bound = "" if name == SOFTMAX else _bound(results, name)
        yield _row(f"**docnvil**, {name}", bound, *_completion(mean, bold=True), *_topics(mean), _time(results, name))
    without = {name.removeprefix("no_units_"): value for name, value in default.items() if "no_units_" in name}
    yield _row("same layer, no units", _number(without.get("per_document")), *_completion(without), "", "", "")
    for name, figures in results["peers"].items():
        yield _row(f"{name}", "", *_completion(figures), *_topics(figures["by relevance"]), _time(results, name))
        cached = {each.removeprefix("cached_"): value for each, value in figures.items() if "cached_" in each}
        if cached:
            yield _row(f"{name} + cache", "", *_completion(cached), *_topics(figures["by relevance"]), "")
    unigram = {name.removeprefix("unigram_"): value for name, value in default.items() if "unigram_" in name}
    yield _row("word frequencies only", _number(unigram["per_document"]), *_completion(unigram), "", "", "")


@results_table("newsgroups", COMMAND)
def softmax(results: dict[str, Any]) -> Iterable[str]:
    """Perplexity with the softmax layer, beside published ones."""
    mean = results["mean"][SOFTMAX]
    yield "| model with a softmax layer, 50 units or topics | test perplexity per document |"
    yield "|---|--:|"
    yield _row("**docnvil**, fDARN with autoregressive q", _bound(results, SOFTMAX))
    for name, value in PUBLISHED.items():
        yield _row(f"{name}, as published", str(value))
    yield _row("same layer, no units (word frequencies)", _number(mean["unigram_per_document"]))


@results_table("newsgroups", COMMAND)
def gain(results: dict[str, Any]) -> Iterable[str]:
    """How much of the gain on word frequencies comes from the layer, and how much from the units."""
    mean = results["mean"]["recipe default"]
    if "no_units_per_document" not in mean:
        yield f"Not measured yet: `{COMMAND}` does."
        return
    bound = _shares(mean["unigram_per_document"], mean["no_units_per_document"], mean["perplexity_per_document"])
    completion = _shares(*(mean[f"{each}completion_per_word"] for each in ("unigram_", "no_units_", "")))
    yield (
        f"Of what the default recipe gains on word frequencies, in nats per word, the Dirichlet-multinomial layer alone"
        f" gains {bound[0]:.0%} and the units {bound[1]:.0%} in perplexity"
        f" ({mean['unigram_per_document']:,.0f} to {mean['no_units_per_document']:,.0f} to"
        f" {mean['perplexity_per_document']:,.0f} per document); in completion they gain {completion[0]:.0%} and"
        f" {completion[1]:.0%} ({mean['unigram_completion_per_word']:,.0f} to"
        f" {mean['no_units_completion_per_word']:,.0f} to {mean['completion_per_word']:,.0f} per word)."
    )


@results_table("newsgroups", COMMAND)
def labels(results: dict[str, Any]) -> Iterable[str]:
    """Clusters of test documents compared with their newsgroups, and retrieval by binary codes."""
    rows = {f"docnvil, {name}": mean for name, mean in results["mean"].items()} | results["peers"]
    rows = {name: mean for name, mean in rows.items() if "cluster_purity" in mean}
    if not rows:
        yield f"Not measured yet: `{COMMAND}` does."
        return
    yield "| model, 50 units or topics | purity | NMI | precision at 100, Hamming | precision at 100, cosine |"
    yield "|---|--:|--:|--:|--:|"
    names = ("cluster_purity", "cluster_nmi", "precision_at_100_hamming", "precision_at_100_cosine")
    for name, mean in rows.items():
        yield _row(name, *(_number(mean.get(each), ".3f") for each in names))


def _shares(start: float, middle: float, end: float) -> tuple[float, float]:
    """Return the shares of the fall of log perplexity from start to end that come before and after the middle."""
    first = log(start / middle) / log(start / end)
    return first, 1 - first


def _bound(results: Mapping[str, Any], name: str) -> str:
    mean = results["mean"][name]
    bounds = [run["perplexity_per_document"] for run in results["runs"] if run["model"] == name]
    return (
        f"**{mean['perplexity_per_document']:.0f}** ({len(bounds)} seeds, range {max(bounds) - min(bounds):.1f};"
        f" importance-weighted with {mean['importance_samples']:,.0f} samples:"
        f" {mean['importance_weighted_per_document']:.0f})"
    )


def _completion(mean: Mapping[str, Any], *, bold: bool = False) -> tuple[str, str]:
    values = (_number(mean.get(f"completion_per_{each}")) for each in ("word", "document"))
    return tuple(f"**{value}**" if bold else value for value in values)


def _topics(mean: Mapping[str, Any]) -> tuple[str, str]:
    return _number(mean["npmi"], ".2f"), _number(mean["diversity"], ".2f")


def _time(results: Mapping[str, Any], name: str) -> str:
    """Return the training seconds that were measured without other work on the machine."""
    seconds = results.get("seconds", {}).get(name)
    return "" if seconds is None else f"{seconds:.0f}"


def _number(value: float | None, form: str = ".0f") -> str:
    return "" if value is None else format(value, form)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


TABLES = {
    "newsgroups": newsgroups,
    "newsgroups-softmax": softmax,
    "newsgroups-gain": gain,
    "newsgroups-labels": labels,
}
