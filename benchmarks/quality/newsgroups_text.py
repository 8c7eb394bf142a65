"""20 Newsgroups as raw posts, headers and all, at the defaults: seconds, peak memory, and the topics.

python benchmarks/quality/newsgroups_text.py        writes benchmarks/results/newsgroups_text.json
"""

import sys
import tempfile
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import docnvil, keep, shared_data

COMMAND = "python benchmarks/quality/newsgroups_text.py"


@click.command()
def main() -> None:
    source = shared_data("ng20_raw/ng20_bydate.jsonl.gz")
    columns = ["--text-column", "text", "--id-column", "id", "--label-column", "group"]
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        fit = docnvil("fit", source, *columns, "--out", model, "--json")
        topics = docnvil("topics", model, "--coherence", source, *columns, "--json").json
        embed = docnvil("embed", model, source, *columns, "--out", Path(folder) / "embeddings.csv")
    figures = {
        "corpus": "ng20_raw",
        "fit": fit.json | {"model": "model"},
        "fit_wall_seconds": round(fit.seconds, 1),
        "fit_peak_mebibytes": round(fit.peak_mebibytes),
        "embed_wall_seconds": round(embed.seconds, 1),
        "npmi": topics["npmi"],
        "diversity": topics["diversity"],
        "live_units": topics["live_units"],
        "topics": [" ".join(unit["words"]) for unit in topics["units"] if not unit["dead"]],
    }
    for line in figures["topics"]:
        click.echo(line)
    click.echo(
        f"{fit.seconds:.0f} s, peak {fit.peak_mebibytes:.0f} MiB, validation perplexity"
        f" {fit.json['validation_perplexity_per_document']:.0f} per document, NPMI {topics['npmi']:.3f},"
        f" diversity {topics['diversity']:.3f}, {topics['live_units']} live units"
    )
    keep("newsgroups_text", COMMAND, figures)


if __name__ == "__main__":
    main()
