"""Reading a corpus as the options of a command say."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docnvil.commands.printing import note
from docnvil.errors import counted
from docnvil.schema import settings_of
from docnvil.text.settings import SourceOptions, TokenOptions, VocabularyLimits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from docnvil.corpus.build import CorpusSummary
    from docnvil.text.document_term_matrix import DocumentTermMatrix
    from docnvil.text.excerpts import Excerpt
    from docnvil.text.tokens import TokenRules
    from docnvil.text.vocabulary import Vocabulary
    from docnvil.training.fitted_model import FittedModel


def load_for_training(source: Path, options: Mapping[str, Any]) -> "DocumentTermMatrix":
    """Read a corpus with the token rules and vocabulary of the options, and print its size on stderr."""
    from docnvil.corpus.loading import load_document_term_matrix
    from docnvil.text.document_term_matrix import limit_vocabulary

    refuse_idle_options(source, options)
    matrix = load_document_term_matrix(source, source_of(options), **counting_of(options, [source]))
    if not contains_text(source, options):
        matrix = limit_vocabulary(matrix, **_chosen_limits(options))
    note_phrases(matrix.rules)
    note(describe_corpus(matrix))
    return matrix


def note_phrases(rules: "TokenRules | None") -> None:
    """Print on stderr which phrases were learned, if any."""
    from docnvil.errors import format_examples

    if rules is not None and rules.phrases:
        note(f"Learned {counted(len(rules.phrases), 'phrase')}: {format_examples(rules.phrases)}.")


def load_in_two(source: Path, options: Mapping[str, Any], held_out: int | float) -> tuple["DocumentTermMatrix", ...]:
    """Read a corpus in two parts; the vocabulary is chosen from the first."""
    from docnvil.corpus.loading import load_train_test
    from docnvil.runtime.randomness import stream
    from docnvil.text.document_term_matrix import align_vocabulary, limit_vocabulary

    refuse_idle_options(source, options)
    rng = stream(options["seed"], "test split")
    train, test = load_train_test(source, source_of(options), held_out, rng, **counting_of(options, [source]))
    if contains_text(source, options):
        return train, test
    train = limit_vocabulary(train, **_chosen_limits(options))
    return train, align_vocabulary(test, train.vocabulary)


def _chosen_limits(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the vocabulary limits that the user gave; the defaults are for texts."""
    names = _chosen(settings_of(VocabularyLimits))
    return {name: options[name] for name in names}


def load_for_model(
    source: Path,
    options: Mapping[str, Any],
    model: "FittedModel",
    *,
    may_be_empty: bool = False,
    needs_label: bool = False,
) -> "DocumentTermMatrix":
    """Read a corpus like that of a model, with its token rules and its vocabulary.

    Arguments:
        source: the corpus.
        options: the options of the command.
        model: the model.
        may_be_empty: whether all documents may be without known words.
        needs_label: whether documents must have the label of the model's documents, if those have one.
    """
    _refuse_vocabulary(source, options, model)
    checks = {"may_be_empty": may_be_empty, "label_is_optional": not needs_label}
    return load_with_rules(source, options, model.token_rules, model.vocabulary, model.reading, **checks)


def _refuse_vocabulary(source: Path, options: Mapping[str, Any], model: "FittedModel") -> None:
    """Refuse --vocabulary for texts that are read with a model, which has the words."""
    from docnvil.text.documents import TEXT_FORMATS, detect_format

    if options["vocabulary"] is not None:
        form = detect_format(source, reread_options(source, options, model))
        if form in TEXT_FORMATS:
            raise click.UsageError(
                f"--vocabulary has no effect on {source}, which is read as {form}: its words are those of the model."
                " Leave it out."
            )


def load_with_rules(
    source: Path,
    options: Mapping[str, Any],
    rules: "TokenRules | None",
    vocabulary: "Vocabulary",
    reading: Mapping[str, Any],
    *,
    label_is_optional: bool = True,
    may_be_empty: bool = False,
) -> "DocumentTermMatrix":
    """Read a corpus with given token rules and a given vocabulary, and with the recorded options `reading`."""
    from docnvil.corpus.loading import load_document_term_matrix

    rules = rules and rules.allow_tokenizer(options["tokenizer"])
    given = {"rules": rules, "vocabulary": vocabulary, "vocabulary_path": options["vocabulary"]}
    later = _later_source_of(source, options, reading)
    later = replace(later, label_is_optional=later.label_is_optional and label_is_optional)
    return load_document_term_matrix(source, later, **given, may_be_empty=may_be_empty)


def _later_source_of(source: Path, options: Mapping[str, Any], reading: Mapping[str, Any]) -> SourceOptions:
    """Return the options for a source that is read after another one, whose recorded options are `reading`."""
    from docnvil.corpus.loading import later_options
    from docnvil.errors import warn
    from docnvil.text.documents import detect_format
    from docnvil.text.files import as_path

    chosen = _chosen(settings_of(SourceOptions))
    later = later_options(as_path(source), reading, source_of(options), chosen)
    form = detect_format(source, later)
    idle = later.idle(form, chosen)  # options can be for another one of several sources
    declared = settings_of(SourceOptions)
    for name in idle:
        warn(f"--{declared[name].option} has no effect on {source}, which is read as {form}.")
    return replace(later, **{name: declared[name].default for name in idle})


def excerpts_for_model(
    source: Path, options: Mapping[str, Any], model: "FittedModel", matrix: "DocumentTermMatrix", rows: Any = None
) -> Iterator["Excerpt"]:
    """Yield the titles and excerpts of documents that `load_for_model` read; `rows` None is all."""
    from docnvil.text.excerpts import read_excerpts

    return read_excerpts(source, reread_options(source, options, model), matrix, rows)


def reread_options(source: Path, options: Mapping[str, Any], model: "FittedModel") -> SourceOptions:
    """Return the options with which `load_for_model` read a source, to read it again without its warnings."""
    import warnings

    with warnings.catch_warnings(action="ignore"):
        return _later_source_of(source, options, model.reading)


def sequences_for_model(
    source: Path, options: Mapping[str, Any], model: "FittedModel"
) -> Iterator["NDArray[np.integer]"]:
    """Read texts with the token rules of a model, each as the columns of its words in order."""
    from docnvil.errors import CorpusError
    from docnvil.text.counts import word_sequences
    from docnvil.text.documents import TEXT_FORMATS, detect_format, read_documents

    _refuse_vocabulary(source, options, model)
    reading = _later_source_of(source, options, model.reading)
    if detect_format(source, reading) not in TEXT_FORMATS:
        raise CorpusError(
            f"{source} contains counts, and C_V needs texts, with their words in order. Give the texts, or choose npmi."
        )
    rules = model.token_rules and model.token_rules.allow_tokenizer(options["tokenizer"])
    return word_sequences(read_documents(source, reading), rules, model.vocabulary)


def refuse_idle_options(source: Path, options: Mapping[str, Any]) -> None:
    """Refuse options that have no effect on a source: token options for counts, and columns for lines, for example."""
    from docnvil.text.documents import detect_format

    source_options = source_of(options)
    source_options.refuse_idle(
        source, detect_format(source, source_options), chosen=_chosen(settings_of(SourceOptions))
    )
    if contains_text(source, options):
        return
    for each in settings_of(TokenOptions).values():
        if each.name in _chosen([each.name]) and not (each.name == "tokenizer" and _names_tokenizer(source, options)):
            raise click.UsageError(f"{source} contains counts, to which --{each.option} does not apply. Leave it out.")


def _names_tokenizer(source: Path, options: Mapping[str, Any]) -> bool:
    """Return whether --tokenizer names the tokenizer of a prepared corpus, which later texts need again."""
    from docnvil.corpus.reading import read_corpus
    from docnvil.text.documents import detect_format

    if detect_format(source, source_of(options)) != "corpus":
        return False
    rules = read_corpus(source).rules
    return rules is not None and rules.tokenizer == options["tokenizer"]


def _chosen(names: Iterable[str]) -> set[str]:
    """Return the names of the options that were given on the command line."""
    source_of_value = click.get_current_context().get_parameter_source
    return {name for name in names if source_of_value(name) == click.core.ParameterSource.COMMANDLINE}


def contains_text(source: Path, options: Mapping[str, Any]) -> bool:
    """Return whether a source has texts, whose words are still to be counted."""
    from docnvil.text.documents import TEXT_FORMATS, detect_format

    return detect_format(source, source_of(options)) in TEXT_FORMATS


def contains_bits(source: Path, options: Mapping[str, Any]) -> bool:
    """Return whether a source is a file of binary vectors."""
    from docnvil.text.documents import detect_format

    return detect_format(source, source_of(options)) == "bits"


def describe_corpus(matrix: "DocumentTermMatrix") -> str:
    """Describe the size of a corpus in one line."""
    sizes = (matrix.n_documents, "document"), (matrix.n_tokens, "token"), (matrix.vocabulary_size, "word")
    text = ", ".join(counted(*each) for each in sizes)
    if empty := int(matrix.empty.sum()):
        text += f"; {counted(empty, 'document', 'are')} empty"
    return f"{text}.{describe_limits(matrix)}"


def describe_limits(corpus: "DocumentTermMatrix | CorpusSummary") -> str:
    """Describe how many tokens the limits of the vocabulary left out, in a line of its own, if any."""
    if not (left_out := corpus.n_beyond_limits):
        return ""
    share = left_out / (left_out + corpus.n_tokens)
    return (
        f"\nNot counted: {counted(left_out, 'token')} ({share:.0%}) of words in too few or too many documents"
        " (--min-df, --max-df), or beyond --vocabulary-size."
    )


def describe_unknown_tokens(matrix: "DocumentTermMatrix | CorpusSummary", vocabulary: str = "the model's") -> str:
    """Describe how many tokens of a corpus are not in a vocabulary."""
    share = matrix.n_unknown / (matrix.n_unknown + matrix.n_tokens)
    tokens, are, were = ("token", "is", "was") if matrix.n_unknown == 1 else ("tokens", "are", "were")
    return f"{matrix.n_unknown:,} {tokens} ({share:.0%}) {are} not in {vocabulary} vocabulary and {were} ignored."


def note_unknown_tokens(matrix: "DocumentTermMatrix") -> None:
    """Print on stderr how many tokens are not in the model's vocabulary, if any."""
    if matrix.n_unknown:
        note(describe_unknown_tokens(matrix))


def counting_of(options: Mapping[str, Any], sources: Sequence[Path]) -> dict[str, Any]:
    """Return the token rules and vocabulary limits that the options give, as keyword arguments of the loaders."""
    from docnvil.text.cleaning import read_parts
    from docnvil.text.ngrams import read_ngrams
    from docnvil.text.splitters import DEFAULT_TOKEN_PATTERN
    from docnvil.text.stop_words import has_dotless_i, read_stop_words
    from docnvil.text.tokens import TokenRules

    chosen = {name: options[name] for name in settings_of(TokenOptions)}
    name = chosen.pop("stop_words")
    if name == "auto":
        name = _detect_stop_words(options, sources)
    if chosen["dotless_i"] is None:
        chosen["dotless_i"] = has_dotless_i(name)
    chosen["strip"] = read_parts(chosen["strip"])
    chosen["ngrams"] = read_ngrams(chosen["ngrams"])
    learns_phrases = chosen.pop("phrases")
    chosen["token_pattern"] = chosen["token_pattern"] or DEFAULT_TOKEN_PATTERN
    limits = {name: options[name] for name in settings_of(VocabularyLimits)}
    rules = TokenRules(**chosen, stop_words=read_stop_words(name), stop_words_name=name)
    given = {"rules": rules, "vocabulary_path": options["vocabulary"], "learns_phrases": learns_phrases}
    return {**given, **limits}


def _detect_stop_words(options: Mapping[str, Any], sources: Sequence[Path]) -> str:
    """Return the languages of the texts as a value of --stop-words, and print them."""
    from itertools import chain

    from docnvil.text.documents import read_documents
    from docnvil.text.languages import LANGUAGES, detect_languages

    texts = (read_documents(source, source_of(options)) for source in sources if contains_text(source, options))
    shares = detect_languages(document.text for document in chain.from_iterable(texts))
    if not shares:
        note("The language of the texts is not clear, so no stop words are dropped. Name it with --stop-words.")
        return "none"
    described = ", ".join(f"{LANGUAGES[code]} ({share:.0%} of the documents read)" for code, share in shares.items())
    note(f"Stop words of {described} are dropped.")
    return ",".join(LANGUAGES[code] for code in shares)


def source_of(options: Mapping[str, Any]) -> SourceOptions:
    """Return the source options."""
    return SourceOptions(**{name: options[name] for name in settings_of(SourceOptions)})
