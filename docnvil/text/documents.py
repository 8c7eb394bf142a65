"""Readers of documents: folders of text files, one document per line, JSON lines, CSV, TSV and Parquet.

Documents are read lazily, one at a time. Duplicate ids are kept, so a document is identified by its row.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from docnvil.errors import CorpusError
from docnvil.runtime.folders import is_folder_of_kind
from docnvil.text.bits import is_plain_archive
from docnvil.text.files import FileChunk, as_path, exists, is_remote, open_text, replace_surrogates, split_at_lines
from docnvil.text.records import Record, RecordIterator, list_columns, read_json_lines, read_parquet, read_separated
from docnvil.text.settings import TEXT_FORMATS, SourceOptions

_SUFFIXES = {".txt": "lines", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv"}
_SUFFIXES |= {".parquet": "parquet", ".npz": "npz", ".npy": "bits", ".mtx": "mtx", ".mm": "mtx"}
_SUFFIXES |= {".ldac": "ldac", ".lda-c": "ldac", ".svmlight": "svmlight", ".svm": "svmlight", ".libsvm": "svmlight"}


@dataclass(frozen=True, slots=True)
class Document:
    """One document.

    Arguments:
        id: its id in the source; it may be repeated.
        text: its text, which may be empty.
        metadata: its other values by column, `""` for a missing value.
    """

    id: str
    text: str
    metadata: Mapping[str, str] = field(default_factory=dict)


_DEFAULTS = SourceOptions()


def detect_format(path: str | Path, options: SourceOptions = _DEFAULTS) -> str:
    """Return the format of a source: `options.format`, or else the one that its kind and name indicate.

    A folder is a prepared corpus or a folder of text files. A file whose name starts with `docword` is in UCI format;
    other files are classified by their suffix, without `.gz`. An `.npz` without a sparse matrix has binary vectors.
    """
    if options.format != "auto":
        return options.format
    path = as_path(path)
    if not exists(path):
        raise CorpusError(f"There is nothing at {path}. Check the path.")
    if path.is_dir():
        # Without its manifest it is still a corpus, and reading it reports the missing file.
        is_corpus = is_folder_of_kind(path, "corpus") or (path / "corpus.json").is_file()
        return "corpus" if is_corpus else "folder"
    name = path.name.lower().removesuffix(".gz")
    if name.startswith("docword"):
        return "uci"
    format = _SUFFIXES.get(Path(name).suffix)
    if format is None:
        raise CorpusError(
            f"The format of {path} is not clear from its name: docnvil reads folders, docword*.txt and"
            f" {', '.join(_SUFFIXES)}, also with .gz. Rename it, or pass --format."
        )
    if is_remote(path) and format not in TEXT_FORMATS:
        raise CorpusError(f"{path} contains counts, which are read only from local disks. Download it first.")
    return "bits" if format == "npz" and is_plain_archive(path) else format


def read_documents(path: str | Path, options: SourceOptions = _DEFAULTS) -> Iterator[Document]:
    r"""Read the documents of a source, lazily and in a stable order.

    Every file of a folder is a document, except hidden files. Its id is its path in the folder, and its label is the
    first subfolder of that path. Files are sorted by path. In files with columns, the metadata is every column of plain
    values except the text and the id. A null text gives an empty document, as does a blank line of a `.txt`.

    Arguments:
        path: a folder or file in one of `TEXT_FORMATS`.
        options: the columns and the encoding, and the format if the name does not indicate it.

    Raises:
        CorpusError: the source is missing, empty, malformed or in another encoding; a column is missing; a text is not
            a string. The message names the place and what to do.
        MissingDependencyError: the source is Parquet and pyarrow is not installed.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "notes.txt")
        ...     _ = path.write_text("a first note\nand a second\n")
        ...     [(document.id, document.text) for document in read_documents(path)]
        [('1', 'a first note'), ('2', 'and a second')]
    """
    path = as_path(path)
    format = detect_format(path, options)
    match format:
        case "folder" | "lines":
            _refuse_columns(path, options)
            return read_files(path, None, options) if format == "folder" else _read_lines(path, options)
        case "jsonl":
            records = read_json_lines(path, options.encoding)
        case "csv" | "tsv":
            records = read_separated(path, options.encoding, delimiter="," if format == "csv" else "\t")
        case "parquet":
            records = read_parquet(path)
        case _:
            raise CorpusError(f"{path} contains counts ({format}), not texts. Give a source of texts.")
    return _to_documents(path, records, options)


def split_source(path: Path, options: SourceOptions, size: int) -> tuple[list[FileChunk], SourceOptions] | None:
    """Split a file of lines or JSON lines into chunks of about `size` bytes, to be read by `read_chunk`.

    CSV is not split: its fields may contain line breaks, so the end of a row is found only by reading from the start.
    Return the chunks and the options to read each of them with, or None if the file cannot be split or fits one chunk.
    """
    format = detect_format(path, options)
    if format not in ("lines", "jsonl") or path.stat().st_size <= size:
        return None
    chunks = split_at_lines(path, encoding=options.encoding, size=size)
    if chunks is None or len(chunks) < 2:
        return None
    if format == "lines":
        _refuse_columns(path, options)
    elif options.id_column is None:
        # The first row of the file, not of the chunk, decides whether ids are row numbers.
        first = next(read_json_lines(path, options.encoding), None)
        options = replace(options, id_column="id" if first is not None and "id" in first[1] else "")
    return chunks, options


def read_chunk(path: Path, chunk: FileChunk, options: SourceOptions) -> Iterator[Document]:
    """Read the documents of one chunk of a file, see `split_source`, with the row numbers of the whole file."""
    if detect_format(path, options) == "lines":
        return _read_lines(path, options, chunk)
    return _to_documents(path, read_json_lines(path, options.encoding, chunk), options, chunk.rows_before)


def _refuse_columns(path: Path, options: SourceOptions) -> None:
    for option, column in (("--id-column", options.id_column), ("--label-column", options.label_column)):
        if column:
            raise CorpusError(f"{path} has no columns, so it has no column {column!r}. Remove {option}.")


def list_files(folder: Path) -> list[str]:
    """Return the paths of a folder's documents, relative to it, in the order in which they are read."""
    if not folder.is_dir():
        raise CorpusError(f"There is no folder at {folder}. Check the path, or the --format.")
    paths = [file.relative_to(folder) for file in folder.rglob("*") if file.is_file()]
    visible = sorted(path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts))
    if not visible:
        raise CorpusError(f"The folder {folder} has no files. Put text files in it, or check the path.")
    return visible


def read_files(folder: Path, names: Iterable[str] | None, options: SourceOptions) -> Iterator[Document]:
    """Read files of a folder as documents; the names are from `list_files`, None for all of them."""
    for name in list_files(folder) if names is None else names:
        with open_text(folder / name, encoding=options.encoding) as file:
            text = file.read()
        label, _, rest = replace_surrogates(name).partition("/")
        yield Document(replace_surrogates(name), text, {"label": label} if rest else {})


def _read_lines(path: Path, options: SourceOptions, chunk: FileChunk | None = None) -> Iterator[Document]:
    with open_text(path, encoding=options.encoding, chunk=chunk) as file:
        for number, line in enumerate(file, start=1 if chunk is None else chunk.lines_before + 1):
            yield Document(str(number), line.removesuffix("\n"))


def _to_documents(
    path: Path, records: RecordIterator, options: SourceOptions, rows_before: int = 0
) -> Iterator[Document]:
    id_column = options.id_column
    names: tuple[str, ...] | None = None
    columns: list[str] = []
    for number, (place, record) in enumerate(records, start=rows_before + 1):
        if number == 1 and id_column is None and "id" in record:
            id_column = "id"
        where = f"{path}, {place}"
        if tuple(record) != names:  # most records have the columns of the previous one
            names = tuple(record)
            _require_columns(record, where, options, id_column)
            used = (options.text_column, id_column, options.label_column)
            columns = [options.label_column] if options.label_column else []
            columns += [name for name in names if name not in used]
        id = _to_string(record[id_column]) if id_column else str(number)
        if not id:
            raise CorpusError(f"{where} has no id in the column {id_column!r}. Add it, or choose another --id-column.")
        text = _get_text(record[options.text_column], where, options.text_column)
        yield Document(replace_surrogates(id), replace_surrogates(text), _get_metadata(record, columns, where, options))


def _require_columns(record: Record, where: str, options: SourceOptions, id_column: str | None) -> None:
    required = {"text": options.text_column, "id": id_column, "label": options.label_column}
    for role, column in required.items():
        if column and column not in record:
            raise CorpusError(
                f"{where} has no column {column!r} for the {role}. Its columns are"
                f" {list_columns(list(record)) or 'none'}; choose one with --{role}-column."
            )


def _get_text(value: object, where: str, column: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise CorpusError(
            f"{where} has {value!r:.40} in the column {column!r}, which is not a string. Quote it, or choose another"
            " column with --text-column."
        )
    return value


def _get_metadata(record: Record, columns: Sequence[str], where: str, options: SourceOptions) -> dict[str, str]:
    values = {name: _to_string(record[name]) for name in columns}
    if options.label_column and values[options.label_column] is None:
        raise CorpusError(
            f"{where} has no plain value in the label column {options.label_column!r}. Choose another --label-column."
        )
    return {replace_surrogates(name): replace_surrogates(value) for name, value in values.items() if value is not None}


def _to_string(value: object) -> str | None:
    """Return a plain value as a string, and None for lists, objects and bytes."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return None if isinstance(value, list | tuple | dict | bytes) else str(value)
