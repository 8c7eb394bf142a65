"""Reader of MALLET's lines of text: a name, a label and the text."""

from collections.abc import Iterator
from pathlib import Path

from docnvil.errors import CorpusError
from docnvil.text.document import Document
from docnvil.text.files import escape_surrogates, open_text, replace_surrogates
from docnvil.text.reading_report import ReadingReport
from docnvil.text.settings import SourceOptions


def read_mallet(path: Path, options: SourceOptions, report: ReadingReport) -> Iterator[Document]:
    """Yield the documents of lines `name label word word ...`, as `mallet import-file` reads them.

    The name becomes the id, and the label a metadata column. Blank lines are skipped.

    Raises:
        CorpusError: a line has no label.
    """
    with open_text(path, encoding=options.encoding, errors=options.encoding_errors, report=report) as file:
        for number, line in enumerate(file, start=1):
            name, *rest = line.split(maxsplit=2) or [""]
            if not name:
                continue
            if not rest:
                raise CorpusError(
                    f"{path}, line {number} has only the name {name[:40]!r}. Write a name, a label and the text, or"
                    " choose --format lines for lines of text alone."
                )
            text = rest[1].rstrip("\n") if len(rest) > 1 else ""
            yield Document(escape_surrogates(name), text, {"label": replace_surrogates(rest[0])})
