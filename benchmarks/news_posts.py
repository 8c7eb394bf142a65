"""20 Newsgroups as texts for the benchmarks of documents: two parts by date, and a default model of the first.

Headers, quotes and signatures are stripped, because they name the newsgroup or repeat other posts. The parts and the
model are made once in a folder, which several benchmarks can share.
"""

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import ng20
from common import docnvil

UNITS = 50
SEED = 0
SETTINGS = {"corpus": "ng20_raw", "strip": "headers,quotes,signatures", "units": UNITS, "seed": SEED}
LABEL = "group"


@dataclass(frozen=True)
class NewsPosts:
    """The files of the training and the test posts, JSON lines, and the folder of the model."""

    train: Path
    test: Path
    model: Path


def prepare(folder: Path) -> NewsPosts:
    """Write the two parts and train the model in a folder, unless they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    posts = NewsPosts(folder / "train.jsonl", folder / "test.jsonl", folder / "model")
    if not posts.test.exists():
        with gzip.open(ng20.raw_posts(), "rt", encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        for split, path in (("train", posts.train), ("test", posts.test)):
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows if row["split"] == split)
            path.write_text("".join(lines), encoding="utf-8")
    if not posts.model.exists():
        options = ("--strip", SETTINGS["strip"], "--units", UNITS, "--seed", SEED)
        docnvil("fit", posts.train, "--label-column", LABEL, *options, "--out", posts.model)
    return posts
