import pytest
import torch
from exact import (
    enumerate_samples,
    exact_elbo,
    exact_log_likelihood,
    joint_terms,
    random_counts,
    random_network,
    sparse,
)

from docnvil.errors import ConfigurationError
from docnvil.model.belief_network import build_model
from docnvil.model.settings import ModelConfig
from docnvil.runtime.randomness import KeyedGenerator

AUTOREGRESSIVE = {"prior": "autoregressive", "posterior": "autoregressive"}
NETWORKS = [
    ((4,), {}),
    ((3, 2), {}),
    ((2, 2, 1), {}),
    ((4,), AUTOREGRESSIVE),
    ((3, 2), AUTOREGRESSIVE),
    ((3,), {"observation": "dirichlet-multinomial"}),
]
every_network = pytest.mark.parametrize(("units", "settings"), NETWORKS)


@every_network
def test_recognition_probabilities_sum_to_one(units, settings):
    counts = random_counts(5, 6)
    _, log_q, _ = joint_terms(random_network(6, units, **settings), counts)
    assert torch.allclose(sum(log_q).exp().sum(0), torch.ones(5, dtype=torch.float64))


@every_network
def test_joint_probability_sums_to_one_over_units_and_words(units, settings):
    network = random_network(6, units, **settings)
    one_word = sparse(torch.eye(6, dtype=torch.float64))  # all documents of one word
    assert exact_log_likelihood(network, one_word).exp().sum().item() == pytest.approx(1, abs=1e-12)


@every_network
def test_elbo_is_at_most_the_log_likelihood(units, settings):
    network, counts = random_network(6, units, **settings), random_counts(5, 6)
    assert (exact_elbo(network, counts) <= exact_log_likelihood(network, counts) + 1e-12).all()


@every_network
def test_recognition_samples_follow_log_prob(units, settings):
    network, counts = random_network(6, units, scale=0.8, **settings), random_counts(3, 6)
    samples = network.recognition.sample(counts, 40_000, KeyedGenerator(0, torch.arange(3)))
    _, log_q, settings = joint_terms(network, counts)
    digits = 2.0 ** torch.arange(sum(units), dtype=torch.float64)
    sampled, enumerated = (torch.cat(layers, -1) @ digits for layers in (samples, settings))
    for document in range(3):
        frequency = torch.bincount(sampled[:, document].long(), minlength=2 ** sum(units)) / 40_000
        probability = sum(log_q)[:, document].exp()[enumerated[:, document].argsort()]
        assert torch.allclose(frequency.double(), probability, atol=0.012)


@every_network
def test_generated_samples_follow_the_prior(units, settings):
    network = random_network(6, units, scale=0.5, **settings)
    samples = network.generative.sample(40_000, torch.Generator().manual_seed(0))
    settings = enumerate_samples(network, 1)
    empty = sparse(torch.zeros(1, 6, dtype=torch.float64))
    probability = sum(network.generative.log_prob_terms(empty, settings)).exp()  # log p of an empty document is zero
    expected = [(probability[..., None] * layer).sum((0, 1)) for layer in settings]
    for layer, mean in zip(samples, expected, strict=True):
        assert torch.allclose(layer.mean((0, 1)), mean, atol=0.015)


def test_initial_weights_depend_only_on_the_generator():
    first, second, third = (
        build_model(ModelConfig(9, (3,)), torch.Generator().manual_seed(seed)).state_dict() for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["generative.visible.weight"], third["generative.visible.weight"])


def test_initial_biases_follow_word_frequencies_and_the_start_logit():
    frequencies = torch.tensor([10.0, 20.0, 0.0])
    network = build_model(ModelConfig(3, (2, 2), start_logit=-3.0), torch.Generator().manual_seed(0), frequencies)
    bias = network.generative.visible.bias
    assert torch.softmax(bias, 0).tolist() == pytest.approx([11.5 / 34.5, 21.5 / 34.5, 1.5 / 34.5])
    assert network.generative.prior.bias.tolist() == [-3, -3]
    assert network.generative.layers[0].bias.tolist() == [-3, -3]
    assert network.recognition.first.linear.bias.tolist() == [-3, -3]


def test_initial_weights_are_normal_and_lateral_weights_zero():
    config = ModelConfig(400, (60, 50), weight_scale=0.2, recognition_hidden=(70,), **AUTOREGRESSIVE)
    network = build_model(config, torch.Generator().manual_seed(0))
    hidden = network.recognition.first
    for name, parameter in network.named_parameters():
        if name.endswith("weight"):
            tanh = parameter is hidden.linear.weight or parameter is hidden.deeper[0].weight
            scale = 400**-0.5 if tanh else 0.2
            assert parameter.std().item() == pytest.approx(scale, rel=0.05), name
            assert abs(parameter.mean().item()) < 4 * scale / parameter.numel() ** 0.5, name
        elif name.endswith("lateral"):
            assert not parameter.any(), name


@pytest.mark.parametrize("hidden", [(), (4,)])
def test_profiles_are_added_to_the_initial_weights(hidden):
    profiles = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, -4.0]])
    config = ModelConfig(3, (2,), recognition_hidden=hidden)
    plain, started = (
        build_model(config, torch.Generator().manual_seed(0), profiles=each).state_dict() for each in (None, profiles)
    )
    added = {name: started[name] - plain[name] for name in plain}
    assert torch.allclose(added.pop("generative.visible.weight"), 0.5 * profiles.T.clamp(min=0))
    if not hidden:
        assert torch.allclose(added.pop("recognition.first.linear.weight"), 0.05 * profiles.T)
    assert not any(value.any() for value in added.values())


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"vocabulary_size": 3, "units": (0,)}, "is 0"),
        ({"vocabulary_size": 3, "units": ()}, "units is empty"),
        ({"vocabulary_size": 0}, "at least one word"),
        ({"vocabulary_size": 3, "prior": "full"}, "Choose one of factorial, autoregressive, mixture, uniform"),
        ({"vocabulary_size": 3, "recognition_input": "squared"}, "Choose one of counts, log1p, centered"),
    ],
)
def test_invalid_settings_are_refused(settings, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        ModelConfig(**settings)


def test_initial_parameters_do_not_depend_on_the_global_generator() -> None:
    config = ModelConfig(7, units=(4, 3), recognition_hidden=(5, 6), posterior="autoregressive", prior="mixture")
    states = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        states.append(build_model(config, torch.Generator().manual_seed(0)).state_dict())
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
