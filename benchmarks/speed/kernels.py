"""Count the kernels and the host waits of training on a GPU, without one.

python benchmarks/speed/kernels.py     10 seconds; writes benchmarks/results/kernels.json

The counts are those of a simulated accelerator, see tests/simulated_accelerator.py. They depend neither on the machine
nor on the size of the corpus. A kernel with little work takes about 5 microseconds on a GPU.
"""

import sys
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import ROOT, save_results

COMMAND = "python benchmarks/speed/kernels.py"


@click.command()
def main() -> None:
    """Count kernels and waits; write benchmarks/results/kernels.json."""
    sys.path.insert(0, str(ROOT / "tests"))  # imported here, because this registers the simulated device
    from device_counts import CONFIGURATIONS, choose_accelerator, count_updates

    choose_accelerator()
    counts = {name: count_updates(**values) for name, values in CONFIGURATIONS.items()}
    for name, each in counts.items():
        click.echo(
            f"{name}: {each['kernels_per_update']:.0f} kernels and {each['waits_per_update']:.0f} waits per update"
        )
    save_results("kernels", COMMAND, {"configurations": counts})


if __name__ == "__main__":
    main()
