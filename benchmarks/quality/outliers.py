"""AUROC of outlier scores: foreign documents and mixtures among normal documents.

Data: models of 20 Newsgroups and of the documentation of Python packages. Normal documents are test documents with
twenty known words or more; half of them are the reference. Foreign documents are those of the other corpus and of the
blog of KOS. Mixtures are two normal documents together, and documents of which half of the words are from another; for
20 Newsgroups the two are from different newsgroups, for Python packages from different packages. Mixtures are also
measured among documents of fifty known words or more. The settings of the scores were chosen on 20 Newsgroups.

    python benchmarks/quality/outliers.py [--folder F]    5 minutes on one core; writes benchmarks/results/outliers.json
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np
from scipy.sparse import csr_array, vstack

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import ROOT, run_command, save_results, shared_data
from common import docnvil as run_docnvil
from news_posts import LABEL, SETTINGS, prepare

import docnvil
from docnvil.analysis.outliers import OutlierModel
from docnvil.corpus.loading import load_document_term_matrix
from docnvil.text.document_term_matrix import DocumentTermMatrix, align_vocabulary
from docnvil.text.settings import SourceOptions

COMMAND = "python benchmarks/quality/outliers.py"
RECIPE = ROOT / "corpora" / "python-api" / "recipe.py"
MIN_TOKENS = 20
LONG_TOKENS = 50
OUTLIERS = 400
MAX_NORMAL = 3000
SCORES = ("foreign", "mixed", "score")


def prepare_python(folder: Path) -> tuple[Path, Path]:
    """Write the documentation of Python packages and train its model, unless they are there."""
    texts, corpus, model = folder / "python-api.jsonl.gz", folder / "python", folder / "python-model"
    if not texts.exists():
        run_command([sys.executable, str(RECIPE), "--out", str(texts)], label="recipe.py")
    if not corpus.exists():
        run_docnvil("corpus", "build", texts, "--label-column", "label", "--held-out", 0.1, "--out", corpus)
    if not model.exists():
        run_docnvil("fit", corpus / "train", "--units", SETTINGS["units"], "--out", model)
    return corpus, model


def load(path: Path, model: docnvil.FittedModel, label: str | None = None) -> DocumentTermMatrix:
    """Return the counts of texts with the rules and the vocabulary of a model."""
    options = SourceOptions(label_column=label)
    return load_document_term_matrix(path, options, rules=model.token_rules, vocabulary=model.vocabulary)


def measure(
    model: docnvil.FittedModel, normal: DocumentTermMatrix, label: str, foreign: dict[str, DocumentTermMatrix]
) -> dict[str, Any]:
    """Return the AUROC of each score for each kind of outlier."""
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    labels = np.array(normal.metadata[label])
    rows = rng.permutation(np.flatnonzero(normal.lengths >= MIN_TOKENS))[:MAX_NORMAL]
    reference, test = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    detector = OutlierModel(
        model.network, model.statistics, model.null_model(), normal.counts[reference], share_unknown(normal, reference)
    )
    kinds = {}
    for name, matrix in foreign.items():
        long = np.flatnonzero(matrix.lengths >= MIN_TOKENS)
        chosen = np.sort(rng.choice(long, min(OUTLIERS, len(long)), replace=False))
        kinds[name] = csr_array(matrix.counts[chosen]), share_unknown(matrix, chosen)
    first = rng.choice(test, min(OUTLIERS, len(test)), replace=False)
    second = np.array([rng.choice(test[labels[test] != labels[row]]) for row in first])
    together = csr_array(normal.counts[first] + normal.counts[second])
    unknown = share_unknown(normal, first)
    mixtures = {"two documents together": together}
    mixtures["half of the words from another"] = replace_half(normal.counts, first, second, rng)
    kinds |= {name: (counts, unknown) for name, counts in mixtures.items()}
    scores = detector.score(normal.counts[test], share_unknown(normal, test))
    own = {name: getattr(scores, name) for name in SCORES}
    own |= {"gain": -scores.gain, "likelihood": -likelihood(model, normal.counts[test])}
    aurocs = {}
    for name, (counts, shares) in kinds.items():
        result = detector.score(counts, shares)
        values = {score: getattr(result, score) for score in SCORES}
        values |= {"gain": -result.gain, "likelihood": -likelihood(model, counts)}
        is_outlier = np.repeat([0, 1], [len(test), counts.shape[0]])
        both = {score: np.concatenate([own[score], each]) for score, each in values.items()}
        aurocs[name] = {score: round(float(roc_auc_score(is_outlier, each)), 3) for score, each in both.items()}
        if name in mixtures:
            lengths = np.concatenate([normal.lengths[test], counts.sum(1)])
            long = lengths >= LONG_TOKENS
            aurocs[f"{name}, {LONG_TOKENS} words or more"] = {
                score: round(float(roc_auc_score(is_outlier[long], each[long])), 3) for score, each in both.items()
            }
    sizes = {"reference": len(reference), "normal": len(test), "outliers": {k: v[0].shape[0] for k, v in kinds.items()}}
    return {**sizes, "auroc": aurocs}


def share_unknown(matrix: DocumentTermMatrix, rows: Any) -> Any:
    """Return the share of unknown words of some documents."""
    return matrix.unknown_counts[rows] / np.maximum(matrix.unknown_counts[rows] + matrix.lengths[rows], 1)


def likelihood(model: docnvil.FittedModel, counts: Any) -> Any:
    """Return the ELBO per word."""
    return model.score_samples(csr_array(counts)) / np.asarray(counts.sum(1)).ravel()


def replace_half(counts: csr_array, first: Any, second: Any, rng: np.random.Generator) -> csr_array:
    """Return documents of the same length, of which half of the tokens are from another."""
    rows = []
    for one, other in zip(first, second, strict=True):
        tokens = [np.repeat(document.indices, document.data) for document in (counts[[one]], counts[[other]])]
        kept = rng.choice(tokens[0], len(tokens[0]) - len(tokens[0]) // 2, replace=False)
        new = rng.choice(tokens[1], min(len(tokens[0]) // 2, len(tokens[1])), replace=False)
        words, values = np.unique(np.concatenate([kept, new]), return_counts=True)
        rows.append(csr_array((values, words, [0, len(words)]), shape=(1, counts.shape[1])))
    return csr_array(vstack(rows, format="csr"))


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), help="Folder to keep the documents and the models in.")
def main(folder: Path | None) -> None:
    """Measure the scores of outliers; write benchmarks/results/outliers.json."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = folder or Path(temporary)
        posts = prepare(folder)
        corpus, python_model = prepare_python(folder)
        kos = docnvil.read_counts(shared_data("kos/docword.kos.txt.gz"), "uci")
        news, python = (docnvil.load(path, "cpu") for path in (posts.model, python_model))
        texts = folder / "python-api.jsonl.gz"
        results = {
            "20 Newsgroups": measure(
                news,
                load(posts.test, news, LABEL),
                LABEL,
                {"Python documentation": load(texts, news), "KOS blog": align_vocabulary(kos, news.vocabulary)},
            ),
            "Python documentation": measure(
                python,
                load_document_term_matrix(corpus / "test", vocabulary=python.vocabulary),
                "label",
                {"20 Newsgroups": load(posts.test, python), "KOS blog": align_vocabulary(kos, python.vocabulary)},
            ),
        }
    for name, each in results.items():
        click.echo(f"{name}: {each}")
    settings = {**SETTINGS, "min_tokens": MIN_TOKENS, "repetitions": 1}
    save_results("outliers", COMMAND, {"settings": settings, "models": results})


if __name__ == "__main__":
    main()
