"""Tables of the benchmarks of effects, seed words and the number of units."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import results_table


@results_table("effects", "python benchmarks/quality/effects.py")
def effects_coverage(results: dict[str, Any]) -> Iterable[str]:
    """Show coverage and false positives of each method, by the size of the corpora."""
    yield (
        "| documents per corpus (corpora) | method | 95 % intervals with the true difference"
        " | permuted groups: p < 0.05 | permuted groups: corpora with any significant difference (Holm) |"
    )
    yield "|---|---|--:|--:|--:|"
    for size, each in results["sizes"].items():
        for name, figures in each["methods"].items():
            any_significant = figures.get("any_significant")
            last = "" if any_significant is None else f"{any_significant:.1%}"
            name = name.replace("|", "\\|")  # a cell would end there
            bold = f"**{name}**" if name.startswith("docnvil") else name
            yield (
                f"| {int(size):,} ({each['corpora']}) | {bold} | {figures['coverage']:.1%}"
                f" | {figures['false_positives']:.1%} | {last} |"
            )


@results_table("effects", "python benchmarks/quality/effects.py")
def effects_example(results: dict[str, Any]) -> Iterable[str]:
    """List the largest differences between newsgroups."""
    example = results["example"]
    yield "| newsgroup | unit | difference | 95 % interval |"
    yield "|---|---|--:|--:|"
    for row in example["rows"]:
        words = ", ".join(row["words"])
        interval = f"{row['low']:+.2f} to {row['high']:+.2f}".replace("-", "−")
        yield f"| {row['value']} | {row['unit']}: {words} | {row['estimate']:+.2f} | {interval} |".replace("-0.", "−0.")
    yield ""
    yield (
        f"The {len(example['rows'])} largest of {example['differences']:,} differences, of which"
        f" {example['significant']:,} are significant, in {example['documents']:,} test documents."
    )


@results_table("seed_words", "python benchmarks/quality/seed_words.py")
def seed_words(results: dict[str, Any]) -> Iterable[str]:
    """Show what seed words do, one row per training seed."""
    yield (
        "| training seed | units with two of three seed words in their top ten | test perplexity per document"
        " (without seed words) | accuracy without labels |"
    )
    yield "|--:|--:|--:|--:|"
    for run in results["runs"]:
        yield (
            f"| {run['seed']} | {run['kept_two']:.0%} of {len(run['kept'])} | {run['perplexity_seeded']:.1f}"
            f" ({run['perplexity_plain']:.1f}) | {run['accuracy']:.1%} |"
        )
    yield ""
    yield (
        f"Accuracy of counting the seed words: {results['accuracy_of_counting']:.1%}; of the most frequent newsgroup:"
        f" {results['accuracy_of_most_frequent']:.1%}."
    )


@results_table("sweep", "python benchmarks/quality/sweep.py")
def sweep(results: dict[str, Any]) -> Iterable[str]:
    """Show the suggested range beside the true number of units."""
    numbers = sorted({row["units"] for each in results["truths"].values() for row in each["rows"]})
    yield "| true units | " + " | ".join(f"{number} units" for number in numbers) + " | suggested (range) |"
    yield "|--:|" + "--:|" * (len(numbers) + 1)
    for truth, each in results["truths"].items():
        cells, by_number = [], {row["units"]: row for row in each["rows"]}
        for number in numbers:
            row = by_number.get(number)
            if row is None:
                cells.append("")
                continue
            worse = "best" if row["units"] == each["best"] else f"{100 * row['worse_by']:+.1f} %".replace("-", "−")
            cells.append(f"**{worse}**" if row["as_good_as_best"] else worse)
        yield f"| {truth} | {' | '.join(cells)} | {each['suggested']} ({each['suggested']} to {each['largest']}) |"
    yield ""
    yield (
        f"Perplexity per word, compared with the best number; bold: not worse. {results['documents']:,} documents,"
        f" of which {results['held_out']:,} are held out; {results['seeds']} seeds, {results['epochs']} epochs."
    )


TABLES = {
    "effects-coverage": effects_coverage,
    "effects-example": effects_example,
    "seed-words": seed_words,
    "sweep": sweep,
}
