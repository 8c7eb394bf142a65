"""Tables of the quality benchmarks, except those of benchmarks/tables.py, from benchmarks/results."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import mean
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import results_table
from evaluation_corpora import TITLES


@results_table("other_corpora", "python benchmarks/quality/other_corpora.py")
def other_corpora(results: dict[str, Any]) -> Iterable[str]:
    """Bounds, completion and topics on corpora that were not used for tuning, means over seeds."""
    for name, corpus in results["corpora"].items():
        yield (
            f"**{TITLES[name]}**: {corpus['train_documents']:,} training documents of"
            f" {corpus['tokens_per_document']:.0f} tokens on average, {corpus['test_documents']:,} test documents,"
            f" vocabulary of {corpus['words']:,}"
        )
        yield ""
        yield (
            f"| model, {results['units']} units or topics | seeds | perplexity per document, bound"
            " | relative to the layer without units | completion per word | per document | per word, relative to LDA"
            " | relative to LDA + cache | NPMI | diversity (distinct words) | live units or topics | training, s |"
        )
        yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
        for label, each in (("word frequencies", "unigram"), ("Dirichlet-multinomial, no units", "no_units")):
            cells = (_cell(corpus[each][f"completion_per_{unit}"], ".0f") for unit in ("word", "document"))
            yield f"| {label} | | | | {' | '.join(cells)} | | | | | | |"
        for model in dict.fromkeys(row["model"] for row in corpus["rows"]):
            rows = [row for row in corpus["rows"] if row["model"] == model]
            yield _corpus_row(model, rows)
            if "cached_completion_per_word" in rows[0]:
                names = {"completion_per_word", "completion_per_document"}
                cached = [row | {name: row[f"cached_{name}"] for name in names} for row in rows]
                yield _corpus_row(f"{model} + cache", cached)
        yield ""
    yield (
        "Relative figures are quotients of two perplexities on the same documents, below 1 where the model is better;"
        " the range in parentheses contains the 0.95 bootstrap intervals of all seeds. LDA is tomotopy's."
    )


def _corpus_row(model: str, rows: list[dict[str, Any]]) -> str:
    bound = [row["bound_relative_to_no_units"] for row in rows if "bound_relative_to_no_units" in row]
    relative = [row["completion_relative_to"] for row in rows if "completion_relative_to" in row]
    live = "live_units" if "live_units" in rows[0] else "topics"
    cells = (
        model,
        str(len(rows)),
        _cell(_mean(rows, "bound_per_document"), ".0f"),
        _quotient(bound, "per_document"),
        _cell(_mean(rows, "completion_per_word"), ".0f"),
        _cell(_mean(rows, "completion_per_document"), ".0f"),
        _quotient([each["lda"] for each in relative], "per_word"),
        _quotient([each["lda_with_cache"] for each in relative], "per_word"),
        _cell(_mean(rows, "npmi"), ".3f"),
        _cell(_mean(rows, "diversity"), ".2f"),
        _cell(_mean(rows, live), ".0f"),
        _cell(_mean(rows, "fit_wall_seconds"), ",.0f"),
    )
    return f"| {' | '.join(cells)} |"


def _quotient(values: list[dict[str, Any]], name: str) -> str:
    """Return the mean quotient of perplexities over seeds, and the range of their intervals."""
    if not values:
        return ""
    low, high = zip(*(each[f"{name}_interval"] for each in values), strict=True)
    return f"{mean(each[name] for each in values):.3f} ({min(low):.3f} to {max(high):.3f})"


@results_table("time_to_completion", "python benchmarks/quality/time_to_completion.py")
def time_to_completion(results: dict[str, Any]) -> Iterable[str]:
    """Time until docnvil's completion is as good as tomotopy's, without and with a cache."""
    yield (
        "| seed | tomotopy | its completion | its training, s | completion, docnvil | epochs | command, s"
        " | time relative to tomotopy |"
    )
    yield "|--:|---|--:|--:|--:|--:|--:|--:|"
    for run in results["runs"]:
        tomotopy = run["tomotopy"]
        targets = {
            "averaged": (tomotopy["completion_per_word"], run["without_cache"]),
            "averaged + cache": (tomotopy["cached_completion_per_word"], run["with_cache"]),
        }
        for label, (target, docnvil) in targets.items():
            cells = (
                (
                    f"{docnvil['completion_per_word']:.0f} | {docnvil['epochs']} | {docnvil['wall_seconds']:.1f}"
                    f" | {docnvil['time_ratio']:.2f}"
                )
                if docnvil
                else "not reached | | |"
            )
            yield f"| {run['seed']} | {label} | {target:.0f} | {tomotopy['seconds']:.1f} | {cells} |"


@results_table("few_documents", "python benchmarks/quality/few_documents.py")
def few_documents(results: dict[str, Any]) -> Iterable[str]:
    """Bounds and completion by the number of units on few documents, means over seeds."""
    yield (
        f"| units, {results['documents']:,} documents | seeds | perplexity per document, bound | completion per word"
        " | live units |"
    )
    yield "|---|--:|--:|--:|--:|"
    for units in dict.fromkeys(row["units"] for row in results["rows"]):
        rows = [row for row in results["rows"] if row["units"] == units]
        names = ("perplexity_per_document", "completion_per_word", "live_units")
        cells = (_cell(_mean(rows, name), ".0f") for name in names)
        yield f"| {units} | {len(rows)} | {' | '.join(cells)} |"


@results_table("large_batches", "python benchmarks/quality/large_batches.py")
def large_batches(results: dict[str, Any]) -> Iterable[str]:
    """Perplexity by batch size after the same number of documents, beside the recipe default."""
    yield (
        "| batch size | learning rate | beta1, beta2 | updates | perplexity per document, bound | against `default`"
        " | live units |"
    )
    yield "|--:|--:|--:|--:|--:|--:|--:|"
    rows = results["rows"]
    for size in sorted({row["batch_size"] for row in rows}, key=lambda size: size or 0):
        of_size = [row for row in rows if row["batch_size"] == size]
        seeds = {row["seed"] for row in of_size}
        reference = _mean(
            [row for row in rows if not row["batch_size"] and row["seed"] in seeds], "perplexity_per_document"
        )
        perplexity = _mean(of_size, "perplexity_per_document")
        change = "" if size is None else f"{perplexity / reference - 1:+.1%}"
        label = "100 (`default`)" if size is None else f"{size:,}"
        first = of_size[0]
        adam = f"{first['learning_rate']:g} | {first['beta1']:g}, {first['beta2']:g}"
        cells = f"{adam} | {first['updates']:,} | {perplexity:,.0f} | {change}"
        yield f"| {label} | {cells} | {_mean(of_size, 'live_units'):.0f} |"
    yield ""
    yield (
        f"{results['documents']:,} pieces of 12 words of newsgroup posts, {results['epochs']} epochs, seed"
        f" {', '.join(map(str, sorted({row['seed'] for row in rows})))}; lower is better."
    )


@results_table("frontier", "python benchmarks/quality/frontier.py")
def frontier(results: dict[str, Any]) -> Iterable[str]:
    """Topic quality and perplexity for several values of --sparsity, beside LDA."""
    yield (
        "| model | completion per word | completion per document | perplexity per document, bound | NPMI"
        " | diversity (distinct words) | active units per document | live units |"
    )
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    rows = {
        f"{layer}, `--sparsity {sparsity}`": each
        for layer, by_sparsity in results["layers"].items()
        for sparsity, each in by_sparsity.items()
    }
    peers = {}
    for name, each in results["peers"].items():
        peers[name] = each
        if "cached_completion_per_word" in each:
            unit = {f"completion_per_{unit}": each[f"cached_completion_per_{unit}"] for unit in ("word", "document")}
            peers[f"{name} + cache"] = each | unit
    for name, each in {**rows, **peers}.items():
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


@results_table("frontier", "python benchmarks/quality/frontier.py")
def frontier_summary(results: dict[str, Any]) -> Iterable[str]:
    """Where docnvil is better than LDA, without and with a cache."""
    peers = results["peers"].values()
    best_npmi = max(each["npmi"] for each in peers)
    plain = min(each["completion_per_word"] for each in peers)
    name = "cached_completion_per_word"
    cached = min((each[name] for each in peers if name in each), default=None)
    targets = {f"that of the best LDA ({plain:.0f} per word)": plain}
    if cached is not None:
        targets[f"that of LDA with a cache ({cached:.0f})"] = cached
    for layer, points in results["layers"].items():
        better = (
            (name, _where(points, lambda each, limit=limit: each["completion_per_word"] < limit))
            for name, limit in targets.items()
        )
        parts = [f"completion is better than {name} {where}" for name, where in better]
        parts.append(f"NPMI is higher than LDA's {_where(points, lambda each: each['npmi'] > best_npmi)}")
        yield f"- {layer}: {', '.join(parts[:-1])}, and {parts[-1]}."


@results_table("retrieval", "python benchmarks/quality/retrieval.py")
def retrieval_summary(results: dict[str, Any]) -> Iterable[str]:
    """Yield which representation has the highest precision and accuracy with the split by date."""
    groups = {name: [figures] for name, figures in results["word_vectors"].items()}
    for row in results["rows"]:
        if row["split"] == "by date":
            groups.setdefault(row["model"], []).append(row)
    precision = {
        f"{name} by {similarity}": mean_columns(run["retrieval"][similarity]["precision"] for run in runs)
        for name, runs in groups.items()
        for similarity in runs[0]["retrieval"]
    }
    accuracy = {name: mean(run["classification"]["accuracy"] for run in runs) for name, runs in groups.items()}
    parts = []
    for place, cutoff in enumerate((1, 10, 100)):
        best = max(precision, key=lambda name, place=place: precision[name][place])
        parts.append(f"at {cutoff}, {best} ({precision[best][place]:.3f})")
    best = max(accuracy, key=accuracy.get)
    yield f"Highest precision with the split by date: {'; '.join(parts)}."
    yield f"Highest accuracy: {best} ({accuracy[best]:.3f})."


def mean_columns(rows: Iterable[Iterable[float]]) -> list[float]:
    """Return the mean of each column."""
    return [mean(column) for column in zip(*rows, strict=True)]


def _where(points: dict[str, dict[str, Any]], holds: Callable[[dict[str, Any]], bool]) -> str:
    """Return at which values of --sparsity something holds."""
    values = [value for value, each in points.items() if holds(each)]
    if len(values) == len(points):
        return "at every sparsity"
    return f"at `--sparsity` {', '.join(values)}" if values else "at no sparsity"


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


@results_table("neural_peers", "python benchmarks/quality/neural_peers.py")
def neural_peers(results: dict[str, Any]) -> Iterable[str]:
    """NVDM and ProdLDA beside docnvil and LDA, means over seeds."""
    for corpus in dict.fromkeys(row["corpus"] for row in results["rows"]):
        yield f"**{TITLES[corpus]}**"
        yield ""
        yield (
            f"| model, {results['units']} units or topics | seeds | perplexity per document, bound"
            " | importance-weighted | completion per word | completion per document | NPMI | diversity (distinct words)"
            " | training, s |"
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


@results_table("report_page", "python benchmarks/quality/report_page.py")
def report_page(results: dict[str, Any]) -> Iterable[str]:
    """Size of the report's page and time of each interaction in Chromium."""
    yield (
        f"The page of {results['posts']:,} posts of 20 Newsgroups, of which it shows {results['documents_shown']:,},"
        f" has {results['bytes'] / 1e6:.1f} MB. `docnvil report` writes it in {results['report_wall_seconds']:.0f} s,"
        f" and Chromium {results['chromium'].split('.')[0]} opens it in {results['seconds_to_open']:.1f} s. From an"
        f" event to the painted frame ({results['repeats']} repetitions; a frame alone takes 17 ms):"
    )
    yield ""
    yield "| interaction | median, ms | largest, ms | main thread, ms |"
    yield "|---|--:|--:|--:|"
    for name, times in results["milliseconds"].items():
        yield f"| {name} | {times['median']:.0f} | {times['largest']:.0f} | {times['processor']:.0f} |"


def _mean(rows: list[dict[str, Any]], name: str) -> float | None:
    values = [row[name] for row in rows if row.get(name) is not None]
    return mean(values) if values else None


TABLES = {
    "gradients": gradients,
    "neural-peers": neural_peers,
    "few-documents": few_documents,
    "large-batches": large_batches,
    "frontier": frontier,
    "frontier-summary": frontier_summary,
    "other-corpora": other_corpora,
    "report-page": report_page,
    "retrieval-summary": retrieval_summary,
    "time-to-completion": time_to_completion,
}


def _cell(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
