"""Wake-sleep against enumeration: the wake gradient by q's codes, the sleep gradient by the model's own joint."""

import torch
from exact import joint_terms, random_network, sparse

from docnvil.nvil.wake_sleep import wake_sleep
from docnvil.runtime.randomness import KeyedGenerator
from docnvil.training.gradient_estimators import sampled_log_q

WORDS = 4


def test_expected_gradients_are_the_enumerated_ones():
    """One-word documents: the model's joint over words and units can be summed as a whole."""
    network = random_network(WORDS, (3, 2))
    one_word = sparse(torch.eye(WORDS, dtype=torch.float64))
    log_p, log_q, samples = joint_terms(network, one_word)  # [M, V]
    with torch.no_grad():
        posterior, joint = sum(log_q).exp(), sum(log_p).exp()
    names = list(dict(network.named_parameters()))
    wake = torch.autograd.grad((posterior * sum(log_p)).sum(), network.parameters(), allow_unused=True)
    sleep = torch.autograd.grad((joint * sum(log_q)).sum() * WORDS, network.parameters(), allow_unused=True)

    log_p, log_q, _ = joint_terms(network, one_word)
    expected = 0.0
    for setting in range(len(samples[0])):
        terms_p, terms_q = ([term[[setting]] for term in terms] for terms in (log_p, log_q))
        awake = wake_sleep([term * posterior[setting] for term in terms_p], terms_q, [torch.zeros(1, WORDS)]).total
        asleep = wake_sleep([torch.zeros(1, WORDS)], terms_q, [term * joint[setting] for term in terms_q]).total
        expected = expected + awake + WORDS * asleep
    found = torch.autograd.grad(-expected, network.parameters())
    for name, of_wake, of_sleep, each in zip(names, wake, sleep, found, strict=True):
        assert torch.allclose(each, of_sleep if name.startswith("recognition") else of_wake, atol=1e-10), name


def test_dreams_follow_the_model():
    network = random_network(WORDS, (2,), scale=0.5)
    n_dreams = 40_000
    lengths = torch.ones(n_dreams, dtype=torch.float64)
    terms = sampled_log_q(network, lengths, KeyedGenerator(0, torch.arange(n_dreams)))
    log_p, log_q, _ = joint_terms(network, sparse(torch.eye(WORDS, dtype=torch.float64)))
    expected = (sum(log_p).exp() * sum(log_q)).sum()
    assert torch.isclose(torch.stack(terms).sum(0).mean(), expected, atol=0.02)
