"""Chunks of counted documents on disk, while a corpus is being built.

A counted chunk is a folder with

    counts.npz         the counts of n documents, [n, W]
    words.json         the W words, which are those of this chunk only
    frequencies.npy    for each word, its number of occurrences and of documents, [W, 2]
    documents.json     the ids and the metadata
    chunk.json         n, how many of these documents have no words, W, and the names of the metadata

If n-grams are counted, there are instead of `counts.npz` and `frequencies.npy`

    sequences.npy      the words of the documents in their order, as numbers of `words.json`, [T]
    lengths.npy        the number of words of each document, [n]

and an encoded chunk, which is ready to be appended to the corpus, is a folder with

    counts.npz         the counts over the vocabulary, [n, V]
    documents.csv      rows for the corpus's table of documents, without a header
    id_hashes.npy      a 64-bit hash of each id, [n]
    unknown.npy        the number of words of each document that are not in the vocabulary, [n]
    chunk.json         the sum of the counts
"""

import csv
import json
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, load_npz, save_npz

from docnvil.runtime.arrays import save_array
from docnvil.text.accumulator import CountAccumulator, SequenceAccumulator
from docnvil.text.name_hashes import NameHashes
from docnvil.text.ngram_counting import count_vocabulary
from docnvil.text.sparse import column_sums, document_frequencies, row_sums, take_columns
from docnvil.text.vocabulary import Vocabulary
from docnvil.text.word_sequences import WordSequences


def save_counted_chunk(folder: Path, accumulator: CountAccumulator) -> None:
    """Write a counted chunk to a new folder; the accumulator is empty afterwards."""
    folder.mkdir()
    words = list(accumulator.reader.index.words)  # of all chunks that this reader has read
    counts = accumulator.take_counts(len(words))
    frequencies = np.stack([column_sums(counts).astype(np.int64), document_frequencies(counts)], axis=1)
    used = np.flatnonzero(frequencies[:, 1])
    new_columns = np.zeros(len(words), dtype=np.int32)
    new_columns[used] = np.arange(len(used))
    counts = csr_array((counts.data, new_columns[counts.indices], counts.indptr), shape=(counts.shape[0], len(used)))
    save_npz(folder / "counts.npz", counts, compressed=False)
    save_array(folder / "frequencies.npy", frequencies[used])
    n_empty = int(np.count_nonzero(np.diff(counts.indptr) == 0))
    _save_descriptions(folder, accumulator, [words[column] for column in used.tolist()], n_empty)


def save_sequences(folder: Path, accumulator: SequenceAccumulator) -> None:
    """Write a counted chunk with sequences of words to a new folder; the accumulator is empty afterwards."""
    folder.mkdir()
    names = accumulator.reader.unit_names
    units, lengths = accumulator.take_sequences()
    used = np.flatnonzero(np.bincount(units, minlength=len(names)))
    numbers = np.zeros(len(names), dtype=np.int32)
    numbers[used] = np.arange(len(used))
    save_array(folder / "sequences.npy", numbers[units])
    save_array(folder / "lengths.npy", lengths)
    n_empty = int(np.count_nonzero(lengths < accumulator.reader.tokenizer.rules.ngrams[0]))
    _save_descriptions(folder, accumulator, [names[number] for number in used.tolist()], n_empty)


def _save_descriptions(folder: Path, accumulator: CountAccumulator, words: list[str], n_empty: int) -> None:
    metadata = accumulator.metadata()
    _write_json(folder / "words.json", words)
    _write_json(folder / "documents.json", [accumulator.ids, *metadata.values()])
    info = {"n_documents": len(accumulator.ids), "n_empty": n_empty, "n_words": len(words)}
    info |= {"n_tokens": accumulator.n_tokens, "metadata_names": list(metadata)}
    _write_json(folder / "chunk.json", info)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value), encoding="ascii")  # escapes also lone surrogates, which words can contain


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="ascii"))


def load_words(folder: Path) -> tuple[list[str], NDArray[np.int64]]:
    """Return the words of a counted chunk and their frequencies, `[W, 2]`."""
    return _read_json(folder / "words.json"), np.load(folder / "frequencies.npy")


def load_sequences(folder: Path, ngrams: tuple[int, int]) -> WordSequences:
    """Return the sequences of words of a counted chunk."""
    words = _read_json(folder / "words.json")
    arrays = np.load(folder / "sequences.npy"), np.load(folder / "lengths.npy")
    return WordSequences(words, *arrays, ngrams, NameHashes.of(words))


def load_chunk_info(folder: Path) -> dict[str, Any]:
    """Return what `chunk.json` of a counted or encoded chunk contains."""
    return _read_json(folder / "chunk.json")


def encode_chunk(
    counted: Path, target: Path, vocabulary: Vocabulary, metadata_names: Sequence[str], ngrams: tuple[int, int]
) -> None:
    """Convert the counted chunk in a folder to an encoded chunk in a new folder, `target`, for all metadata names."""
    target.mkdir()
    if (counted / "sequences.npy").exists():
        counts, unknown = count_vocabulary(load_sequences(counted, ngrams), vocabulary)
    else:
        counts, unknown = _select_counts(counted, vocabulary)
    save_npz(target / "counts.npz", counts, compressed=False)
    save_array(target / "unknown.npy", unknown)
    ids, *values = _read_json(counted / "documents.json")
    metadata = dict(zip(load_chunk_info(counted)["metadata_names"], values, strict=True))
    with (target / "documents.csv").open("w", encoding="utf-8", newline="") as file:
        table = zip(ids, *(metadata.get(name, [""] * len(ids)) for name in metadata_names), strict=True)
        csv.writer(file, lineterminator="\r\n").writerows(table)
    save_array(target / "id_hashes.npy", np.array([_hash(name) for name in ids], dtype=np.int64))
    _write_json(target / "chunk.json", {"n_tokens": int(counts.data.sum(dtype=np.int64))})


def _select_counts(counted: Path, vocabulary: Vocabulary) -> tuple[csr_array, NDArray[np.int64]]:
    """Return the counts of the words of a vocabulary, `[n, V]`, and the numbers of other words, `[n]`."""
    vocabulary_columns = vocabulary.columns_of(_read_json(counted / "words.json"))
    used = np.flatnonzero(vocabulary_columns >= 0)
    columns = np.full(len(vocabulary), -1)
    columns[vocabulary_columns[used]] = used
    all_counts = load_npz(counted / "counts.npz")
    counts = take_columns(all_counts, columns)
    return counts, row_sums(all_counts) - row_sums(counts)


def _hash(name: str) -> int:
    # Python's hash of a string is different in each process.
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little", signed=True)
