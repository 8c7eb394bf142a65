"""Loading of a document-term matrix from any source: texts are counted, counts and prepared corpora are read."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from docnvil.corpus.reading import read_corpus
from docnvil.errors import ConfigurationError, CorpusError, VocabularyError, counted, naming_step, warn
from docnvil.text.counts import count_documents, count_words
from docnvil.text.document_term_matrix import DocumentTermMatrix, align_vocabulary
from docnvil.text.documents import TEXT_FORMATS, Document, SourceOptions, detect_format, read_documents
from docnvil.text.files import as_path
from docnvil.text.formats import read_counts
from docnvil.text.phrases import learn_phrases
from docnvil.text.settings import VocabularyLimits
from docnvil.text.splits import split_documents, split_rows
from docnvil.text.tokens import TokenRules
from docnvil.text.vocabulary import Vocabulary
from docnvil.text.word_checks import describe_no_known_words, load_vocabulary

_DEFAULTS = SourceOptions()


def load_document_term_matrix(
    path: str | Path,
    options: SourceOptions = _DEFAULTS,
    *,
    rules: TokenRules | None = None,
    vocabulary: Vocabulary | None = None,
    vocabulary_path: Path | None = None,
    size: int | None = VocabularyLimits.size,
    min_df: int | float = VocabularyLimits.min_df,
    max_df: int | float = VocabularyLimits.max_df,
    learns_phrases: bool = False,
    may_be_empty: bool = False,
    **named: Any,
) -> DocumentTermMatrix:
    """Load a document-term matrix from texts, counts or a prepared corpus.

    Counts that come with their words are aligned to `vocabulary` by word. Counts without words must have one column
    per word of `vocabulary`.

    Arguments:
        path: the source, in any of `documents.FORMATS`.
        options: how the source is read.
        rules: how texts are split into words; None for the defaults.
        vocabulary: the words of the columns, such as those of a trained model; None for the source's own.
        vocabulary_path: a file with one word per line: the words of counts, or the words to count in texts.
        size: maximum number of words of texts, if the vocabulary is to be chosen.
        min_df: minimum number (int) or share (float) of texts that contain a word.
        max_df: maximum number (int) or share (float) of texts that contain a word.
        learns_phrases: whether pairs of words that mostly occur together in texts are counted as one word.
        may_be_empty: whether all documents may be empty, with a warning if a vocabulary is given.
        named: single options of `SourceOptions` by their names, such as `text_column="body"`.

    Raises:
        CorpusError: the source cannot be read, or all its documents are empty.
        VocabularyError: no word is left or shared, or the numbers of columns differ.
        CheckpointError: a prepared corpus is incomplete or damaged.
    """
    path, options = as_path(path), options.changed(named)
    form, words = detect_format(path, options), list[str]()
    options.refuse_idle(path, form)
    if form in TEXT_FORMATS:
        rules = learn_phrases(read_documents(path, options), rules or TokenRules()) if learns_phrases else rules
        if vocabulary is None and vocabulary_path is not None:
            vocabulary = load_vocabulary(vocabulary_path, rules)
        limits: dict[str, Any] = {"size": size, "min_df": min_df, "max_df": max_df}
        with naming_step(f"counting the words of {path}", "docnvil corpus build counts them in little memory."):
            documents = _read_some_documents(path, options)
            matrix, words = count_documents(documents, rules or TokenRules(), vocabulary, **limits)
    else:
        matrix = _read_counted(path, form, options, vocabulary_path, vocabulary)
    matrix = replace(matrix, reading={**recorded_options(path, options), **matrix.reading})
    if matrix.empty.all():
        _report_all_empty(path, matrix, None if form == "bits" else vocabulary, words, may_be_empty=may_be_empty)
    return matrix


def _read_counted(
    path: Path, form: str, options: SourceOptions, vocabulary_path: Path | None, vocabulary: Vocabulary | None
) -> DocumentTermMatrix:
    """Read counts or a prepared corpus, with the columns of a vocabulary."""
    if form != "corpus":
        chosen = {name: value for name, value in options.non_default().items() if name != "format"}
        matrix = read_counts(path, form, vocabulary_path=vocabulary_path, model_vocabulary=vocabulary, **chosen)
    elif vocabulary_path is None:
        matrix = read_corpus(path)
    else:
        raise ConfigurationError(f"The prepared corpus {path} has its own vocabulary. Leave out --vocabulary.")
    return matrix if vocabulary is None else _fit_vocabulary(matrix, vocabulary, path)


def _report_all_empty(
    path: Path, matrix: DocumentTermMatrix, vocabulary: Vocabulary | None, words: list[str], *, may_be_empty: bool
) -> None:
    """Raise a `CorpusError` for a source without counts, or warn if its documents may all be without known words.

    Arguments:
        path: the source.
        matrix: its counts.
        vocabulary: the words that the source was to have; None for its own.
        words: some other words of the source.
        may_be_empty: whether this is no error.
    """
    if vocabulary is None:
        if not may_be_empty:
            raise all_empty_error(path, matrix.vocabulary_size)
        return
    message = describe_no_known_words(str(path), vocabulary, matrix.n_unknown, words)
    if not may_be_empty:
        raise CorpusError(message)
    warn(message)


def recorded_options(path: Path, options: SourceOptions) -> dict[str, Any]:
    """Return the options with which later sources are read in the same way, as JSON values.

    They are those that differ from the defaults, except the array, which is another one in later files. The suffix of
    the source says which files the format is for.
    """
    recorded = options.non_default()
    recorded.pop("array", None)
    return {**recorded, "suffix": _suffix(path)} if "format" in recorded else recorded


def later_options(
    path: Path, recorded: Mapping[str, Any], options: SourceOptions = _DEFAULTS, chosen: Collection[str] = ()
) -> SourceOptions:
    """Return the options for a source that is read like an earlier one.

    Options that differ from the default, or are `chosen`, take precedence over `recorded_options`. The recorded format
    is for sources with the suffix of the earlier one, and for those whose name does not indicate a format.

    Raises:
        CorpusError: there is nothing at `path`, or its format is not known.
    """
    if options.format == "auto" and "format" in recorded and "format" not in chosen:
        if path.suffix and _suffix(path) == recorded.get("suffix"):
            return later_options(path, recorded, replace(options, format=recorded["format"]), chosen)
        try:
            detect_format(path, options)
        except CorpusError:
            options = replace(options, format=recorded["format"])
    return options.with_recorded(recorded, detect_format(path, options), chosen)


def _suffix(path: Path) -> str:
    """Return the suffix of a file without that of its compression."""
    name = path.name.lower()
    for compression in (".gz", ".bz2", ".xz", ".zst", ".zip"):
        name = name.removesuffix(compression)
    return Path(name).suffix


def all_empty_error(path: Path, vocabulary_size: int) -> CorpusError:
    """Return the error for a source whose documents contain no word of the vocabulary."""
    return CorpusError(
        f"Every document of {path} is empty: none contains a word of the vocabulary"
        f" ({counted(vocabulary_size, 'word')}). Check the source, the token rules and the vocabulary."
    )


def no_documents_error(path: Path) -> CorpusError:
    """Return the error for a source without documents."""
    return CorpusError(f"{path} contains no documents. Check that it is the right source and is complete.")


def learn_phrases_of(sources: Iterable[Path], options: SourceOptions, rules: TokenRules) -> TokenRules:
    """Return the rules with the phrases of several sources of texts."""
    return learn_phrases(chain.from_iterable(read_documents(source, options) for source in sources), rules)


def load_train_test(
    path: str | Path,
    options: SourceOptions,
    held_out: int | float,
    generator: np.random.Generator,
    *,
    vocabulary_path: Path | None = None,
    **counting: Any,
) -> tuple[DocumentTermMatrix, DocumentTermMatrix]:
    """Load a source as training and test documents with a common vocabulary.

    `held_out` is the number (int) or share (float) of test documents; `counting` are `rules`, `size`, `min_df`,
    `max_df` and `learns_phrases` of `load_document_term_matrix`. Both results have the order of the source. Vocabulary
    and phrases of texts are chosen from the training documents only, so nothing about the test documents influences the
    model. Texts are read several times, so that they need not be kept in memory.

    Raises:
        ConfigurationError: one of the two sets would be empty. Also everything `load_document_term_matrix` raises.
    """
    given = {"vocabulary_path": vocabulary_path, **counting}
    learns_phrases = counting.pop("learns_phrases", False)
    is_text = detect_format(path, options) in TEXT_FORMATS
    if not is_text or (vocabulary_path is not None and not learns_phrases):
        return split_documents(load_document_term_matrix(path, options, **given), held_out, generator)
    n_documents = sum(1 for _ in _read_some_documents(path, options))
    train_rows, test_rows = split_rows(n_documents, held_out, generator)
    if learns_phrases:
        train_documents = _select(train_rows, read_documents(path, options))
        counting["rules"] = learn_phrases(train_documents, counting.get("rules") or TokenRules())
    if vocabulary_path is not None:
        matrix = load_document_term_matrix(path, options, vocabulary_path=vocabulary_path, **counting)
        return matrix.select(train_rows), matrix.select(test_rows)
    train = count_words(_select(train_rows, read_documents(path, options)), **counting)
    test_documents = _select(test_rows, read_documents(path, options))
    test = count_words(test_documents, rules=train.rules, vocabulary=train.vocabulary)
    if train.empty.all():
        raise all_empty_error(path, train.vocabulary_size)
    return train, test


def _read_some_documents(path: Path, options: SourceOptions) -> Iterator[Document]:
    """Yield the documents of a source, which must have at least one."""
    document = None
    for document in read_documents(path, options):
        yield document
    if document is None:
        raise no_documents_error(path)


def _select(rows: np.ndarray, documents: Iterator[Document]) -> Iterator[Document]:
    """Yield the documents of some rows, which are in ascending order."""
    selected = set(rows.tolist())
    return (document for row, document in enumerate(documents) if row in selected)


def _fit_vocabulary(matrix: DocumentTermMatrix, vocabulary: Vocabulary, path: Path) -> DocumentTermMatrix:
    """Return the matrix with the columns of `vocabulary`, matched by word, or by position if there are no words."""
    if matrix.vocabulary.is_numbered or vocabulary.is_numbered:
        if matrix.vocabulary_size != len(vocabulary):
            remedy = "Pass the words of the counts with --vocabulary."
            if matrix.n_documents == len(vocabulary):
                remedy = "The number of rows fits; pass --transpose if the rows are words."
            raise VocabularyError(
                f"{path} has {counted(matrix.vocabulary_size, 'word')}, but the model has {len(vocabulary):,}, and they"
                f" cannot be matched by name. {remedy}"
            )
        return replace(matrix, vocabulary=vocabulary)
    if not any(word in vocabulary for word in matrix.vocabulary):
        raise VocabularyError(
            f"{path} and the model have no word in common: {matrix.vocabulary} and {vocabulary}. Use counts of the same"
            " language and token rules as the model's."
        )
    return align_vocabulary(matrix, vocabulary)
