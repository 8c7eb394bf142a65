"""Whether the units of a model explain documents better than its output layer alone, and what to say if not.

The only place with this rule: fit, perplexity, completion, sweep, compare and the report use it.

Axes: N documents. Unit: nats.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Verdict = Literal["better", "not better", "nothing learned"]
STANDARD_ERRORS = 2.0  # of the mean difference; a one-sided error of 2.3 %
MIN_DOCUMENTS = 10  # the standard error of fewer is too uncertain
NEGLIGIBLE = 0.001  # gain as a share of the nats; about 0.6 % of a perplexity


class Scores(Protocol):
    """Log p(x), or of its held-out words, and the number of words, of each document, `[N]` each."""

    @property
    def log_likelihood(self) -> NDArray[np.float64]:
        """Log-probability of the words of each document."""
        ...

    @property
    def lengths(self) -> NDArray[np.float64]:
        """The number of these words."""
        ...


@dataclass(frozen=True)
class UnitsGain:
    """How a model compares with its own output layer without units, on the same documents.

    Arguments:
        verdict: "better" if the perplexity per word or per document is lower with units; "nothing learned" if there is
            evidence that neither is; "not better" in between.
        documents: N, those with words; 0 if only perplexities are known.
    """

    verdict: Verdict
    documents: int

    @classmethod
    def from_record(cls, values: object) -> "UnitsGain | None":
        """Return the gain that run.json records, or None if it records none.

        Example:
            >>> UnitsGain.from_record({"verdict": "better", "documents": 9}), UnitsGain.from_record({"verdict": "?"})
            (UnitsGain(verdict='better', documents=9), None)
        """
        match values:
            case {"verdict": "better" | "not better" | "nothing learned" as verdict, "documents": int(documents)}:
                return cls(verdict, documents)
        return None

    def describe(self, figure: float, without_units: float) -> str | None:
        """Return sentences for users if the model is not better, or else None.

        Arguments:
            figure: a perplexity of the model, or its nats per document; lower is better.
            without_units: the same figure of the layer without units, on the same documents.

        Example:
            >>> UnitsGain("better", 500).describe(831.0, 1104.0) is None
            True
            >>> print(UnitsGain("nothing learned", 500).describe(1111.6, 1104.0))
            The units have learned nothing: without units, the same output layer reaches 1,104.0, and the model 1,111.6.
            >>> print(UnitsGain("not better", 1).describe(1111.6, 1104.0))
            No gain from the units: without units, the same output layer reaches 1,104.0, and the model 1,111.6. One\
 document is too little evidence that they have learned nothing.
        """
        if self.verdict == "better":
            return None
        figures = f"without units, the same output layer reaches {without_units:,.1f}, and the model {figure:,.1f}."
        if self.verdict == "nothing learned":
            return f"The units have learned nothing: {figures}"
        return f"No gain from the units: {figures} {self.evidence}".rstrip()

    @property
    def evidence(self) -> str:
        """A sentence on why a model that is not better may still have learned something."""
        if not self.documents:
            return ""
        few = "One document is" if self.documents == 1 else f"{self.documents:,} documents are"
        return f"{few} too little evidence that they have learned nothing."


def units_gain(scores: Scores, without_units: Scores) -> UnitsGain:
    """Compare the scores of a model with those of its own output layer without units, on the same documents.

    The gain of a document is d_n = log p(x_n) - log p_0(x_n), where p_0 has no units. The model is better if the mean
    of d_n or of d_n / L_n is positive, that is, if its perplexity per word or per document is lower. Its units have
    learned nothing if ten documents or more exclude a gain that matters: both means plus two standard errors,
    2 sd(d) / sqrt(N), are at most a thousandth of the nats without units. The differences are paired, since documents
    differ far more from each other than two models do.

    Example:
        >>> from docnvil.analysis.completion import CompletionScores
        >>> lengths = np.full(20, 9.0)
        >>> model, null = (CompletionScores(np.arange(-20.0, 0) + shift, lengths) for shift in (0, 0.1))
        >>> units_gain(model, null), units_gain(null, model).verdict
        (UnitsGain(verdict='nothing learned', documents=20), 'better')
    """
    filled = scores.lengths > 0
    lengths = scores.lengths[filled]
    n_documents = len(lengths)
    if not n_documents:
        return UnitsGain("not better", 0)
    with np.errstate(invalid="ignore"):  # both may be infinite
        gains = scores.log_likelihood[filled] - without_units.log_likelihood[filled]
        both = np.stack([gains, gains / lengths])  # [2, N], for the perplexities per word and per document
        means = both.mean(axis=1)
        if (means > 0).any():
            return UnitsGain("better", n_documents)
        if n_documents < MIN_DOCUMENTS:
            return UnitsGain("not better", n_documents)
        limits = means + STANDARD_ERRORS * both.std(axis=1, ddof=1) / np.sqrt(n_documents)
        nats = -without_units.log_likelihood[filled]
        may_matter = limits > NEGLIGIBLE * np.array([nats.mean(), (nats / lengths).mean()])
    return UnitsGain("not better" if may_matter.any() else "nothing learned", n_documents)
