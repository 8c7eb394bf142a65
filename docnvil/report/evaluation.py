"""The perplexity of a model for its report, with an interval, beside models without units, and what that means."""

import math
from dataclasses import asdict, dataclass

import numpy as np
from scipy.sparse import csr_array

from docnvil.analysis.bootstrap import bootstrap_intervals
from docnvil.analysis.gain import UnitsGain, units_gain
from docnvil.analysis.null_models import null_model_bounds
from docnvil.analysis.perplexity import document_bounds
from docnvil.report.formatting import format_number, format_percent, format_perplexity
from docnvil.training.fitted_model import FittedModel

MAX_DOCUMENTS = 20_000
SAMPLES = 10
LITTLE = 0.02  # a gain in perplexity under this share is called small


@dataclass(frozen=True)
class Evaluation:
    """Perplexities of documents, or their nats per vector for a model of bits: lower is better for both.

    Arguments:
        documents: the number of documents that were evaluated.
        of_documents: the number of documents with words in the corpus.
        value: the model's figure, an upper bound.
        low: the lower end of the 95 % bootstrap interval over documents.
        high: its upper end.
        no_units: the figure of the same output layer without units, None if the folder does not contain it.
        unigram: the figure of the unigram model, or of independent bits.
        per_word: the model's perplexity per word; None for a model of bits.
        is_held_out: whether the documents are known not to be those of training.
        is_perplexity: whether the figures are perplexities, or else nats per vector.
        gain: how the model compares with the layer without units, or with the unigram model if that is unknown.
    """

    documents: int
    of_documents: int
    value: float
    low: float
    high: float
    no_units: float | None
    unigram: float
    per_word: float | None
    is_held_out: bool
    is_perplexity: bool
    gain: UnitsGain

    def to_json(self) -> dict[str, object]:
        """Return the figures as JSON values."""
        return asdict(self)

    @property
    def bars(self) -> list[tuple[str, float, str]]:
        """The figures to compare: name, value, text."""
        form = format_perplexity if self.is_perplexity else format_number
        rows = [("this model", self.value)]
        if self.no_units is not None and self.no_units != self.unigram:
            rows.append(("same layer without units", self.no_units))
        rows.append(("word frequencies only" if self.is_perplexity else "independent bits", self.unigram))
        return [(name, value, form(value)) for name, value in rows]

    @property
    def interval(self) -> str:
        """The interval as text."""
        form = format_perplexity if self.is_perplexity else format_number
        return f"{form(self.low)} to {form(self.high)}"

    @property
    def sentence(self) -> str:
        """What the figures mean, in one or two sentences without a full stop at the end."""
        reference = self.unigram if self.no_units is None else self.no_units
        name = "the same model without units"
        if self.no_units is None:
            name = "word frequencies alone" if self.is_perplexity else "independent bits"
        if self.gain.verdict != "better":
            text = f"The units do not help to predict these documents: {name} is as good or better"
            return text if self.gain.verdict == "nothing learned" else f"{text}. {self.gain.evidence}".rstrip(".")
        gain = 1 - self.value / reference
        if not self.is_perplexity:
            return f"The units save {format_number(reference - self.value)} nats per vector compared with {name}"
        sure = "" if self.high < reference else ", a difference that other documents could reverse"
        size = "only " if gain < LITTLE else ""
        return (
            "For each next word, the model is as uncertain as if it chose among"
            f" {format_perplexity(self.value)} equally likely words. That is {size}{format_percent(gain)} fewer than"
            f" for {name}{sure}"
        )


def evaluate(model: FittedModel, counts: csr_array, *, is_held_out: bool, seed: int = 0) -> Evaluation | None:
    """Return the figures of a model on documents, of which at most 20,000 are drawn; None if no document has a word.

    Arguments:
        model: the model.
        counts: `[N, V]`, with its vocabulary.
        is_held_out: whether the documents are known not to be those of training.
        seed: seed of the samples, of the draw and of the interval.
    """
    visible, statistics = model.network.generative.visible, model.statistics
    filled = np.flatnonzero(np.diff(counts.indptr)) if not visible.empty_is_data else np.arange(counts.shape[0])
    if not len(filled):
        return None
    chosen = filled
    if len(filled) > MAX_DOCUMENTS:
        chosen = np.sort(np.random.default_rng(seed).choice(filled, MAX_DOCUMENTS, replace=False))
    rows = counts[chosen]
    bounds = document_bounds(model.network, rows, n_samples=SAMPLES, seed=seed)
    result = bounds.summarize()
    interval = bootstrap_intervals(bounds.log_likelihood, bounds.lengths, seed=seed).perplexity_per_document
    null_model = model.null_model()
    unigram = null_model_bounds(visible, visible.null_model(statistics.word_frequency, statistics.n_documents), rows)
    without = None if null_model is None else null_model_bounds(visible, null_model, rows)
    n_bits = counts.shape[1]

    def figure(perplexity: float) -> float:
        return perplexity if visible.reports_perplexity else n_bits * math.log(perplexity)

    return Evaluation(
        documents=len(chosen),
        of_documents=len(filled),
        value=figure(result.perplexity_per_document),
        low=figure(interval[0]),
        high=figure(interval[1]),
        no_units=None if without is None else figure(without.summarize().perplexity_per_document),
        unigram=figure(unigram.summarize().perplexity_per_document),
        per_word=result.perplexity_per_word if visible.reports_perplexity else None,
        is_held_out=is_held_out,
        is_perplexity=visible.reports_perplexity,
        gain=units_gain(bounds, unigram if without is None else without),
    )
