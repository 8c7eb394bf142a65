"""Wake-sleep, an older algorithm that NVIL is compared with.

In the wake phase p learns from samples of q for the documents, as in NVIL. In the sleep phase q learns from documents
and units sampled from p. The sleep gradient follows no bound on log p(x): it minimizes KL(p || q), and the ELBO asks
for KL(q || p).

Axes: S samples, B documents of a batch, B' documents sampled from the model. Unit: nats.
"""

from collections.abc import Sequence

from torch import Tensor

from docnvil.nvil.bounds import sum_terms
from docnvil.nvil.nvil import Losses
from docnvil.nvil.signals import detach_terms, learning_signal


def wake_sleep(log_p: Sequence[Tensor], log_q: Sequence[Tensor], model_sample_log_q: Sequence[Tensor]) -> Losses:
    """Return losses whose gradient is minus that of wake-sleep, summed over documents and averaged over samples.

    Wake: sum_b mean_s grad log p(x_b, h_s), with h_s from q(h | x_b). Sleep: sum_b grad log q(h_b | x_b), with
    (x_b, h_b) from p. The `[S, B]` terms of q serve only to report the bound; `model_sample_log_q` has q's terms of
    documents and units sampled from the model, each `[1, B']`.

    Source: Hinton, Dayan, Frey & Neal (1995), *The wake-sleep algorithm for unsupervised neural networks*; as the
    baseline of Mnih & Gregor (2014), section 4.
    """
    wake = sum_terms(log_p).mean(0).sum()
    sleep = sum_terms(model_sample_log_q).mean(0).sum()
    signal = learning_signal(*detach_terms(log_p, log_q))
    return Losses(-wake - sleep, signal, (signal,))
