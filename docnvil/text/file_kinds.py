"""What kind of file the first bytes are of: text, or one of many formats that are not plain text."""

import codecs
import re

HEAD_BYTES = 8192  # enough to tell

_SIGNATURES = (
    (b"%PDF", "a PDF document"),
    (b"{\\rtf", "an RTF document"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an older Microsoft Office document (DOC, XLS or PPT)"),
    (b"\x89PNG", "a PNG image"),
    (b"GIF87a", "a GIF image"),
    (b"GIF89a", "a GIF image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"RIFF", "a RIFF file (image, audio or video)"),
    (b"OggS", "an Ogg file (audio or video)"),
    (b"ID3", "an MP3 file"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow or Feather file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"\x7fELF", "a program"),
    (b"\x80\x04\x95", "a Python pickle"),
    (b"RDX3\n", "an R data file"),
    (b"%!PS", "a PostScript document"),
)
_ZIPPED = (
    (b"word/", "a Word document (DOCX)"),
    (b"xl/", "an Excel workbook (XLSX)"),
    (b"ppt/", "a PowerPoint document (PPTX)"),
    (b"epub", "an EPUB book"),
    (b"opendocument", "an OpenDocument file (ODT or ODS)"),
)
_MARKUP = re.compile(rb"\s*<(\?xml|!doctype|html|svg|tei)\b", re.IGNORECASE)
_TEXT_CONTROLS = b"\t\n\r\x0b\x0c\x08\x1a\x1b\x1c\x1d\x1e\x1f"
_OTHER_CONTROLS = bytes(byte for byte in range(1, 32) if byte not in _TEXT_CONTROLS)
_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


def describe_binary(head: bytes, encoding: str = "utf-8") -> str | None:
    r"""Return what the first bytes of a file are of, with an article, or None if they are text.

    Example:
        >>> describe_binary(b"%PDF-1.4\n"), describe_binary(b"cats purr\n")
        ('a PDF document', None)
    """
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if head.startswith(b"PK\x03\x04"):
        return next((kind for part, kind in _ZIPPED if part in head), "a ZIP archive")
    if head.startswith(_WIDE_MARKS) or encoding.lower().replace("_", "-").startswith(("utf-16", "utf-32")):
        return None
    if head[257:262] == b"ustar":
        return "a tar archive"
    if head[4:9] == b"\0\0\0\0{":  # the length of the header, in 8 bytes, and the header
        return "a safetensors file, such as a checkpoint"
    if guess_wide_encoding(head) is not None:
        return None
    if _is_utf8(head):
        return "a binary file" if len(head) >= 256 and 3 * head.count(0) > len(head) else None
    n_controls = len(head) - len(head.translate(None, _OTHER_CONTROLS))
    return "a binary file" if 0 in head or 20 * n_controls > len(head) else None


def is_markup(head: bytes) -> bool:
    """Return whether the first bytes are of an XML or HTML file."""
    return _MARKUP.match(head.removeprefix(codecs.BOM_UTF8)) is not None


def guess_wide_encoding(head: bytes) -> str | None:
    """Return the encoding of UTF-16 or UTF-32 text by its byte-order mark or its zero bytes, or None."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    n_pairs = len(head) // 2
    if n_pairs >= 2:
        even, odd = head[0 : 2 * n_pairs : 2].count(0), head[1 : 2 * n_pairs : 2].count(0)
        if odd > 0.7 * n_pairs and even == 0:
            return "utf-16-le"
        if even > 0.7 * n_pairs and odd == 0:
            return "utf-16-be"
    return None


def count_utf8_characters(head: bytes) -> int:
    """Return the number of characters of a beginning of UTF-8 that are not ASCII, or 0 if it is not UTF-8."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return 0
    return len(text) - len(text.encode("ascii", "ignore"))


def _is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True
