"""Time, peak memory and topics of a default training on raw text.

Data: all 18,846 posts of 20 Newsgroups as raw text with their headers. `docnvil fit`, `docnvil topics` and
`docnvil embed` run as a user would run them, with no options but the names of the columns.

    python benchmarks/quality/newsgroups_text.py    3 minutes on two cores
                                                    writes benchmarks/results/newsgroups_text.json
"""

import sys
import tempfile
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[1]))

import ng20
from common import docnvil, save_results

COMMAND = "python benchmarks/quality/newsgroups_text.py"


@click.command()
def main() -> None:
    """Train on raw posts at the defaults; write benchmarks/results/newsgroups_text.json."""
    source = (ng20.raw_posts(), *ng20.RAW_COLUMNS)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        fit = docnvil("fit", *source, "--out", model, "--json")
        topics = docnvil("topics", model, "--coherence", *source, "--json").json
        embed = docnvil("embed", model, *source, "--out", Path(folder) / "embeddings.csv")
    results = {
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
    click.echo("\n".join(results["topics"]))
    click.echo(
        f"{fit.seconds:.0f} s, peak {fit.peak_mebibytes:.0f} MiB, validation perplexity"
        f" {fit.json['validation_perplexity_per_document']:.0f} per document, NPMI {topics['npmi']:.3f},"
        f" diversity {topics['diversity']:.3f}, {topics['live_units']} live units"
    )
    save_results("newsgroups_text", COMMAND, results)


if __name__ == "__main__":
    main()
