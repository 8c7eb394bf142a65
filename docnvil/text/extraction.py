"""The text of PDF, DOCX and HTML files. PDF needs pypdf; the others need only the standard library."""

import logging
import zipfile
from pathlib import Path, PurePath
from typing import BinaryIO
from xml.etree import ElementTree

from docnvil.errors import CorpusError, MissingDependencyError
from docnvil.text.cleaning import HIDDEN_ELEMENTS, html_text
from docnvil.text.files import open_bytes

EXTRACTED_SUFFIXES = ("pdf", "docx", "html", "htm", "xhtml")

_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
# Text boxes are there twice: for newer versions of Word, and as a fallback for older ones.
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_MAX_XML_BYTES = 1 << 28  # a document that unpacks to more is not one that somebody wrote
_HIDDEN = HIDDEN_ELEMENTS | {"noscript"}


class UnreadableFileError(CorpusError):
    """A file is damaged, encrypted, or has no text that can be extracted."""


def extract_text(path: Path) -> str:
    """Return the text of a PDF or DOCX file.

    Raises:
        UnreadableFileError: the file is damaged or encrypted, or its pages are images.
        MissingDependencyError: the file is a PDF and pypdf is not installed.
    """
    is_pdf = PurePath(path.name).suffix.lower() == ".pdf"
    with open_bytes(path) as file:
        text = _extract_pdf(path, file) if is_pdf else _extract_docx(path, file)
    if not text.strip():
        raise UnreadableFileError(f"{path} has no text; its pages may be images. Leave it out.")
    return text


def html_to_text(html: str) -> str:
    """Return the text of an HTML page, with line breaks between blocks and without scripts and styles.

    Example:
        >>> html_to_text("<title>Cats</title><p>They <b>pu</b>rr &amp; sleep.<script>var x;</script></p>").split()
        ['Cats', 'They', 'purr', '&', 'sleep.']
    """
    return html_text(html, "\n", _HIDDEN)


def _extract_pdf(path: Path, file: BinaryIO) -> str:
    try:
        from pypdf import PdfReader
    except ImportError:
        raise MissingDependencyError(
            f"Extracting the text of {path} needs pypdf. Install it with pip install 'docnvil[pdf]'."
        ) from None
    logger = logging.getLogger("pypdf")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # it logs every small fault that it repairs
    try:
        return "\n".join(page.extract_text() for page in PdfReader(file).pages)
    except Exception as error:  # damaged files raise errors of many classes, also of Python's
        raise UnreadableFileError(f"{path} cannot be read as PDF ({error}). Leave it out.") from None
    finally:
        logger.setLevel(level)


def _extract_docx(path: Path, file: BinaryIO) -> str:
    try:
        with zipfile.ZipFile(file) as archive:
            if archive.getinfo("word/document.xml").file_size > _MAX_XML_BYTES:
                raise UnreadableFileError(f"{path} is too large. Leave it out.")
            root = ElementTree.fromstring(archive.read("word/document.xml"))
    except (zipfile.BadZipFile, KeyError, ElementTree.ParseError, RuntimeError, OSError) as error:
        raise UnreadableFileError(f"{path} cannot be read as DOCX ({error}). Leave it out.") from None
    parts = []
    waiting = [root]
    while waiting:
        element = waiting.pop()
        if element.tag == f"{_WORD}t":
            parts.append(element.text or "")
        elif element.tag == f"{_WORD}noBreakHyphen":
            parts.append("-")
        elif element.tag in (f"{_WORD}p", f"{_WORD}br", f"{_WORD}cr", f"{_WORD}tab"):
            parts.append("\n")
        if element.tag != _FALLBACK:
            waiting.extend(reversed(element))
    return "".join(parts)
