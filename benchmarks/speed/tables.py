"""Tables of docs/speed.md and docs/scale.md, from benchmarks/results; missing results are reported as such."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import RESULTS, results_table

BILLION = 1_000_000_000


@results_table("step", "python benchmarks/speed/step.py")
def step(results: dict[str, Any]) -> Iterable[str]:
    """Training steps relative to the time of their matrix products and exponentials."""
    yield (
        "| vocabulary | units | documents × samples | minimum with | matrix products, ms | exponentials, ms | step, ms"
        " | step / minimum | autoregressive step, ms | autoregressive / factorial |"
    )
    yield "|--:|--:|--:|---|--:|--:|--:|--:|--:|--:|"
    for each in results["steps"]:
        shape = f"{each['words']:,} | {each['units']} | {each['documents']} × {each['samples']}"
        for name, parts in each["floor_ms"].items():
            kernels = "torch's `@` and `exp`" if name == "torch" else "the fastest kernels"
            yield (
                f"| {shape} | {kernels} | {parts['products']:.2f} | {parts['exponentials']:.2f} | {each['step_ms']:.2f}"
                f" | **{each['over_floor'][name]:.2f}** | {each['autoregressive_step_ms']:.2f}"
                f" | **{each['autoregressive_over_factorial']:.2f}** |"
            )


@results_table("kernels", "python benchmarks/speed/kernels.py")
def kernels(results: dict[str, Any]) -> Iterable[str]:
    """Kernels and host waits of training on a GPU, counted without one."""
    yield (
        "| training | kernels per update | launches by the host with CUDA graphs | host waits per update"
        " | host waits per epoch, besides validation |"
    )
    yield "|---|--:|--:|--:|--:|"
    for name, each in results["configurations"].items():
        yield (
            f"| {name} | {each['kernels_per_update']:.0f} | {each['launches_per_update_with_graphs']:.0f}"
            f" | {each['waits_per_update']:.0f} | {each['waits_per_epoch']} |"
        )


@results_table("gpu", "make bench-gpu")
def gpu(results: dict[str, Any]) -> Iterable[str]:
    """Measurements of a GPU: figures named "ROW: COLUMN" in one table per section, the others in the last one."""
    if results["quick"]:
        yield "A quick run with tiny sizes, for testing the script; the figures have no meaning."
    yield f"{results['device']} ({results['architecture']}), CUDA {results['cuda']}, Triton {results['triton']}:"
    single: dict[str, dict[str, str]] = {}
    for section in results["sections"].values():
        rows: dict[str, dict[str, str]] = {}
        for name, value in section["figures"].items():
            row, _, column = name.rpartition(": ")
            cell = ", ".join(map(_figure, value if isinstance(value, list) else [value]))
            (rows if row else single).setdefault(row or column, {})[column if row else "value"] = cell
        yield from _rows(rows)
    yield from _rows(single)
    failed = [f"{name}: {section['error']}" for name, section in results["sections"].items() if section["error"]]
    yield from ["", *failed] if failed else []


def _rows(rows: dict[str, dict[str, str]]) -> Iterable[str]:
    """Yield the lines of a table with a line per row; none without rows."""
    columns = list(dict.fromkeys(column for cells in rows.values() for column in cells))
    yield from ["", f"| measured | {' | '.join(columns)} |", f"|---|{'--:|' * len(columns)}"] if rows else []
    for name, cells in rows.items():
        yield f"| {name} | {' | '.join(cells.get(column, '') for column in columns)} |"


def _figure(value: float | str) -> str:
    if isinstance(value, str) or value == int(value):
        return str(value).removesuffix(".0")
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 100 else f"{value:.3g}"


@results_table("precision", "python benchmarks/speed/precision.py")
def precision(results: dict[str, Any]) -> Iterable[str]:
    """Perplexity and training time with bf16 and float32."""
    yield "| model | `--precision` | test perplexity per document | completion per word | training, s |"
    yield "|---|---|--:|--:|--:|"
    for each in results["summary"]:
        names = ("perplexity_per_document", "completion_per_word", "seconds")
        cells = (f"{each[name]['mean']:.1f} ± {each[name]['deviation']:.1f}" for name in names)
        yield f"| {each['model']} | {each['precision']} | {' | '.join(cells)} |"
    yield ""
    yield f"Mean and standard deviation over {len({run['seed'] for run in results['runs']})} seeds."


@results_table("wide", "python benchmarks/speed/wide.py")
def wide(results: dict[str, Any]) -> Iterable[str]:
    """Time and memory of an update with very many logits."""
    yield "| output layer | seconds per update | peak memory of the process, MiB |"
    yield "|---|--:|--:|"
    for name, each in results["layers"].items():
        yield f"| {name} | {each['seconds_per_update']:.1f} | {each['peak_mebibytes']:,} |"
    logits = 4 * results["words"] * results["samples"] * results["documents"]
    yield ""
    yield (
        f"Vocabulary of {results['words']:,}, {results['units']} units, {results['samples']} samples of"
        f" {results['documents']:,} documents. All logits together would take {logits / 1e9:.1f} GB."
    )


@results_table("fit", "python benchmarks/speed/fit.py")
def fit(results: dict[str, Any]) -> Iterable[str]:
    """Training time and completion of docnvil and LDA packages."""
    yield "| model | training, s | relative to docnvil | completion per word |"
    yield "|---|--:|--:|--:|"
    for name, each in results["models"].items():
        yield (
            f"| {name} | {each['seconds']:.1f} | **{each['times_docnvil']:.2f}** | {each['completion_per_word']:,.0f} |"
        )
    yield ""
    yield f"{results['units']} units or topics, {results['threads']} threads, seed {results['seed']}."


@results_table("text", "python benchmarks/speed/text.py")
def text(results: dict[str, Any]) -> Iterable[str]:
    """Text to counts: docnvil, CountVectorizer and gensim."""
    yield "| tool | seconds | MB per second | speed relative to CountVectorizer | peak memory, MiB |"
    yield "|---|--:|--:|--:|--:|"
    ratios = results["faster_than_CountVectorizer"]
    for name, each in results["ways"].items():
        seconds = each.get("count_seconds", each["wall_seconds"])
        ratio = f"**{ratios[name]:.2f}**" if name in ratios else ""
        tenth = each.get("peak_private_mebibytes_once_over")
        peak = f"{each['peak_private_mebibytes']:,}" + (
            "" if tenth is None else f" ({tenth:,} for a tenth of the text)"
        )
        yield f"| {name} | {seconds:.2f} | {each['megabytes_per_second']:.0f} | {ratio} | {peak} |"
    yield ""
    yield (
        f"{results['megabytes']:.0f} MB of posts. The first three rows are the time to count; a build includes reading"
        " and writing, and is compared with CountVectorizer's time to read and count. docnvil and CountVectorizer give"
        f" the same counts ({results['same_counts']['words']:,} tokens were compared)."
    )


@results_table("embed", "python benchmarks/speed/embed.py")
def embed(results: dict[str, Any]) -> Iterable[str]:
    """Documents to codes: docnvil and LDA packages."""
    rows = results["models"]
    peers = list(next(iter(rows.values()))["speedup"])
    ratios = " | ".join(f"relative to {peer}" for peer in peers)
    yield f"| model | documents per second | {ratios} | documents per second, whole command |"
    yield "|---|--:|" + "--:|" * len(peers) + "--:|"
    for name, each in rows.items():
        times = each.get("speedup", {})
        cells = " | ".join(f"**{times[peer]:,.0f}**" if peer in times else "" for peer in peers)
        command = f"{each['command']['documents_per_second']:,}" if "command" in each else ""
        yield f"| {name} | {each['documents_per_second']:,.0f} | {cells} | {command} |"
    yield ""
    yield f"{results['documents']:,} posts, {results['units']} units or topics, {results['threads']} threads."


@results_table("growth", "python benchmarks/speed/growth.py")
def growth(results: dict[str, Any]) -> Iterable[str]:
    """Time and memory of an epoch by number of documents, and a figure of the time per step."""
    yield "| documents in a prepared corpus | seconds per epoch | µs per document | peak memory, MiB |"
    yield "|--:|--:|--:|--:|"
    for each in results["documents"]:
        microseconds = 1e6 * each["epoch_seconds"] / each["documents"]
        yield (
            f"| {each['documents']:,} | {each['epoch_seconds']:.1f} | {microseconds:.0f} | {each['peak_mebibytes']:,} |"
        )
    first, last = results["documents"][0], results["documents"][-1]
    size = (last["peak_mebibytes"] - first["peak_mebibytes"]) * 2**20 / (last["documents"] - first["documents"])
    yield ""
    yield (
        f"Each additional document takes {size:.0f} bytes. These include its memory-mapped counts, which the operating"
        " system can evict."
    )
    yield ""
    yield "![Milliseconds per step by vocabulary, units, samples and batch size](growth.svg)"


@results_table("processes", "python benchmarks/speed/processes.py")
def processes(results: dict[str, Any]) -> Iterable[str]:
    """Training with one and with two processes."""
    yield (
        "| units | batch size | one process, s | two processes, s | speedup | throughput of two independent runs,"
        " relative to one | validation bounds |"
    )
    yield "|--:|--:|--:|--:|--:|--:|---|"
    for each in results["trainings"]:
        medians = " | ".join(f"{sorted(seconds)[len(seconds) // 2]:.1f}" for seconds in each["seconds"].values())
        bounds = ", ".join(f"{bound:.2f}" for bound in each["validation_bound"].values())
        yield (
            f"| {each['units']} | {each['batch_size']:,} | {medians} | **{each['speedup']:.2f}**"
            f" | {each['independent']['throughput_ratio']:.2f} | {bounds} |"
        )


@results_table("stories", "python benchmarks/scale/stories.py")
def stories(results: dict[str, Any]) -> Iterable[str]:
    """Time and memory of the commands for RCV1, on generated stories."""
    yield (
        "| step | all seconds | training, s | memory without file cache | perplexity per document, bound"
        " | importance-weighted |"
    )
    yield "|---|--:|--:|--:|--:|--:|"
    counted = results["counted"]
    memory = f"{counted['peak_private_mebibytes']:,} MiB"
    yield f"| counts from token files | {counted['wall_seconds']:.0f} | | {memory} | | |"
    for name, row in results["rows"].items():
        memory = f"{row['peak_private_mebibytes']:,} MiB"
        yield (
            f"| {name}, {row['epochs']} epochs | {row['wall_seconds']:.0f} | {row['seconds']:.0f} | {memory}"
            f" | {row['test']:.0f} | {row['test_importance_weighted']:.0f} |"
        )
    corpus, settings = results["corpus"], results["settings"]
    yield ""
    yield (
        f"{corpus['documents']:,} stories with {corpus['tokens']:,} tokens, {corpus['distinct_stems_per_document']:.0f}"
        f" distinct stems per story and a vocabulary of {corpus['words']:,}, of which {settings['held_out']:,} for"
        " testing; one thread. All seconds include the start of the processes and the evaluation."
    )


@results_table("rcv1", "make bench-rcv1")
def billion(results: dict[str, Any]) -> Iterable[str]:
    """Time and storage for a billion documents, extrapolated from the measurements."""
    train, sampled, embedded = results["trained"]["SBN-50"], results["sampled"]["train"], results["embed"]
    cores, words = results["machine"]["cores"], sampled["tokens"] / sampled["documents"]
    yield f"| {BILLION:,} documents of {words:.0f} words | measured | core hours | minutes on 1,000 cores | bytes |"
    yield "|---|---|--:|--:|--:|"
    path = RESULTS / "text.json"
    if path.exists():
        text = json.loads(path.read_text(encoding="utf-8"))
        rate = text["ways"]["docnvil corpus build --workers 1"]["megabytes_per_second"]
        size = 1e6 * text["megabytes"] / (results["real"]["documents"] * text["times"])
        hours = BILLION * size / rate / 1e6 / 3600
        row = f"| text to counts | {rate:.0f} MB per second, one worker | {hours:,.0f} | {60 * hours / 1000:.1f}"
        yield row + f" | {_terabytes(BILLION * size)} read |"
    size = sampled["bytes"] / sampled["documents"]
    private = train["peak_private_mebibytes"] - results["held_out"]["generating"]["elbo"]["peak_private_mebibytes"]
    memory = 2**20 * private / train["documents"]
    yield f"| memory of each training process | {memory:.0f} bytes per document | | | {_terabytes(BILLION * memory)} |"
    yield f"| corpus on disk | {size:,.0f} bytes per document | | | {_terabytes(BILLION * size)} |"
    for name, task, traffic in (
        ("one epoch, 50 units, vocabulary of 10,000", train, "the corpus, read"),
        ("embeddings as CSV", embedded, f"{_terabytes(BILLION * embedded['bytes'] / train['documents'])} written"),
    ):
        rate = task["documents_per_second"]
        hours = cores * BILLION / rate / 3600
        speed = f"{rate:,} documents per second, {cores} cores"
        yield f"| {name} | {speed} | {hours:,.0f} | {60 * hours / 1000:.1f} | {traffic} |"


def _terabytes(size: float) -> str:
    return f"{size / 1e12:.2f} TB"


@results_table("start", "python benchmarks/speed/start.py")
def start(results: dict[str, Any]) -> Iterable[str]:
    """Start-up time of commands."""
    yield "| | milliseconds | relative to `import click` |"
    yield "|---|--:|--:|"
    for name, each in results["milliseconds"].items():
        yield f"| `{name}` | {each:.0f} | {results['over_import_click'][name]:.2f} |"


TABLES = {
    "speed-step": step,
    "speed-precision": precision,
    "speed-wide": wide,
    "speed-fit": fit,
    "speed-text": text,
    "speed-embed": embed,
    "speed-growth": growth,
    "speed-processes": processes,
    "speed-start": start,
    "speed-billion": billion,
    "stories": stories,
    "gpu-kernels": kernels,
    "gpu-bench": gpu,
}
