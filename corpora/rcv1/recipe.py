"""Write RCV1-v2 as counts, from the weighted vectors that scikit-learn fetches or from the token files of LYRL2004.

    python corpora/rcv1/recipe.py --out rcv1 --test 10000
    python corpora/rcv1/recipe.py --lyrl lyrl2004_tokens_train.dat.gz --lyrl lyrl2004_tokens_test_pt0.dat.gz --out rcv1

The folder holds `counts.npz` (SciPy CSR, int32), `counts.ids.txt`, `vocabulary.txt` (most frequent term first) and,
with --test, `train.npz` and `test.npz` with their ids. How counts come back from weights stands in `recovery.py`.
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
SECONDS_TO_WAIT = 30.0


@dataclass(frozen=True)
class Counts:
    """A document-term matrix, [N, V], with the ids of its rows and the words of its columns."""

    matrix: sparse.csr_array
    ids: Sequence[str]
    vocabulary: Sequence[str]

    def rows(self, rows: np.ndarray) -> "Counts":
        """Return these documents, in this order."""
        return Counts(self.matrix[rows], [self.ids[row] for row in rows], self.vocabulary)

    def most_frequent(self, size: int) -> "Counts":
        """Keep the `size` terms of the most occurrences in all documents, most frequent first, ties as they stand."""
        totals = np.asarray(self.matrix.sum(axis=0, dtype=np.int64)).ravel()
        columns = np.argsort(-totals, kind="stable")[:size]
        return Counts(
            sparse.csr_array(self.matrix[:, columns]), self.ids, [self.vocabulary[column] for column in columns]
        )


def fetch_counts(data_home: Path | None, terms: Path | None) -> Counts:
    """Recover the counts behind the vectors of scikit-learn's `fetch_rcv1`.

    Raises:
        CorpusError: the vectors cannot be fetched, or are not what they are taken for.
    """
    socket.setdefaulttimeout(SECONDS_TO_WAIT)  # scikit-learn sets none and would wait for ever
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they count the tries; what comes of it is said below
            vectors = fetch_rcv1(data_home=data_home, n_retries=2, delay=0.5)
    except OSError as error:
        raise CorpusError(
            f"RCV1 could not be fetched from https://ndownloader.figshare.com, where scikit-learn takes it ({error})."
            " Run this on a machine with a network, or pass --data-home with the folder of a machine that had one."
        ) from error
    counts = recover_counts(vectors.data, N_TRAINING)
    click.echo(
        f"recovered whole counts for {counts.shape[0]:,} documents (expected {EXPECTED_DOCUMENTS:,});"
        f" {len(ambiguous_rows(counts)):,} of them have all terms equally often and got ones"
    )
    return Counts(counts, [str(number) for number in vectors.sample_id], read_terms(terms, counts.shape[1]))


def read_terms(path: Path | None, n_terms: int) -> list[str]:
    """Return the stems by their number, from LYRL2004's stem.termid.idf.map.txt; without it `term1`, `term2` ...

    Raises:
        CorpusError: the file does not hold a stem and its number a line, or a number is missing.
    """
    if path is None:
        return [f"term{number}" for number in range(1, n_terms + 1)]
    try:
        pairs = [line.split()[:2] for line in path.read_text(encoding="ascii").splitlines() if line.strip()]
        stems = {int(number): stem for stem, number in pairs}
        return [stems[number] for number in range(1, n_terms + 1)]
    except (OSError, UnicodeDecodeError, ValueError, KeyError) as error:
        raise CorpusError(
            f"{path} does not give a stem for each number from 1 to {n_terms:,} ({error!r}). Pass LYRL2004's"
            " stem.termid.idf.map.txt, whose lines begin with a stem and its number."
        ) from error


def split(counts: Counts, n_test: int, seed: int) -> dict[str, Counts]:
    """Draw `n_test` documents for testing; both parts keep the order of the documents.

    Raises:
        CorpusError: there are not more documents than that.
    """
    n_documents = counts.matrix.shape[0]
    if n_test >= n_documents:
        raise CorpusError(f"--test {n_test:,} leaves nothing of {n_documents:,} documents. Ask for fewer.")
    chosen = np.zeros(n_documents, bool)
    chosen[np.random.default_rng(seed).choice(n_documents, n_test, replace=False)] = True
    return {"train": counts.rows(np.flatnonzero(~chosen)), "test": counts.rows(np.flatnonzero(chosen))}


def write(folder: Path, parts: dict[str, Counts]) -> None:
    """Write each part's matrix and ids under its name, and the vocabulary that they share."""
    for name, counts in parts.items():
        # read_counts and older SciPy alike expect a matrix; the array class differs in nothing that is stored here.
        sparse.save_npz(folder / f"{name}.npz", sparse.csr_matrix(counts.matrix.astype(np.int32)))
        _write_lines(folder / f"{name}.ids.txt", counts.ids)
    _write_lines(folder / "vocabulary.txt", next(iter(parts.values())).vocabulary)


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


_existing_file = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The folder to write.")
@click.option("--lyrl", type=_existing_file, multiple=True, help="A token file of LYRL2004, in order; repeat for each.")
@click.option("--terms", type=_existing_file, help="stem.termid.idf.map.txt of LYRL2004, to name the terms.")
@click.option("--data-home", type=click.Path(path_type=Path, file_okay=False), help="scikit-learn's data folder.")
@click.option("--vocabulary-size", type=click.IntRange(min=1), default=10_000, show_default=True)
@click.option(
    "--test", "n_test", type=click.IntRange(min=0), default=0, help="Split off so many documents for testing."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the split.")
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
        click.echo("counting the tokens" if lyrl else "fetching the vectors (about 650 MB at first)", err=True)
        counts = Counts(*count_tokens(lyrl)) if lyrl else fetch_counts(data_home, terms)
        n_terms = counts.matrix.shape[1]
        counts = counts.most_frequent(vocabulary_size)
        parts = {"counts": counts} | (split(counts, n_test, seed) if n_test else {})
        with writing_folder(out, kind="counts", force=force) as folder:
            write(folder, parts)
    except DocnvilError as error:
        raise click.ClickException(str(error)) from error
    sizes = ", ".join(f"{name} {part.matrix.shape[0]:,}" for name, part in parts.items())
    tokens = counts.matrix.sum(dtype=np.int64)
    click.echo(
        f"{len(counts.vocabulary):,} of {n_terms:,} terms, {tokens:,} tokens; documents: {sizes}"
        f" (RCV1-v2 has {EXPECTED_DOCUMENTS:,})"
    )


if __name__ == "__main__":
    main()
