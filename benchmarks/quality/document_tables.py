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


TABLES = {"effects-coverage": effects_coverage, "effects-example": effects_example}
