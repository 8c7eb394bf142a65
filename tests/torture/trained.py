"""A small model, corpus and search index, for readers of folders, and a checkpoint."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

Parse = Callable[[Path], None]
TEXTS = ("mast sail wind keel", "onion salt oven flour")


def make_folders(folder: Path) -> dict[str, tuple[Path, Parse, float]]:
    """Make the folders; return each with a function that reads all of it, and the weight of its files."""
    import docnvil
    from docnvil.corpus.reading import read_corpus
    from docnvil.corpus.writing import write_corpus
    from docnvil.search.index import make_index, open_index
    from docnvil.search.query import search_like, search_words
    from docnvil.storage.model_folder import load_model
    from docnvil.text.counts import count_words
    from docnvil.text.documents import SourceOptions
    from docnvil.text.excerpts import read_excerpts
    from docnvil.text.vocabulary import Vocabulary
    from docnvil.training.settings import Settings

    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "texts.txt"
    source.write_text("".join(f"{text}\n" for text in TEXTS) * 20)
    matrix = count_words(TEXTS * 20, max_df=1.0)
    model = docnvil.fit(matrix, Settings(units=(2, 2), epochs=2))
    if not (folder / "model").exists():
        docnvil.save(model, folder / "model")
        ids = [str(number) for number in range(1, 41)]
        metadata = {"group": ids}
        from docnvil.text.document_term_matrix import DocumentTermMatrix

        corpus = DocumentTermMatrix(matrix.counts, Vocabulary(matrix.vocabulary.words), ids, metadata, matrix.rules)
        write_corpus(corpus, folder / "corpus")
    excerpts = read_excerpts(source, SourceOptions(), matrix)
    place = (model, matrix.counts, excerpts, source, SourceOptions())
    make_index(folder / "index", *place, force=True)

    def read_model(path: Path) -> None:
        loaded = load_model(path, "cpu")
        loaded.topics(3)
        loaded.transform(matrix.counts[:2])

    def read_all(path: Path) -> None:
        corpus = read_corpus(path)
        assert corpus.counts.sum() >= 0
        assert len(list(corpus.ids)) == corpus.n_documents
        for values in corpus.metadata.values():
            assert len(list(values)) == corpus.n_documents

    def search(path: Path) -> None:
        index = open_index(path, model, source, SourceOptions())
        query = np.zeros((1, len(matrix.vocabulary)), dtype=int)
        query[0, 0] = 1
        from scipy.sparse import csr_array

        search_words(index, csr_array(query), 3)
        search_like(index, index.row_of("1"), 3)

    return {
        "model": (folder / "model", read_model, 0.25),
        "corpus": (folder / "corpus", read_all, 0.4),
        "index": (folder / "index", search, 0.25),
    }
