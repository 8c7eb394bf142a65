"""Wake-sleep compared with enumeration: the wake gradient over q's samples, the sleep gradient over the model's."""

import torch
from exact import joint_terms, random_network, sparse

from docnvil.nvil.wake_sleep import wake_sleep
from docnvil.runtime.randomness import KeyedGenerator
from docnvil.training.gradient_estimators import sampled_log_q

VOCABULARY_SIZE = 4


def test_mean_gradients_of_both_phases_are_the_enumerated_ones():
    """For documents of one word, the joint distribution of words and units can be enumerated."""
    network = random_network(VOCABULARY_SIZE, (3, 2))
    one_word = sparse(torch.eye(VOCABULARY_SIZE, dtype=torch.float64))
    log_p, log_q, samples = joint_terms(network, one_word)  # [M, V]
    with torch.no_grad():
        posterior, joint = sum(log_q).exp(), sum(log_p).exp()
    names = list(dict(network.named_parameters()))
    wake = torch.autograd.grad((posterior * sum(log_p)).sum(), network.parameters(), allow_unused=True)
    sleep = torch.autograd.grad((joint * sum(log_q)).sum() * VOCABULARY_SIZE, network.parameters(), allow_unused=True)

    log_p, log_q, _ = joint_terms(network, one_word)
    no_terms = [torch.zeros(1, VOCABULARY_SIZE)]
    expected = 0.0
    for setting in range(len(samples[0])):
        terms_p, terms_q = ([term[[setting]] for term in terms] for terms in (log_p, log_q))
        wake_loss = wake_sleep([term * posterior[setting] for term in terms_p], terms_q, no_terms).total
        sleep_loss = wake_sleep(no_terms, terms_q, [term * joint[setting] for term in terms_q]).total
        expected = expected + wake_loss + VOCABULARY_SIZE * sleep_loss
    found = torch.autograd.grad(-expected, network.parameters())
    for name, of_wake, of_sleep, gradient in zip(names, wake, sleep, found, strict=True):
        assert torch.allclose(gradient, of_sleep if name.startswith("recognition") else of_wake, atol=1e-10), name


def test_gradients_are_averaged_over_samples_and_summed_over_documents():
    log_p, model_sample_log_q = torch.zeros(2, 3, requires_grad=True), torch.zeros(1, 3, requires_grad=True)
    wake_sleep([log_p], [torch.zeros(2, 3)], [model_sample_log_q]).total.backward()
    assert log_p.grad.tolist() == [[-0.5] * 3] * 2
    assert model_sample_log_q.grad.tolist() == [[-1] * 3]


def test_sleep_phase_samples_follow_the_model():
    network = random_network(VOCABULARY_SIZE, (2,), scale=0.5)
    n_documents = 40_000
    lengths = torch.ones(n_documents, dtype=torch.float64)
    terms = sampled_log_q(network, lengths, KeyedGenerator(0, torch.arange(n_documents)))
    log_p, log_q, _ = joint_terms(network, sparse(torch.eye(VOCABULARY_SIZE, dtype=torch.float64)))
    expected = (sum(log_p).exp() * sum(log_q)).sum()
    assert torch.isclose(torch.stack(terms).sum(0).mean(), expected, atol=0.02)
