"""The mixture prior compared with enumeration, and its training, storage and evaluation."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from exact import (
    assert_gradients_equal,
    elbo_gradients,
    enumerate_samples,
    every_draw,
    expected_gradients,
    log_prob_terms,
    random_network,
)
from interruption import check_resumed_training
from scipy.sparse import csr_array

import docnvil
from docnvil.analysis.perplexity import document_bounds
from docnvil.analysis.unit_probabilities import prior_probabilities
from docnvil.errors import ConfigurationError
from docnvil.model.distributions import Bernoulli
from docnvil.model.mixture import BernoulliMixture
from docnvil.nvil.nvil import NVIL
from docnvil.runtime.randomness import KeyedGenerator
from docnvil.training.data import checked_counts
from docnvil.training.fit import split_data, start_training
from docnvil.training.optimizers import build_optimizer
from docnvil.training.settings import Settings, TrainingConfig

FLOAT = torch.float64
MIXTURE = {"prior": "mixture", "themes": 3}


def mixture(n_components: int, n_units: int, scale: float = 1.5) -> BernoulliMixture:
    generator = torch.Generator().manual_seed(n_components)
    logits = scale * torch.randn(n_components, n_units, generator=generator, dtype=FLOAT)
    return BernoulliMixture(logits, torch.randn(n_components, generator=generator, dtype=FLOAT))


def settings_of_units(n_units: int) -> torch.Tensor:
    return torch.tensor(list(product([0.0, 1.0], repeat=n_units)), dtype=FLOAT)


@pytest.mark.parametrize("n_components", [1, 2, 7])
def test_log_prob_is_the_sum_over_components_and_sums_to_one(n_components):
    units, values = mixture(n_components, 5), settings_of_units(5)
    shares = units.component_logits.softmax(0)
    on = units.logits.sigmoid()
    expected = sum(
        share * torch.where(values > 0, mean, 1 - mean).prod(-1) for share, mean in zip(shares, on, strict=True)
    )
    assert torch.allclose(units.log_prob(values).exp(), expected, rtol=1e-12)
    assert expected.sum().item() == pytest.approx(1, abs=1e-12)
    assert torch.allclose(units.mean, (expected[:, None] * values).sum(0), rtol=1e-12)


def test_one_component_is_a_factorial_layer():
    units, values = mixture(1, 4), settings_of_units(4)
    assert torch.allclose(units.log_prob(values), Bernoulli(units.logits[0]).log_prob(values), rtol=1e-12)


def test_responsibilities_follow_bayes_rule():
    units, values = mixture(3, 4), settings_of_units(4)
    joint = units.component_log_prob(values).exp()
    assert torch.allclose(units.responsibilities(values), joint / units.log_prob(values).exp()[:, None])


def test_conditionals_multiply_to_the_joint_probability():
    units, values = mixture(3, 5), settings_of_units(5)
    conditional = units.conditional(values)
    assert torch.allclose(conditional.log_prob(values), units.log_prob(values), rtol=1e-10)
    for unit in range(5):  # none depends on its own unit or on later ones
        changed = values.clone()
        changed[:, unit:] = 1 - changed[:, unit:]
        assert torch.allclose(units.conditional(changed).logits[:, : unit + 1], conditional.logits[:, : unit + 1])


def test_samples_follow_log_prob():
    units, values = mixture(3, 5), settings_of_units(5)
    drawn = units.sample((2, 50_000, 5), KeyedGenerator(0, torch.arange(50_000))).view(-1, 5)
    numbers = (drawn @ 2.0 ** torch.arange(4, -1, -1, dtype=FLOAT)).long()
    frequencies = torch.bincount(numbers, minlength=32) / len(drawn)
    assert torch.allclose(frequencies.double(), units.log_prob(values).exp(), atol=5 * 0.5 / math.sqrt(len(drawn)))


def test_samples_do_not_depend_on_other_documents():
    units = mixture(3, 4)
    together = units.sample((2, 5, 4), KeyedGenerator(0, torch.arange(5)))
    assert torch.equal(together[:, 3:], units.sample((2, 2, 4), KeyedGenerator(0, torch.arange(3, 5))))


def test_log_prob_is_finite_for_extreme_logits_and_keeps_single_precision_under_autocast():
    units = BernoulliMixture(torch.tensor([[1e4, -1e4], [-1e4, -1e4]]), torch.zeros(2))
    assert units.log_prob(torch.tensor([1.0, 0.0])).item() == pytest.approx(math.log(0.5), rel=1e-3)
    assert units.log_prob(torch.tensor([0.0, 1.0])).item() == pytest.approx(-1e4, rel=1e-3)
    wide = mixture(5, 40)
    wide = BernoulliMixture(wide.logits.float(), wide.component_logits.float())
    value = (torch.rand(9, 40, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    with torch.autocast("cpu", torch.bfloat16):
        under_autocast = wide.log_prob(value)
    assert under_autocast.dtype == torch.float32
    assert torch.allclose(under_autocast, wide.log_prob(value), rtol=1e-6)


@pytest.mark.parametrize("units", [(3,), (2, 1)])
def test_mean_gradient_of_nvil_is_the_enumerated_one(units, document):
    network = random_network(5, units, **MIXTURE)
    nvil = NVIL(len(units), baseline="none", center=False, normalize=False, networks=[]).double()
    parents = [None] * len(units)
    found = expected_gradients(
        network,
        every_draw(network, document, 1),
        lambda samples: nvil(*log_prob_terms(network, document, samples), parents).total,
    )
    expected = elbo_gradients(network, document)
    assert expected["generative.prior.component_logits"].any()
    assert_gradients_equal(found, expected)


def test_bounds_are_ordered_and_at_most_the_exact_value():
    network = random_network(6, (4, 3), **MIXTURE)
    counts = csr_array(np.random.default_rng(0).integers(0, 4, size=(40, 6)))
    options = ({}, {"bound": "importance", "n_samples": 50}, {"bound": "exact"})
    elbo, weighted, exact = (document_bounds(network, counts, **each).summarize().log_likelihood for each in options)
    assert elbo < weighted < exact


@pytest.mark.parametrize("units", [(4,), (3, 2)])
def test_prior_probabilities_agree_with_enumeration(units):
    network = random_network(6, units, **MIXTURE)
    samples = enumerate_samples(network, 1)
    layers = zip(network.generative.distributions(samples), samples, strict=True)
    weights = sum(layer.log_prob(value) for layer, value in layers).exp()[..., None]
    expected = torch.cat([(weights * layer).sum((0, 1)) for layer in samples]).detach().numpy()
    assert prior_probabilities(network) == pytest.approx(expected, abs=1e-12 if len(units) == 1 else 0.02)


@pytest.fixture(scope="module")
def fitted(block_counts) -> docnvil.FittedModel:
    return docnvil.fit(block_counts, Settings(units=(4,), prior="mixture", themes=3, epochs=40, batch_size=20))


def test_components_start_at_clusters_of_documents(block_counts):
    """Three subjects in equal shares: the components start at different units, with equal weights."""
    settings = Settings(units=(6,), prior="mixture", themes=3, seed=1, epochs=1)
    data = split_data(checked_counts(block_counts), settings)
    prior = start_training(data, settings).model.generative.prior().logits.detach()
    assert torch.cdist(prior, prior)[~torch.eye(3, dtype=bool)].min() > 0.5
    random = start_training(data, Settings(units=(6,), prior="mixture", themes=3, start="random"))
    assert random.model.generative.prior.bias.std(0).min() > 0.05


def test_a_block_corpus_is_learned(fitted, block_counts):
    assert fitted.evaluate(block_counts).perplexity_per_document < 7.5  # 5 is optimal, 15 without units


def test_a_saved_model_opens_with_the_same_results(fitted, block_counts, tmp_path):
    docnvil.save(fitted, tmp_path / "model")
    loaded = docnvil.load(tmp_path / "model")
    assert loaded.network.config == fitted.network.config
    assert np.array_equal(loaded.transform(block_counts), fitted.transform(block_counts))
    assert loaded.evaluate(block_counts) == fitted.evaluate(block_counts)
    assert loaded.settings.values["themes"] == 3


def test_a_resumed_training_gives_the_same_bytes(fitted, block_counts, tmp_path):
    check_resumed_training(fitted, block_counts, tmp_path / "c")


def test_components_have_no_weight_decay(block_counts):
    network = random_network(5, (3,), **MIXTURE)
    optimizer = build_optimizer(network, torch.nn.Identity(), TrainingConfig(weight_decay=0.5))
    decayed = {id(each) for group in optimizer.param_groups if group["weight_decay"] for each in group["params"]}
    assert id(network.generative.prior.bias) not in decayed
    assert id(network.generative.visible.weight) in decayed


@pytest.mark.parametrize("prior", [None, "factorial", "autoregressive"])
def test_the_number_of_themes_needs_a_mixture_prior(prior):
    with pytest.raises(ConfigurationError, match="themes can be chosen only with prior mixture"):
        Settings(prior=prior, themes=4)
