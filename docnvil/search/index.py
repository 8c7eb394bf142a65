"""The search index of a corpus: a folder of memory-mapped arrays beside it.

    index.json                 format version, sizes, and the fingerprints of the model and of the corpus
    documents.jsonl            id, title and excerpt, one array per document
    document_offsets.npy       where each line of documents.jsonl begins, [N + 1], int64
    id_hashes.npy              a hash of each id, [N], uint64
    idf.npy                    the inverse document frequency of each word, [V], float32
    indptr.npy                 where the words of each document begin, [N + 1], int64
    words.npy, weights.npy     its words and their tf-idf weights, a vector of length 1, int32 and float16
    postings_indptr.npy        where the documents of each word begin, [V + 1], int64
    postings_rows.npy, postings_weights.npy    the same weights by word, int32 and float16
    probabilities.npy          q(h_k = 1 | x) of the first layer, [N, K], float16
    norms.npy                  the length of the weighted probabilities, [N], float32, see `unit_weights`
    log_normalizers.npy        log sum_w exp(W h + b)_w with these probabilities as h, [N], float32
    codes.npy                  the binary codes, 16 units per number, [K / 16, N], uint16; only for large corpora
    code_log_normalizers.npy   likewise, with the codes as h

Axes: N documents, V words, K units of the first layer.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray

from docnvil import __version__
from docnvil.analysis.unit_probabilities import unit_probabilities
from docnvil.corpus.writing import ArrayWriter
from docnvil.errors import CheckpointError, ConfigurationError, CorpusError, format_examples, translating_errors
from docnvil.model.normalizers import log_normalizer
from docnvil.runtime.arrays import map_array, map_bytes, save_array
from docnvil.runtime.disk import reserve_space
from docnvil.runtime.folders import read_unchanged, verify_folder, write_json, writing_folder
from docnvil.search.fingerprints import fingerprint_corpus, fingerprint_model, is_same_corpus
from docnvil.search.index_checks import BITS, REBUILD, check_arrays
from docnvil.text.excerpts import Excerpt
from docnvil.text.normalization import same_forms
from docnvil.text.settings import SourceOptions
from docnvil.text.sparse import CountRows, chunk_slices, document_frequencies, row_chunks
from docnvil.text.tf_idf import tf_idf
from docnvil.training.fitted_model import FittedModel

KIND = "search index"
FORMAT_VERSION = 1
EXACT_LIMIT = 100_000  # documents; larger corpora are preselected by binary codes
ARRAYS = ("document_offsets", "id_hashes", "idf", "indptr", "words", "weights", "postings_indptr", "postings_rows")
ARRAYS += ("postings_weights", "probabilities", "norms", "log_normalizers")
PROGRESS_STEP = 1000  # documents
Progress = Callable[[int], object]
CODE_ARRAYS = ("codes", "code_log_normalizers")


@dataclass(frozen=True, eq=False)
class SearchIndex:
    """An index that is open; its arrays stay on disk until they are used.

    Arguments:
        path: the folder.
        model: the model that it was made with.
        arrays: the arrays by name, see the module.
        documents: the bytes of documents.jsonl.
    """

    path: Path
    model: FittedModel
    arrays: Mapping[str, NDArray[Any]]
    documents: NDArray[np.uint8]

    def reading(self) -> AbstractContextManager[None]:
        """Return a context in which errors of the index's content are reported with its path."""
        return translating_errors(CheckpointError, self.path, REBUILD)

    @property
    def n_documents(self) -> int:
        """N, the number of documents, including empty ones."""
        return len(self.arrays["norms"])

    @property
    def has_codes(self) -> bool:
        """Whether documents are preselected by binary codes."""
        return "codes" in self.arrays

    @cached_property
    def empty(self) -> NDArray[np.bool_]:
        """Whether a document has no known words, `[N]`."""
        return np.diff(self.arrays["indptr"]) == 0

    @cached_property
    def unit_weights(self) -> NDArray[np.float32]:
        """The weight of each unit for the similarity of two documents, `[K]`, see `unit_weights`."""
        return unit_weights(self.model)

    @cached_property
    def parameters(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The weight W, `[V, K]`, and the bias of the visible layer less log p(w) of the training words, `[V]`."""
        visible = self.model.network.generative.visible
        frequency = self.model.statistics.word_frequency + 0.01
        bias = visible.bias.detach().cpu().double().numpy() - np.log(frequency / frequency.sum())
        return visible.weight.detach().cpu().float().numpy(), bias.astype(np.float32)

    def excerpt(self, row: int) -> Excerpt:
        """Return the id, title and excerpt of a document."""
        with self.reading():
            start, stop = self.arrays["document_offsets"][row : row + 2]
            id, title, text, is_text = json.loads(self.documents[start:stop].tobytes())
            if not all(isinstance(each, str) for each in (id, title, text)):
                raise ValueError("no id, title and excerpt")
            return Excerpt(id, title, text, is_text)

    def row_of(self, name: str) -> int:
        """Return the row of the first document with an id, or with one that looks the same, see `same_forms`.

        Raises:
            CorpusError: no document has this id.
        """
        for form in same_forms(name):
            for row in np.flatnonzero(self.arrays["id_hashes"] == hash_id(form)).tolist():
                if self.excerpt(row).id == form:
                    return row
        first = format_examples([self.excerpt(row).id for row in range(min(3, self.n_documents))])
        raise CorpusError(f"No document has the id {format_examples([name])}. The first ids are {first}.")


def unit_weights(model: FittedModel) -> NDArray[np.float32]:
    """Return -log of the share of training documents with each unit on, `[K]`: sharing a rare unit says more."""
    statistics = model.statistics
    share = statistics.activity / max(1, statistics.n_documents)
    return -np.log(np.clip(share, 0, 1 - 2e-3) + 1e-3).astype(np.float32)


def hash_id(name: str) -> np.uint64:
    """Return a hash of an id."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def build_index(
    path: Path,
    model: FittedModel,
    counts: CountRows,
    excerpts: Iterable[Excerpt],
    corpus: Mapping[str, Any],
    *,
    force: bool = False,
    exact_limit: int = EXACT_LIMIT,
    progress: Progress | None = None,
) -> None:
    """Write the index of a corpus; a few thousand documents are in memory at once.

    Arguments:
        path: the folder to write.
        model: the model.
        counts: `[N, V]`, with the model's vocabulary.
        excerpts: the id, title and excerpt of each document.
        corpus: the fingerprint of the corpus, from `fingerprint_corpus`.
        force: whether to replace an index at `path`.
        exact_limit: the largest N without codes.
        progress: called with a number of documents, twice for each document in total.

    Raises:
        ConfigurationError: the model is not one of words.
        OutputExistsError: there is something at `path` that must not be replaced.
    """
    if not model.network.generative.visible.supports_completion:
        raise ConfigurationError("Search needs a model of words, and this is a model of binary vectors.")
    n_documents = counts.shape[0]
    frequencies = document_frequencies(counts)
    idf = (np.log((1 + n_documents) / (1 + frequencies)) + 1).astype(np.float32)
    with writing_folder(path, kind=KIND, force=force) as draft:
        save_array(draft / "idf.npy", idf)
        _write_documents(draft, excerpts, n_documents, progress)
        _write_words(draft, counts, idf)
        _write_postings(draft, frequencies)
        _write_units(draft, model, counts, progress, has_codes=n_documents > exact_limit)
        description = {"format_version": FORMAT_VERSION, "docnvil": __version__, "documents": n_documents}
        description |= {"words": len(idf), "entries": int(frequencies.sum())}
        write_json(draft / "index.json", {**description, "model": fingerprint_model(model), "corpus": dict(corpus)})


def open_index(path: Path, model: FittedModel, source: Path, options: SourceOptions) -> SearchIndex:
    """Open an index, after comparing its files with the manifest, and its origin with the model and the corpus.

    Arguments:
        path: the folder.
        model: the model to search with.
        source: the corpus.
        options: the options that the corpus is read with.

    Raises:
        CheckpointError: the folder is missing, incomplete or damaged, or is of another model or corpus.
    """
    return read_unchanged(path, lambda: _open(path, model, source, options))


def _open(path: Path, model: FittedModel, source: Path, options: SourceOptions) -> SearchIndex:
    verify_folder(path, kind=KIND, required=["index.json"])
    with translating_errors(CheckpointError, path, REBUILD):
        description = json.loads((path / "index.json").read_text(encoding="utf-8"))
        if description["format_version"] != FORMAT_VERSION:
            raise CheckpointError(f"{path} has index format {description['format_version']}. {REBUILD}")
        if description["model"] != fingerprint_model(model):
            raise CheckpointError(f"{path} belongs to another model. {REBUILD}")
        if not is_same_corpus(source, options, description["corpus"]):
            raise CheckpointError(f"{path} was made from another state of {source}, or with other options. {REBUILD}")
        names = [*ARRAYS, *(name for name in CODE_ARRAYS if (path / f"{name}.npy").exists())]
        arrays = {name: map_array(path / f"{name}.npy") for name in names}
        # Slices of plain arrays take a tenth of the time of those of np.memmap.
        arrays = {name: array.view(np.ndarray) for name, array in arrays.items()}
        documents = map_bytes(path / "documents.jsonl").view(np.ndarray)
        check_arrays(path, arrays, *model.network.generative.visible.weight.shape)
    return SearchIndex(path, model, arrays, documents)


def describe_index(path: Path) -> dict[str, Any]:
    """Return the sizes of an index, as JSON values.

    Raises:
        CheckpointError: the folder is incomplete or damaged.
    """
    verify_folder(path, kind=KIND, required=["index.json"])
    with translating_errors(CheckpointError, path, "Build the index again with --rebuild."):
        description = json.loads((path / "index.json").read_text(encoding="utf-8"))
        values = {name: int(description[name]) for name in ("documents", "words", "entries")}
    n_bytes = sum(file.stat().st_size for file in path.iterdir())
    return {**values, "binary_codes": (path / "codes.npy").exists(), "bytes": n_bytes}


def make_index(
    path: Path,
    model: FittedModel,
    counts: CountRows,
    excerpts: Iterable[Excerpt],
    source: Path,
    options: SourceOptions,
    *,
    force: bool = False,
    progress: Progress | None = None,
) -> SearchIndex:
    """Build the index of a corpus, and open it; the arguments are those of `build_index` and `open_index`."""
    build_index(path, model, counts, excerpts, fingerprint_corpus(source, options), force=force, progress=progress)
    return open_index(path, model, source, options)


def _write_documents(draft: Path, excerpts: Iterable[Excerpt], n_documents: int, progress: Progress | None) -> None:
    """Write documents.jsonl, the offsets of its lines, and the hashes of the ids."""
    n_bytes = n_rows = 0
    with ExitStack() as stack:
        file = stack.enter_context((draft / "documents.jsonl").open("wb"))
        offsets = stack.enter_context(closing(ArrayWriter(draft / "document_offsets.npy", np.int64)))
        hashes = stack.enter_context(closing(ArrayWriter(draft / "id_hashes.npy", np.uint64)))
        offsets.append(np.zeros(1, np.int64))
        for excerpt in excerpts:
            values = [excerpt.id, excerpt.title, excerpt.text, excerpt.is_text]
            n_bytes += file.write(json.dumps(values, ensure_ascii=True).encode() + b"\n")
            offsets.append(np.array([n_bytes]))
            hashes.append(np.array([hash_id(excerpt.id)]))
            n_rows += 1
            if progress is not None and n_rows % PROGRESS_STEP == 0:
                progress(PROGRESS_STEP)
    if n_rows != n_documents:
        raise ValueError(f"There are {n_rows:,} excerpts for {n_documents:,} documents.")


def _write_words(draft: Path, counts: CountRows, idf: NDArray[np.float32]) -> None:
    """Write the tf-idf vector of each document, (1 + log x_w) idf_w, with length 1."""
    kinds = {"indptr": np.int64, "words": np.int32, "weights": np.float16}
    with ExitStack() as stack:
        indptr, words, weights = (
            stack.enter_context(closing(ArrayWriter(draft / f"{name}.npy", kind))) for name, kind in kinds.items()
        )
        n_entries = 0
        indptr.append(np.zeros(1, np.int64))
        for chunk in row_chunks(counts):
            vectors = tf_idf(chunk, idf)
            indptr.append(n_entries + vectors.indptr[1:].astype(np.int64))
            words.append(vectors.indices)
            weights.append(vectors.data)
            n_entries += vectors.nnz


def _write_postings(draft: Path, frequencies: NDArray[np.int64]) -> None:
    """Write the same weights by word, with one chunk of documents in memory at a time."""
    indptr, words, weights = (np.load(draft / f"{name}.npy", mmap_mode="r") for name in ("indptr", "words", "weights"))
    starts = np.concatenate([[0], np.cumsum(frequencies, dtype=np.int64)])
    save_array(draft / "postings_indptr.npy", starts)
    rows, values = (
        _mapped_array(draft / f"postings_{name}.npy", kind, (int(starts[-1]),))
        for name, kind in (("rows", np.int32), ("weights", np.float16))
    )
    following = starts[:-1].copy()
    entries = np.diff(indptr)
    for chunk in chunk_slices(entries):
        stored = slice(int(indptr[chunk.start]), int(indptr[chunk.stop]))
        order = np.argsort(words[stored], kind="stable")
        columns = words[stored][order]
        numbers = np.bincount(columns, minlength=len(frequencies))
        within = np.arange(len(order)) - np.repeat(np.cumsum(numbers) - numbers, numbers)
        places = following[columns] + within
        documents = np.repeat(np.arange(chunk.start, chunk.stop), entries[chunk])
        rows[places], values[places] = documents[order], weights[stored][order]
        following += numbers
    rows.flush()
    values.flush()


@torch.no_grad()
def _write_units(
    draft: Path, model: FittedModel, counts: CountRows, progress: Progress | None, *, has_codes: bool
) -> None:
    """Write the probabilities of the units and what follows from them."""
    n_documents, n_units = counts.shape[0], model.network.config.units[0]
    kinds: dict[str, Any] = {"probabilities": (np.float16, (n_documents, n_units))}
    kinds |= dict.fromkeys(("norms", "log_normalizers"), (np.float32, (n_documents,)))
    if has_codes:
        kinds["codes"] = (np.uint16, (-(-n_units // BITS), n_documents))
        kinds["code_log_normalizers"] = (np.float32, (n_documents,))
    arrays = {name: _mapped_array(draft / f"{name}.npy", kind, shape) for name, (kind, shape) in kinds.items()}
    weights = unit_weights(model)
    first = 0
    for chunk in row_chunks(counts):
        rows = slice(first, first := first + chunk.shape[0])
        probabilities = unit_probabilities(model.network, chunk)[:, :n_units].astype(np.float16).astype(np.float32)
        arrays["probabilities"][rows] = probabilities
        arrays["norms"][rows] = np.linalg.norm(probabilities * weights, axis=1)
        arrays["log_normalizers"][rows] = _log_normalizers(model, probabilities)
        if has_codes:
            codes = probabilities > 0.5
            arrays["codes"][:, rows] = pack_codes(codes)
            arrays["code_log_normalizers"][rows] = _log_normalizers(model, codes)
        if progress is not None:
            progress(chunk.shape[0])
    for array in arrays.values():
        array.flush()


def _mapped_array(path: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> np.memmap:
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    reserve_space(path)
    return array


def pack_codes(codes: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """Return binary codes `[N, K]` with 16 units per number, the first in the lowest bit, `[K / 16, N]`.

    Example:
        >>> pack_codes(np.array([[True, False, True]])).tolist()
        [[5]]
    """
    n_numbers = -(-codes.shape[1] // BITS)
    padded = np.zeros((len(codes), n_numbers * BITS), dtype=np.uint16)
    padded[:, : codes.shape[1]] = codes
    powers = np.uint16(1) << np.arange(BITS, dtype=np.uint16)
    return (padded.reshape(len(codes), n_numbers, BITS) * powers).sum(2, dtype=np.uint16).T


def _log_normalizers(model: FittedModel, units: NDArray[Any]) -> NDArray[np.float32]:
    visible = model.network.generative.visible
    samples = torch.from_numpy(units.astype(np.float32)).to(visible.weight)
    return log_normalizer(samples, visible.weight, visible.bias).cpu().float().numpy()
