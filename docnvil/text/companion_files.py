"""Files of words and of ids next to a file of counts, which contains neither; both have one entry per line."""

from pathlib import Path

from docnvil.errors import CorpusError, VocabularyError, counted, warn
from docnvil.text.compression import uncompressed_name
from docnvil.text.files import open_text
from docnvil.text.vocabulary import Vocabulary

_HEADERS = {
    "word",
    "words",
    "term",
    "terms",
    "token",
    "tokens",
    "feature",
    "features",
    "vocab",
    "vocabulary",
    "x",
    "v1",
}


def stem_of(path: Path) -> str:
    """Return the name of a file without its suffix, and without that of its compression."""
    return Path(uncompressed_name(path)).stem


def ids_path(path: Path) -> Path:
    """Return the path of the ids of a file of counts."""
    return path.with_name(f"{stem_of(path)}.ids.txt")


def vocabulary_paths(path: Path) -> list[Path]:
    """Return where the words of a file of counts may be, in the order in which the files are tried.

    Example:
        >>> [file.name for file in vocabulary_paths(Path("docword.kos.txt.gz"))][:4]
        ['docword.kos.vocab.txt', 'vocab.kos.txt', 'docword.kos.txt.vocab', 'docword.kos.vocab']
    """
    stem, whole = stem_of(path), uncompressed_name(path)
    short = stem.removeprefix("docword.")
    # Specific names come first, as `vocabulary.txt` may belong to another file in the folder.
    names = [f"{stem}.vocab.txt", f"vocab.{short}.txt", f"{whole}.vocab", f"{stem}.vocab"]
    names += [f"{short}.vocab.txt", f"{short}.vocab"]
    # gensim's make_wikicorpus writes X_bow.mm, X_tfidf.mm and X_wordids.txt.bz2.
    topics = dict.fromkeys((stem, stem.removesuffix("_bow"), stem.removesuffix("_corpus")))
    if whole.lower().endswith((".mm", ".mtx")):
        names += [f"{topic}_wordids.txt{compression}" for topic in topics for compression in ("", ".bz2", ".gz")]
    names += ["vocabulary.txt", "vocab.txt"]
    return [path.with_name(name) for name in dict.fromkeys(names)]


def find_vocabulary(path: Path) -> Path | None:
    """Return the file with the words of a file of counts, or None if there is none."""
    return next((file for file in vocabulary_paths(path) if file.is_file()), None)


def warn_of_missing_vocabulary(path: Path, shape: tuple[int, int]) -> None:
    """Warn that the columns of a file of counts have no words."""
    tried = ", ".join(file.name for file in vocabulary_paths(path))
    warn(
        f"{path} has {counted(shape[0], 'document')} and {counted(shape[1], 'word')} without names: no vocabulary was"
        f" found; looked for {tried}. Pass --vocabulary to name the words."
    )


def looks_like_header(word: str) -> bool:
    """Return whether the first line of a vocabulary is probably not a word but a heading."""
    return word.strip().strip('"').lower() in _HEADERS or word.startswith(("#", "%"))


def check_words(
    path: Path, words_path: Path, vocabulary: Vocabulary, shape: tuple[int, int], *, states_width: bool, is_part: bool
) -> None:
    """Compare a vocabulary with counts `[N, V]`.

    If the format does not state V, it follows from the last word. It may be smaller than the vocabulary, with a warning
    unless the counts are a part of a corpus.

    Raises:
        VocabularyError: the numbers of words differ.
    """
    n_rows, n_columns = shape
    size = len(vocabulary)
    header = f" Its first line is {vocabulary[0]!r}; remove it if it is a heading." * looks_like_header(vocabulary[0])
    if size > n_columns and not states_width:
        if header or not is_part:
            warn(f"{words_path} has {size:,} words, of which {path} uses only the first {n_columns:,}.{header}")
        return
    if header and not states_width:
        warn(f"{words_path} has {counted(size, 'word')}.{header}")
    if size != n_columns:
        remedy = header or " Pass the vocabulary of these counts with --vocabulary."
        if size == n_rows:
            remedy = " The number of rows fits; pass --transpose if the rows are words."
        elif size == n_columns - 1 and not states_width:
            remedy = " If the first word has the number 1, pass --index-base 1, or else their --vocabulary."
        raise VocabularyError(f"{path} has {counted(n_columns, 'word')} and {words_path} has {size:,}.{remedy}")


def load_ids(path: Path, shape: tuple[int, int]) -> tuple[str, ...]:
    """Return the ids next to counts `[N, V]`, or row numbers from 1 if there is no file of ids.

    Raises:
        CorpusError: the number of ids is not N.
    """
    n_documents, n_columns = shape
    file = ids_path(path)
    if not file.is_file():
        return tuple(str(number) for number in range(1, n_documents + 1))
    with open_text(file) as lines:
        ids = tuple(line.removesuffix("\n") for line in lines)
    if len(ids) != n_documents:
        remedy = f"Remove {file.name} if it belongs to another file, or download {path.name} again."
        if len(ids) == n_columns:
            remedy = "The number of columns fits; pass --transpose if the columns are documents."
        raise CorpusError(
            f"{path} has {counted(n_documents, 'document')} and {file} has {counted(len(ids), 'id')}. {remedy}"
        )
    return ids
