"""Results of all finished tries, for docs/reliability.md."""

import sys
from pathlib import Path

from torture.ledger import Ledger
from torture.registry import ATTACKS

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def write_results(folder: Path, seed: int) -> None:
    """Write benchmarks/results/reliability.json: the totals of each attack that has finished tries.

    Arguments:
        folder: of the ledgers.
        seed: whose tries count.
    """
    sys.path.insert(0, str(BENCHMARKS))
    from common import save_results

    summaries = {
        attack.name: {"title": attack.title, **Ledger(folder, attack.name, seed).summary()} for attack in ATTACKS
    }
    measured = {name: summary for name, summary in summaries.items() if summary["tries"]}
    save_results("reliability", "make torture", {"attacks": measured})
