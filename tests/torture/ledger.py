"""Finished tries, one JSON line each, so that an interrupted run continues; and their summary."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from torture.registry import Outcome


class Ledger:
    """The tries of one attack with one seed, in the file NAME-SEED.jsonl of a folder.

    Arguments:
        folder: where the files are.
        attack: the name of the attack.
        seed: the seed of the run.
    """

    def __init__(self, folder: Path, attack: str, seed: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{attack}-{seed}.jsonl"
        self.seed = seed
        self._cut_torn_line()
        self._records = {record["key"]: record for record in self._read()}  # a later line replaces an earlier one

    def _cut_torn_line(self) -> None:
        """Delete the part of a line that a killed run may have left at the end."""
        if self.path.exists():
            content = self.path.read_bytes()
            os.truncate(self.path, content.rfind(b"\n") + 1)

    def _read(self) -> Iterator[dict[str, Any]]:
        if self.path.exists():
            yield from map(json.loads, self.path.read_text(encoding="utf-8").splitlines())

    def survived(self, key: str) -> bool:
        """Return whether a try was made before, without a failure."""
        return key in self._records and not self._records[key]["failures"]

    def add(self, key: str, outcome: Outcome, seconds: float) -> None:
        """Append a finished try to the file."""
        date = datetime.now(UTC).strftime("%Y-%m-%d")
        record = {"key": key, **asdict(outcome), "seconds": round(seconds, 3), "date": date}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        self._records[key] = record

    def summary(self, keys: Sequence[str] | None = None) -> dict[str, Any]:
        """Return the totals of all tries, or of those with these keys."""
        records = [record for key, record in self._records.items() if keys is None or key in keys]
        results: Counter[str] = Counter()
        for record in records:
            results[record["result"]] += record["tries"]
        dates = sorted(record["date"] for record in records)
        return {
            "tries": sum(record["tries"] for record in records),
            "failures": sum(record["failures"] for record in records),
            "bytes_lost": sum(record["bytes_lost"] for record in records),
            "results": dict(sorted(results.items())),
            "seconds": round(sum(record["seconds"] for record in records), 1),
            "seed": self.seed,
            "first_date": dates[0] if dates else None,
            "last_date": dates[-1] if dates else None,
        }

    def failures(self) -> list[dict[str, Any]]:
        """Return the records of the failed tries."""
        return [record for record in self._records.values() if record["failures"]]
