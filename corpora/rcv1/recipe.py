"""Write RCV1-v2 as counts, from the weighted vectors of scikit-learn's `fetch_rcv1` or LYRL2004's token files.

    python corpora/rcv1/recipe.py --out rcv1 --test 10000
    python corpora/rcv1/recipe.py --lyrl lyrl2004_tokens_train.dat.gz --lyrl lyrl2004_tokens_test_pt0.dat.gz --out rcv1

The output folder holds `counts.npz` (SciPy CSR, int32), `counts.ids.txt`, `vocabulary.txt` (most frequent term first)
and, with --test, `train.npz` and `test.npz` with their ids. `recovery.py` explains how counts follow from weights.
"""

import socket
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from lyrl import count_tokens
from recovery import N_TRAINING, ambiguous_rows, recover_counts
from scipy import sparse
from sklearn.datasets import fetch_rcv1

from docnvil.errors import CorpusError, DocnvilError
from docnvil.runtime.folders import refuse_existing_folder, writing_folder

EXPECTED_DOCUMENTS = 804_414
TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class Counts:
    """A document-term matrix, [N, V], with the ids of its rows and the terms of its columns."""

    matrix: sparse.csr_array
    ids: Sequence[str]
    vocabulary: Sequence[str]

    def rows(self, rows: np.ndarray) -> "Counts":
        """Return the documents of these rows, in this order."""
        return Counts(self.matrix[rows], [self.ids[row] for row in rows], self.vocabulary)

    def most_frequent(self, size: int) -> "Counts":
        """Return the counts of the `size` most frequent terms, most frequent first; ties keep their order."""
        totals = np.asarray(self.matrix.sum(axis=0, dtype=np.int64)).ravel()
        columns = np.argsort(-totals, kind="stable")[:size]
        return Counts(
            sparse.csr_array(self.matrix[:, columns]), self.ids, [self.vocabulary[column] for column in columns]
        )


def fetch_counts(data_home: Path | None, terms: Path | None) -> Counts:
    """Return the counts recovered from the vectors of scikit-learn's `fetch_rcv1`.

    Arguments:
        data_home: scikit-learn's data folder, None for its default.
        terms: LYRL2004's stem.termid.idf.map.txt, or None.

    Raises:
        CorpusError: the vectors cannot be downloaded, or they are not ltc weights.
    """
    socket.setdefaulttimeout(TIMEOUT_SECONDS)  # scikit-learn sets none and could wait forever
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about retries; the error below reports the outcome
            vectors = fetch_rcv1(data_home=data_home, n_retries=2, delay=0.5)
    except OSError as error:
        raise CorpusError(
            f"RCV1 could not be downloaded from https://ndownloader.figshare.com ({error}). Run this on a machine with"
            " a network connection, or pass --data-home with a copy of another machine's scikit-learn data folder."
        ) from error
    counts = recover_counts(vectors.data, N_TRAINING)
    click.echo(
        f"Recovered the counts of {counts.shape[0]:,} documents (expected {EXPECTED_DOCUMENTS:,}); in"
        f" {len(ambiguous_rows(counts)):,} of them all terms occur equally often, so their counts are set to 1"
    )
    return Counts(counts, [str(number) for number in vectors.sample_id], read_terms(terms, counts.shape[1]))


def read_terms(path: Path | None, n_terms: int) -> list[str]:
    """Return the stems, [V], from LYRL2004's stem.termid.idf.map.txt; without it `term1`, `term2` and so on.

    Arguments:
        path: the file, or None.
        n_terms: V, the number of terms.

    Raises:
        CorpusError: a line has no stem and number, or a number is missing.
    """
    if path is None:
        return [f"term{number}" for number in range(1, n_terms + 1)]
    try:
        pairs = [line.split()[:2] for line in path.read_text(encoding="ascii").splitlines() if line.strip()]
        stems = {int(number): stem for stem, number in pairs}
        return [stems[number] for number in range(1, n_terms + 1)]
    except (OSError, UnicodeDecodeError, ValueError, KeyError) as error:
        raise CorpusError(
            f"{path} does not have a stem for each number from 1 to {n_terms:,} ({error!r}). Pass LYRL2004's"
            " stem.termid.idf.map.txt, whose lines start with a stem and its number."
        ) from error


def split(counts: Counts, n_test: int, seed: int) -> dict[str, Counts]:
    """Draw `n_test` test documents at random; train and test keep the order of the documents.

    Raises:
        CorpusError: there are no documents left to train on.
    """
    n_documents = counts.matrix.shape[0]
    if n_test >= n_documents:
        raise CorpusError(
            f"--test {n_test:,} leaves no training documents out of {n_documents:,}. Use a smaller number."
        )
    is_test = np.zeros(n_documents, bool)
    is_test[np.random.default_rng(seed).choice(n_documents, n_test, replace=False)] = True
    return {"train": counts.rows(np.flatnonzero(~is_test)), "test": counts.rows(np.flatnonzero(is_test))}


def write(folder: Path, splits: dict[str, Counts]) -> None:
    """Write the matrix and the ids of each split, and their common vocabulary."""
    for name, counts in splits.items():
        # read_counts and older SciPy versions expect a matrix; the stored file is the same as for an array.
        sparse.save_npz(folder / f"{name}.npz", sparse.csr_matrix(counts.matrix.astype(np.int32)))
        _write_lines(folder / f"{name}.ids.txt", counts.ids)
    _write_lines(folder / "vocabulary.txt", next(iter(splits.values())).vocabulary)


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


_existing_file = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Output folder.")
@click.option("--lyrl", type=_existing_file, multiple=True, help="Token file of LYRL2004; repeat the option per file.")
@click.option("--terms", type=_existing_file, help="stem.termid.idf.map.txt of LYRL2004, which names the terms.")
@click.option("--data-home", type=click.Path(path_type=Path, file_okay=False), help="scikit-learn's data folder.")
@click.option(
    "--vocabulary-size",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    help="Number of most frequent terms to keep.",
)
@click.option(
    "--test",
    "n_test",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Number of documents to split off for testing.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the split.")
@click.option("--force", is_flag=True, help="Replace the folder if this recipe wrote it.")
def main(
    out: Path,
    lyrl: tuple[Path, ...],
    terms: Path | None,
    data_home: Path | None,
    vocabulary_size: int,
    n_test: int,
    seed: int,
    force: bool,
) -> None:
    """Write RCV1-v2 as counts of its most frequent terms.

    Example: python corpora/rcv1/recipe.py --out rcv1 --vocabulary-size 10000 --test 10000 --seed 0
    """
    try:
        refuse_existing_folder(out, kind="counts", force=force)
        click.echo("Counting tokens" if lyrl else "Reading vectors (the first run downloads about 650 MB)", err=True)
        counts = Counts(*count_tokens(lyrl)) if lyrl else fetch_counts(data_home, terms)
        n_terms = counts.matrix.shape[1]
        counts = counts.most_frequent(vocabulary_size)
        splits = {"counts": counts} | (split(counts, n_test, seed) if n_test else {})
        with writing_folder(out, kind="counts", force=force) as folder:
            write(folder, splits)
    except DocnvilError as error:
        raise click.ClickException(error.command_line_message) from error
    sizes = ", ".join(f"{name} {each.matrix.shape[0]:,}" for name, each in splits.items())
    tokens = counts.matrix.sum(dtype=np.int64)
    click.echo(
        f"{len(counts.vocabulary):,} of {n_terms:,} terms, {tokens:,} tokens; documents: {sizes}"
        f" (RCV1-v2 has {EXPECTED_DOCUMENTS:,})"
    )


if __name__ == "__main__":
    main()
