"""Annealed importance sampling: samples move from q(h | x) toward p(h | x) in small steps.

T - 1 distributions lie between q and the posterior: log f_t = (1 - t/T) log q(h | x) + (t/T) log p(x, h). At each step
a Gibbs sweep moves the units and the weight collects log p - log q. The mean weight is an unbiased estimate of p(x) for
every T, so that its logarithm is a lower bound on log p(x) in expectation; T = 1 is importance weighting.

Axes: S samples, B documents of a batch, V words, K units of a layer. Unit: nats.
"""

import torch
from torch import Tensor

from docnvil.analysis.gibbs import gibbs_sweep
from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.generative import Samples
from docnvil.model.sparse import SparseCounts
from docnvil.nvil.bounds import sum_terms
from docnvil.runtime.randomness import Generator


@torch.no_grad()
def annealed_log_weights(
    model: BeliefNetwork, counts: SparseCounts, samples: Samples, temperatures: int, generator: Generator
) -> Tensor:
    """Return log w of each sample, `[S, B]`, in double precision; the mean of w over samples estimates p(x).

    log w = (1/T) sum_t [log p(x, h_t) - log q(h_t | x)], where h_0, the given samples, are drawn from q(h | x) and h_t
    from h_(t-1) by a Gibbs sweep that leaves f_t invariant; T is the number of temperatures.

    Source: Neal (2001), *Annealed importance sampling*, section 2.
    """
    log_weights = torch.zeros(samples[0].shape[:2], dtype=torch.float64, device=model.device)
    for step in range(temperatures):
        if step:
            samples = gibbs_sweep(model, counts, samples, step / temperatures, generator)
        log_p = sum_terms(model.generative.log_prob_terms(counts, samples)).double()
        log_q = sum_terms(model.recognition.log_prob_terms(counts, samples)).double()
        log_weights += (log_p - log_q) / temperatures
    return log_weights
