"""Read the token files of LYRL2004 (its online appendix 12), plain or gzipped, as counts.

A record is a line `.I` with the document's id, a line `.W`, lines of stems, and an empty line:

    .I 2286
    .W
    recov recov recov recov excit excit bring mexic
    brack

"""

import gzip
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from scipy import sparse

from docnvil.errors import CorpusError


def read_tokens(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the id and the stems of each document of a file.

    Raises:
        CorpusError: the file cannot be read, or it is not a token file.
    """
    identifier: str | None = None
    stems: list[str] = []
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="ascii") as file:
            for number, line in enumerate(file, start=1):
                if line.startswith(".I"):
                    if identifier is not None:
                        yield identifier, stems
                    identifier, stems = line[2:].strip(), []
                elif identifier is None and line.strip():
                    raise CorpusError(
                        f"{path} is not a token file of LYRL2004: line {number} does not start with `.I` and an id."
                        " Pass the lyrl2004_tokens_*.dat files."
                    )
                elif not line.startswith(".W"):
                    stems += line.split()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path} cannot be read as a token file ({error}). Download it again.") from error
    if identifier is not None:
        yield identifier, stems


def count_tokens(paths: Iterable[Path]) -> tuple[sparse.csr_array, list[str], list[str]]:
    """Return the counts of all documents, [N, V], their ids, and the stems in order of first appearance.

    Raises:
        CorpusError: an id occurs twice, or the files are empty.
    """
    columns: dict[str, int] = {}
    lengths: dict[str, int] = {}  # distinct terms of each document
    indices, counts = array("i"), array("i")  # 60 million entries; lists would need ten times the memory
    for path in paths:
        for identifier, stems in read_tokens(path):
            if identifier in lengths:
                raise CorpusError(f"Document {identifier} of {path} occurs twice. Pass each token file once.")
            document = Counter(stems)
            indices.extend(columns.setdefault(stem, len(columns)) for stem in document)
            counts.extend(document.values())
            lengths[identifier] = len(document)
    if not lengths:
        raise CorpusError("The token files contain no documents. Pass the lyrl2004_tokens_*.dat files.")
    indptr = np.cumsum([0, *lengths.values()])
    shape = (len(lengths), len(columns))
    matrix = sparse.csr_array((np.array(counts, np.int32), np.array(indices, np.int32), indptr), shape=shape)
    return matrix, list(lengths), list(columns)
