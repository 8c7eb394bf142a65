"""Corpora on which benchmarks train and evaluate several models, with the words of test documents to predict.

No setting of any model was chosen on the test documents. For all but `ng20_sh2009`, a fifth of their words is hidden.

Axes: N documents, V words.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import ng20
import numpy as np
from common import shared_data
from scipy.sparse import csr_array

from docnvil.analysis.completion import split_words
from docnvil.corpus.loading import load_document_term_matrix
from docnvil.text.counts import count_words
from docnvil.text.document_term_matrix import DocumentTermMatrix
from docnvil.text.documents import Document, read_documents
from docnvil.text.splits import split_documents

HIDDEN_SHARE = 0.2  # of each test document's words, where the corpus has no split of its own
SAMPLE_TEST_DOCUMENTS = 2000


@dataclass(frozen=True)
class Corpus:
    """Documents of one corpus.

    Arguments:
        train: training documents, `[N, V]`.
        observed: words of the test documents that models read, `[N, V]`.
        hidden: words of the test documents to predict, `[N, V]`.
    """

    train: DocumentTermMatrix
    observed: csr_array
    hidden: csr_array

    @property
    def test(self) -> csr_array:
        """The test documents with all their words, `[N, V]`."""
        return csr_array(self.observed + self.hidden)

    def first(self, documents: int | None) -> "Corpus":
        """Return the corpus with the first training and test documents only; all of them if None."""
        rows = slice(documents)
        return Corpus(self.train.select(rows), self.observed[rows], self.hidden[rows])


def ng20_sh2009() -> Corpus:
    """Read the prepared 20 Newsgroups, with the corpus's own completion split."""
    return Corpus(load_document_term_matrix(ng20.paths()[0]), *ng20.load_completion())


def kos() -> Corpus:
    """Read Daily Kos, with a tenth of the documents drawn as test documents."""
    matrix = load_document_term_matrix(shared_data("kos/docword.kos.txt.gz"))
    train, test = split_documents(matrix, 0.1, np.random.default_rng(0))
    return Corpus(train, *_hide_words(test.counts))


def ng20_raw() -> Corpus:
    """Read raw posts with their headers, split by date; the vocabulary is that of the training posts."""
    return _count(_posts("train"), _posts("test"))


def ng20_subjects() -> Corpus:
    """Read the distinct subject lines of raw posts, split by date: titles of a few words.

    A line counts once, without its "Re:", in the part of its first post, so that no test line is a training line.
    """
    seen: set[str] = set()
    return _count(list(_subjects("train", seen)), list(_subjects("test", seen)))


def ng20_sample(n_documents: int) -> Corpus:
    """Read raw posts drawn at random, with their own vocabulary, and 2,000 test posts."""
    generator = np.random.default_rng(0)
    train, test = list(_posts("train")), list(_posts("test"))
    chosen = (
        [posts[row] for row in np.sort(generator.permutation(len(posts))[:size])]
        for posts, size in ((train, n_documents), (test, SAMPLE_TEST_DOCUMENTS))
    )
    return _count(*chosen)


CORPORA: dict[str, Callable[[], Corpus]] = {
    "ng20_sh2009": ng20_sh2009,
    "kos": kos,
    "ng20_raw": ng20_raw,
    "ng20_subjects": ng20_subjects,
    "ng20_200": lambda: ng20_sample(200),
    "ng20_2000": lambda: ng20_sample(2000),
}
TITLES = {
    "ng20_sh2009": "20 Newsgroups, the version of the papers",
    "kos": "Daily Kos",
    "ng20_raw": "20 Newsgroups, raw posts",
    "ng20_subjects": "Subject lines of 20 Newsgroups",
    "ng20_200": "200 raw posts of 20 Newsgroups",
    "ng20_2000": "2,000 raw posts of 20 Newsgroups",
}


def _posts(split: str) -> Iterator[Document]:
    documents = read_documents(ng20.raw_posts())
    return (document for document in documents if document.metadata["split"] == split)


def _subjects(split: str, seen: set[str]) -> Iterator[Document]:
    for post in _posts(split):
        match = re.search(r"^Subject:(?:\s*re:)*\s*(.*)$", post.text, re.IGNORECASE | re.MULTILINE)
        subject = " ".join(match[1].split()) if match else ""
        if subject and subject.lower() not in seen:
            seen.add(subject.lower())
            yield Document(post.id, subject)


def _count(train: Iterator[Document] | list[Document], test: Iterator[Document] | list[Document]) -> Corpus:
    matrix = count_words(train)
    return Corpus(matrix, *_hide_words(count_words(test, vocabulary=matrix.vocabulary).counts))


def _hide_words(counts: csr_array) -> tuple[csr_array, csr_array]:
    return split_words(counts, HIDDEN_SHARE, np.random.default_rng(0))
