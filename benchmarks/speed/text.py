"""Speed and memory of counting words: docnvil, scikit-learn's CountVectorizer and gensim's Dictionary.

    python benchmarks/speed/text.py       writes benchmarks/results/text.json

All methods read the posts of 20 Newsgroups, repeated ten times, from one file of JSON lines, and each runs in its own
process. CountVectorizer has docnvil's token rules, and both must give the same counts. "In memory" excludes reading the
file; `docnvil corpus build` includes it, and also writes the corpus.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import run_with_memory, save_results, shared_data

COMMAND = "python benchmarks/speed/text.py"
ROUNDS = 3  # of which the fastest is reported, because other programs can only make a round slower
TOO_SLOW_TO_REPEAT = ("gensim Dictionary and doc2bow",)
LIMITS = {"max_df": 1.0, "min_df": 1}  # all words are counted


def read_texts(path: Path) -> list[str]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line)["text"] for line in file]


def make_vectorizer() -> Any:
    """Return scikit-learn's CountVectorizer with docnvil's default token rules, written for Python's `re`."""
    from sklearn.feature_extraction.text import CountVectorizer

    from docnvil.text.stop_words import english_stop_words

    # A letter, then letters and digits. Latin-1's superscripts and fractions are numbers that \d does not match.
    pattern = r"[^\W\d_\u00b2\u00b3\u00b9\u00bc-\u00be][^\W_]+"
    return CountVectorizer(token_pattern=pattern, stop_words=list(english_stop_words()))


def count_with_docnvil(texts: list[str]) -> Any:
    from docnvil.text.counts import count_words
    from docnvil.text.documents import Document

    documents = (Document(str(number), text) for number, text in enumerate(texts))
    return count_words(documents, size=None, **LIMITS)


def count_with_gensim(texts: list[str]) -> Any:
    from gensim.corpora import Dictionary
    from gensim.utils import simple_tokenize

    split = [list(simple_tokenize(text.lower())) for text in texts]
    dictionary = Dictionary(split)
    return [dictionary.doc2bow(words) for words in split]


METHODS = {
    "docnvil in memory": count_with_docnvil,
    "CountVectorizer": lambda texts: make_vectorizer().fit_transform(texts),
    "gensim Dictionary and doc2bow": count_with_gensim,
}


def assert_same_counts(texts: list[str]) -> int:
    """Check that CountVectorizer's counts are docnvil's; return the number of tokens."""
    from scipy.sparse import csr_array

    from docnvil.text.document_term_matrix import DocumentTermMatrix, align_vocabulary
    from docnvil.text.vocabulary import Vocabulary

    matrix, vectorizer = count_with_docnvil(texts), make_vectorizer()
    counts = csr_array(vectorizer.fit_transform(texts))
    words = Vocabulary(vectorizer.get_feature_names_out().tolist())
    if set(words) != set(matrix.vocabulary):
        different = sorted(set(words) ^ set(matrix.vocabulary))
        raise click.ClickException(f"The vocabularies differ in {len(different)} words, such as {different[:5]}.")
    aligned = align_vocabulary(DocumentTermMatrix(counts, words, matrix.ids), matrix.vocabulary)
    if (aligned.counts != matrix.counts).nnz:
        raise click.ClickException("CountVectorizer's counts differ from docnvil's.")
    return matrix.n_tokens


def time_method(name: str, path: Path) -> None:
    """Print the seconds that a method needs in this process, as JSON."""
    from docnvil.runtime.process import tune_malloc

    tune_malloc()  # as `docnvil fit` does
    METHODS[name](["a mouse, a cat"])  # so that imports are not timed
    started = time.perf_counter()
    texts = read_texts(path)
    read = time.perf_counter()
    METHODS[name](texts)
    counted = time.perf_counter()
    click.echo(json.dumps({"read_seconds": round(read - started, 2), "count_seconds": round(counted - read, 2)}))


def time_build(path: Path, workers: int) -> dict[str, Any]:
    """Return the time and memory of building a corpus from a file."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        options = ["--workers", str(workers), "--vocabulary-size", "10000", "--out", f"{folder}/corpus", "--json"]
        result = run_with_memory([sys.executable, "-m", "docnvil", "corpus", "build", str(path), *options])
    return {key: result[key] for key in ("wall_seconds", "peak_private_mebibytes")}


def write_posts(once: Path, repeated: Path, times: int, posts: int | None) -> None:
    """Write the posts to one file once, and to another one `times` times."""
    import gzip

    with gzip.open(shared_data("ng20_raw/ng20_bydate.jsonl.gz")) as file:
        rows = b"".join(line for number, line in enumerate(file) if posts is None or number < posts)
    once.write_bytes(rows)
    with repeated.open("wb") as file:
        file.writelines(rows for _ in range(times))


def time_all(once: Path, repeated: Path) -> dict[str, dict[str, Any]]:
    """Return the time and memory of every method and of `docnvil corpus build`."""
    megabytes = repeated.stat().st_size / 1e6
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in METHODS}
    for number in range(ROUNDS):
        for name, results in rounds.items():
            if number and name in TOO_SLOW_TO_REPEAT:
                continue
            results.append(run_with_memory([sys.executable, __file__, "--method", name, "--file", str(repeated)]))
            click.echo(f"{name}: {results[-1]}", err=True)
    fastest = {}
    for name, results in rounds.items():
        fastest[name] = min(results, key=lambda result: result["count_seconds"])
        fastest[name]["megabytes_per_second"] = round(megabytes / fastest[name]["count_seconds"], 1)
        fastest[name]["rounds"] = len(results)
    for workers in (1, 2):
        name = f"docnvil corpus build --workers {workers}"
        fastest[name] = time_build(repeated, workers)
        fastest[name]["megabytes_per_second"] = round(megabytes / fastest[name]["wall_seconds"], 1)
        fastest[name]["peak_private_mebibytes_once_over"] = time_build(once, workers)["peak_private_mebibytes"]
        click.echo(f"{name}: {fastest[name]}", err=True)
    return fastest


@click.command()
@click.option("--times", default=10, show_default=True, help="How often the posts are repeated.")
@click.option("--posts", type=int, help="Use only the first posts, as a test; no result is saved.")
@click.option("--method", type=click.Choice(list(METHODS)), hidden=True, help="Time this method in this process.")
@click.option("--file", "path", type=click.Path(path_type=Path), hidden=True, help="File that it reads.")
def main(times: int, posts: int | None, method: str | None, path: Path | None) -> None:
    """Compare the speed and memory of counting words."""
    if method is not None:
        time_method(method, path)
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as folder:
        once, repeated = Path(folder, "once.jsonl"), Path(folder, "repeated.jsonl")
        write_posts(once, repeated, times, posts)
        megabytes = repeated.stat().st_size / 1e6
        n_tokens = assert_same_counts(read_texts(once))
        click.echo(f"{megabytes:.0f} MB; equal counts of {n_tokens:,} tokens in one copy of the posts", err=True)
        results = time_all(once, repeated)
    vectorizer = results["CountVectorizer"]
    ratios = {"docnvil in memory": vectorizer["count_seconds"] / results["docnvil in memory"]["count_seconds"]}
    for workers in (1, 2):
        name = f"docnvil corpus build --workers {workers}"
        ratios[name] = (vectorizer["read_seconds"] + vectorizer["count_seconds"]) / results[name]["wall_seconds"]
    summary = {
        "times": times,
        "megabytes": round(megabytes, 1),
        "same_counts": {"words": n_tokens},
        "ways": results,
        "faster_than_CountVectorizer": {name: round(ratio, 2) for name, ratio in ratios.items()},
    }
    click.echo(summary["faster_than_CountVectorizer"])
    if posts is None and times == 10:
        save_results("text", COMMAND, summary)


if __name__ == "__main__":
    main()
