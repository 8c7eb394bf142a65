"""Titles, excerpts and full texts of documents: their source is read again, so that counting need not keep the texts.

Sources without texts (counts, prepared corpora) have the most frequent words of each document instead.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from docnvil.errors import CorpusError
from docnvil.text.cleaning import strip_headers, strip_parts
from docnvil.text.document import Document, TokenText
from docnvil.text.document_term_matrix import DocumentTermMatrix
from docnvil.text.documents import detect_format, read_documents
from docnvil.text.files import as_path
from docnvil.text.reading_report import ReadingReport
from docnvil.text.settings import TEXT_FORMATS, SourceOptions

TITLE_LENGTH = 120  # characters
EXCERPT_LENGTH = 300  # characters
TITLE_COLUMNS = ("title", "subject", "headline")  # of the metadata, in any case
FREQUENT_WORDS = 12
_HEAD_LENGTH = 20_000  # characters that are searched for the title and the excerpt
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_SUBJECT = re.compile(r"^Subject:[ \t]*(\S.*)$", re.MULTILINE | re.IGNORECASE)

_DEFAULTS = SourceOptions()


@dataclass(frozen=True, slots=True)
class Excerpt:
    """What identifies a document for a reader.

    Arguments:
        id: its id.
        title: its title, at most 120 characters; `""` if it has none.
        text: the start of its text, at most 300 characters, or its most frequent words.
        is_text: whether `text` comes from the document's text, or else from its counts.
    """

    id: str
    title: str
    text: str
    is_text: bool


def has_texts(path: str | Path, options: SourceOptions = _DEFAULTS) -> bool:
    """Return whether a source has texts; otherwise it has counts only."""
    return detect_format(path, options) in TEXT_FORMATS


def read_excerpts(
    path: str | Path,
    options: SourceOptions,
    matrix: DocumentTermMatrix,
    rows: Iterable[int] | None = None,
) -> Iterator[Excerpt]:
    r"""Yield the title and excerpt of each document, in the order of the matrix; texts are read again, one at a time.

    A source without texts gives the titles of the metadata, and the most frequent words as excerpt.

    Arguments:
        path: the source that the matrix was counted from.
        options: the options that it was read with.
        matrix: its counts.
        rows: the rows of the documents; None for all. The excerpts come in ascending order of the rows.

    Raises:
        CorpusError: the source has changed since the matrix was counted.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from docnvil.text.counts import count_words
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "notes.txt")
        ...     _ = path.write_text("owls hunt\nowls sleep\n")
        ...     matrix = count_words(read_documents(path), max_df=1.0)
        ...     [excerpt.text for excerpt in read_excerpts(path, SourceOptions(), matrix)]
        ['owls hunt', 'owls sleep']
    """
    path = as_path(path)
    chosen = None if rows is None else sorted(set(map(int, rows)))
    titles = _title_column(matrix)
    if not has_texts(path, options):
        for row in range(matrix.n_documents) if chosen is None else chosen:
            title = shorten(titles[row], TITLE_LENGTH) if titles else ""
            yield Excerpt(matrix.ids[row], title, " ".join(frequent_words(matrix, row)), is_text=False)
        return
    parts = () if matrix.rules is None else matrix.rules.strip
    for row, document in _reread(path, options, matrix, chosen):
        title = shorten(titles[row], TITLE_LENGTH) if titles else ""
        yield make_excerpt(document, title, parts)


def read_texts(
    path: str | Path, options: SourceOptions, matrix: DocumentTermMatrix, rows: Iterable[int]
) -> dict[int, str] | None:
    """Return the full texts of some documents by row, or None for a source without texts.

    Arguments:
        path: the source that the matrix was counted from.
        options: the options that it was read with.
        matrix: its counts.
        rows: the rows of the documents.

    Raises:
        CorpusError: the source has changed since the matrix was counted.
    """
    path = as_path(path)
    if not has_texts(path, options):
        return None
    chosen = sorted(set(map(int, rows)))
    return {row: document.text for row, document in _reread(path, options, matrix, chosen)}


def make_excerpt(document: Document, title: str = "", parts: Sequence[str] = ()) -> Excerpt:
    r"""Return the excerpt of one document, without the header of a message and without the given parts.

    Arguments:
        document: the document.
        title: its title; if it is empty, the subject of a message or the first line that is not blank.
        parts: parts of the text to leave out, see `docnvil.text.cleaning.strip_parts`.

    Example:
        >>> make_excerpt(Document("7", "From: ann@host.org\nSubject: Owls\n\nThey hunt\n  at night."))
        Excerpt(id='7', title='Owls', text='They hunt at night.', is_text=True)
    """
    head = document.text[:_HEAD_LENGTH]
    if isinstance(document.text, TokenText):
        head = head.replace("\n", " ")
    body = strip_headers(head)
    header = head[: len(head) - len(body)]
    body = strip_parts(body, [part for part in parts if part != "headers"])
    if not title and (subject := _SUBJECT.search(header)):
        title = shorten(subject[1], TITLE_LENGTH)
    if not title:
        title = next(filter(None, (shorten(line, TITLE_LENGTH) for line in body.splitlines())), "")
    return Excerpt(document.id, title, shorten(body, EXCERPT_LENGTH), is_text=True)


def shorten(text: str, length: int) -> str:
    r"""Return a text on one line, without control characters, cut between words to at most `length` characters.

    Example:
        >>> shorten("Owls   hunt\nat night", 12), shorten("Owls", 12)
        ('Owls hunt…', 'Owls')
    """
    text = " ".join(_CONTROL.sub(" ", text[: 20 * length]).split())
    if len(text) <= length:
        return text
    cut = text[: length - 1]
    if text[length - 1] != " " and (space := cut.rfind(" ")) > length // 2:
        cut = cut[:space]
    return f"{cut.rstrip()}…"


def frequent_words(matrix: DocumentTermMatrix, row: int, top_n: int = FREQUENT_WORDS) -> list[str]:
    """Return the most frequent words of a document, best first.

    Example:
        >>> from docnvil.text.vocabulary import Vocabulary
        >>> frequent_words(DocumentTermMatrix([[1, 3, 0]], Vocabulary(["cat", "owl", "yak"]), ("a",)), 0)
        ['owl', 'cat']
    """
    counts = matrix.counts
    stored = slice(int(counts.indptr[row]), int(counts.indptr[row + 1]))
    words, values = np.asarray(counts.indices[stored]), np.asarray(counts.data[stored])
    order = np.lexsort((words, -values))[:top_n]
    return [matrix.vocabulary[word] for word in words[order].tolist()]


def _title_column(matrix: DocumentTermMatrix) -> Sequence[str] | None:
    """Return the metadata column of titles, if there is one."""
    names = {name.lower(): name for name in reversed(list(matrix.metadata))}
    return next((matrix.metadata[names[title]] for title in TITLE_COLUMNS if title in names), None)


def _reread(
    path: Path, options: SourceOptions, matrix: DocumentTermMatrix, rows: Sequence[int] | None
) -> Iterator[tuple[int, Document]]:
    """Yield chosen documents with their rows; the report of the first reading is not repeated."""
    waiting = iter(range(matrix.n_documents) if rows is None else rows)
    wanted = next(waiting, None)
    for row, document in enumerate(read_documents(path, options, ReadingReport())):
        if wanted is None and rows is not None:
            return
        if row == wanted:
            if document.id != matrix.ids[row]:
                break
            yield row, document
            wanted = next(waiting, None)
        elif wanted is None:
            break
    else:
        if wanted is None:
            return
    raise CorpusError(f"{path} changed while it was read: its documents are no longer the same. Run the command again.")
