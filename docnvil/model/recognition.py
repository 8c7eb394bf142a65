"""The recognition network q(h | x): from the document upward, each layer seeing the one below.

Axes: S samples, B documents of a batch, V words, K units.
"""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from docnvil.model.generative import Codes
from docnvil.model.layers import InputTransform, SigmoidLayer, WordSigmoidLayer
from docnvil.model.sparse import SparseCounts
from docnvil.randomness import Generator


class RecognitionNetwork(nn.Module):
    """q(h1..hn | x) = q(h1 | x) q(h2 | h1) ..., the "inference network" of Mnih & Gregor (2014), section 2.

    Arguments:
        n_words: V.
        units: the number of units of each layer, from the document upward.
        transform: what the first layer sees of the counts, themselves or log(1 + x).
    """

    def __init__(self, n_words: int, units: Sequence[int], transform: InputTransform = "counts") -> None:
        super().__init__()
        self.first = WordSigmoidLayer(n_words, units[0], transform)
        self.layers = nn.ModuleList(SigmoidLayer(below, above) for below, above in pairwise(units))

    def sample(self, counts: SparseCounts, n_samples: int, generator: Generator) -> Codes:
        """Draw h1..hn given x, S times a document; each `[S, B, K]`."""
        units = self.first(counts)
        codes = [units.sample((n_samples, *units.logits.shape), generator)]
        for layer in self.layers:
            units = layer(codes[-1])
            codes.append(units.sample(units.logits.shape, generator))
        return tuple(codes)

    def log_prob_terms(self, counts: SparseCounts, codes: Codes) -> tuple[Tensor, ...]:
        """Return log q(h1 | x), log q(h2 | h1), ..., each `[S, B]`, in nats; log q(h | x) is their sum."""
        above = zip(self.layers, codes, codes[1:], strict=False)
        return (self.first(counts).log_prob(codes[0]), *(layer(below).log_prob(value) for layer, below, value in above))

    def parents(self, counts: SparseCounts, codes: Codes) -> tuple[SparseCounts | Tensor, ...]:
        """Return what each layer of q conditions on, x, h1, ..., h(n-1): what its baseline may see."""
        return (counts, *codes[:-1])
