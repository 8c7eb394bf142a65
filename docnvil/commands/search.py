"""docnvil search: find documents for words, or similar to a document."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docnvil.commands.inputs import excerpts_for_model, load_for_model, reread_options
from docnvil.commands.numbers import Number
from docnvil.commands.options import (
    CORPUS,
    CSV_FILE,
    CSV_SAFE,
    DEVICE,
    JSON,
    MODEL,
    OUT_FOLDER,
    POSITIVE,
    force_option,
    model_source_options,
    with_options,
)
from docnvil.commands.outputs import claim_output
from docnvil.commands.printing import echo, echo_json, note, shows_progress
from docnvil.errors import counted

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from docnvil.search.index import SearchIndex
    from docnvil.search.query import SearchResult
    from docnvil.training.fitted_model import FittedModel

COLUMNS = ("rank", "id", "score", "lexical", "model", "title", "excerpt")
EXCERPT_SHOWN = 110  # characters


@click.command()
@MODEL
@click.argument("source", metavar="CORPUS", type=CORPUS)
@click.argument("words", metavar="[WORDS]", required=False)
@click.option("--like", help="Find documents similar to the one with this id.")
@click.option("--top", type=POSITIVE, default=10, help="Number of documents to find.")
@click.option(
    "--weight",
    type=Number(min=0),
    show_default="0.3, with --like 0.5",
    help="Weight of the model's score beside tf-idf.",
)
@click.option("--index", "index_path", type=OUT_FOLDER, show_default="CORPUS.search", help="Folder of the index.")
@click.option("--rebuild", is_flag=True, help="Build the index again.")
@click.option("--out", type=CSV_FILE, help="CSV file for the results.")
@with_options(CSV_SAFE, force_option(), DEVICE, JSON, model_source_options)
def search(
    model: Path,
    source: Path,
    words: str | None,
    like: str | None,
    out: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Find the documents of CORPUS for WORDS, or similar to one of them, by MODEL's units and tf-idf.

    \b
    docnvil search model/ posts.jsonl "shuttle launch"
    docnvil search model/ posts.jsonl --like 61525 --top 20
    docnvil search model/ posts.jsonl "shuttle launch" --weight 0     tf-idf only

    The first search builds an index in the folder CORPUS.search, which later searches open. If the corpus or the model
    has changed, the index is refused; --rebuild builds it again.

    The score of a document is the cosine of the tf-idf vectors plus the weight times the model's score. For words, the
    latter is the mean of log p(word | units of the document) / p(word) in nats. For a document, it is the cosine of
    the unit probabilities, in which rare units count more.
    """
    from docnvil.search.query import LIKE_WEIGHT, WORDS_WEIGHT, search_like, search_words
    from docnvil.storage.model_folder import load_model

    if (words is not None and like is not None) or (words is None and like is None and not options["rebuild"]):
        raise click.UsageError("Give either WORDS or --like.")
    if out is not None:
        from docnvil.runtime.folders import refuse_existing_file

        claim_output(out)
        refuse_existing_file(out, force=options["force"])
    fitted = load_model(model, options["device"])
    query = None if words is None else count_query(fitted, words, options["tokenizer"])
    index = _open_or_build(fitted, model, source, options)
    if words is None and like is None:
        return
    top_n, weight = options["top"], options["weight"]
    if query is not None:
        results = search_words(index, query, top_n, weight=WORDS_WEIGHT if weight is None else weight)
    else:
        results = search_like(index, index.row_of(like), top_n, weight=LIKE_WEIGHT if weight is None else weight)
    _report(results, {"words": words, "like": like, "documents": index.n_documents}, out, as_json)


def count_query(fitted: "FittedModel", words: str, tokenizer: str | None = None) -> "csr_array":
    """Return the counts of a query, `[1, V]`; unknown words are named on stderr.

    Raises:
        CorpusError: none of the words is known.
    """
    import numpy as np
    from scipy.sparse import csr_array

    from docnvil.errors import CorpusError, format_examples
    from docnvil.text.tokens import Tokenizer

    rules = fitted.token_rules and fitted.token_rules.allow_tokenizer(tokenizer)
    tokens = words.split() if rules is None else list(Tokenizer(rules)(words))
    unknown = list(dict.fromkeys(token for token in tokens if token not in fitted.vocabulary))
    known = [fitted.vocabulary.get(token) for token in tokens if token in fitted.vocabulary]
    if not known:
        named = format_examples(unknown, 5) if unknown else f'"{words}"'
        raise CorpusError(
            f"No word of the query is in the model's vocabulary of {counted(len(fitted.vocabulary), 'word')}: {named}."
            " Use other words; stop words and words that the token rules drop do not count."
        )
    if unknown:
        note(f"Not in the model's vocabulary and ignored: {format_examples(unknown, 5)}.")
    columns, counts = np.unique(known, return_counts=True)
    return csr_array((counts, columns, [0, len(columns)]), shape=(1, len(fitted.vocabulary)))


def _open_or_build(fitted: "FittedModel", model: Path, source: Path, options: Mapping[str, Any]) -> "SearchIndex":
    """Open the index of a corpus, or build it if there is none or --rebuild is given."""
    from docnvil.search.index import make_index, open_index

    beside = Path(os.path.abspath(source))  # "." has no name
    path = options["index_path"] or beside.with_name(f"{beside.name}.search")
    reading = reread_options(source, options, fitted)
    if not options["rebuild"] and path.exists():
        return open_index(path, fitted, source, reading)
    from tqdm import tqdm

    claim_output(path, option="--index")
    matrix = load_for_model(source, options, fitted)
    note(f"Building the index {path} of {counted(matrix.n_documents, 'document')}.")
    with tqdm(total=2 * matrix.n_documents, unit=" documents", disable=not shows_progress(), leave=False) as bar:
        excerpts = excerpts_for_model(source, options, fitted, matrix)
        place = (path, fitted, matrix.counts, excerpts, source, reading)
        return make_index(*place, force=True, progress=bar.update)


def _report(results: "Sequence[SearchResult]", about: dict[str, Any], out: Path | None, as_json: bool) -> None:
    """Print the results, and write them to a file."""
    rows = [{"rank": rank, **asdict(result)} for rank, result in enumerate(results, start=1)]
    if out is not None:
        from docnvil.runtime.folders import replacing_file
        from docnvil.storage.csv_files import csv_writer

        with replacing_file(out) as draft, draft.open("w", encoding="utf-8", newline="") as file:
            csv_writer(file).writerows([COLUMNS, *([row[name] for name in COLUMNS] for row in rows)])
        note(f"Wrote {out}: {counted(len(rows), 'document')}.")
    if as_json:
        echo_json({**about, "results": rows})
    elif out is None:
        for row in rows:
            title = f"  {row['title']}" if row["title"] else ""
            echo(f"{row['rank']:3d}. {row['score']:.3f}  {row['id']}{title}")
            echo(f"     {row['excerpt'][:EXCERPT_SHOWN]}")
