"""From records to documents: the columns of the text, the id, the label and the metadata."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from docnvil.errors import CorpusError
from docnvil.text.document import Document, TokenText
from docnvil.text.files import escape_surrogates, replace_surrogates
from docnvil.text.normalization import find_name
from docnvil.text.reading_report import ReadingReport, list_items
from docnvil.text.records import Record, RecordIterator
from docnvil.text.settings import SourceOptions

_ABSENT = object()
_WITHOUT = {"id": ", or number the documents with --id-column ''", "label": ", or read none with --label-column ''"}
MAX_EXACT = 2**53  # from here on, floating-point numbers do not have all whole numbers
_MAX_WAITING = 1000  # first records without the column of the text, before it counts as a wrong name


def to_documents(
    path: Path,
    records: RecordIterator,
    options: SourceOptions,
    report: ReadingReport,
    *,
    rows_before: int = 0,
    missing: str = "null",
    has_header: bool = False,
) -> Iterator[Document]:
    """Convert records to documents; a missing text gives an empty document, which the report counts as `missing`.

    JSON objects may lack the key of a missing text, as Spark writes them, but one of the first records must have it.
    With `options.label_is_optional`, documents may lack the label.

    Arguments:
        path: the source, for messages.
        records: the place of each record and its values.
        options: the columns.
        report: what is missing is added to it.
        rows_before: the number of records before the first one.
        missing: the kind of event that a missing text is, see `ReadingReport`.
        has_header: whether a header names the columns of all records, so that messages name no line for a column.
    """
    id_column = options.id_column
    names: tuple[str, ...] | None = None
    table = path if has_header else None
    columns = _Columns((), options, None, table)
    labels = _LabelCount(options)
    unseen: set[str] | None = None  # columns of the text that no record had so far
    waiting: list[tuple[int, str, Record, _Columns]] = []

    def convert(number: int, place: str, record: Record, columns: _Columns) -> Document:
        where = f"{path}, {place}"
        text = columns.text_of(record, where)
        if text is None:
            report.add(missing, path, place)
            text = ""
        id = str(number) if columns.id is None else columns.id_of(record, where)
        metadata = columns.metadata_of(record, where)
        labels.add(columns.label, metadata)
        return Document(id, text if isinstance(text, TokenText) else replace_surrogates(text), metadata)

    for number, (place, record) in enumerate(records, start=rows_before + 1):
        if number == 1 and id_column is None and "id" in record:
            id_column = "id"
        if tuple(record) != names:  # most records have the columns of the previous one
            names = tuple(record)
            columns = _Columns(names, options, id_column, table)
        if unseen != set():
            unseen = columns.absent_texts(record) if unseen is None else unseen & columns.absent_texts(record)
            waiting.append((number, place, record, columns))
            if not unseen or len(waiting) == _MAX_WAITING:
                _require_texts(path, unseen, waiting)
                yield from (convert(*each) for each in waiting)
                waiting.clear()
            continue
        yield convert(number, place, record, columns)
    _require_texts(path, unseen or (), waiting)
    labels.report(path, report)


class _LabelCount:
    """The documents with and without a label that need not have one."""

    def __init__(self, options: SourceOptions) -> None:
        self._option = (options.label_is_optional and options.label_column) or None
        self._total = self._labeled = 0

    def add(self, label: str | None, metadata: Mapping[str, str]) -> None:
        """Count a document, whose label is in the column `label`."""
        if self._option is not None:
            self._total += 1
            self._labeled += label is not None and escape_surrogates(label) in metadata

    def report(self, path: Path, report: ReadingReport) -> None:
        """Add a note to the report if documents have no label."""
        without = self._total - self._labeled
        if without and not self._labeled:
            report.remark(
                f"{path} has no column {self._option!r}, the --label-column of the model's documents, so it was read"
                " without labels.",
                is_note=True,
            )
        elif without:
            have, labels = ("has", "its label is") if without == 1 else ("have", "their labels are")
            report.remark(
                f"{without:,} of the {self._total:,} documents of {path} {have} no {self._option!r}, the --label-column"
                f" of the model's documents; {labels} blank.",
                is_note=True,
            )


def _require_texts(path: Path, unseen: Collection[str], waiting: Sequence[tuple[int, str, Record, "_Columns"]]) -> None:
    """Raise a `CorpusError` if none of the first records has a column of the text."""
    for column in sorted(unseen):
        _, place, record, columns = waiting[0]
        columns.require(record, column, f"{path}, {place}", "text")


def resolve_column(column: str, names: Sequence[str]) -> str | None:
    """Return the name of the column that an option names, or gives by its position from 1; None if there is none.

    Accents may be encoded in another way.

    Example:
        >>> resolve_column("body", ["id", "body"]), resolve_column("1", ["id", "body"]), resolve_column("3", ["id"])
        ('body', 'id', None)
    """
    if (name := find_name(column, names)) is not None:
        return name
    if column.isdecimal() and 1 <= int(column) <= len(names):
        return names[int(column) - 1]
    return None


def split_columns(columns: str, names: Sequence[str]) -> list[str]:
    """Return the columns of a list separated by commas; a name may itself contain commas.

    Example:
        >>> split_columns("title,body", ["title", "body"]), split_columns("a,b", ["a,b"])
        (['title', 'body'], ['a,b'])
    """
    return [columns] if columns in names else [column.strip() for column in columns.split(",")]


class _Columns:
    """The columns of records that have the same names."""

    def __init__(
        self, names: tuple[str, ...], options: SourceOptions, id_column: str | None, table: Path | None
    ) -> None:
        self._names = names
        self._table = table  # whose header names the columns
        texts = split_columns(options.text_column, names)
        self._texts = list(dict.fromkeys(resolve_column(column, names) or column for column in texts))
        self._only_text = self._texts[0] if len(texts) == 1 and self._texts[0] in names else None
        self.id = None if not id_column else resolve_column(id_column, names) or id_column
        label = options.label_column or None
        self.label = None if label is None else resolve_column(label, names) or label
        self._needs_label = not options.label_is_optional
        used = (*self._texts, self.id, self.label)
        self._metadata = [name for name in names if name not in used]
        if self.label is not None:
            self._metadata.insert(0, self.label)

    def absent_texts(self, record: Record) -> set[str]:
        """Return the columns of the text that a record does not have."""
        return {column for column in self._texts if _find(record, column) is _ABSENT}

    def text_of(self, record: Record, where: str) -> str | None:
        """Return the text of a record, or None if it is missing in all its columns."""
        if self._only_text is not None:
            value = record[self._only_text]
            return value if isinstance(value, str) else _to_text(value, where, self._only_text)
        found = ((_find(record, column), column) for column in self._texts)
        values = [None if value is _ABSENT else _to_text(value, where, column) for value, column in found]
        present = [value for value in values if value is not None]
        if present and all(isinstance(value, TokenText) for value in present):
            return TokenText(token for value in present for token in value.tokens)
        return "\n".join(present) if present else None

    def id_of(self, record: Record, where: str) -> str:
        """Return the id of a record."""
        id = cell_text(self.require(record, str(self.id), where, "id"))
        if not id:
            raise CorpusError(f"{where} has no id in the column {self.id!r}. Add it, or choose another --id-column.")
        return escape_surrogates(id)

    def metadata_of(self, record: Record, where: str) -> dict[str, str]:
        """Return the plain values of the other columns, the label first."""
        metadata = {}
        for name in self._metadata:
            if name == self.label and not self._needs_label and _find(record, name) is _ABSENT:
                continue
            value = cell_text(self.require(record, name, where, "label"))
            if value is not None:
                metadata[escape_surrogates(name)] = replace_surrogates(value)
            elif name == self.label and self._needs_label:
                raise CorpusError(
                    f"{where} has no plain value in the label column {name!r}. Choose another --label-column."
                )
        return metadata

    def require(self, record: Record, column: str, where: str, role: str) -> object:
        """Return the value of a column, or of a nested key such as `article.body`; it must exist."""
        value = _find(record, column)
        if value is _ABSENT:
            raise CorpusError(
                f"{self._table or where} has no column {column!r} for the {role}. Its columns are"
                f" {list_items(self._names, 20) or 'none'}; choose one with --{role}-column"
                f"{_WITHOUT.get(role, '')}{self._hint(record)}."
            )
        return value

    def _hint(self, record: Record) -> str:
        """Return advice for a first row that is a document rather than a header, and for documents inside an object."""
        if any(len(name.split()) > 2 or (len(self._names) > 1 and name.isdecimal()) for name in self._names):
            return ", or pass --no-header and the number of the column if its first row is a document"
        _, *others = record.values() or [""]
        if len(others) > 1 and all(isinstance(value, str) and value.strip().isdecimal() for value in others):
            return ", or pass --format dtm if the columns are words and the rows have their counts"
        lists = {name: value for name, value in record.items() if isinstance(value, list) and value}
        inner = [name for name, value in lists.items() if isinstance(value[0], dict)]
        return f", or write the list in {inner[0]!r} to a file of its own" if inner else ""


def _find(record: Record, column: str) -> object:
    """Return the value of a column, or of a nested key such as `article.body`, or `_ABSENT`."""
    if column in record:
        return record[column]
    value: object = record
    for key in column.split("."):
        value = value.get(key, _ABSENT) if isinstance(value, dict) else _ABSENT
    return value


def _to_text(value: object, where: str, column: str) -> str | None:
    """Return a text, the tokens of a list, or None for a missing value."""
    if value is None or value != value:  # only NaN differs from itself
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and all(isinstance(token, str) for token in value):
        return TokenText(map(replace_surrogates, value))
    if isinstance(value, dict):
        raise CorpusError(
            f"{where} has an object in the column {column!r}, not a string. Choose a nested key with --text-column"
            f" {column}.KEY; a table that pandas wrote by column needs orient='records'."
        )
    if isinstance(value, list | tuple):
        raise CorpusError(
            f"{where} has a list in the column {column!r} whose items are not all strings. Write tokens as strings."
        )
    remedy = "Decode the column to strings" if isinstance(value, bytes) else "Quote it"
    raise CorpusError(
        f"{where} has {value!r:.40} in the column {column!r}, which is not a string. {remedy}, or choose another"
        " column with --text-column."
    )


def cell_text(value: object) -> str | None:
    """Return a plain value as a string, `""` if it is missing, and None for lists, objects and bytes.

    Whole numbers have no decimal point: columns of whole numbers become fractions where one of them is missing.

    Example:
        >>> cell_text(1999.0), cell_text(0.5), cell_text(float("nan")), cell_text([1])
        ('1999', '0.5', '', None)
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple | dict | bytes):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if value != value:  # only NaN differs from itself
        return ""
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < MAX_EXACT
    return str(int(value)) if is_whole else str(value)  # type: ignore[call-overload]
