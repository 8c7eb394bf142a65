"""Options that several commands share, and reading a corpus as they say."""

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from docnvil.commands.console import note
from docnvil.commands.grouped import GroupedOption

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from docnvil.text.counts import DocumentTermMatrix
    from docnvil.training.fitted_model import FittedModel

Command = TypeVar("Command", bound=Callable[..., Any])

CORPUS = click.Path(path_type=Path)
_input_option = partial(click.option, cls=GroupedOption, group="Input")
_text_option = partial(click.option, cls=GroupedOption, group="Text")


class Texts(click.ParamType):
    """A path, or the address of object storage."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path; fsspec is imported only for addresses."""
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
    """A number of documents (2) or a share of them (0.01)."""

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
    """Add the options for reading documents."""
    return add_options(
        command,
        _input_option(
            "--format",
            default="auto",
            help="folder, lines, jsonl, csv, tsv, parquet, npz, mtx, uci, ldac, svmlight, bits or corpus; auto goes by"
            " the file name.",
        ),
        _input_option("--text-column", default="text", help="Column with the text."),
        _input_option("--id-column", help="Column with the ids.  [default: id if there is one, else row numbers]"),
        _input_option("--label-column", help="Column with a label, written after the id in embeddings."),
        _input_option("--array", help="Array of an .npz file of binary vectors that has several."),
        _input_option("--encoding", default="utf-8", help="Encoding of text files."),
        _input_option(
            "--vocabulary", type=CORPUS, help="File with one word per line: the words to count, or of counts."
        ),
    )


def token_options(command: Command) -> Command:
    """Add the options for tokens and the vocabulary."""
    return add_options(
        command,
        _text_option(
            "--token-pattern", help="Regular expression of a word.  [default: a letter, then letters, marks or digits]"
        ),
        _text_option("--lowercase/--no-lowercase", default=True, help="Convert to lower case."),
        _text_option("--min-length", type=click.IntRange(min=1), default=2, help="Characters of the shortest word."),
        _text_option(
            "--stop-words", default="english", help="english, none, nltk:LANGUAGE, or a file with one word per line."
        ),
        _text_option("--stemmer", help="porter, or snowball-LANGUAGE.  [default: none]"),
        _text_option(
            "--tokenizer",
            help="NLTK tokenizer in place of the pattern: tweet, toktok, treebank, wordpunct, whitespace or word.",
        ),
        _text_option(
            "--vocabulary-size",
            type=click.IntRange(min=1),
            default=10_000,
            help="Number of most frequent words to keep.",
        ),
        _text_option("--min-df", type=Share(), default=2, help="Drop words in fewer documents: a number or a share."),
        _text_option("--max-df", type=Share(), default=0.5, help="Drop words in more documents: a number or a share."),
    )


def load_for_training(source: Path, options: Mapping[str, Any]) -> "DocumentTermMatrix":
    """Read a corpus with its own vocabulary, by the rules of the options, and print its size on stderr."""
    from docnvil.corpus.loading import load_document_term_matrix

    _refuse_idle_options(source, options)
    matrix = load_document_term_matrix(source, source_of(options), **counting_of(options))
    note(describe_corpus(matrix))
    return matrix


def load_in_two(
    source: Path, options: Mapping[str, Any], held_out: int | float, seed: int
) -> tuple["DocumentTermMatrix", "DocumentTermMatrix"]:
    """Read a corpus in two parts; the vocabulary is chosen from the first."""
    from docnvil.corpus.loading import load_train_test
    from docnvil.runtime.randomness import stream

    return load_train_test(source, source_of(options), held_out, stream(seed, "test split"), **counting_of(options))


def load_for_model(
    source: Path, options: Mapping[str, Any], model: "FittedModel", *, may_be_empty: bool = False
) -> "DocumentTermMatrix":
    """Read a corpus with the token rules and the vocabulary of a model."""
    return _load_by(source, options, model.token_rules, model.vocabulary, may_be_empty=may_be_empty)


def load_beside(source: Path, options: Mapping[str, Any], matrix: "DocumentTermMatrix") -> "DocumentTermMatrix":
    """Read a corpus with the token rules and the vocabulary of another."""
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


def sequences_for_model(
    source: Path, options: Mapping[str, Any], model: "FittedModel"
) -> Iterator["NDArray[np.integer]"]:
    """Read texts with the token rules of a model, each as the columns of its words in order."""
    from docnvil.errors import CorpusError
    from docnvil.text.counts import word_sequences
    from docnvil.text.documents import TEXT_FORMATS, detect_format, read_documents

    if detect_format(source, source_of(options)) not in TEXT_FORMATS:
        raise CorpusError(
            f"{source} contains counts, and C_V needs texts, with their words in order. Give the texts, or choose npmi."
        )
    return word_sequences(read_documents(source, source_of(options)), model.token_rules, model.vocabulary)


def _refuse_idle_options(source: Path, options: Mapping[str, Any]) -> None:
    """Refuse token options for a source of counts."""
    from docnvil.text.documents import TEXT_FORMATS, detect_format

    if detect_format(source, source_of(options)) in TEXT_FORMATS:
        return
    context = click.get_current_context()
    for name in TOKEN_OPTIONS:
        if context.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE:
            option = "--" + name.replace("_", "-")
            raise click.UsageError(f"{source} contains counts, to which {option} does not apply. Leave it out.")


def contains_bits(source: Path, options: Mapping[str, Any]) -> bool:
    """Return whether a source is a file of binary vectors."""
    from docnvil.text.documents import detect_format

    return detect_format(source, source_of(options)) == "bits"


def describe_corpus(matrix: "DocumentTermMatrix") -> str:
    """Describe the size of a corpus in one line."""
    text = f"{matrix.n_documents:,} documents, {matrix.n_tokens:,} tokens, {matrix.vocabulary_size:,} words"
    if empty := int(matrix.empty.sum()):
        text += f"; {empty:,} documents are empty"
    return f"{text}."


def describe_unknown_tokens(matrix: "DocumentTermMatrix") -> str:
    """Describe how many tokens of a corpus are not in the model's vocabulary."""
    share = matrix.n_unknown / (matrix.n_unknown + matrix.n_tokens)
    return f"{matrix.n_unknown:,} tokens ({share:.0%}) are not in the model's vocabulary and were ignored."


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
    """Return the source options."""
    from docnvil.text.documents import SourceOptions

    names = ("format", "text_column", "id_column", "label_column", "encoding", "array")
    return SourceOptions(**{name: options[name] for name in names})


def add_options(command: Command, *options: Callable[[Command], Command]) -> Command:
    """Add options to a command, shown in this order."""
    for option in reversed(options):
        command = option(command)
    return command
