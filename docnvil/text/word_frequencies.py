"""Adds up the word frequencies of all counted chunks in bounded memory."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import compress

import numpy as np
from numpy.typing import NDArray

MAX_WORDS_IN_MEMORY = 1 << 19  # distinct words; they take about 100 MB
_N_BUCKETS = 1 << 24  # of hashes of words

Table = tuple[list[str], NDArray[np.int64]]


def merge_word_frequencies(tables: Iterable[Table]) -> Iterator[tuple[str, int, int]]:
    """Yield each distinct word of several tables once, with the sums of its frequencies, in any order.

    A table has distinct words, and the number of occurrences and of documents of each, `[W, 2]`. The sums are kept in a
    dictionary. Whenever it is full, it is moved to a temporary SQLite database, which in the end adds up the rows of
    each word. SQLite sorts on disk, in the folder that the variable TMPDIR names or in /var/tmp.

    >>> tables = [(["cat", "owl"], np.array([[3, 1], [1, 1]])), (["cat"], np.array([[2, 2]]))]
    >>> list(merge_word_frequencies(tables))
    [('cat', 5, 3), ('owl', 1, 1)]
    """
    with closing(sqlite3.connect("")) as database:  # "" is a temporary file that SQLite deletes in the end
        database.execute("CREATE TABLE frequencies (word BLOB, occurrences INTEGER, documents INTEGER)")
        rows: dict[str, int] = {}  # word to row of `sums`
        sums = np.zeros((0, 2), dtype=np.int64)
        is_on_disk = False
        for words, frequencies in tables:
            word_rows = [rows.setdefault(word, len(rows)) for word in words]
            sums = np.concatenate([sums, np.zeros((len(rows) - len(sums), 2), dtype=np.int64)])
            sums[word_rows] += frequencies
            if len(rows) > MAX_WORDS_IN_MEMORY:
                _move_to_database(rows, sums, database)
                sums, is_on_disk = sums[:0], True
        if not is_on_disk:
            yield from zip(rows, *sums.T.tolist(), strict=True)
            return
        _move_to_database(rows, sums, database)
        query = "SELECT word, SUM(occurrences), SUM(documents) FROM frequencies GROUP BY word"
        for word, occurrences, documents in database.execute(query):
            yield word.decode(errors="surrogatepass"), occurrences, documents


def _move_to_database(rows: dict[str, int], sums: NDArray[np.int64], database: sqlite3.Connection) -> None:
    # Bytes, because SQLite's text type does not take the lone surrogates that a word can contain.
    words = (word.encode(errors="surrogatepass") for word in rows)
    database.executemany("INSERT INTO frequencies VALUES (?, ?, ?)", zip(words, *sums.T.tolist(), strict=True))
    rows.clear()


def drop_rare_words(load_tables: Callable[[], Iterable[Table]], min_documents: float) -> Iterator[Table]:
    """Yield the tables without most of the words that are in fewer than `min_documents` documents of all tables.

    Most n-grams occur once, and it is faster not to add them up. The numbers of documents are first added up by hashes
    of the words; a word cannot be in more documents than its hash, so no frequent word is dropped.

    >>> tables = [(["cat", "owl"], np.array([[3, 1], [1, 1]])), (["cat"], np.array([[2, 2]]))]
    >>> [words for words, _ in drop_rare_words(lambda: tables, 2)]
    [['cat'], ['cat']]
    """
    documents = np.zeros(_N_BUCKETS, dtype=np.int64)
    for words, frequencies in load_tables():
        np.add.at(documents, _buckets(words), frequencies[:, 1])
    for words, frequencies in load_tables():
        kept = documents[_buckets(words)] >= min_documents
        yield list(compress(words, kept)), frequencies[kept]


def _buckets(words: list[str]) -> NDArray[np.int64]:
    return np.fromiter(map(hash, words), dtype=np.int64, count=len(words)) & (_N_BUCKETS - 1)
