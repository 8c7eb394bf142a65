"""docnvil info: describe a model, a corpus, or an index of `docnvil search`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from docnvil.commands.inputs import contains_text, refuse_idle_options, source_of
from docnvil.commands.options import CORPUS, JSON, source_options, with_options
from docnvil.commands.printing import echo, echo_json
from docnvil.errors import counted


@click.command()
@click.argument("source", metavar="MODEL|CORPUS", type=CORPUS)
@with_options(JSON, source_options)
def info(source: Path, as_json: bool, **options: Any) -> None:
    """Describe a model, a corpus or a search index: its sizes, settings, quality or metadata.

    \b
    docnvil info model/
    docnvil info corpus/
    docnvil info posts.jsonl

    Texts are read but not counted, so their sizes are in characters.
    """
    from docnvil.runtime.folders import is_folder_of_kind

    if is_folder_of_kind(source, "model"):
        from docnvil.storage.descriptions import describe_fitted_model
        from docnvil.storage.model_folder import load_model

        values = {"kind": "model", **describe_fitted_model(load_model(source, "cpu"))}
        _echo(values, _model_lines(values), as_json)
        return
    if is_folder_of_kind(source, "search index"):
        from docnvil.search.index import describe_index

        values = {"kind": "search index", **describe_index(source)}
        _echo(values, _index_lines(values), as_json)
        return
    from docnvil.storage.descriptions import describe_matrix, describe_texts
    from docnvil.text.documents import detect_format, read_documents

    refuse_idle_options(source, options)
    form = detect_format(source, source_of(options))
    if contains_text(source, options):
        values = {"kind": "texts", "format": form, **describe_texts(read_documents(source, source_of(options)))}
        _echo(values, _text_lines(values), as_json)
        return
    from docnvil.corpus.loading import load_document_term_matrix

    matrix = load_document_term_matrix(
        source, source_of(options), vocabulary_path=options["vocabulary"], may_be_empty=True
    )
    values = {"kind": "corpus" if form == "corpus" else "counts", "format": form, **describe_matrix(matrix)}
    _echo(values, _matrix_lines(values), as_json)


def _echo(values: Mapping[str, Any], lines: list[tuple[str, str]], as_json: bool) -> None:
    if as_json:
        echo_json(values)
        return
    for name, text in lines:
        echo(f"{name:<22}{text}")


def _model_lines(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    units = "-".join(map(str, values["units"]))
    corpus, without = values["corpus"], values["validation_perplexity_without_units"]
    perplexity = f"{values['validation_perplexity_per_document']:,.1f} per document"
    if without is not None:
        perplexity += f" (same layer without units: {without:,.1f})"
    lines = [
        (
            "model",
            f"{units} unit{'s' * (units != '1')}, recipe {values['recipe']}, {values['observation']} output layer",
        ),
        ("dependence", f"{values['prior']} prior, {values['posterior']} recognition network"),
        (
            "units",
            f"{values['live_units']} live, {values['dead_units']} dead,"
            f" {counted(values['duplicate_units'], 'duplicate')}, {values['named_units']} named",
        ),
        ("vocabulary", f"{counted(values['words'], 'word')}{' without names' if values['numbered_words'] else ''}"),
        ("training documents", f"{corpus['documents']:,}, {counted(round(corpus['tokens']), 'token')}"),
        ("training", f"{counted(values['epochs'], 'epoch')}, the best is {values['best_epoch']}"),
        ("validation perplexity", perplexity),
        ("tokens", _rules(values["token_rules"])),
    ]
    return [*lines, *(("warning", warning) for warning in values["warnings"])]


def _index_lines(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    preselected = "preselected by binary codes" if values["binary_codes"] else "all documents are compared"
    return [
        ("search index", f"{counted(values['documents'], 'document')}, {preselected}"),
        (
            "vocabulary",
            f"{counted(values['words'], 'word')}, {counted(values['entries'], 'different word')} in all documents"
            " together",
        ),
        ("size", f"{values['bytes'] / 2**20:,.1f} MiB"),
    ]


def _documents(values: Mapping[str, Any]) -> str:
    documents = counted(values["documents"], "document")
    return f"{documents} ({values['format']}), {values['empty_documents']:,} empty"


def _matrix_lines(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    lines = [
        (
            "corpus",
            _documents(values),
        ),
        ("tokens", f"{values['tokens']:,}{_unknown(values['unknown_tokens'])}"),
        ("vocabulary", f"{counted(values['words'], 'word')}{' without names' if values['numbered_words'] else ''}"),
        ("words per document", _quantiles(values["words_per_document"])),
        ("frequent words", ", ".join(f"{each['word']} {each['count']:,}" for each in values["frequent_words"])),
    ]
    if values["repeated_ids"]:
        lines.append(("repeated ids", f"{values['repeated_ids']:,}"))
    if values["kind"] == "corpus":
        lines.append(("token rules", _rules(values["token_rules"])))
    return [*lines, *_metadata_lines(values)]


def _text_lines(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    lines = [
        (
            "texts",
            _documents(values),
        ),
        ("characters", f"{values['characters']:,}"),
        ("per document", _quantiles(values["characters_per_document"])),
        ("first ids", ", ".join(values["first_ids"])),
    ]
    return [*lines, *_metadata_lines(values)]


def _metadata_lines(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    lines = []
    for column in values["metadata"]:
        frequent = ", ".join(f"{value[:30]} {count:,}" for value, count in column["frequent"].items())
        distinct = f"{column['distinct']:,}{' or more' if column['more'] else ''} distinct"
        missing = f", {column['missing']:,} missing" if column["missing"] else ""
        lines.append((f"column {column['column']}"[:21], f"{distinct}{missing}: {frequent}"))
    return lines


def _unknown(unknown: int | None) -> str:
    return "" if not unknown else f", and {unknown:,} that are not in the vocabulary"


def _quantiles(values: list[float]) -> str:
    if not values:
        return "none"
    return "minimum {:,.0f}, quartiles {:,.0f}, {:,.0f}, {:,.0f}, maximum {:,.0f}".format(*values)


def _rules(rules: Mapping[str, Any] | None) -> str:
    """Return the token rules that a reader wants to know first."""
    if rules is None:
        return "counted elsewhere; no token rules"
    parts = ["lower case" if rules.get("lowercase") else "case kept"]
    names = (("tokenizer", "tokenizer {}"), ("stemmer", "stemmer {}"), ("stop_words_name", "stop words {}"))
    parts += [text.format(rules[name]) for name, text in names if rules.get(name)]
    if rules.get("strip"):
        parts.append(f"without {', '.join(rules['strip'])}")
    if rules.get("phrases"):
        parts.append(f"{counted(len(rules['phrases']), 'phrase')}")
    return ", ".join(parts)
