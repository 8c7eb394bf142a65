"""Tables of the quality benchmarks, except those of benchmarks/tables.py, from benchmarks/results."""

import sys
from collections.abc import Iterable
from pathlib import Path
from statistics import mean
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import results_table


@results_table("other_corpora", "python benchmarks/quality/other_corpora.py")
def other_corpora(results: dict[str, Any]) -> Iterable[str]:
    """Completion and coherence on corpora that were not used for tuning."""
    for name, corpus in results["corpora"].items():
        yield (
            f"**{name}**: {corpus['train_documents']:,} training documents, {corpus['test_documents']:,} test"
            f" documents, vocabulary of {corpus['words']:,}"
        )
        yield ""
        yield (
            "| model, {components} units or topics | completion per word | completion per document | NPMI | diversity"
            " | training, s | documents per second | peak MiB |".format(**corpus)
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


@results_table("time_to_completion", "python benchmarks/quality/time_to_completion.py")
def time_to_completion(results: dict[str, Any]) -> Iterable[str]:
    """Time until docnvil's completion is as good as tomotopy's."""
    yield (
        "| seed | completion, tomotopy | training, s | completion, docnvil | epochs | command, s"
        " | time relative to tomotopy |"
    )
    yield "|--:|--:|--:|--:|--:|--:|--:|"
    for run in results["runs"]:
        tomotopy, docnvil = run["tomotopy"], run["docnvil"][-1]
        yield (
            f"| {run['seed']} | {tomotopy['completion_per_word']:.0f} | {tomotopy['seconds']:.1f}"
            f" | {docnvil['completion_per_word']:.0f} | {docnvil['epochs']} | {docnvil['wall_seconds']:.1f}"
            f" | {run['time_ratio']:.2f} |"
        )


@results_table("frontier", "python benchmarks/quality/frontier.py")
def frontier(results: dict[str, Any]) -> Iterable[str]:
    """Topic quality and perplexity for several values of --sparsity, beside LDA."""
    yield (
        "| model | completion per word | completion per document | perplexity per document, bound | NPMI | diversity"
        " | active units per document | live units |"
    )
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    rows = {
        f"{layer}, `--sparsity {sparsity}`": each
        for layer, by_sparsity in results["layers"].items()
        for sparsity, each in by_sparsity.items()
    }
    for name, each in {**rows, **results["peers"]}.items():
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
    yield "![NPMI and completion for several values of --sparsity; darker points are more diverse](frontier.svg)"


@results_table("gradients", "python benchmarks/quality/gradients.py")
def gradients(results: dict[str, Any]) -> Iterable[str]:
    """Variance, bounds and training time of the gradient estimators."""
    yield (
        "| `--gradient` | samples | validation bound, nats per document | test perplexity per document"
        " | importance-weighted | training, s | variance relative to NVIL | cosine with the ELBO gradient |"
    )
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    nvil_noise = results["noise"]["nvil"]["noise"]
    for name, each in results["training"].items():
        noise = results["noise"][name]
        cells = (
            f"{each['samples']}",
            f"{each['best_validation_bound']:.1f}".replace("-", "−"),
            f"{each['test_perplexity_per_document']:.0f}",
            f"{each['test_importance_weighted_per_document']:.0f}",
            f"{each['seconds'][-1]:.0f}",
            f"{noise['noise'] / nvil_noise:.2f}",
            _cell(noise["cosine_to_elbo"], ".2f"),
        )
        yield f"| `{name}` | {' | '.join(cells)} |"
    settings = results["settings"]
    yield ""
    yield (
        f"Variance and cosine: {settings['draws']} estimates of each gradient, after training for"
        f" {settings['epochs_before_noise']} epochs, with {settings['evaluations']} likelihood evaluations per"
        f" document. Seed {settings['seed']}, {settings['threads']} threads."
    )
    yield ""
    yield "![Validation bound by updates and by seconds, for each estimator](gradients.svg)"
    yield "![Relative variance of each estimator](gradient-noise.svg)"


CORPORA = {
    "ng20_sh2009": "20 Newsgroups, the version of the papers",
    "kos": "Daily Kos",
    "ng20_raw": "20 Newsgroups, raw posts",
}


@results_table("neural_peers", "python benchmarks/quality/neural_peers.py")
def neural_peers(results: dict[str, Any]) -> Iterable[str]:
    """NVDM and ProdLDA beside docnvil and LDA, means over seeds."""
    for corpus in dict.fromkeys(row["corpus"] for row in results["rows"]):
        yield f"**{CORPORA[corpus]}**"
        yield ""
        yield (
            f"| model, {results['units']} units or topics | seeds | perplexity per document, bound"
            " | importance-weighted | completion per word | completion per document | NPMI | diversity | training, s |"
        )
        yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
        corpus_rows = [row for row in results["rows"] if row["corpus"] == corpus]
        for model in dict.fromkeys(row["model"] for row in corpus_rows):
            rows = [row for row in corpus_rows if row["model"] == model]
            cells = (
                _cell(_mean(rows, "bound_per_document"), ".0f"),
                _cell(_mean(rows, "importance_weighted_per_document"), ".0f"),
                _cell(_mean(rows, "completion_per_word"), ".0f"),
                _cell(_mean(rows, "completion_per_document"), ".0f"),
                _cell(_mean(rows, "npmi"), ".3f"),
                _cell(_mean(rows, "diversity"), ".2f"),
                _cell(_mean(rows, "training_seconds"), ",.0f"),
            )
            yield f"| {model} | {len(rows)} | {' | '.join(cells)} |"
        yield ""
    yield f"Trained with {results['threads']} thread."


def _mean(rows: list[dict[str, Any]], name: str) -> float | None:
    values = [row[name] for row in rows if row.get(name) is not None]
    return mean(values) if values else None


TABLES = {
    "gradients": gradients,
    "neural-peers": neural_peers,
    "frontier": frontier,
    "other-corpora": other_corpora,
    "time-to-completion": time_to_completion,
}


def _cell(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
