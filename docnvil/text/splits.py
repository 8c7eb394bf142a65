"""Random splits of documents into a training and a held-out set."""

from numbers import Integral, Real

import numpy as np
from numpy.typing import NDArray

from docnvil.errors import ConfigurationError, counted
from docnvil.text.document_term_matrix import DocumentTermMatrix, require_matrix


def split_documents(
    matrix: DocumentTermMatrix, held_out: float | int, generator: np.random.Generator
) -> tuple[DocumentTermMatrix, DocumentTermMatrix]:
    """Split documents at random; return the remaining and the held-out ones, both in their order.

    Arguments:
        matrix: the counts.
        held_out: number (int) or share (float) of the documents to hold out.
        generator: source of random numbers.

    Raises:
        ConfigurationError: one of the two sets would be empty, or an argument is of another type.

    >>> from docnvil.text.vocabulary import Vocabulary
    >>> matrix = DocumentTermMatrix([[1], [2], [3], [4]], Vocabulary(["cat"]), ("a", "b", "c", "d"))
    >>> train, test = split_documents(matrix, 0.25, np.random.default_rng(0))
    >>> train.n_documents, test.n_documents
    (3, 1)
    """
    require_matrix(matrix)
    train, test = split_rows(matrix.n_documents, held_out, generator)
    return matrix.select(train), matrix.select(test)


def split_rows(
    n_documents: int, held_out: float | int, generator: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split row numbers like `split_documents` splits documents; both results are in ascending order."""
    if isinstance(held_out, bool) or not isinstance(held_out, Real):
        raise ConfigurationError(f"held_out is {held_out!r:.60}. Give a number or a share of the documents.")
    if not isinstance(generator, np.random.Generator):
        raise ConfigurationError(
            f"generator is {generator!r:.60}. Give a source of random numbers: numpy.random.default_rng(0)."
        )
    is_share = not isinstance(held_out, Integral)
    if is_share and not 0.0 < held_out < 1.0:
        raise ConfigurationError(f"The share of held-out documents is {held_out}. Give a number between 0.0 and 1.0.")
    n_held_out = round(float(held_out) * n_documents) if is_share else int(held_out)
    if not 0 < n_held_out < n_documents:
        if n_documents < 2:
            raise ConfigurationError(f"{counted(n_documents, 'document')} cannot be split. Give two or more.")
        raise ConfigurationError(
            f"Holding out {n_held_out:,} of {counted(n_documents, 'document')} leaves one set empty. Hold out from 1 to"
            f" {counted(n_documents - 1, 'document')}, or a share of them."
        )
    mask = np.zeros(n_documents, dtype=bool)
    mask[generator.choice(n_documents, size=n_held_out, replace=False)] = True
    return np.flatnonzero(~mask), np.flatnonzero(mask)
