"""How long `docnvil --help` takes beside Python importing click, without which no command can be had.

python benchmarks/speed/start.py        writes benchmarks/results/start.json
"""

import subprocess
import sys
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[1]))

from chains import in_turn
from common import keep

COMMAND = "python benchmarks/speed/start.py"
STARTED = {
    "docnvil --help": ["-m", "docnvil", "--help"],
    "docnvil fit --help": ["-m", "docnvil", "fit", "--help"],
    "import click": ["-c", "import click"],
}


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=20, show_default=True)
def main(rounds: int) -> None:
    """Time commands from start to end, in turn."""
    tasks = [
        lambda words=words: subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
        for words in STARTED.values()
    ]
    seconds = dict(zip(STARTED, in_turn(*tasks, rounds=rounds), strict=True))
    figures = {
        "rounds": rounds,
        "milliseconds": {name: round(1e3 * each, 1) for name, each in seconds.items()},
        "over_import_click": {name: round(each / seconds["import click"], 2) for name, each in seconds.items()},
    }
    click.echo(figures)
    keep("start", COMMAND, figures)


if __name__ == "__main__":
    main()
