"""Retrieval, clusters and classification by document codes, compared with tf-idf and latent semantic analysis.

Data: 20 Newsgroups, 2,000 words. Each test document is a query among the training documents; a retrieved document is
correct if it is from the same newsgroup, as in Salakhutdinov & Hinton (2009). The split is by date (11,284 training and
7,502 test documents), and for codes to search by also at random (60 % and 20 %), as in the papers on semantic hashing;
posts of one thread are then on both sides. Reported: precision and recall by number of documents retrieved, purity and
NMI of the clusters, and the accuracy and macro F1 of a classifier on the codes.

    python benchmarks/quality/retrieval.py      30 minutes on one core; writes benchmarks/results/retrieval.json

Rows already measured with the same settings are kept, so the same command resumes.
"""

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np
from scipy.sparse import csr_array, csr_matrix, save_npz, vstack

sys.path.insert(0, str(Path(__file__).parents[1]))

import ng20
from common import docnvil, recipe_settings, resume_results, save_results

from docnvil.analysis.retrieval import classify, cosine, retrieve

COMMAND = "python benchmarks/quality/retrieval.py"
MODELS: dict[str, tuple[Any, ...]] = {
    "recipe default": (),
    "recipe best": ("--recipe", "best"),
    "recipe themes": ("--recipe", "themes"),
    "recipe hash, 32 units": ("--recipe", "hash", "--units", 32),
    "recipe hash, 64 units": ("--recipe", "hash", "--units", 64),
}
BY_DATE, RANDOM = "by date", "random"
ROWS = [*((BY_DATE, name) for name in MODELS), *((RANDOM, name) for name in MODELS if "hash" in name)]
RETRIEVED = (1, 10, 100)
RANDOM_SHARES = (0.6, 0.2)  # of the documents, for training and for queries


def write_split(split: str, folder: Path) -> tuple[Path, ...]:
    """Return the files of training counts, test counts, training labels and test labels."""
    if split == BY_DATE:
        return (*ng20.paths(), *ng20.label_paths())
    counts = csr_array(vstack(ng20.load(), format="csr"))
    labels = np.concatenate([np.load(path) for path in ng20.label_paths()])
    order = np.random.default_rng(0).permutation(len(labels))
    n_train, n_test = (int(share * len(labels)) for share in RANDOM_SHARES)
    parts = {"train": np.sort(order[:n_train]), "test": np.sort(order[len(order) - n_test :])}
    for name, rows in parts.items():
        save_npz(folder / f"{name}.npz", csr_matrix(counts[rows]))
        np.save(folder / f"{name}.npy", labels[rows])
    return tuple(folder / f"{name}.{kind}" for kind in ("npz", "npy") for name in parts)


def evaluate_codes(split: str, name: str, seed: int) -> dict[str, Any]:
    """Train docnvil and return the retrieval, clustering and classification measures of its codes."""
    with tempfile.TemporaryDirectory() as folder:
        train, test, train_labels, test_labels = write_split(split, Path(folder))
        model = Path(folder) / "model"
        docnvil("fit", train, *MODELS[name], "--seed", seed, "--out", model)
        labels = ("--train-labels", train_labels, "--test-labels", test_labels)
        result = docnvil("retrieval", model, train, test, *labels, "--json").json
    for each in result["retrieval"].values():
        at = [each["retrieved"].index(number) for number in RETRIEVED]
        each |= {key: [each[key][index] for index in at] for key in ("retrieved", "precision", "recall")}
    return result


def evaluate_word_vectors(units: int, seed: int) -> dict[str, dict[str, Any]]:
    """Return the same measures of tf-idf vectors, and of their projection to `units` dimensions."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfTransformer

    counts = [csr_matrix(each) for each in ng20.load()]
    train_labels, test_labels = map(np.load, ng20.label_paths())
    weighting = TfidfTransformer(sublinear_tf=True).fit(counts[0])
    vectors = [weighting.transform(each) for each in counts]
    projection = TruncatedSVD(units, random_state=seed).fit(vectors[0])
    representations = {
        "tf-idf of all words": [each.toarray() for each in vectors],
        "latent semantic analysis": [projection.transform(each) for each in vectors],
    }
    results = {}
    for name, (train, test) in representations.items():
        retrieval = retrieve(train, train_labels, test, test_labels, similarity=cosine, retrieved=RETRIEVED)
        classification = classify(train, train_labels, test, test_labels)
        results[name] = {"retrieval": {"cosine": asdict(retrieval)}, "classification": asdict(classification)}
    return results


def settings_of(name: str) -> dict[str, Any]:
    """Return the settings that must be equal for a row to be kept, as JSON holds them."""
    recipe = name.split(",")[0].removeprefix("recipe ")
    return json.loads(json.dumps({"options": MODELS[name], **recipe_settings(recipe)}))


@click.command()
@click.option("--seeds", default=3, show_default=True, help="Number of seeds: 0, 1, ...")
def main(seeds: int) -> None:
    """Measure retrieval, clusters and classification with codes; write benchmarks/results/retrieval.json."""
    results = resume_results("retrieval", {"corpus": ng20.CORPUS, "units": 50}, {"rows": [], "word_vectors": {}})
    known = [row for row in results["rows"] if row["model"] in MODELS]
    rows = results["rows"] = [row for row in known if row["settings"] == settings_of(row["model"])]
    done = {(row["split"], row["model"], row["seed"]) for row in rows}
    for seed in range(seeds):
        for split, name in ROWS:
            if (split, name, seed) in done:
                continue
            row = {"split": split, "model": name, "seed": seed, "settings": settings_of(name)}
            rows.append({**row, **evaluate_codes(split, name, seed)})
            save_results("retrieval", COMMAND, results)
            click.echo(f"{split}, {name}, seed {seed} done", err=True)
    if not results["word_vectors"]:
        results["word_vectors"] = evaluate_word_vectors(50, seed=0)
    save_results("retrieval", COMMAND, results)


if __name__ == "__main__":
    main()
