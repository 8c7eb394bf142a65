"""Coverage of the intervals of `docnvil effects` on corpora drawn from a model, whose effects are known.

A model of 10 units is trained on 20 Newsgroups (2,000 words), and documents are drawn from it with the lengths of the
training documents. Each gets a group, whose probability depends on the document's units, so that the prevalences of the
units in the groups are known. Corpora are disjoint parts of these documents. Reported: how many 95 % intervals contain
the true difference; with the groups permuted, how many differences have p < 0.05, and in how many corpora any is
significant after a correction. Beside docnvil are two simpler methods: a regression on q(h = 1 | x) as if it were
observed, and units drawn from p(h | x) without regard to the groups.

    python benchmarks/quality/effects.py    5 minutes on one core; writes benchmarks/results/effects.json
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack
from scipy.stats import norm

sys.path.insert(0, str(Path(__file__).parents[1]))

import ng20
from common import docnvil, save_results

from docnvil.analysis.covariates import Factor, categories, dates
from docnvil.analysis.effects import Effects, estimate_effects
from docnvil.analysis.posterior import UnitPosteriors, unit_posteriors
from docnvil.analysis.sampling import sample_documents
from docnvil.analysis.significance import adjust_p_values
from docnvil.analysis.unit_probabilities import unit_probabilities
from docnvil.model.belief_network import BeliefNetwork
from docnvil.report.effect_plots import strongest
from docnvil.runtime.randomness import KeyedGenerator, stream_seed
from docnvil.storage.model_folder import load_model

COMMAND = "python benchmarks/quality/effects.py"
GROUPS = "abc"
TRUTH_SAMPLES = 500_000  # draws of the units that give the true prevalences
SIZES = (500, 2000)
PERMUTATIONS = 5
OPTIONS = ("--units", "10", "--epochs", "10", "--threads", "1")


def group_weights(n_units: int) -> NDArray[np.float64]:
    """Return how much each unit raises the log-probability of each group, `[K, 3]`; some units have no effect."""
    weights = np.zeros((n_units, len(GROUPS)))
    weights[[0, 4], 0] = 1.0, -1.0
    weights[[8, 5], 1] = 0.7, -0.8
    weights[1, 2] = 1.0
    return weights


def group_probabilities(units: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return p(group | h) of each document, `[N, 3]`."""
    scores = np.exp(units @ group_weights(units.shape[1]) + np.array([0.0, -0.5, -1.0]))
    return scores / scores.sum(1, keepdims=True)


def true_prevalence(model: BeliefNetwork) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return p(h_k = 1 | group), `[3, K]`, and p(group), `[3]`, from many draws of the units."""
    chunk, sums, weights = 50_000, 0.0, 0.0
    for start in range(0, TRUTH_SAMPLES, chunk):
        keys = torch.arange(start, start + chunk)
        units = model.generative.sample(chunk, KeyedGenerator(12345, keys))[0][0].numpy()
        probabilities = group_probabilities(units)
        sums, weights = sums + probabilities.T @ units, weights + probabilities.sum(0)
    return sums / weights[:, None], weights / weights.sum()


def draw_corpus(model: BeliefNetwork, lengths: NDArray[np.int64], seed: int) -> tuple[csr_array, NDArray[np.float64]]:
    """Return documents drawn from the model and the groups' probabilities of each, `[N, 3]`."""
    counts = csr_array(vstack(list(sample_documents(model, lengths, seed=seed)), format="csr"))
    keys = torch.arange(len(lengths))
    units = model.generative.sample(len(keys), KeyedGenerator(stream_seed(seed, "sampled units"), keys))
    return counts, group_probabilities(units[0][0].numpy())


def naive(probabilities: NDArray[np.floating], groups: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return each group's mean of the probabilities less that of the others, with errors, as if they were observed."""
    estimates, errors = [], []
    for group in range(len(GROUPS)):
        parts = probabilities[groups == group], probabilities[groups != group]
        estimates.append(parts[0].mean(0) - parts[1].mean(0))
        errors.append(np.sqrt(sum(part.var(0, ddof=1) / len(part) for part in parts)))
    return np.array(estimates).T.ravel(), np.array(errors).T.ravel()


def without_groups(posteriors: UnitPosteriors, groups: NDArray[np.int64], seed: int) -> tuple[Any, Any]:
    """Return the same with units drawn from p(h | x), pooled by Rubin's rules over 20 draws."""
    generator, n_draws = np.random.default_rng(seed), 20
    draws = [
        naive((generator.random(posteriors.probabilities.shape) < posteriors.probabilities).astype(float), groups)
        for _ in range(n_draws)
    ]
    estimates, errors = (np.array(each) for each in zip(*draws, strict=True))
    between = (1 + 1 / n_draws) * estimates.var(0, ddof=1)
    return estimates.mean(0), np.sqrt((errors**2).mean(0) + between)


class Tally:
    """Shares of covered intervals and of false discoveries, per corpus."""

    def __init__(self) -> None:
        self.covered: list[float] = []
        self.below: list[float] = []
        self.any_significant: list[bool] = []

    def add(self, estimate: Any, error: Any, truth: NDArray[np.float64]) -> None:
        """Add the differences of a corpus, whose true values are known."""
        self.covered.append(float(np.mean(np.abs(estimate - truth) < 1.96 * error)))

    def add_null(self, p_values: Any) -> None:
        """Add the p-values of a corpus with permuted groups, whose differences are all 0."""
        self.below.append(float(np.mean(p_values < 0.05)))
        self.any_significant.append(bool((adjust_p_values(p_values) < 0.05).any()))

    def summary(self) -> dict[str, float]:
        """Return the mean of each share over corpora."""
        names = {"coverage": self.covered, "false_positives": self.below, "any_significant": self.any_significant}
        return {name: round(float(np.mean(values)), 4) for name, values in names.items() if values}


def measure_size(
    size: int, posteriors: UnitPosteriors, q: NDArray[np.floating], group_probability: NDArray[np.float64], model: Any
) -> dict[str, Any]:
    """Return the figures of all methods on corpora of one size."""
    prevalence, weights = true_prevalence(model)
    others = (weights @ prevalence - weights[:, None] * prevalence) / (1 - weights[:, None])
    truth, from_first = (prevalence - others).T.ravel(), prevalence[1:] - prevalence[0]
    n_units = prevalence.shape[1]
    adjusted_truth = np.concatenate([from_first, np.zeros((2, n_units))]).T.ravel()
    names = ("docnvil", "docnvil, several columns", "p(h | x) without groups", "q(h = 1 | x) as observed")
    tallies, n_corpora = {name: Tally() for name in names}, len(q) // size
    prevalence_covered = []
    for number in range(n_corpora):
        rows, generator = slice(number * size, (number + 1) * size), np.random.default_rng(number)
        groups = (generator.random((size, 1)) > group_probability[rows].cumsum(1)).sum(1)
        part = posteriors.select(rows)
        side = categories("side", generator.integers(0, 2, size).astype(str))
        days = (np.datetime64("2020-01-01") + generator.integers(0, 1000, size)).astype(str)
        time = dates("date", days.tolist(), "quarter")
        options = {"references": {"group": "a", "side": "0"}, "seed": number}
        named = categories("group", np.array(list(GROUPS))[groups].tolist())
        one = estimate_effects(part, [named], seed=number)
        several = estimate_effects(part, [named, side], time, **options)
        tallies[names[0]].add(*_columns(one), truth)
        tallies[names[1]].add(*_columns(several), adjusted_truth)
        tallies[names[2]].add(*without_groups(part, groups, number), truth)
        tallies[names[3]].add(*naive(q[rows], groups), truth)
        low, high = (one.prevalence[name].to_numpy() for name in ("low", "high"))
        prevalence_covered.append(np.mean((low <= prevalence.T.ravel()) & (prevalence.T.ravel() <= high)))
        for _ in range(PERMUTATIONS):
            groups = generator.permutation(groups)
            named = categories("group", np.array(list(GROUPS))[groups].tolist())
            # p-values do not depend on the draws.
            one = estimate_effects(part, [named], n_draws=2, seed=number)
            several = estimate_effects(part, [named, side], time, n_draws=2, **options)
            tallies[names[0]].add_null(one.effects["p_value"].to_numpy())
            tallies[names[1]].add_null(several.effects["p_value"].to_numpy())
            tallies[names[2]].add_null(_normal_p_values(*without_groups(part, groups, number)))
            tallies[names[3]].add_null(_normal_p_values(*naive(q[rows], groups)))
    summaries = {name: tally.summary() for name, tally in tallies.items()}
    summaries["docnvil"]["coverage_of_prevalences"] = round(float(np.mean(prevalence_covered)), 4)
    return {"corpora": n_corpora, "methods": summaries}


def _normal_p_values(estimate: Any, error: Any) -> Any:
    return 2 * norm.sf(np.abs(estimate) / error)


def _columns(result: Effects) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return result.effects["estimate"].to_numpy(), result.effects["standard_error"].to_numpy()


def example(model: Any, top: int = 8) -> dict[str, Any]:
    """Return the largest differences between the newsgroups of the test documents."""
    _, test = ng20.load()
    names = (ng20.shared_data(f"{ng20.CORPUS}/groups.txt")).read_text(encoding="utf-8").split()
    vocabulary = ng20.shared_data(f"{ng20.CORPUS}/vocabulary.txt").read_text(encoding="utf-8").split()
    labels: Factor = categories("group", [names[label] for label in np.load(ng20.label_paths()[1])])
    result = estimate_effects(unit_posteriors(model.network, test), [labels])
    rows = strongest(result.effects, top)
    words = [[vocabulary[column] for column in topic.words] for topic in model.topics(4)]
    columns = ["unit", "value", "estimate", "low", "high"]
    return {
        "documents": result.n_documents,
        "differences": len(result.effects),
        "significant": int(result.effects["significant"].sum()),
        "rows": [{**row, "words": words[row["unit"]]} for row in rows[columns].to_dict("records")],
    }


@click.command()
@click.option("--documents", default=100_000, show_default=True, help="Documents drawn from the model.")
@click.option("--seed", default=0, show_default=True, help="Seed of training and of the documents.")
def main(documents: int, seed: int) -> None:
    """Measure the coverage of intervals of effects; write benchmarks/results/effects.json."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        docnvil("fit", ng20.paths()[0], *OPTIONS, "--seed", seed, "--out", path)
        model = load_model(path, "cpu")
    lengths = np.asarray(ng20.load()[0].sum(axis=1)).ravel()
    lengths = np.random.default_rng(seed).choice(lengths[lengths > 0], documents).astype(np.int64)
    counts, group_probability = draw_corpus(model.network, lengths, seed)
    posteriors = unit_posteriors(model.network, counts, seed=seed)
    q = unit_probabilities(model.network, counts)
    sizes = {}
    for size in SIZES:
        sizes[str(size)] = measure_size(size, posteriors, q, group_probability, model.network)
        click.echo(f"{size} documents: {sizes[str(size)]}", err=True)
    settings = {"corpus": ng20.CORPUS, "options": list(OPTIONS), "documents": documents, "seed": seed, "samples": 50}
    save_results("effects", COMMAND, {**settings, "sizes": sizes, "example": example(model)})


if __name__ == "__main__":
    main()
