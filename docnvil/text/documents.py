"""Reading documents: folders of text files, one document a line, JSON lines, CSV, TSV and Parquet.

Everything is read lazily, a document at a time. Ids are kept as they come, also when a source repeats one (a message
posted to two newsgroups, say): a document is told by its row.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from docnvil.errors import ConfigurationError, CorpusError
from docnvil.runtime.folders import is_folder_of_kind
from docnvil.text.bits import holds_bits
from docnvil.text.files import (
    Part,
    as_path,
    cut_at_lines,
    exists,
    is_remote,
    open_lines,
    open_text,
    plain_name,
    replace_surrogates,
)
from docnvil.text.records import Record, RecordIterator, json_rows, parquet_rows, separated_rows

TEXT_FORMATS = ("folder", "lines", "jsonl", "csv", "tsv", "parquet")
COUNT_FORMATS = ("npz", "mtx", "uci", "ldac", "svmlight")
FORMATS = (*TEXT_FORMATS, *COUNT_FORMATS, "bits", "corpus")

_SUFFIXES = {
    ".txt": "lines",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".npz": "npz",
    ".npy": "bits",
    ".mtx": "mtx",
    ".ldac": "ldac",
    ".lda-c": "ldac",
    ".svmlight": "svmlight",
    ".svm": "svmlight",
    ".libsvm": "svmlight",
}


@dataclass(frozen=True, slots=True)
class Document:
    """One document.

    Arguments:
        id: what its source calls it.
        text: what it says; may be empty.
        metadata: what else its source says of it, column to value, `""` where a value is absent.
    """

    id: str
    text: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SourceOptions:
    """How a source is to be read.

    Arguments:
        format: one of `FORMATS`, or `"auto"` to tell by the name.
        text_column: the column that holds the text.
        id_column: the column that holds the ids; by default the one called `id`, if there is one. Without such a
            column, or with `""`, rows are numbered from 1.
        label_column: a column that must be there, and comes first in the metadata.
        encoding: the encoding of text files, by its Python name.
        array: which array of an `.npz` of binary vectors, where it has several.

    Raises:
        ConfigurationError: the format or the encoding is unknown.
    """

    format: str = "auto"
    text_column: str = "text"
    id_column: str | None = None
    label_column: str | None = None
    encoding: str = "utf-8"
    array: str | None = None

    def __post_init__(self) -> None:
        if self.format not in ("auto", *FORMATS):
            raise ConfigurationError(f"{self.format!r} is not a format docnvil reads. Choose of {', '.join(FORMATS)}.")
        try:
            "".encode(self.encoding)
        except (LookupError, ValueError):
            raise ConfigurationError(
                f"{self.encoding!r} is not an encoding Python knows. Try utf-8, latin-1 or cp1252."
            ) from None


_DEFAULTS = SourceOptions()


def detect_format(path: str | Path, options: SourceOptions = _DEFAULTS) -> str:
    """Tell the format of a source: the one the options name, else what the path's kind and name say.

    A folder is a prepared corpus or a folder of text files; a file whose name starts with `docword` is in the UCI
    form; otherwise the suffix decides, after a `.gz` has been taken off. An `.npz` that holds no sparse matrix holds
    binary vectors.

    Raises:
        CorpusError: there is nothing at the path, or its suffix is unknown.

    >>> detect_format(Path("anything.xyz"), SourceOptions(format="jsonl"))
    'jsonl'
    """
    if options.format != "auto":
        return options.format
    path = as_path(path)
    if not exists(path):
        raise CorpusError(f"There is nothing at {path}. Check the path.")
    if path.is_dir():
        # A corpus whose manifest was lost is still a corpus, to be complained of as one.
        prepared = is_folder_of_kind(path, "corpus") or (path / "corpus.json").is_file()
        return "corpus" if prepared else "folder"
    name = plain_name(path).lower()
    if name.startswith("docword"):
        return "uci"
    found = _SUFFIXES.get(Path(name).suffix)
    if found is None:
        raise CorpusError(
            f"The format of {path} is not known by its name. docnvil reads folders of text files, prepared corpora,"
            f" docword*.txt and {', '.join(_SUFFIXES)}, also with .gz. Rename it, or pass --format."
        )
    if is_remote(path) and found not in TEXT_FORMATS:
        raise CorpusError(f"{path} holds counts, which are read from this machine's disk alone. Fetch it first.")
    return "bits" if found == "npz" and holds_bits(path) else found


def read_documents(path: str | Path, options: SourceOptions = _DEFAULTS) -> Iterator[Document]:
    r"""Read the documents of a source, lazily and in a stable order.

    In a folder every file is a document, save hidden ones, in the order of their paths, which are their ids; files in
    subfolders are labeled by the first. In files of rows the text and the id have their columns; every other column
    of plain values is kept as metadata. A null text is an empty document, as is a blank line of a `.txt`.

    Arguments:
        path: a folder or file in one of `TEXT_FORMATS`.
        options: columns, encoding, and the format if the name does not tell it.

    Returns:
        The documents.

    Raises:
        CorpusError: the source is missing, empty, malformed or of another encoding; a column is missing; a text is not
            a string. The message names the place and the remedy.
        MissingDependencyError: the source is Parquet and pyarrow is not installed.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "notes.txt")
    ...     _ = path.write_text("a first note\nand a second\n")
    ...     [(document.id, document.text) for document in read_documents(path)]
    [('1', 'a first note'), ('2', 'and a second')]
    """
    path = as_path(path)
    form = detect_format(path, options)
    if form in ("folder", "lines"):
        _refuse_columns(path, options)
        return _read_folder(path, options) if form == "folder" else _read_lines(path, options)
    return _read_rows(path, _rows(path, form, options), options)


def _rows(path: Path, form: str, options: SourceOptions) -> RecordIterator:
    match form:
        case "jsonl":
            return json_rows(path, options.encoding)
        case "csv":
            return separated_rows(path, options.encoding, ",")
        case "tsv":
            return separated_rows(path, options.encoding, "\t")
        case "parquet":
            return parquet_rows(path)
    raise CorpusError(f"{path} holds counts ({form}), not texts. Name a source of texts.")


def parts_of_rows(path: Path, options: SourceOptions, size: int) -> tuple[list[Part], SourceOptions] | None:
    """Cut a file of rows into parts of about `size` bytes, for `read_part`, with options that hold for all of them.

    JSON lines and lines are cut. A row of CSV may hold line breaks, so where one ends is known only to who has read all
    that stands before it.

    Returns:
        None if the file cannot be cut, or makes one part.
    """
    form = detect_format(path, options)
    if form not in ("lines", "jsonl") or path.stat().st_size <= size:
        return None
    parts = cut_at_lines(path, encoding=options.encoding, size=size)
    if parts is None or len(parts) < 2:
        return None
    if form == "lines":
        _refuse_columns(path, options)
    elif options.id_column is None:
        # Whether rows are numbered is told by the first row of the file, not by the first one of a part.
        first = next(json_rows(path, options.encoding), None)
        options = replace(options, id_column="id" if first is not None and "id" in first[1] else "")
    return parts, options


def read_part(path: Path, part: Part, options: SourceOptions) -> Iterator[Document]:
    """Read the documents of a part of a file of rows, see `parts_of_rows`; rows are numbered as in the whole file."""
    if detect_format(path, options) == "lines":
        return _read_lines(path, options, part)
    return _read_rows(path, json_rows(path, options.encoding, part), options, part.rows)


def _refuse_columns(path: Path, options: SourceOptions) -> None:
    for option, column in (("--id-column", options.id_column), ("--label-column", options.label_column)):
        if column:
            raise CorpusError(f"{path} has no columns, so none called {column!r}. Leave out {option}.")


def _read_folder(path: Path, options: SourceOptions) -> Iterator[Document]:
    yield from read_files(path, files_of_folder(path), options)


def files_of_folder(path: Path) -> list[str]:
    """Return the names of the files that are documents of a folder, relative to it, in the order they are read.

    Raises:
        CorpusError: there is no folder, or no file in it.
    """
    if not path.is_dir():
        raise CorpusError(f"There is no folder at {path}. Check the path, or the --format.")
    files = [(file.relative_to(path), file) for file in path.rglob("*") if file.is_file()]
    visible = sorted((name.as_posix(), file) for name, file in files if not any(p.startswith(".") for p in name.parts))
    if not visible:
        raise CorpusError(f"The folder {path} holds no files. Put text files in it, or check the path.")
    return [name for name, _ in visible]


def read_files(folder: Path, names: Iterable[str], options: SourceOptions) -> Iterator[Document]:
    """Read some files of a folder as documents, see `files_of_folder`."""
    for name in names:
        with open_text(folder / name, encoding=options.encoding) as stream:
            text = stream.read()
        label, _, rest = replace_surrogates(name).partition("/")
        yield Document(replace_surrogates(name), text, {"label": label} if rest else {})


def _read_lines(path: Path, options: SourceOptions, part: Part | None = None) -> Iterator[Document]:
    with open_lines(path, encoding=options.encoding, part=part) as stream:
        for number, line in enumerate(stream, start=1 if part is None else part.lines + 1):
            yield Document(str(number), line.removesuffix("\n"))


def _read_rows(path: Path, rows: RecordIterator, options: SourceOptions, before: int = 0) -> Iterator[Document]:
    id_column = options.id_column
    named: tuple[str, ...] | None = None  # the columns of the last row, which those of the next one mostly are
    columns: list[str] = []
    for number, (place, row) in enumerate(rows, start=before + 1):
        if number == 1 and id_column is None and "id" in row:
            id_column = "id"
        where = f"{path}, {place}"
        if (names := tuple(row)) != named:
            _require_columns(row, where, options, id_column)
            columns, named = _columns_of_metadata(row, options, id_column), names
        name = str(number) if not id_column else _id_of(row[id_column], where, id_column)
        text = _text_of(row[options.text_column], where, options.text_column)
        yield Document(replace_surrogates(name), replace_surrogates(text), _metadata_of(row, columns, where, options))


def _require_columns(row: Record, where: str, options: SourceOptions, id_column: str | None) -> None:
    needed = {"text": options.text_column, "id": id_column, "label": options.label_column}
    for role, column in needed.items():
        if column and column not in row:
            raise CorpusError(
                f"{where} has no column {column!r} for the {role}. It has {', '.join(row) or 'none'}; name one of them"
                f" with --{role}-column."
            )


def _id_of(value: object, where: str, column: str) -> str:
    name = _plain(value)
    if not name:
        raise CorpusError(f"{where} has no id in its column {column!r}. Fill it in, or name another with --id-column.")
    return name


def _text_of(value: object, where: str, column: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise CorpusError(
            f"{where} holds {value!r:.40} in the column {column!r}, which is not a string. Quote it, or name another"
            " column with --text-column."
        )
    return value


def _columns_of_metadata(row: Record, options: SourceOptions, id_column: str | None) -> list[str]:
    first = [options.label_column] if options.label_column else []
    return first + [name for name in row if name not in (options.text_column, id_column, options.label_column)]


def _metadata_of(row: Record, columns: Sequence[str], where: str, options: SourceOptions) -> dict[str, str]:
    values = {name: _plain(row[name]) for name in columns}
    if options.label_column and values[options.label_column] is None:
        raise CorpusError(
            f"{where} has no plain value in its label column {options.label_column!r}. Name another --label-column."
        )
    return {replace_surrogates(name): replace_surrogates(value) for name, value in values.items() if value is not None}


def _plain(value: object) -> str | None:
    """Return a plain value as a string, and None for lists, objects and bytes."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return None if isinstance(value, list | tuple | dict | bytes) else str(value)
