"""docnvil explain: which units of a document are on, and which words caused it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docnvil.commands.inputs import excerpts_for_model, load_for_model, note_unknown_tokens
from docnvil.commands.options import (
    CORPUS,
    CSV_FILE,
    CSV_SAFE,
    DEVICE,
    JSON,
    MODEL,
    POSITIVE,
    force_option,
    model_source_options,
    with_options,
)
from docnvil.commands.outputs import claim_output
from docnvil.commands.printing import echo, echo_json, note, shows_progress
from docnvil.errors import counted

if TYPE_CHECKING:
    from docnvil.text.document_term_matrix import DocumentTermMatrix
    from docnvil.training.fitted_model import FittedModel

COLUMNS = ("id", "unit", "label", "probability", "logit", "kind", "term", "count", "contribution")
UNIT_WORDS = 3  # shown after the name of a unit


@click.command()
@MODEL
@click.argument("source", metavar="[CORPUS]", type=CORPUS, required=False)
@click.option("--text", "texts", multiple=True, help="Text to explain instead of a corpus; may be repeated.")
@click.option("--id", "ids", multiple=True, help="Explain the documents with this id; may be repeated.")
@click.option("--limit", type=POSITIVE, default=5, help="Maximum number of documents to print.")
@click.option("--words", type=POSITIVE, default=5, help="Words per unit to print.")
@click.option("--surprise", is_flag=True, help="Add how unexpected each word is, in nats.")
@click.option("--out", type=CSV_FILE, help="CSV file for all terms of all documents.")
@with_options(CSV_SAFE, force_option(), DEVICE, JSON, model_source_options)
def explain(
    model: Path, source: Path | None, texts: tuple[str, ...], out: Path | None, as_json: bool, **options: Any
) -> None:
    """Explain which units of each document of CORPUS are on, and which words turned them on.

    \b
    docnvil explain model/ --text "The shuttle reached its orbit."
    docnvil explain model/ posts.jsonl --id 51119 --surprise
    docnvil explain model/ posts.jsonl --out contributions.csv

    Each line has a unit with a probability above 1/2, its logit in the recognition network, and the words, the earlier
    units and the bias that add up to this logit. Earlier units count as on if their probability is above 1/2. With
    tanh layers in the recognition network, a word's contribution is the fall of the logit without it, and the sum
    needs one more term, the interaction.

    The surprise of a word is -log p(word | rest of the document), in nats.
    """
    from docnvil.storage.model_folder import load_model
    from docnvil.text.excerpts import TITLE_LENGTH, shorten

    if (source is None) == (not texts):
        raise click.UsageError("Give either a CORPUS or --text.")
    if out is not None:
        from docnvil.runtime.folders import refuse_existing_file

        claim_output(out)
        refuse_existing_file(out, force=options["force"])
    fitted = load_model(model, options["device"])
    if options["surprise"] and not fitted.network.generative.visible.supports_completion:
        raise click.UsageError("--surprise needs a model of words, and this is a model of binary vectors.")
    matrix = _load(fitted, source, texts, options)
    rows = _select_rows(matrix, options["ids"])
    if out is not None:
        _write(out, fitted, matrix, rows, options["surprise"])
        note(f"Wrote {out}: every term of the units that are on in {counted(len(rows), 'document')}.")
    shown = rows[: options["limit"]]
    if out is None or as_json:
        if source is None:
            titles = iter([shorten(texts[row], TITLE_LENGTH) for row in shown])
        else:
            excerpts = excerpts_for_model(source, options, fitted, matrix, shown)
            titles = ("" if excerpt is None else excerpt.title for excerpt in excerpts)
        records = _records(fitted, matrix, shown, titles, options["surprise"])
        unit_words = fitted.top_words(UNIT_WORDS)
        if as_json:
            echo_json({"documents": list(records)})
        else:
            for record in records:
                heading = f"{record['id']}  " if source is not None else f"text {record['id']}: "
                echo(_describe(record, f"{heading}{record['title']}".rstrip(), options["words"], unit_words))
        if len(rows) > len(shown):
            note(
                f"{counted(len(rows) - len(shown), 'more document')}; choose with --id, raise --limit, or write all to"
                " --out."
            )
    note_unknown_tokens(matrix)


def _load(
    fitted: "FittedModel", source: Path | None, texts: tuple[str, ...], options: Mapping[str, Any]
) -> "DocumentTermMatrix":
    """Return the counts of the corpus, or of texts with the ids 1, 2 and so on."""
    if source is not None:
        return load_for_model(source, options, fitted, may_be_empty=True)
    from docnvil.errors import ConfigurationError
    from docnvil.text.counts import count_words
    from docnvil.text.document import Document

    if fitted.token_rules is None:
        raise ConfigurationError(
            "The model is trained on counts, so it has no rules to split a text into words. Give a CORPUS of counts."
        )
    documents = [Document(str(number), text) for number, text in enumerate(texts, start=1)]
    rules = fitted.token_rules.allow_tokenizer(options["tokenizer"])
    return count_words(documents, rules=rules, vocabulary=fitted.vocabulary)


def _select_rows(matrix: "DocumentTermMatrix", ids: tuple[str, ...]) -> list[int]:
    """Return the rows of the documents with the given ids, or all rows."""
    from docnvil.errors import CorpusError, format_examples
    from docnvil.text.normalization import find_name

    if not ids:
        return list(range(matrix.n_documents))
    known = set(matrix.ids)
    found = {name: find_name(name, known) for name in ids}
    wanted = set(found.values())
    rows = [row for row, name in enumerate(matrix.ids) if name in wanted]
    if missing := sorted(name for name in found if found[name] is None):
        raise CorpusError(
            f"No document has the id {format_examples(missing, 3)}. The first ids are"
            f" {format_examples(list(matrix.ids[:3]), 3)}."
        )
    return rows


def _labels(fitted: "FittedModel") -> list[str]:
    return [fitted.unit_label(unit) for unit in range(fitted.network.config.units[0])]


def _write(out: Path, fitted: "FittedModel", matrix: "DocumentTermMatrix", rows: list[int], surprise: bool) -> None:
    """Write the terms of documents as CSV, one document in memory at a time."""
    from tqdm import tqdm

    from docnvil.analysis.attribution import explanation_rows
    from docnvil.runtime.folders import replacing_file
    from docnvil.storage.csv_files import csv_writer
    from docnvil.text.sparse import SelectedRows

    counts = SelectedRows(matrix.counts, _as_array(rows))
    labels, columns = _labels(fitted), [*COLUMNS, *(["surprise"] if surprise else [])]
    attributions = _attributions(fitted, counts, surprise)
    with replacing_file(out) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv_writer(file)
        writer.writerow(columns)
        bar = tqdm(zip(rows, attributions, strict=True), total=len(rows), unit=" documents")
        bar.disable = not shows_progress()
        for row, (attribution, nats) in bar:
            by_word = {fitted.vocabulary[word]: value for word, value in zip(attribution.words, nats, strict=True)}
            for term in explanation_rows(attribution, fitted.vocabulary, labels):
                more = {"surprise": by_word.get(term["term"]) if term["kind"] == "word" else None} if surprise else {}
                cells = {"id": matrix.ids[row], **term, **more}
                writer.writerow([cells[name] for name in columns])


def _as_array(rows: list[int]) -> Any:
    import numpy as np

    return np.array(rows, dtype=np.int64)


def _attributions(fitted: "FittedModel", counts: Any, surprise: bool) -> Iterator[tuple[Any, Any]]:
    """Yield the attribution of each document, and the surprise of its words, or zeros."""
    from docnvil.analysis.attribution import attribute
    from docnvil.analysis.surprise import word_surprise

    attributions = attribute(fitted.network, counts)
    if not surprise:
        return ((each, [0.0] * len(each.words)) for each in attributions)
    return zip(attributions, word_surprise(fitted.network, counts), strict=True)


def _records(
    fitted: "FittedModel",
    matrix: "DocumentTermMatrix",
    rows: list[int],
    titles: Iterator[str],
    surprise: bool,
) -> Iterator[dict[str, Any]]:
    """Yield what is printed about each document."""
    from docnvil.analysis.attribution import explanation_rows
    from docnvil.text.sparse import SelectedRows

    counts, labels = SelectedRows(matrix.counts, _as_array(rows)), _labels(fitted)
    for row, title, (attribution, nats) in zip(rows, titles, _attributions(fitted, counts, surprise), strict=True):
        units: dict[int, dict[str, Any]] = {}
        for term in explanation_rows(attribution, fitted.vocabulary, labels):
            common = {name: term[name] for name in ("unit", "label", "probability", "logit")}
            unit = units.setdefault(term["unit"], {**common, "words": [], "earlier_units": []})
            if term["kind"] in ("bias", "interaction"):
                unit[term["kind"]] = term["contribution"]
            else:
                name, key = ("words", "word") if term["kind"] == "word" else ("earlier_units", "unit")
                unit[name].append({key: term["term"], "contribution": term["contribution"]})
        record = {
            "id": matrix.ids[row],
            "title": title,
            "known_tokens": int(attribution.counts.sum()),
            "unknown_tokens": 0 if matrix.unknown_counts is None else int(matrix.unknown_counts[row]),
            "units": list(units.values()),
        }
        if surprise:
            named = (
                (fitted.vocabulary[word], float(value)) for word, value in zip(attribution.words, nats, strict=True)
            )
            record["surprise"] = [
                {"word": word, "nats": value} for word, value in sorted(named, key=lambda each: -each[1])
            ]
        yield record


def _describe(record: Mapping[str, Any], heading: str, n_words: int, unit_words: list[list[str]]) -> str:
    """Return the lines that are printed about a document, with a few words of each unit."""
    lines = [heading]
    if not record["known_tokens"]:
        known = "none of its words is in the model's vocabulary" if record["unknown_tokens"] else "it has no words"
        return f"{lines[0]}\n  {known}"
    if not record["units"]:
        lines.append("  no unit has a probability above 1/2")
    for unit in record["units"]:
        about = f" ({' '.join(unit_words[unit['unit']])})" if unit_words[unit["unit"]] else ""
        lines.append(f"  {unit['label']}{about}: probability {unit['probability']:.2f}, logit {unit['logit']:+.2f}")
        top, rest = unit["words"][:n_words], unit["words"][n_words:]
        terms = [f"{each['word']} {each['contribution']:+.2f}" for each in top]
        if rest:
            terms.append(f"{counted(len(rest), 'other word')} {sum(each['contribution'] for each in rest):+.2f}")
        if unit["earlier_units"]:
            terms.append(f"earlier units {sum(each['contribution'] for each in unit['earlier_units']):+.2f}")
        terms += [f"{name} {unit[name]:+.2f}" for name in ("bias", "interaction") if name in unit]
        lines.append(f"    {', '.join(terms)}")
    if "surprise" in record:
        nats = ", ".join(f"{each['word']} {each['nats']:.1f}" for each in record["surprise"][:n_words])
        lines.append(f"  most surprising words, in nats: {nats}")
    return "\n".join(lines)
