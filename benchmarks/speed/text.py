"""What text costs to count: docnvil beside scikit-learn's CountVectorizer and gensim's Dictionary.

    python benchmarks/speed/text.py       writes benchmarks/results/text.json

The posts of 20 Newsgroups, ten times over, are read from one file of JSON lines by all. Each way of counting runs in a
process of its own. CountVectorizer is given docnvil's rules, and its counts must be docnvil's, word by word. "In
memory" is the same without the reading, and without a corpus being written.
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
ROUNDS = 3  # in turn, of which the quickest counts: whatever else the machine does can only add
TOO_SLOW_TO_REPEAT = ("gensim Dictionary and doc2bow",)
LIMITS = {"max_df": 1.0, "min_df": 1}  # every word counts: nobody is spared any


def texts_of(path: Path) -> list[str]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line)["text"] for line in file]


def vectorizer() -> Any:
    """Return scikit-learn's CountVectorizer with docnvil's default rules, which Python's `re` can spell."""
    from sklearn.feature_extraction.text import CountVectorizer

    from docnvil.text.stop_words import english_stop_words

    # A letter, then letters and digits. Latin-1's superscripts and fractions are numbers that \d does not know.
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


WAYS = {
    "docnvil in memory": count_with_docnvil,
    "CountVectorizer": lambda texts: vectorizer().fit_transform(texts),
    "gensim Dictionary and doc2bow": count_with_gensim,
}


def assert_same_counts(texts: list[str]) -> int:
    """Compare docnvil's counts with CountVectorizer's; return how many words were compared."""
    from scipy.sparse import csr_array

    from docnvil.text.counts import DocumentTermMatrix, align_vocabulary
    from docnvil.text.vocabulary import Vocabulary

    ours, theirs = count_with_docnvil(texts), vectorizer()
    counts = csr_array(theirs.fit_transform(texts))
    words = Vocabulary(theirs.get_feature_names_out().tolist())
    if set(words) != set(ours.vocabulary):
        strange = sorted(set(words) ^ set(ours.vocabulary))
        raise click.ClickException(f"The vocabularies differ in {len(strange)} words, {strange[:5]} among them.")
    matched = align_vocabulary(DocumentTermMatrix(counts, words, ours.ids), ours.vocabulary)
    if (matched.counts != ours.counts).nnz:
        raise click.ClickException("CountVectorizer's counts are not docnvil's.")
    return ours.n_tokens


def build(path: Path, workers: int) -> dict[str, Any]:
    """Build a corpus of a file, with as many processes."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        options = ["--workers", str(workers), "--vocabulary-size", "10000", "--out", f"{folder}/corpus", "--json"]
        found = run_with_memory([sys.executable, "-m", "docnvil", "corpus", "build", str(path), *options])
    return {key: found[key] for key in ("wall_seconds", "peak_private_mebibytes")}


@click.command()
@click.option("--times", default=10, show_default=True, help="How often the posts are repeated.")
@click.option("--posts", type=int, help="Only so many posts, to try it out; nothing is then kept.")
@click.option("--way", type=click.Choice(list(WAYS)), hidden=True, help="Time this way in this process.")
@click.option("--file", "path", type=click.Path(path_type=Path), hidden=True, help="File that it reads.")
def main(times: int, posts: int | None, way: str | None, path: Path | None) -> None:
    """Time ways of counting words."""
    if way is not None:  # the process of one way
        from docnvil.runtime.process import tune_malloc

        tune_malloc()  # as `docnvil fit` does before it counts
        WAYS[way](["a mouse, a cat"])  # what is imported is not timed
        started = time.perf_counter()
        texts = texts_of(path)
        read = time.perf_counter()
        WAYS[way](texts)
        counted = time.perf_counter() - read
        click.echo(json.dumps({"read_seconds": round(read - started, 2), "count_seconds": round(counted, 2)}))
        return
    import gzip

    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as folder:
        once, often = Path(folder, "once.jsonl"), Path(folder, "often.jsonl")
        with gzip.open(shared_data("ng20_raw/ng20_bydate.jsonl.gz")) as file:
            rows = [line for number, line in enumerate(file) if posts is None or number < posts]
        once.write_bytes(b"".join(rows))
        with often.open("wb") as file:
            file.writelines(b"".join(rows) for _ in range(times))
        megabytes = often.stat().st_size / 1e6
        tokens = assert_same_counts(texts_of(once))
        click.echo(f"{megabytes:.0f} MB; the same counts of {tokens:,} words, once over", err=True)
        found, tried = {}, {name: [] for name in WAYS}
        for number in range(ROUNDS):
            for name, runs in tried.items():
                if number and name in TOO_SLOW_TO_REPEAT:
                    continue
                runs.append(run_with_memory([sys.executable, __file__, "--way", name, "--file", str(often)]))
                click.echo(f"{name}: {runs[-1]}", err=True)
        for name, runs in tried.items():
            found[name] = min(runs, key=lambda run: run["count_seconds"])
            found[name]["megabytes_per_second"] = round(megabytes / found[name]["count_seconds"], 1)
            found[name]["rounds"] = len(runs)
        for workers in (1, 2):
            name = f"docnvil corpus build --workers {workers}"
            found[name] = build(often, workers)
            found[name]["megabytes_per_second"] = round(megabytes / found[name]["wall_seconds"], 1)
            found[name]["peak_private_mebibytes_once_over"] = build(once, workers)["peak_private_mebibytes"]
            click.echo(f"{name}: {found[name]}", err=True)
    theirs = found["CountVectorizer"]
    ratios = {"docnvil in memory": theirs["count_seconds"] / found["docnvil in memory"]["count_seconds"]}
    for workers in (1, 2):
        name = f"docnvil corpus build --workers {workers}"
        ratios[name] = (theirs["read_seconds"] + theirs["count_seconds"]) / found[name]["wall_seconds"]
    figures = {
        "times": times,
        "megabytes": round(megabytes, 1),
        "same_counts": {"words": tokens},
        "ways": found,
        "faster_than_CountVectorizer": {name: round(ratio, 2) for name, ratio in ratios.items()},
    }
    click.echo(figures["faster_than_CountVectorizer"])
    if posts is None and times == 10:
        save_results("text", COMMAND, figures)


if __name__ == "__main__":
    main()
