"""Documents and counts as Python programs have them: lists of texts, data frames, data sets, bags of words, matrices.

Nothing is imported to recognize the types of other packages: what matters is which methods an object has.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy.sparse import csr_array, issparse

from docnvil.errors import ConfigurationError, CorpusError, VocabularyError, counted, warn
from docnvil.text.document import Document
from docnvil.text.matrices import TOTAL_LIMIT, refuse_masked
from docnvil.text.named_formats import is_heading_of_ids
from docnvil.text.reading_report import ReadingReport
from docnvil.text.record_documents import cell_text, to_documents
from docnvil.text.records import RecordIterator
from docnvil.text.settings import SourceOptions
from docnvil.text.vocabulary import Vocabulary

Kind = Literal["matrix", "frame", "texts", "documents", "bags"]
_LOOK_AT = 100  # items that may be missing or empty before the first that shows the kind


@dataclass(frozen=True)
class PythonSource:
    """A source and its kind.

    Arguments:
        kind: "matrix" for numbers, with or without names of columns; "frame" for a table with a column of texts;
            "texts" for texts, lists of tokens and rows with names;
            "documents"; or "bags" of pairs (word number, count).
        items: the source itself, or for an iterator one that yields the same items.
    """

    kind: Kind
    items: Any


def classify_source(source: Any) -> PythonSource:
    """Return a source with its kind.

    Raises:
        CorpusError: a type that has neither documents nor counts; the message names the function that reads it.

    Example:
        >>> [classify_source(each).kind for each in (["a text"], [[(0, 2)]], [[1, 0]])]
        ['texts', 'bags', 'matrix']
    """
    if isinstance(source, PythonSource):
        return source
    refuse_masked(source)
    if issparse(source):
        return PythonSource("matrix", source)
    _refuse_other_types(source)
    if _is_frame(source):
        return PythonSource("matrix" if all(map(_is_number_type, _types_of(source))) else "frame", source)
    if hasattr(source, "column_names"):  # a Dataset of Hugging Face
        return PythonSource("frame", source)
    if getattr(source, "ndim", 1) != 1:
        return PythonSource("matrix", source)
    if hasattr(source, "to_pylist"):  # an array of pyarrow
        source = source.to_pylist()
    if not hasattr(source, "__iter__"):
        if hasattr(source, "__array__"):
            return PythonSource("matrix", source)
        raise CorpusError(
            f"{type(source).__name__} is not a source of documents. Give texts, a data frame, a matrix of counts or a"
            " DocumentTermMatrix."
        )
    if iter(source) is not source:
        return PythonSource(_kind_of_items(source), source)
    first = list(islice(source, _LOOK_AT))
    kind, items = _kind_of_items(first), chain(first, source)
    return PythonSource(kind, list(items) if kind == "matrix" else items)


def column_names(source: PythonSource) -> tuple[list[str], PythonSource]:
    """Return the names of the columns of a source, none for texts, and the source, whose items may be read only once.

    Example:
        >>> column_names(classify_source([{"id": 1, "text": "owls"}]))[0], column_names(classify_source(["owls"]))[0]
        (['id', 'text'], [])
    """
    if source.kind == "frame":
        names = getattr(source.items, "column_names", None)
        return [str(name) for name in (source.items.columns if names is None else names)], source
    if source.kind != "texts":
        return [], source
    items = iter(source.items)
    first = list(islice(items, 1))
    names = [str(name) for name in first[0]] if first and isinstance(first[0], Mapping) else []
    return names, PythonSource(source.kind, chain(first, items))


def read_source(source: PythonSource, text_column: str = "text", id_column: str | None = None) -> Iterator[Document]:
    """Yield the documents of a source of texts; a missing text gives an empty document, and a warning at the end.

    Arguments:
        source: a source of kind "frame", "texts" or "documents".
        text_column: the column of the text, for rows with names.
        id_column: the column of the ids; None for `id` if there is one. Otherwise, they are row numbers from 1.

    Raises:
        CorpusError: a text is not a string, or a column is missing.
    """
    if source.kind == "documents":
        return iter(source.items)
    options = SourceOptions(text_column=text_column, id_column=id_column)
    name = "The data frame" if source.kind == "frame" else "The source"
    records = _rows_of(source.items) if source.kind == "frame" else _records_of(source.items, text_column)
    return _read_records(name, records, options)


def _read_records(name: str, records: RecordIterator, options: SourceOptions) -> Iterator[Document]:
    report = ReadingReport()
    yield from to_documents(name, records, options, report)  # type: ignore[arg-type]  # stands for the path in messages
    for message in report.messages():
        warn(message.partition(" --na-values")[0])  # an option for files


def bags_to_counts(bags: Iterable[Any], vocabulary: Vocabulary | None) -> csr_array:
    """Return bags of words, such as gensim's, as counts `[N, V]`.

    Raises:
        CorpusError: an item is not a list of pairs (word number, count).
        VocabularyError: a word has a number of V or more.

    Example:
        >>> bags_to_counts([[(0, 2)], [(1, 1), (2, 3)]], None).toarray().tolist()
        [[2, 0, 0], [0, 1, 3]]
    """
    words, values, starts = array("q"), array("d"), array("q", [0])
    for number, bag in enumerate(bags, start=1):
        try:
            for word, value in bag:
                words.append(word)
                values.append(value)
        except (TypeError, ValueError, OverflowError):
            raise CorpusError(
                f"Item {number} is {bag!r:.60}, not a list of pairs (word number, count). Give the same kind for all."
            ) from None
        starts.append(len(words))
    width = max(words, default=-1) + 1
    if min(words, default=0) < 0:
        raise CorpusError("A bag of words has a negative word number. Number the words from 0.")
    if vocabulary is not None and width > len(vocabulary):
        raise VocabularyError(
            f"The bags of words have a word {width - 1}, and the vocabulary has {counted(len(vocabulary), 'word')},"
            " from 0. Pass the dictionary that made the bags."
        )
    width = width if vocabulary is None else len(vocabulary)
    arrays = (
        np.frombuffer(each, dtype=each.typecode) if len(each) else np.zeros(0) for each in (values, words, starts)
    )
    data, indices, indptr = arrays
    if (data == np.floor(data)).all() and abs(data).max(initial=0) < TOTAL_LIMIT:
        data = data.astype(np.int64)
    return csr_array((data, indices.astype(np.int64), indptr.astype(np.int64)), shape=(len(starts) - 1, width))


def as_strings(values: Any) -> Any:
    """Return ids or values of metadata as strings, by position; sequences of strings are returned unchanged.

    A series of pandas is indexed by its labels, so that `series[0]` can be any of its values.

    Example:
        >>> as_strings([1, 2.0, None]), as_strings(["a", "b"])
        (('1', '2', ''), ['a', 'b'])
    """
    is_array = isinstance(values, np.ndarray | range) or hasattr(values, "to_list")
    if is_array or (isinstance(values, list | tuple) and not all(isinstance(each, str) for each in values[:_LOOK_AT])):
        return tuple(cell_text(_plain(value)) or "" for value in values)
    return values


def read_count_frame(frame: Any, id_column: str | None) -> tuple[Vocabulary | None, tuple[str, ...] | None, Any]:
    """Return the words of a data frame of counts, the ids, and the counts; None for words or ids that it does not have.

    As in a table in a file, a first column whose heading is a name for ids has the ids; a warning says so.

    Arguments:
        frame: columns of numbers.
        id_column: the column of the ids, or `""` for none; None for the first if its heading says so.

    Raises:
        CorpusError: there is no column `id_column`.
    """
    names = list(map(str, frame.columns))
    at = None
    if id_column is None and len(names) > 1 and is_heading_of_ids(names[0]):
        at = 0
        warn(f"The first column, {names[0]!r}, was read as the ids. If it is a word, pass --id-column ''.")
    elif id_column:
        if id_column not in names:
            raise CorpusError(f"The data frame has no column {id_column!r}. Choose another with --id-column.")
        at = names.index(id_column)
    ids, counts = None, np.asarray(frame)
    if at is not None:
        ids = tuple(cell_text(value) or "" for value in frame[frame.columns[at]])
        counts = np.delete(counts, at, axis=1)
    words = [name for column, name in enumerate(frame.columns) if column != at]
    return as_vocabulary(words) if any(isinstance(word, str) for word in words) else None, ids, counts


def as_vocabulary(words: Any) -> Vocabulary | None:
    """Return words in any form as a `Vocabulary`.

    Arguments:
        words: a `Vocabulary`; words in the order of the columns; a mapping from words to columns or back; a gensim
            `Dictionary`; a fitted vectorizer of scikit-learn; a function that returns one of them; or None.

    Raises:
        VocabularyError: these are not words.
        ConfigurationError: a vectorizer is not fitted.

    Example:
        >>> as_vocabulary({"mouse": 1, "cat": 0}).words
        ('cat', 'mouse')
    """
    if words is None or isinstance(words, Vocabulary):
        return words
    if hasattr(words, "get_feature_names_out"):
        words = words.get_feature_names_out
    if callable(words):
        try:
            return as_vocabulary(words())
        except (AttributeError, ValueError) as error:
            if isinstance(error, VocabularyError):
                raise
            raise ConfigurationError(f"The vectorizer has no words ({error}). Fit it first.") from None
    words = getattr(words, "token2id", words)
    if isinstance(words, Mapping):
        if words and all(isinstance(key, int) and isinstance(word, str) for key, word in words.items()):
            words = {word: key for key, word in words.items()}  # from columns to words
        return Vocabulary({str(word): column for word, column in words.items()})
    if isinstance(words, str | bytes | Path | set | frozenset):
        return Vocabulary(words)  # which says what to give
    words = list(words)
    for number, word in enumerate(words, start=1):
        if _plain(word) is None:
            raise VocabularyError(
                f"Word {number} of the vocabulary is missing ({word!r}). Name it; pandas reads words such as null and"
                " NA as missing unless you pass keep_default_na=False."
            )
    return Vocabulary(map(str, words))


def _refuse_other_types(source: Any) -> None:
    """Raise a `CorpusError` that names the right function, or the right part of the source."""
    name = f"{str(source)[:40]!r}"
    if isinstance(source, str | Path):
        raise CorpusError(
            f"{name} is one string. Read a file or folder with docnvil.load_document_term_matrix({name}), or give a"
            " list of texts, one per document."
        )
    if isinstance(source, bytes):
        raise CorpusError("The source is bytes. Decode them, and give a list of texts, one per document.")
    if isinstance(source, set | frozenset):
        raise CorpusError("A set has no order, so its documents cannot be told apart. Give a list.")
    if isinstance(source, Mapping):
        splits = [key for key, value in source.items() if hasattr(value, "column_names")]
        if splits:
            raise CorpusError(
                f"This is a dictionary of data sets ({', '.join(splits[:5])}). Give one: [{splits[0]!r}]."
            )
        raise CorpusError("A dictionary is not a source of documents. Give its values as a list, or a data frame.")
    if hasattr(source, "collect") and hasattr(source, "collect_schema"):  # a LazyFrame of polars
        raise CorpusError("This data frame is lazy. Call collect() first.")


def _is_frame(source: Any) -> bool:
    return hasattr(source, "columns") and hasattr(source, "dtypes") and hasattr(source, "shape")


def _types_of(frame: Any) -> list[Any]:
    return list(frame.dtypes)


def _is_number_type(dtype: Any) -> bool:
    """Return whether a column of pandas or polars has numbers."""
    if hasattr(dtype, "is_numeric"):
        return bool(dtype.is_numeric()) or str(dtype) == "Boolean"
    return getattr(dtype, "kind", "O") in "buifc"


def _rows_of(frame: Any) -> RecordIterator:
    """Yield the rows of a data frame of pandas or polars, or of a `Dataset`."""
    if hasattr(frame, "to_batches"):  # a Table of pyarrow
        rows: Iterable[Mapping[str, Any]] = (row for batch in frame.to_batches() for row in batch.to_pylist())
    elif hasattr(frame, "column_names"):
        rows = frame
    else:
        names = [str(name) for name in frame.columns]
        if len(set(names)) < len(names):
            repeated = next(name for name in names if names.count(name) > 1)
            raise CorpusError(f"The data frame has several columns {repeated!r}. Rename or drop all but one of them.")
        rows = (
            dict(zip(names, row, strict=True)) for row in zip(*(frame[name] for name in frame.columns), strict=True)
        )
    for number, row in enumerate(rows, start=1):
        yield f"row {number}", {str(name): _plain(value) for name, value in row.items()}


def _records_of(items: Iterable[Any], text_column: str) -> RecordIterator:
    """Yield texts, lists of tokens and rows with names as records."""
    for number, item in enumerate(items, start=1):
        if isinstance(item, Mapping):
            yield f"row {number}", {str(name): _plain(value) for name, value in item.items()}
            continue
        value = _plain(item)
        if not (value is None or isinstance(value, str) or _is_tokens(value)):
            raise CorpusError(
                f"Item {number} is {item!r:.40}, which is not a text. Give strings, None for missing texts, or"
                " docnvil.Document(id, text)."
            )
        yield f"item {number}", {text_column: value}


def _plain(value: Any) -> Any:
    """Return a value with None for the missing values of NumPy, pandas and polars."""
    if value is None or type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.to_list() if hasattr(value, "to_list") else value  # a list in a Series of polars


def _is_tokens(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(token, str) for token in value)


def _kind_of_items(items: Iterable[Any]) -> Kind:
    """Return the kind that the first item shows that is neither missing nor empty."""
    checks: tuple[tuple[Kind, Callable[[Any], bool]], ...] = (
        ("documents", lambda item: isinstance(item, Document)),
        ("texts", lambda item: isinstance(item, str | Mapping) or (bool(item) and _is_tokens(item))),
        ("bags", _is_bag),
        ("texts", _is_like_text),
    )
    kind_of_empty: Kind = "matrix"
    for item in islice(items, _LOOK_AT):
        value = _plain(item)
        if value is None:
            kind_of_empty = "texts"
        elif isinstance(value, list | tuple) and not len(value):
            kind_of_empty = "bags" if kind_of_empty == "matrix" else kind_of_empty
        else:
            return next((kind for kind, check in checks if check(value)), "matrix")
    return kind_of_empty


def _is_like_text(value: Any) -> bool:
    """Return whether a value is bytes or has strings, which `_records_of` refuses with the right message."""
    return isinstance(value, bytes) or (
        isinstance(value, tuple | list) and any(isinstance(each, str) for each in value)
    )


def _is_bag(value: Any) -> bool:
    """Return whether a value is a list of pairs, such as [(0, 2), (5, 1)]."""
    return isinstance(value, list | tuple) and isinstance(value[0], list | tuple) and len(value[0]) == 2
