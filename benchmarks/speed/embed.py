"""Documents per second that docnvil embeds, compared with scikit-learn's LDA.transform and tomotopy's infer.

Data: the 7,502 test documents of 20 Newsgroups, 2,000 words; 50 units or topics; the same number of threads for all.
docnvil is timed twice: `transform` of counts in memory, and the whole `docnvil embed` command, from file to CSV and
with the start of Python, on the documents repeated ten times. Training time does not affect embedding time, so docnvil
is trained for one epoch; the others are trained as in `docnvil compare`.

    python benchmarks/speed/embed.py        2 minutes on two cores; writes benchmarks/results/embed.json
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import torch
from scipy.sparse import csr_array, save_npz, vstack

sys.path.insert(0, str(Path(__file__).parents[1]))

import ng20
from common import docnvil, median_seconds, save_results

from docnvil import DocNVIL
from docnvil.comparison.peers import PEERS
from docnvil.runtime.process import tune_malloc

COMMAND = "python benchmarks/speed/embed.py"
SETTINGS = {"docnvil": {}, "docnvil, factorial q": {"posterior": "factorial"}}
PEER_NAMES = ("sklearn-lda", "tomotopy-lda")
REPEATS = 10  # of the documents in the file that the command reads
UNITS = 50


def time_command(estimator: DocNVIL, counts: csr_array) -> dict[str, Any]:
    """Time `docnvil embed` on the documents repeated ten times."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        estimator.save(folder / "model")
        save_npz(folder / "counts.npz", vstack([counts] * REPEATS, format="csr"), compressed=False)
        embed = docnvil("embed", folder / "model", folder / "counts.npz", "--out", folder / "embeddings.csv")
    documents = REPEATS * counts.shape[0]
    return {
        "documents": documents,
        "seconds": round(embed.seconds, 2),
        "documents_per_second": round(documents / embed.seconds),
    }


@click.command()
@click.option("--threads", type=click.IntRange(min=1), default=2, show_default=True, help="Threads of every model.")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Timings of docnvil.")
def main(threads: int, rounds: int) -> None:
    """Time how fast models embed documents; write benchmarks/results/embed.json."""
    torch.set_num_threads(threads)
    tune_malloc()  # as `docnvil embed` does
    train, test = ng20.load()
    models: dict[str, dict[str, Any]] = {}
    for name, settings in SETTINGS.items():
        estimator = DocNVIL(UNITS, epochs=1, device="cpu", **settings).fit(train)
        (seconds,) = median_seconds(lambda fitted=estimator: fitted.transform(test), rounds=rounds)
        rate = round(test.shape[0] / seconds)
        models[name] = {"documents_per_second": rate, "command": time_command(estimator, test)}
        click.echo(f"{name}: {models[name]}", err=True)
    for name in PEER_NAMES:
        model = PEERS[name].fit(train, UNITS, 0, threads)
        start = time.perf_counter()
        model.encode(test)
        models[name] = {"documents_per_second": round(test.shape[0] / (time.perf_counter() - start), 1)}
        click.echo(f"{name}: {models[name]}", err=True)
    for name in SETTINGS:
        rate = models[name]["documents_per_second"]
        speedup = {peer: round(rate / models[peer]["documents_per_second"], 1) for peer in PEER_NAMES}
        models[name]["speedup"] = speedup
        click.echo(f"{name}, times as fast: {speedup}")
    save_results("embed", COMMAND, {"documents": test.shape[0], "units": UNITS, "threads": threads, "models": models})


if __name__ == "__main__":
    main()
