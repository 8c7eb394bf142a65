"""Tables of the quality benchmarks that compare with peers beyond the first, out of benchmarks/results."""

import sys
from collections.abc import Iterable
from pathlib import Path
from statistics import mean
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import results_table


@results_table("other_corpora", "python benchmarks/quality/other_corpora.py")
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


@results_table("time_to_completion", "python benchmarks/quality/time_to_completion.py")
def time_to_completion(found: dict[str, Any]) -> Iterable[str]:
    """Seconds until completion is as good as tomotopy's."""
    yield "| seed | tomotopy, 1,000 iterations | its seconds | docnvil | epochs | seconds of the command | share |"
    yield "|--:|--:|--:|--:|--:|--:|--:|"
    for run in found["runs"]:
        theirs, ours = run["tomotopy"], run["docnvil"][-1]
        yield (
            f"| {run['seed']} | {theirs['completion_per_word']:.0f} | {theirs['seconds']:.1f}"
            f" | {ours['completion_per_word']:.0f} | {ours['epochs']} | {ours['wall_seconds']:.1f}"
            f" | {run['time_ratio']:.2f} |"
        )


@results_table("frontier", "python benchmarks/quality/frontier.py")
def frontier(found: dict[str, Any]) -> Iterable[str]:
    """Readability and perplexity by strength of sparsity, beside LDA."""
    yield "| model | completion per word | per document | bound per document | NPMI | diversity | units on | live |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    names = {
        f"{layer}, `--sparsity {strength}`": each
        for layer, measured in found["layers"].items()
        for strength, each in measured.items()
    }
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
    yield "![NPMI against completion by sparsity, for both layers and LDA; darker is more diverse](frontier.svg)"


@results_table("gradients", "python benchmarks/quality/gradients.py")
def gradients(found: dict[str, Any]) -> Iterable[str]:
    """Noise, bounds and seconds of the estimators of the gradient."""
    yield (
        "| gradient | samples | validation bound, nats | test perplexity per document | importance-weighted | seconds"
        " | noise, times NVIL's | cosine to the ELBO's gradient |"
    )
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    of_nvil = found["noise"]["nvil"]["noise"]
    for name, each in found["training"].items():
        noise = found["noise"][name]
        cells = (
            f"{each['samples']}",
            f"{each['best_validation_bound']:.1f}".replace("-", "−"),
            f"{each['test_perplexity_per_document']:.0f}",
            f"{each['test_importance_weighted_per_document']:.0f}",
            f"{each['seconds'][-1]:.0f}",
            f"{noise['noise'] / of_nvil:.2f}",
            _cell(noise["cosine_to_elbo"], ".2f"),
        )
        yield f"| `{name}` | {' | '.join(cells)} |"
    settings = found["settings"]
    yield ""
    yield (
        f"{settings['draws']} estimates of each gradient, {settings['evaluations']} evaluations of the likelihood a"
        f" document, after {settings['epochs_before_noise']} epochs; seed {settings['seed']},"
        f" threads {settings['threads']}."
    )
    yield ""
    yield "![Validation bound against updates and seconds, for each estimator](gradients.svg)"
    yield "![Noise of each estimator](gradient-noise.svg)"


CORPORA = {
    "ng20_sh2009": "20 Newsgroups as the papers prepared it",
    "kos": "Daily Kos",
    "ng20_raw": "20 Newsgroups, raw posts",
}


@results_table("neural_peers", "python benchmarks/quality/neural_peers.py")
def neural_peers(found: dict[str, Any]) -> Iterable[str]:
    """Neural topic models, docnvil and LDA, means over seeds."""
    for corpus in dict.fromkeys(row["corpus"] for row in found["rows"]):
        yield f"**{CORPORA[corpus]}**"
        yield ""
        yield (
            f"| model, {found['units']} units or topics | seeds | bound per document | importance-weighted"
            " | completion per word | per document | NPMI | diversity | training, s |"
        )
        yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
        here = [row for row in found["rows"] if row["corpus"] == corpus]
        for model in dict.fromkeys(row["model"] for row in here):
            rows = [row for row in here if row["model"] == model]
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
    yield f"Everything on {found['threads']} thread."


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
