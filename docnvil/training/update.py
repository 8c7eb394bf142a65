"""One parameter update: samples of q, the losses of the gradient estimator, gradients, and the optimizer.

Axes: S samples, B documents of a batch, K units. Unit: nats.
"""

import math
from dataclasses import replace

from torch import Tensor

from docnvil.batches import Batch
from docnvil.model.generative import Samples
from docnvil.nvil.bounds import sum_terms
from docnvil.nvil.nvil import Losses
from docnvil.nvil.signals import add_sparsity_penalty
from docnvil.runtime.precision import likelihood_products
from docnvil.runtime.profiling import NoProfile
from docnvil.runtime.randomness import KeyedGenerator, stream_seed
from docnvil.training.finite import FiniteWatch
from docnvil.training.gradient_estimators import GRADIENT_ESTIMATORS, sampled_log_q
from docnvil.training.state import Training

NO_PROFILE = NoProfile()
SLEEP_SHARE = 0.25  # documents sampled for the sleep phase, relative to the batch: they cost time, and few are enough


def update(
    training: Training,
    batch: Batch,
    generator: KeyedGenerator,
    learning_rate: float | Tensor,
    penalty_scale: float | Tensor,
    profile: NoProfile = NO_PROFILE,
    n_documents: int | None = None,
    watch: FiniteWatch | None = None,
    sleep_seed: int | Tensor | None = None,
) -> tuple[Losses, Samples]:
    """Make one parameter update, and return its losses and the samples of q.

    A device that repeats an update gets the numbers that change in tensors.

    Arguments:
        training: the state, changed in place.
        batch: B documents.
        generator: for the samples of q.
        learning_rate: learning rate of the generative model; a tensor is in single precision, for the optimizer.
        penalty_scale: factor of the penalties on weights and units, from 0 to 1.
        profile: measures the time of each phase.
        n_documents: the documents of this batch of all processes; None for those of this one.
        watch: stops the training when the loss is NaN or infinite.
        sleep_seed: seed of the sampled documents, as of a `KeyedGenerator`; None for that of the epoch.
    """
    model, config, optimizer = training.model, training.config, training.optimizer
    estimator = GRADIENT_ESTIMATORS[config.gradient]
    with profile.phase("sampling q"):
        samples = estimator.sample(model.recognition, batch.counts, config.n_samples, generator)
    with profile.phase("log p"), likelihood_products(config.precision, model.device):
        log_p = model.generative.log_prob_terms(batch.counts, samples)  # x|h1, h1|h2, ..., hn: [S, B]
        sparsity = training.penalties.sparsity
        log_p = add_sparsity_penalty(log_p, samples, sparsity * penalty_scale if sparsity else 0.0)
    with profile.phase("log q"):
        log_q = model.recognition.log_prob_terms(batch.counts, samples)  # h1|x, h2|h1, ...: [S, B]
    with profile.phase("gradient surrogate"):
        losses = training.gradient(log_p, log_q, *estimator.inputs(model, batch.counts, samples, generator))
    if config.sleep:
        with profile.phase("sampled documents"):
            log_q_sampled = _sleep(training, batch, n_documents or len(batch.counts), sleep_seed)
            losses = replace(losses, total=losses.total - config.sleep * log_q_sampled)
    if training.codes is not None:
        with profile.phase("neighbor codes"):
            log_q_codes = _log_q_of_codes(training, training.codes[batch.keys][None].to(samples[0]), batch)
            losses = replace(losses, total=losses.total - config.neighbor_codes * log_q_codes)
    if watch is not None:
        watch.check(batch, losses)
    with profile.phase("backward"):
        optimizer.zero_grad(set_to_none=True)
        losses.total.backward()
    with profile.phase("optimizer"):
        training.penalties.add_gradient(model.generative.visible.weight, len(batch.counts), penalty_scale)
        _step(training, learning_rate)
    detached = replace(losses, total=losses.total.detach())  # frees what backward kept
    return detached, tuple(layer.detach() for layer in samples)


def _step(training: Training, learning_rate: float | Tensor) -> None:
    """Add up the gradients of all processes, and change the parameters."""
    optimizer = training.optimizer
    parameters = (each for group in optimizer.param_groups for each in group["params"])
    training.processes.all_reduce(each.grad for each in parameters if each.grad is not None)
    for group in optimizer.param_groups:
        lr_scale = group["lr_scale"]
        group["lr"] = learning_rate if lr_scale == 1 else learning_rate * lr_scale
    optimizer.step()


def _log_q_of_codes(training: Training, codes: Tensor, batch: Batch) -> Tensor:
    """Return the sum over a batch of log q(c | x) of the documents' codes, `[1, B, K]`."""
    return sum_terms(training.model.recognition.log_prob_terms(batch.counts, (codes,))).sum()


def _sleep(training: Training, batch: Batch, n_documents: int, seed: int | Tensor | None) -> Tensor:
    """Return the sum over a batch of log q(h | x) of documents sampled from p, estimated with fewer documents.

    They have the lengths of the first of the batch's `n_documents`, whose order is random; each process samples those
    that have the lengths of its own documents.
    """
    n_sampled = math.ceil(SLEEP_SHARE * n_documents)
    n_own = len(range(n_sampled)[training.processes.shard])
    if not n_own:
        return batch.counts.values.new_zeros(())
    if seed is None:
        seed = stream_seed(training.config.seed, "sleep", training.epoch)
    generator = KeyedGenerator(seed, batch.keys[:n_own])
    log_q = sampled_log_q(training.model, batch.counts.lengths[:n_own], generator, batch.counts.longest)
    return sum_terms(log_q).sum() * (n_documents / n_sampled)
