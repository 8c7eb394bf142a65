"""Wake-sleep: the rival that NVIL is measured against.

Awake, the model learns from units that q draws for real documents, as in NVIL. Asleep, q learns from documents that the
model dreams, for which the units are known. The sleep gradient follows no bound of the data: it minimizes KL(p || q)
where the bound asks for KL(q || p).

Axes: S samples, B documents of a batch, B' dreamed documents. Unit: nats.
"""

from collections.abc import Sequence

from torch import Tensor

from docnvil.nvil.bounds import total
from docnvil.nvil.nvil import Losses
from docnvil.nvil.signals import learning_signal


def wake_sleep(log_p: Sequence[Tensor], log_q: Sequence[Tensor], dreamed_log_q: Sequence[Tensor]) -> Losses:
    """Return losses whose gradient is minus that of wake-sleep, summed over documents, averaged over samples.

    Wake: sum_b mean_s grad log p(x_b, h_s), with h_s drawn from q(h | x_b). Sleep: sum_b grad log q(h_b | x_b), with
    (x_b, h_b) drawn from p.

    Source: Hinton, Dayan, Frey & Neal (1995), *The wake-sleep algorithm for unsupervised neural networks*; as the
    baseline of Mnih & Gregor (2014), section 4.

    Arguments:
        log_p, log_q: the terms of the waking documents, each `[S, B]`; log_q only to report the bound.
        dreamed_log_q: q's terms of the dreamed documents and units, each `[1, B']`.
    """
    wake = total(log_p).mean(0).sum()
    sleep = total(dreamed_log_q).mean(0).sum()
    signal = learning_signal([term.detach() for term in log_p], [term.detach() for term in log_q])
    return Losses(-wake - sleep, signal, (signal,))
