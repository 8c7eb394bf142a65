"""Tables of the quality benchmarks that compare with peers beyond the first, out of benchmarks/results."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import measured


@measured("other_corpora", "python benchmarks/quality/other_corpora.py")
def other_corpora(found: dict[str, Any]) -> Iterable[str]:
    """Completion and coherence on corpora that nothing was tuned on."""
    for name, corpus in found["corpora"].items():
        yield (
            f"**{name}**: {corpus['train_documents']:,} documents to learn from, {corpus['test_documents']:,} to judge"
            f" by, {corpus['words']:,} words"
        )
        yield ""
        yield (
            "| model, {components} units or topics | completion per word | per document | NPMI | diversity"
            " | training, s | documents a second | peak MiB |".format(**corpus)
        )
        yield "|---|--:|--:|--:|--:|--:|--:|--:|"
        for row in corpus["models"]:
            cells = (
                _cell(row["completion_per_word"], ".0f"),
                _cell(row["completion_per_document"], ".0f"),
                _cell(row["npmi"], ".3f"),
                _cell(row["diversity"], ".2f"),
                _cell(row["training_seconds"], ",.0f"),
                _cell(row["documents_per_second"], ",.0f"),
                _cell(row["peak_mebibytes"], ",.0f"),
            )
            yield f"| {row['model']} | {' | '.join(cells)} |"
        yield ""


@measured("time_to_completion", "python benchmarks/quality/time_to_completion.py")
def time_to_completion(found: dict[str, Any]) -> Iterable[str]:
    """Seconds until completion is as good as tomotopy's."""
    yield "| seed | tomotopy, 1,000 iterations | its seconds | docnvil | epochs | seconds of the command | share |"
    yield "|--:|--:|--:|--:|--:|--:|--:|"
    for run in found["runs"]:
        theirs, ours = run["tomotopy"], run["docnvil"][-1]
        yield (
            f"| {run['seed']} | {theirs['completion_per_word']:.0f} | {theirs['seconds']:.1f}"
            f" | {ours['completion_per_word']:.0f} | {ours['epochs']} | {ours['wall_seconds']:.1f}"
            f" | {run['share_of_its_time']:.2f} |"
        )


@measured("frontier", "python benchmarks/quality/frontier.py")
def frontier(found: dict[str, Any]) -> Iterable[str]:
    """Readability and perplexity by strength of sparsity, beside LDA."""
    yield "| model | completion per word | per document | bound per document | NPMI | diversity | units on | live |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    names = {f"`--sparsity {strength}`": each for strength, each in found["sparsity"].items()}
    for name, each in {**names, **found["peers"]}.items():
        cells = (
            _cell(each["completion_per_word"], ".0f"),
            _cell(each["completion_per_document"], ".0f"),
            _cell(each.get("perplexity_per_document"), ".0f"),
            _cell(each["npmi"], ".3f"),
            _cell(each["diversity"], ".2f"),
            _cell(each.get("units_on"), ".1f"),
            _cell(each.get("live_units"), "d"),
        )
        yield f"| {name} | {' | '.join(cells)} |"
    yield ""
    yield "![NPMI against completion perplexity, for each strength and for LDA; darker is more diverse](frontier.svg)"


TABLES = {"frontier": frontier, "other-corpora": other_corpora, "time-to-completion": time_to_completion}


def _cell(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
