"""Time of search in a million documents: the size and the build time of the index, and the seconds per query.

Data: documents sampled from a model of 20 Newsgroups with 50 units and 2,000 words. A query is three words of a random
document, or a document. Two threads; the index is in the file cache, as after the first queries. The processor time
is that of all threads, and does not depend on other work of the machine.

    python benchmarks/speed/search.py               20 minutes on two cores
    python benchmarks/speed/search.py --documents 20000 --folder /tmp/search    a test of the script
                                                    writes benchmarks/results/search_speed.json
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import click
import numpy as np
import torch
from scipy.sparse import csr_array

sys.path.insert(0, str(Path(__file__).parents[1]))

import ng20
from common import RESULTS, run_with_memory, save_results
from common import docnvil as run_docnvil

import docnvil
from docnvil.search.index import SearchIndex, open_index
from docnvil.search.query import search_like, search_words
from docnvil.text.settings import SourceOptions

COMMAND = "python benchmarks/speed/search.py"
QUERIES = 100
WORDS_PER_QUERY = 3


@click.command()
@click.option("--documents", default=1_000_000, show_default=True, help="Number of documents.")
@click.option("--folder", type=click.Path(path_type=Path), help="Folder to keep the model and the corpus in.")
@click.option("--queries-only", is_flag=True, help="Measure the queries again, with the index in --folder.")
def main(documents: int, folder: Path | None, queries_only: bool) -> None:
    """Measure search in many documents; write benchmarks/results/search_speed.json."""
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as temporary:
        folder = folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        model, corpus, path = folder / "model", folder / "corpus", folder / "corpus.search"
        if not model.exists():
            run_docnvil("fit", ng20.paths()[0], "--units", 50, "--out", model)
        if not corpus.exists():
            lengths = ("--lengths-of", ng20.paths()[0])
            run_docnvil("sample", model, "--documents", documents, *lengths, "--out", corpus)
        if queries_only:
            build = json.loads((RESULTS / "search_speed.json").read_text(encoding="utf-8"))["build"]
        else:
            build = run_with_memory([sys.executable, "-m", "docnvil", "search", model, corpus, "--rebuild"])
        size = sum(file.stat().st_size for file in path.iterdir())
        start = time.perf_counter()
        index = open_index(path, docnvil.load(model, "cpu"), corpus, SourceOptions())
        opened = time.perf_counter() - start
        queries = measure_queries(index)
    results = {
        "settings": {"documents": documents, "units": 50, "words": 2000, "threads": 2, "queries": QUERIES},
        "entries": len(index.arrays["words"]),
        "index_mebibytes": round(size / 2**20),
        "build": build,
        "open_seconds": round(opened, 2),
        **queries,
    }
    click.echo(results)
    save_results("search_speed", COMMAND, results)


def measure_queries(index: SearchIndex) -> dict[str, Any]:
    """Return the milliseconds of both kinds of queries."""
    rng = np.random.default_rng(0)
    starts, words = index.arrays["indptr"], index.arrays["words"]
    rows = rng.choice(np.flatnonzero(np.diff(starts) >= WORDS_PER_QUERY), QUERIES, replace=False).tolist()
    vocabulary_size = len(index.arrays["idf"])

    def query(row: int) -> csr_array:
        columns = np.sort(rng.choice(words[starts[row] : starts[row + 1]], WORDS_PER_QUERY, replace=False))
        return csr_array((np.ones(len(columns), dtype=int), columns, [0, len(columns)]), shape=(1, vocabulary_size))

    queries = [query(row) for row in rows]
    search_words(index, queries[0])
    search_like(index, rows[0])
    return {
        "words_ms": _milliseconds(lambda each: search_words(index, each), queries),
        "like_ms": _milliseconds(lambda each: search_like(index, each), rows),
    }


def _milliseconds(search: Callable[[Any], object], queries: Sequence[Any]) -> dict[str, float]:
    """Return the median and the 95th percentile of the milliseconds per query, and the median of processor time."""
    seconds, processor = [], []
    for each in queries:
        start, cpu = time.perf_counter(), time.process_time()
        search(each)
        seconds.append(1000 * (time.perf_counter() - start))
        processor.append(1000 * (time.process_time() - cpu))
    values = {"median": median(seconds), "p95": quantiles(seconds, n=20)[-1], "median_processor": median(processor)}
    return {name: round(value, 1) for name, value in values.items()}


if __name__ == "__main__":
    main()
