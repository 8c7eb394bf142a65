"""Run the RCV1 rows of the paper end to end on generated stories: token files to counts, training, test bounds.

The token files of LYRL2004 cannot be distributed, so stories of their form and size are generated: about 75 distinct
stems per story, frequencies by Zipf's law, subjects, and stems that recur within a story. The figures show what the
commands need in time and memory, not how well the models do on RCV1.

    python benchmarks/scale/stories.py          writes benchmarks/results/stories.json; minutes on one core

The commands are those for the real files, see docs/paper.md.
"""

import gzip
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np
from scipy.sparse import load_npz

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import ROOT, run_with_memory, save_results
from paper.rows import RCV1

COMMAND = "python benchmarks/scale/stories.py"
STEMS = 47_000  # RCV1-v2 has 47,236
SUBJECTS, STEMS_PER_SUBJECT = 100, 400
SUBJECT_SHARE = 0.5  # of the tokens of a story that are drawn from its subjects
CONCENTRATION = 250.0  # after n tokens, the next one repeats one of them with probability n / (n + this)
MEAN_TOKENS, SPREAD = 122, 0.6  # of a lognormal length
STEMS_PER_LINE = 10


def stem(number: int) -> str:
    """Return a stem for a number, of letters.

    Example:
        >>> stem(0), stem(46_999)
        ('baba', 'zumog')
    """
    letters = "bcdfghjklmnpqrstvwxz", "aeiou"
    parts = []
    for place in range(4):
        number, rest = divmod(number, len(letters[place % 2]))
        parts.append(letters[place % 2][rest])
    return "".join(parts) + ("" if not number else letters[0][number % 20] + ("" if number < 20 else "s"))


def write_stories(folder: Path, n_documents: int, seed: int, n_files: int = 2) -> list[Path]:
    """Write stories as token files of LYRL2004, gzipped as these are, and return their paths."""
    generator = np.random.default_rng(seed)
    frequencies = 1 / (np.arange(STEMS) + 20.0)
    cumulative = frequencies.cumsum() / frequencies.sum()
    subjects = generator.integers(30, STEMS // 4, (SUBJECTS, STEMS_PER_SUBJECT))
    names = np.array([stem(number) for number in range(STEMS)])
    paths = [folder / f"lyrl2004_tokens_part{number}.dat.gz" for number in range(n_files)]
    for path, rows in zip(paths, np.array_split(np.arange(n_documents), n_files), strict=True):
        with gzip.open(path, "wt", encoding="ascii", compresslevel=1) as file:
            for row in rows:
                tokens = names[_story(generator, cumulative, subjects)]
                starts = range(0, len(tokens), STEMS_PER_LINE)
                lines = [" ".join(tokens[start : start + STEMS_PER_LINE]) for start in starts]
                file.write(f".I {2286 + row}\n.W\n" + "\n".join(lines) + "\n\n")
    return paths


def _story(generator: np.random.Generator, cumulative: np.ndarray, subjects: np.ndarray) -> np.ndarray:
    """Return the stems of a story by number."""
    n_tokens = max(3, round(generator.lognormal(np.log(MEAN_TOKENS) - SPREAD**2 / 2, SPREAD)))
    tokens = np.searchsorted(cumulative, generator.random(n_tokens))
    own = subjects[generator.integers(len(subjects), size=generator.integers(1, 4))].ravel()
    of_subject = generator.random(n_tokens) < SUBJECT_SHARE
    tokens[of_subject] = own[(len(own) ** generator.random(of_subject.sum())).astype(int) - 1]
    places = np.arange(n_tokens)
    for place in places[generator.random(n_tokens) < places / (places + CONCENTRATION)]:
        tokens[place] = tokens[generator.integers(place)]
    return np.sort(tokens)  # the order of the stems in the real files is scrambled, too


@click.command()
@click.option("--documents", default=3_000, show_default=True, help="Stories to generate.")
@click.option("--held-out", default=200, show_default=True, help="How many of them are test documents.")
@click.option("--words", default=10_000, show_default=True, help="Most frequent stems to keep.")
@click.option("--epochs", default=2, show_default=True, help="Training epochs.")
@click.option("--rows", default=",".join(row.name for row in RCV1), show_default=True, help="Rows to train.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the JSON there instead of the committed results.")
def main(documents: int, held_out: int, words: int, epochs: int, rows: str, out: Path | None) -> None:
    """Measure the commands; write benchmarks/results/stories.json."""
    with tempfile.TemporaryDirectory() as folder:
        results = measure(Path(folder), documents, held_out, words, epochs, rows.split(","))
    settings = {"documents": documents, "held_out": held_out, "words": words, "epochs": epochs, "seed": 0}
    if out is None:
        save_results("stories", COMMAND, {"settings": settings, **results})
    else:
        out.write_text(json.dumps({"settings": settings, **results}, indent=2) + "\n", encoding="utf-8")


def measure(work: Path, documents: int, held_out: int, words: int, epochs: int, rows: list[str]) -> dict[str, Any]:
    """Return the corpus, and time and memory of each command."""
    options = [option for path in write_stories(work, documents, seed=0) for option in ("--lyrl", path)]
    recipe = [sys.executable, ROOT / "corpora" / "rcv1" / "recipe.py", *options, "--out", work / "rcv1"]
    counted = run_with_memory([*recipe, "--vocabulary-size", words, "--test", held_out], prints_json=False)
    counts = load_npz(work / "rcv1" / "counts.npz")
    results: dict[str, Any] = {
        "corpus": {
            "documents": counts.shape[0],
            "words": counts.shape[1],
            "tokens": int(counts.sum()),
            "distinct_stems_per_document": counts.nnz / counts.shape[0],
        },
        "counted": counted,
        "rows": {},
    }
    for name in rows:
        train = [sys.executable, ROOT / "benchmarks" / "paper" / "train.py", "rcv1", "--rows", name]
        train += ["--counts", work / "rcv1", "--epochs", epochs, "--threads", 1, "--work", work / "models"]
        used = run_with_memory(train, prints_json=False)
        trained = json.loads((work / "models" / "rcv1" / "results" / f"{name}.json").read_text(encoding="utf-8"))
        bounds = {bound: trained[bound]["perplexity_per_document"] for bound in ("test", "test_importance_weighted")}
        kept = {each: trained[each] for each in ("command", "epochs", "updates", "seconds")}
        results["rows"][name] = {**used, **kept, **bounds}
        click.echo(f"{name}: {results['rows'][name]}", err=True)
    return results


if __name__ == "__main__":
    main()
