"""Measure what training a model further on new documents does: perplexity of old and of new documents.

    python benchmarks/quality/continuing.py      15 minutes on one core; writes benchmarks/results/continuing.json

The old documents are those of fifteen newsgroups of 20 Newsgroups. The new ones are those of the other five, about
politics, medicine and space, which the first model never saw. Each model is evaluated on held-out documents of both.
The last model is trained on all documents from the start.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
from scipy.sparse import save_npz

sys.path.insert(0, str(Path(__file__).parents[1]))

import ng20
from common import docnvil, save_results

NEW_GROUPS = ("sci.med", "sci.space", "talk.politics.guns", "talk.politics.mideast", "talk.politics.misc")
REPLAY = (0, 1)


@click.command()
@click.option("--before", type=click.Path(path_type=Path), help="A model of the old documents, seed 0.")
@click.option("--all", "reference", type=click.Path(path_type=Path), help="A model of all documents, seed 0.")
def main(before: Path | None, reference: Path | None) -> None:
    """Write benchmarks/results/continuing.json."""
    new_labels = [ng20.group_names().index(name) for name in NEW_GROUPS]
    results: dict[str, Any] = {"corpus": "20 Newsgroups", "new_groups": NEW_GROUPS, "recipe": "default", "seed": 0}
    with TemporaryDirectory() as name:
        folder = Path(name)
        parts = ("train", "test")
        for part, counts, labels in zip(parts, ng20.load(), map(np.load, ng20.label_paths()), strict=True):
            is_new = np.isin(labels, new_labels)
            for kind, rows in (("old", ~is_new), ("new", is_new)):
                save_npz(folder / f"{kind}_{part}.npz", counts[np.flatnonzero(rows)])
                results[f"{kind}_{part}_documents"] = int(rows.sum())
        if before is None:
            before = folder / "before"
            docnvil("fit", folder / "old_train.npz", "--out", before)
        models = {"before": before}
        for replay in REPLAY:
            models[f"replay_{replay}"] = folder / f"replay_{replay}"
            options = ("--from", before, "--replay", replay, "--json")
            fitted = docnvil("fit", folder / "new_train.npz", *options, "--out", models[f"replay_{replay}"])
            results[f"replay_{replay}"] = {"continued": fitted.json["continued"][-1], "seconds": fitted.json["seconds"]}
        if reference is None:
            reference = folder / "all"
            docnvil("fit", ng20.paths()[0], "--out", reference)
        models["all"] = reference
        results["perplexity_per_document"] = {
            model: {
                kind: docnvil("perplexity", path, folder / f"{kind}_test.npz", "--json").json["perplexity_per_document"]
                for kind in ("old", "new")
            }
            for model, path in models.items()
        }
    save_results("continuing", "python benchmarks/quality/continuing.py", results)


if __name__ == "__main__":
    main()
