"""Tables of docs/documents.md: explanations, search and outliers, from benchmarks/results."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import results_table

SCORES = {
    "foreign": "`foreign`",
    "mixed": "`mixed`",
    "score": "`score`",
    "gain": "gain, not calibrated",
    "likelihood": "likelihood per word",
}


@results_table("explain", "python benchmarks/quality/explain.py")
def explain(results: dict[str, Any]) -> Iterable[str]:
    """Units that turn off without some words, and the AUROC of foreign words."""
    removal, surprise = results["removal"], results["surprise"]
    removed = results["settings"]["removed"]
    yield "| words removed from the post | share of units that turn off |"
    yield "|---|--:|"
    yield f"| the {removed} with the largest contributions to the unit | {removal['turned_off']['top']:.1%} |"
    yield f"| {removed} random ones | {removal['turned_off']['random']:.1%} |"
    yield ""
    yield (
        f"{removal['units_on']:,} units that are on in {results['posts']:,} test posts of 20 Newsgroups, of ten"
        f" distinct words or more. A word that replaces one of a post's words is more surprising than the others with"
        f" probability {surprise['auroc']['surprise']:.2f} (AUROC, {surprise['posts']} posts); by its rarity alone,"
        f" {surprise['auroc']['rarity']:.2f}."
    )


@results_table("search", "python benchmarks/quality/search.py")
def search(results: dict[str, Any]) -> Iterable[str]:
    """Precision at 10 of tf-idf, of the model and of both."""
    weights, test = results["weights"], results["test"]
    only_lexical, *_, only_model = test["words"]
    yield "| query | tf-idf | model | both |"
    yield "|---|--:|--:|--:|"
    for kind, label in (("words", "two to four words"), ("like", "a document")):
        values = test[kind]
        both = values[str(weights[kind])]
        yield f"| {label} | {values[only_lexical]:.3f} | {values[only_model]:.3f} | **{both:.3f}** |"
    settings = results["settings"]
    best = {kind: max(values, key=values.get) for kind, values in results["training"].items() if kind in weights}
    yield ""
    yield (
        f"Precision at {settings['retrieved']} among {test['documents']:,} test posts of 20 Newsgroups; a result is"
        f" relevant if it is from the newsgroup of the query. {settings['queries']} queries of words,"
        f" {settings['like_queries']:,} documents. The weights of the model's score are {weights['words']} and"
        f" {weights['like']}; on the training posts, with {settings['queries']} other queries of words,"
        f" {best['words']} and {best['like']} are best."
    )


@results_table("search_speed", "python benchmarks/speed/search.py")
def search_speed(results: dict[str, Any]) -> Iterable[str]:
    """Time per query, and the size and build time of the index."""
    yield "| query | median, ms | 95th percentile, ms | processor time, ms |"
    yield "|---|--:|--:|--:|"
    for name, label in (("words_ms", "three words"), ("like_ms", "a document")):
        each = results[name]
        yield f"| {label} | {each['median']:.0f} | {each['p95']:.0f} | {each['median_processor']:.0f} |"
    settings, build = results["settings"], results["build"]
    yield ""
    yield (
        f"{settings['documents']:,} documents with {results['entries']:,} entries, sampled from a model with"
        f" {settings['units']} units and {settings['words']:,} words; {settings['queries']} queries of each kind. The"
        f" index has {results['index_mebibytes']:,} MiB and takes {build['wall_seconds']:.0f} s to build, with"
        f" {build['peak_private_mebibytes']:,} MiB of memory; opening it takes {results['open_seconds']:.0f} s."
    )


@results_table("outliers", "python benchmarks/quality/outliers.py")
def outliers(results: dict[str, Any]) -> Iterable[str]:
    """AUROC of each score for each kind of outlier."""
    yield f"| model | outliers | {' | '.join(SCORES.values())} |"
    yield f"|---|---|{'--:|' * len(SCORES)}"
    for model, each in results["models"].items():
        for kind, aurocs in each["auroc"].items():
            yield f"| {model} | {kind} | {' | '.join(f'{aurocs[score]:.2f}' for score in SCORES)} |"
    yield ""
    sizes = " and ".join(f"{each['normal']:,}" for each in results["models"].values())
    yield (
        f"AUROC against {sizes} normal test documents of {results['settings']['min_tokens']} known words or more, with"
        " as many others as reference, and up to 400 outliers of each kind. One repetition."
    )


TABLES = {"explain": explain, "search": search, "search-speed": search_speed, "outliers": outliers}
