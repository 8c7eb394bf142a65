"""Start-up time of the command line, compared with that of Python importing click, which every command needs.

No data. `docnvil --help`, `docnvil fit --help` and `import click` run in the same rounds; medians are reported.

    python benchmarks/speed/start.py        5 seconds; writes benchmarks/results/start.json
"""

import subprocess
import sys
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import median_seconds, save_results

COMMAND = "python benchmarks/speed/start.py"
ARGUMENTS = {
    "docnvil --help": ["-m", "docnvil", "--help"],
    "docnvil fit --help": ["-m", "docnvil", "fit", "--help"],
    "import click": ["-c", "import click"],
}


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=20, show_default=True, help="Timings of each command.")
def main(rounds: int) -> None:
    """Time the start of the command line; write benchmarks/results/start.json."""
    tasks = [
        lambda words=words: subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
        for words in ARGUMENTS.values()
    ]
    seconds = dict(zip(ARGUMENTS, median_seconds(*tasks, rounds=rounds), strict=True))
    results = {
        "rounds": rounds,
        "milliseconds": {name: round(1e3 * each, 1) for name, each in seconds.items()},
        "over_import_click": {name: round(each / seconds["import click"], 2) for name, each in seconds.items()},
    }
    click.echo(results)
    save_results("start", COMMAND, results)


if __name__ == "__main__":
    main()
