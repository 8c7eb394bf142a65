"""Options that several commands share, and what they make of a corpus."""

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from docnvil.commands.console import note

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from docnvil.estimator import DocNVIL
    from docnvil.text.counts import DocumentTermMatrix

Command = TypeVar("Command", bound=Callable[..., Any])

CORPUS = click.Path(path_type=Path)


class Texts(click.ParamType):
    """A path of texts, or an address of them."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path; what reads addresses is imported only for one."""
        from docnvil.text.files import as_path

        return as_path(value)


TEXTS = Texts()

TOKEN_OPTIONS = (
    "token_pattern",
    "lowercase",
    "min_length",
    "stop_words",
    "stemmer",
    "tokenizer",
    "vocabulary_size",
    "min_df",
    "max_df",
)


class Share(click.ParamType):
    """A whole number of documents (2) or a share of them (0.01)."""

    name = "number|share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | float:
        """Read "2" as an int and "0.01" or "1.0" as a float."""
        if isinstance(value, int | float):
            return value
        try:
            return int(value)
        except ValueError:
            pass
        try:
            share = float(value)
        except ValueError:
            share = math.nan
        if not math.isfinite(share):
            self.fail(f"{value!r} is neither a whole number nor a share like 0.1.", param, ctx)
        return share


def source_options(command: Command) -> Command:
    """Add the options that say how documents are read."""
    return _all(
        command,
        click.option(
            "--format",
            "format",
            default="auto",
            show_default=True,
            help="folder, lines, jsonl, csv, tsv, parquet, npz, mtx, uci, ldac, svmlight, bits, corpus; auto: by the"
            " name.",
        ),
        click.option("--text-column", default="text", show_default=True, help="Column with the text."),
        click.option("--id-column", help="Column with the ids.  [default: 'id' if there is one, else row numbers]"),
        click.option("--label-column", help="Column with a label; it comes first after the id in embeddings."),
        click.option("--array", help="Which array of an .npz of binary vectors, where it has several."),
        click.option("--encoding", default="utf-8", show_default=True, help="Encoding of text files."),
        click.option(
            "--vocabulary",
            type=CORPUS,
            help="A file with a word a line: the words of ready counts, or the words to count in texts.",
        ),
    )


def token_options(command: Command) -> Command:
    """Add the options that say how text becomes words."""
    return _all(
        command,
        click.option(
            "--token-pattern", help="Regular expression of a word.  [default: a letter, then letters, marks or digits]"
        ),
        click.option("--lowercase/--no-lowercase", default=True, show_default=True, help="Fold case."),
        click.option(
            "--min-length",
            type=click.IntRange(min=1),
            default=2,
            show_default=True,
            help="Shortest word, in characters.",
        ),
        click.option(
            "--stop-words",
            default="english",
            show_default=True,
            help="english, none, nltk:LANGUAGE, or a file with a word a line.",
        ),
        click.option("--stemmer", help="porter, or snowball-LANGUAGE.  [default: none]"),
        click.option(
            "--tokenizer",
            help="An NLTK tokenizer, not the pattern: tweet, toktok, treebank, wordpunct, whitespace, word.",
        ),
        click.option(
            "--vocabulary-size",
            type=click.IntRange(min=1),
            default=10_000,
            show_default=True,
            help="Keep the most frequent words.",
        ),
        click.option(
            "--min-df",
            type=Share(),
            default=2,
            show_default=True,
            help="Drop words in fewer documents: a number or a share.",
        ),
        click.option(
            "--max-df",
            type=Share(),
            default=0.5,
            show_default=True,
            help="Drop words in more documents: a number or a share.",
        ),
    )


def load_for_training(source: Path, options: Mapping[str, Any]) -> "DocumentTermMatrix":
    """Read a corpus with its own vocabulary, by the rules the options give, and say what came of it."""
    from docnvil.corpus.loading import load_document_term_matrix

    _refuse_idle_options(source, options)
    matrix = load_document_term_matrix(source, source_of(options), **counting_of(options))
    note(about(matrix))
    return matrix


def load_in_two(
    source: Path, options: Mapping[str, Any], held_out: int | float, seed: int
) -> tuple["DocumentTermMatrix", "DocumentTermMatrix"]:
    """Read a corpus in two parts; the words of texts are chosen by the first alone."""
    import numpy as np

    from docnvil.corpus.loading import load_train_test

    return load_train_test(source, source_of(options), held_out, np.random.default_rng(seed), **counting_of(options))


def load_for_model(
    source: Path, options: Mapping[str, Any], model: "DocNVIL", *, may_be_empty: bool = False
) -> "DocumentTermMatrix":
    """Read a corpus as a trained model reads it, by its rules and vocabulary, and make ready to go through it."""
    return _load_by(source, options, model.rules_, model.vocabulary_, may_be_empty=may_be_empty)


def load_beside(source: Path, options: Mapping[str, Any], matrix: "DocumentTermMatrix") -> "DocumentTermMatrix":
    """Read a corpus by the rules and the words of another."""
    return _load_by(source, options, matrix.rules, matrix.vocabulary)


def _load_by(
    source: Path, options: Mapping[str, Any], rules: Any, vocabulary: Any, *, may_be_empty: bool = False
) -> "DocumentTermMatrix":
    from docnvil.corpus.loading import load_document_term_matrix

    return load_document_term_matrix(
        source,
        source_of(options),
        rules=rules,
        vocabulary=vocabulary,
        vocabulary_path=options["vocabulary"],
        may_be_empty=may_be_empty,
    )


def sequences_for_model(source: Path, options: Mapping[str, Any], model: "DocNVIL") -> Iterator["NDArray[np.integer]"]:
    """Read texts as a trained model reads them, each as its words' columns in their order."""
    from docnvil.errors import CorpusError
    from docnvil.text.counts import word_sequences
    from docnvil.text.documents import TEXT_FORMATS, detect_format, read_documents

    if detect_format(source, source_of(options)) not in TEXT_FORMATS:
        raise CorpusError(f"{source} holds counts, and C_V needs words in their order. Give the texts, or choose npmi.")
    return word_sequences(read_documents(source, source_of(options)), model.rules_, model.vocabulary_)


def _refuse_idle_options(source: Path, options: Mapping[str, Any]) -> None:
    """Refuse options about words that were given for counts, which have their words already."""
    from docnvil.text.documents import TEXT_FORMATS, detect_format

    if detect_format(source, source_of(options)) in TEXT_FORMATS:
        return
    context = click.get_current_context()
    for name in TOKEN_OPTIONS:
        if context.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE:
            option = "--" + name.replace("_", "-")
            raise click.UsageError(f"{source} holds counts, whose words are settled. Leave out {option}.")


def holds_bits(source: Path, options: Mapping[str, Any]) -> bool:
    """Tell whether a source is a file of binary vectors."""
    from docnvil.text.documents import detect_format

    return detect_format(source, source_of(options)) == "bits"


def about(matrix: "DocumentTermMatrix") -> str:
    """Say in a line what a corpus is, and what is odd about it."""
    text = f"{matrix.n_documents:,} documents, {matrix.n_tokens:,} words of {matrix.vocabulary_size:,} different ones"
    if empty := int(matrix.empty.sum()):
        text += f"; {empty:,} documents are empty"
    return f"{text}."


def unknown_words(matrix: "DocumentTermMatrix") -> str:
    """Say how much of a corpus the model has no words for."""
    share = matrix.n_unknown / (matrix.n_unknown + matrix.n_tokens)
    return f"{matrix.n_unknown:,} words ({share:.0%}) are not in the model's vocabulary, and were left out of this."


def counting_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the token rules and vocabulary limits that the options give, as keyword arguments of the loaders."""
    from docnvil.text.stop_words import resolve_stop_words
    from docnvil.text.tokens import DEFAULT_TOKEN_PATTERN, TokenRules

    name, words = resolve_stop_words(options["stop_words"])
    rules = TokenRules(
        token_pattern=options["token_pattern"] or DEFAULT_TOKEN_PATTERN,
        lowercase=options["lowercase"],
        min_length=options["min_length"],
        stop_words=words,
        stop_words_name=name,
        stemmer=options["stemmer"],
        tokenizer=options["tokenizer"],
    )
    return {
        "rules": rules,
        "vocabulary_path": options["vocabulary"],
        "size": options["vocabulary_size"],
        "min_df": options["min_df"],
        "max_df": options["max_df"],
    }


def source_of(options: Mapping[str, Any]) -> Any:
    """Return how a source is read, as the options say it."""
    from docnvil.text.documents import SourceOptions

    names = ("format", "text_column", "id_column", "label_column", "encoding", "array")
    return SourceOptions(**{name: options[name] for name in names})


def _all(command: Command, *options: Callable[[Command], Command]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command
