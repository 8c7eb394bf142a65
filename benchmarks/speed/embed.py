"""How fast documents become codes: docnvil beside scikit-learn's LDA.transform and tomotopy's infer.

    python benchmarks/speed/embed.py        writes benchmarks/results/embed.json

All read the test posts of 20 Newsgroups, 2,000 words, into 50 units or topics, at their own defaults and on as many
threads. Ours is timed twice: `transform` of counts that lie in memory, and the whole command from file to CSV, start of
Python included, on the posts ten times over. How long a model was trained does not change how fast it reads; so ours is
trained for one epoch, and theirs as `docnvil compare` does.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import torch
from scipy.sparse import csr_array, load_npz, save_npz, vstack

sys.path.insert(0, str(Path(__file__).parents[1]))

from chains import in_turn
from common import docnvil, keep, shared_data

from docnvil import DocNVIL
from docnvil.comparison.peers import PEERS
from docnvil.runtime.process import tune_malloc

COMMAND = "python benchmarks/speed/embed.py"
OURS = {  # what q does: one unit of a document after another, or all at once
    "docnvil": {},
    "docnvil, factorial q": {"posterior": "factorial"},
}
RIVALS = ("sklearn-lda", "tomotopy-lda")
TIMES = 10  # the posts in the file that the command reads
UNITS = 50


def whole_command(estimator: DocNVIL, counts: csr_array) -> dict[str, Any]:
    """Run `docnvil embed` on the posts ten times over, as a user does."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        estimator.save(folder / "model")
        save_npz(folder / "counts.npz", vstack([counts] * TIMES, format="csr"), compressed=False)
        done = docnvil("embed", folder / "model", folder / "counts.npz", "--out", folder / "embeddings.csv")
    documents = TIMES * counts.shape[0]
    return {
        "documents": documents,
        "seconds": round(done.seconds, 2),
        "documents_per_second": round(documents / done.seconds),
    }


@click.command()
@click.option("--threads", type=click.IntRange(min=1), default=2, show_default=True, help="Of every model.")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Of ours; theirs take one.")
def main(threads: int, rounds: int) -> None:
    """Time how models read documents."""
    torch.set_num_threads(threads)
    tune_malloc()  # as `docnvil embed` does
    train, test = (csr_array(load_npz(shared_data(f"ng20_sh2009/{part}.npz"))) for part in ("train", "test"))
    found: dict[str, dict[str, Any]] = {}
    for name, settings in OURS.items():
        estimator = DocNVIL(UNITS, epochs=1, device="cpu", **settings).fit(train)
        (seconds,) = in_turn(lambda fitted=estimator: fitted.transform(test), rounds=rounds)
        rate = round(test.shape[0] / seconds)
        found[name] = {"documents_per_second": rate, "command": whole_command(estimator, test)}
        click.echo(f"{name}: {found[name]}", err=True)
    for name in RIVALS:
        model = PEERS[name].fit(train, UNITS, 0, threads)
        started = time.perf_counter()
        model.encode(test)
        found[name] = {"documents_per_second": round(test.shape[0] / (time.perf_counter() - started), 1)}
        click.echo(f"{name}: {found[name]}", err=True)
    for name in OURS:
        ours = found[name]
        ours["times_as_fast_as"] = {
            rival: round(ours["documents_per_second"] / found[rival]["documents_per_second"], 1) for rival in RIVALS
        }
        click.echo(f"{name}, times as fast: {ours['times_as_fast_as']}")
    keep("embed", COMMAND, {"documents": test.shape[0], "units": UNITS, "threads": threads, "found": found})


if __name__ == "__main__":
    main()
