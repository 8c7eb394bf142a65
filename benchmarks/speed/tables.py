"""The tables of docs/speed.md, out of benchmarks/results; what was not measured says so."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import RESULTS, results_table

MANY = 1_000_000_000  # documents, to reckon with


@results_table("step", "python benchmarks/speed/step.py")
def step(found: dict[str, Any]) -> Iterable[str]:
    """Return a whole update over the products and exponentials that it cannot do without."""
    yield (
        "| words | units | documents × samples | floor | products, ms | exponentials, ms | step, ms | over the floor"
        " | autoregressive, ms | over factorial |"
    )
    yield "|--:|--:|--:|---|--:|--:|--:|--:|--:|--:|"
    for each in found["steps"]:
        shape = f"{each['words']:,} | {each['units']} | {each['documents']} × {each['samples']}"
        for name, parts in each["floor_ms"].items():
            told = "torch's `@` and `exp`" if name == "torch" else "the quickest known"
            yield (
                f"| {shape} | {told} | {parts['products']:.2f} | {parts['exponentials']:.2f} | {each['step_ms']:.2f}"
                f" | **{each['over_floor'][name]:.2f}** | {each['autoregressive_step_ms']:.2f}"
                f" | **{each['autoregressive_over_factorial']:.2f}** |"
            )


@results_table("precision", "python benchmarks/speed/precision.py")
def precision(found: dict[str, Any]) -> Iterable[str]:
    """Return what trainings in bf16 come to beside those in float32."""
    yield "| model | products | test perplexity per document | completion per word | seconds to train |"
    yield "|---|---|--:|--:|--:|"
    for each in found["summary"]:
        names = ("perplexity_per_document", "completion_per_word", "seconds")
        told = (f"{each[name]['mean']:.1f} ± {each[name]['deviation']:.1f}" for name in names)
        yield f"| {each['model']} | {each['precision']} | {' | '.join(told)} |"
    yield ""
    yield f"Mean and standard deviation over {len({run['seed'] for run in found['runs']})} seeds."


@results_table("wide", "python benchmarks/speed/wide.py")
def wide(found: dict[str, Any]) -> Iterable[str]:
    """Seconds and memory of an update whose logits would not fit."""
    yield "| visible layer | seconds an update | peak memory of the process, MiB |"
    yield "|---|--:|--:|"
    for name, each in found["layers"].items():
        yield f"| {name} | {each['seconds_per_update']:.1f} | {each['peak_mebibytes']:,} |"
    logits = 4 * found["words"] * found["samples"] * found["documents"]
    yield ""
    yield (
        f"{found['words']:,} words, {found['units']} units, {found['samples']} samples of {found['documents']:,}"
        f" documents: the logits of all of them would take {logits / 1e9:.1f} GB."
    )


@results_table("fit", "python benchmarks/speed/fit.py")
def fit(found: dict[str, Any]) -> Iterable[str]:
    """Return how long models are trained, beside how well they then predict."""
    yield "| model | seconds to train | times docnvil's | completion perplexity per word |"
    yield "|---|--:|--:|--:|"
    for name, each in found["models"].items():
        yield (
            f"| {name} | {each['seconds']:.1f} | **{each['times_docnvil']:.2f}** | {each['completion_per_word']:,.0f} |"
        )
    yield ""
    yield f"{found['units']} units or topics, {found['threads']} threads, seed {found['seed']}."


@results_table("text", "python benchmarks/speed/text.py")
def text(found: dict[str, Any]) -> Iterable[str]:
    """Text to counts, beside CountVectorizer and gensim."""
    yield "| way | seconds to count | MB a second | times as fast as CountVectorizer | peak memory, MiB |"
    yield "|---|--:|--:|--:|--:|"
    ratios = found["faster_than_CountVectorizer"]
    for name, each in found["ways"].items():
        seconds = each.get("count_seconds", each["wall_seconds"])
        ratio = f"**{ratios[name]:.2f}**" if name in ratios else ""
        once = each.get("peak_private_mebibytes_once_over")
        peak = f"{each['peak_private_mebibytes']:,}" + ("" if once is None else f" ({once:,} for a tenth of it)")
        yield f"| {name} | {seconds:.2f} | {each['megabytes_per_second']:.0f} | {ratio} | {peak} |"
    yield ""
    yield (
        f"{found['megabytes']:.0f} MB of posts. A build is timed from start to end, reading and writing included, and"
        " compared with reading and counting there. CountVectorizer's counts are those of docnvil in memory:"
        f" {found['same_counts']['words']:,} words of the posts compared."
    )


@results_table("embed", "python benchmarks/speed/embed.py")
def embed(found: dict[str, Any]) -> Iterable[str]:
    """Documents to codes, beside LDA's."""
    rows = found["models"]
    rivals = list(next(iter(rows.values()))["speedup"])
    yield f"| model | documents a second | {' | '.join(f'times {rival}' for rival in rivals)} | the whole command |"
    yield "|---|--:|" + "--:|" * len(rivals) + "--:|"
    for name, each in rows.items():
        times = each.get("speedup", {})
        told = " | ".join(f"**{times[rival]:,.0f}**" if rival in times else "" for rival in rivals)
        command = f"{each['command']['documents_per_second']:,}" if "command" in each else ""
        yield f"| {name} | {each['documents_per_second']:,.0f} | {told} | {command} |"
    yield ""
    yield f"{found['documents']:,} posts, {found['units']} units or topics, {found['threads']} threads."


@results_table("growth", "python benchmarks/speed/growth.py")
def growth(found: dict[str, Any]) -> Iterable[str]:
    """Seconds and memory of an epoch as documents grow, and the drawing of steps."""
    yield "| documents, from a corpus on the disk | seconds an epoch | µs a document | peak memory, MiB |"
    yield "|--:|--:|--:|--:|"
    for each in found["documents"]:
        microseconds = 1e6 * each["epoch_seconds"] / each["documents"]
        yield (
            f"| {each['documents']:,} | {each['epoch_seconds']:.1f} | {microseconds:.0f} | {each['peak_mebibytes']:,} |"
        )
    first, last = found["documents"][0], found["documents"][-1]
    more = (last["peak_mebibytes"] - first["peak_mebibytes"]) * 2**20 / (last["documents"] - first["documents"])
    yield ""
    yield f"Each document more takes {more:.0f} bytes, its mapped counts, which the system may drop again, among them."
    yield ""
    yield "![Milliseconds of a step against words, units, samples and documents in a batch](growth.svg)"


@results_table("processes", "python benchmarks/speed/processes.py")
def processes(found: dict[str, Any]) -> Iterable[str]:
    """Two processes beside one."""
    yield (
        "| units | batch | one process, s | two, s | times as fast | what the machine does with two unrelated ones"
        " | validation bounds |"
    )
    yield "|--:|--:|--:|--:|--:|--:|---|"
    for each in found["trainings"]:
        middle = " | ".join(f"{sorted(seconds)[len(seconds) // 2]:.1f}" for seconds in each["seconds"].values())
        bounds = ", ".join(f"{bound:.2f}" for bound in each["validation_bound"].values())
        yield (
            f"| {each['units']} | {each['batch_size']:,} | {middle} | **{each['speedup']:.2f}**"
            f" | {each['independent']['throughput_ratio']:.2f} | {bounds} |"
        )


@results_table("rcv1", "make bench-rcv1")
def billion(found: dict[str, Any]) -> Iterable[str]:
    """Reckon from what was measured what a billion documents take."""
    train, drawn, embedded = found["trained"]["SBN-50"], found["sampled"]["train"], found["embed"]
    cores, words = found["machine"]["cores"], drawn["tokens"] / drawn["documents"]
    yield f"| {MANY:,} documents of {words:.0f} words | measured here | core hours | hours on 1,000 cores | bytes |"
    yield "|---|---|--:|--:|--:|"
    path = RESULTS / "text.json"
    if path.exists():
        text = json.loads(path.read_text(encoding="utf-8"))
        rate = text["ways"]["docnvil corpus build --workers 1"]["megabytes_per_second"]
        size = 1e6 * text["megabytes"] / (found["real"]["documents"] * text["times"])
        hours = MANY * size / rate / 1e6 / 3600
        line = f"| text to counts | {rate:.0f} MB a second, one worker | {hours:,.0f} | {hours / 1000:.1f}"
        yield line + f" | {_terabytes(MANY * size)} read |"
    size = drawn["bytes"] / drawn["documents"]
    private = train["peak_private_mebibytes"] - found["held_out"]["generating"]["elbo"]["peak_private_mebibytes"]
    held = 2**20 * private / train["documents"]
    yield f"| memory of each training process | {held:.0f} bytes a document | | | {_terabytes(MANY * held)} |"
    yield f"| the corpus on disk | {size:,.0f} bytes a document | | | {_terabytes(MANY * size)} |"
    for name, done, written in (
        ("an epoch, 50 units, 10,000 words", train, "the same, read"),
        ("codes, as CSV", embedded, f"{_terabytes(MANY * embedded['bytes'] / train['documents'])} written"),
    ):
        rate = done["documents_per_second"]
        hours = cores * MANY / rate / 3600
        yield f"| {name} | {rate:,} documents a second, {cores} cores | {hours:,.0f} | {hours / 1000:.1f} | {written} |"


def _terabytes(size: float) -> str:
    return f"{size / 1e12:.2f} TB"


@results_table("start", "python benchmarks/speed/start.py")
def start(found: dict[str, Any]) -> Iterable[str]:
    """Return how long commands take to start."""
    yield "| | milliseconds | times `import click` |"
    yield "|---|--:|--:|"
    for name, each in found["milliseconds"].items():
        yield f"| `{name}` | {each:.0f} | {found['over_import_click'][name]:.2f} |"


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
}
