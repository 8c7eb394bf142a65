"""One parameter update against parameters computed in the test, with every setting away from its default.

The reference below uses dense matrices and torch's autograd only: it shares no code with docnvil, except that both are
given the same samples of q.
"""

import math

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from torch import Tensor
from torch.nn.functional import logsigmoid

from docnvil.batches import Batch, sparse_counts
from docnvil.model.settings import ModelConfig
from docnvil.runtime.randomness import KeyedGenerator, stream_seed
from docnvil.schema import settings_of
from docnvil.training.loop import update
from docnvil.training.settings import TrainingConfig
from docnvil.training.state import Training

CPU = torch.device("cpu")
MODEL = {
    "units": (4, 3, 2),
    "prior": "autoregressive",
    "posterior": "autoregressive",
    "observation": "dirichlet-multinomial",
    "recognition_input": "log1p",
    "recognition_hidden": (5,),
    "start_logit": -0.5,
    "weight_scale": 0.3,
}
TRAINING = {
    "epochs": 7,
    "batch_size": 6,
    "n_samples": 3,
    "optimizer": "sgd",
    "learning_rate": 0.02,
    "recognition_rate": 0.3,
    "beta1": 0.7,
    "beta2": 0.9,
    "schedule": "constant",
    "warmup": 0.5,
    "start": "random",
    "l1": 2.0,
    "sparsity": 0.7,
    "exclusivity": 0.3,
    "sleep": 0.8,
    "weight_decay": 0.4,
    "gradient": "nvil",
    "baseline": "learned",
    "center": False,
    "normalize": False,
    "local_signals": False,
    "patience": 3,
    "validation_samples": 4,
    "precision": "float64",
    "seed": 5,
}
N_DOCUMENTS = 20
WARMUP_SCALE = 0.6
RATE = 0.013


@pytest.fixture(scope="module")
def counts() -> csr_array:
    return csr_array(np.random.default_rng(0).poisson(1.5, (N_DOCUMENTS, 8)))


def chain_log_prob(logits: Tensor, lateral: Tensor, value: Tensor) -> Tensor:
    """Return log p of units whose logit also sees the earlier units of the layer."""
    logits = logits + value @ lateral.tril(-1).T
    return (value * logits - torch.nn.functional.softplus(logits)).sum(-1)


def bernoulli_log_prob(logits: Tensor, value: Tensor) -> Tensor:
    return (value * logsigmoid(logits) + (1 - value) * logsigmoid(-logits)).sum(-1)


def p_terms(at: dict[str, Tensor], x: Tensor, h: list[Tensor]) -> list[Tensor]:
    """log p(x | h1), log p(h1 | h2), log p(h2 | h3), log p(h3)."""
    logits = h[0] @ at["generative.visible.weight"].T + at["generative.visible.bias"]
    concentration = at["generative.visible.log_concentration"].exp()
    a = concentration * torch.softmax(logits, -1)
    words = (torch.lgamma(a + x) - torch.lgamma(a)).sum(-1)
    words = words + torch.lgamma(concentration) - torch.lgamma(concentration + x.sum(-1))
    layers = [
        bernoulli_log_prob(h[i + 1] @ at[f"generative.layers.{i}.weight"].T + at[f"generative.layers.{i}.bias"], h[i])
        for i in range(2)
    ]
    prior = chain_log_prob(at["generative.prior.bias"], at["generative.prior.units.lateral"], h[2])
    return [words, *layers, prior]


def q_terms(at: dict[str, Tensor], x: Tensor, h: list[Tensor]) -> list[Tensor]:
    """log q(h1 | x), log q(h2 | h1), log q(h3 | h2)."""
    first = "recognition.first."
    hidden = torch.log1p(x) @ at[first + "linear.weight"] + at[first + "linear.bias"]
    logits = [hidden.tanh() @ at[first + "deeper.0.weight"].T + at[first + "deeper.0.bias"]]
    logits += [h[i] @ at[f"recognition.layers.{i}.weight"].T + at[f"recognition.layers.{i}.bias"] for i in range(2)]
    laterals = [at[first + "units.lateral"], *(at[f"recognition.layers.{i}.units.lateral"] for i in range(2))]
    return [chain_log_prob(*each) for each in zip(logits, laterals, h, strict=True)]


def baselines(at: dict[str, Tensor], x: Tensor, h: list[Tensor]) -> list[Tensor]:
    """C_1(x), C_2(h1), C_3(h2)."""
    first = torch.log1p(x) @ at["networks.0.first.weight"] + at["networks.0.first.bias"]
    hidden = [
        first,
        *(h[i] @ at[f"networks.{i + 1}.first.weight"].T + at[f"networks.{i + 1}.first.bias"] for i in (0, 1)),
    ]
    last = [(at[f"networks.{i}.last.weight"], at[f"networks.{i}.last.bias"]) for i in range(3)]
    return [(layer.tanh() @ weight.T + bias).squeeze(-1) for layer, (weight, bias) in zip(hidden, last, strict=True)]


def sample_documents(training: Training, counts: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Return two documents sampled from the model, with the lengths of the first two, and their units."""
    keys = torch.arange(2)
    generator = KeyedGenerator(stream_seed(training.config.seed, "sleep", 0), keys)
    generative = training.model.generative
    with torch.no_grad():
        units = generative.sample(2, generator)
        words = generative.visible_distribution(units).sample(counts[:2].sum(1).long(), generator)
    dense = torch.zeros(2, counts.shape[1], dtype=counts.dtype)
    dense[words.documents, words.indices] = words.values
    return dense, [layer[0] for layer in units]


def gradients(
    at: dict[str, Tensor],
    x: Tensor,
    h: list[Tensor],
    sampled: tuple[Tensor, list[Tensor]],
    config: TrainingConfig,
    frequencies: Tensor,
) -> dict[str, Tensor]:
    """Return the gradients of Algorithm 1 of Mnih & Gregor's (2014) supplement, with the penalties of docnvil.

    `frequencies`, `[V]`, says how often each word occurs in the N documents.
    """
    length_scale = float(frequencies.sum()) / N_DOCUMENTS / 50  # penalties are for documents of 50 tokens
    assert 0 < length_scale < 1
    at = {name: value.clone().requires_grad_() for name, value in at.items()}
    log_p, log_q, n_layers = p_terms(at, x, h), q_terms(at, x, h), 3
    penalty = config.sparsity * WARMUP_SCALE * length_scale
    penalized = [log_p[0], *(term - penalty * layer.sum(-1) for term, layer in zip(log_p[1:], h, strict=True))]
    with torch.no_grad():
        whole = sum(penalized) - sum(log_q)
        signals = [sum(penalized[i:]) - sum(log_q[i:]) if config.local_signals else whole for i in range(n_layers)]
    predicted = baselines(at, x, h) if config.baseline == "learned" else []
    weights = []
    for i, signal in enumerate(signals):
        if config.baseline == "learned":
            signal = signal - predicted[i].detach()
        elif config.baseline == "leave-one-out":
            others = [torch.cat([signal[:s], signal[s + 1 :]]).mean(0) for s in range(len(signal))]
            signal = signal - torch.stack(others)
        mean, variance = 0.2 * signal.mean(), 0.2 * signal.var(correction=0)  # moving averages that start at zero
        signal = signal - mean if config.center else signal
        weights.append(signal / max(1.0, math.sqrt(variance)) if config.normalize else signal)
    loss = -sum(log_p).mean(0).sum() - sum((w * q).mean(0).sum() for w, q in zip(weights, log_q, strict=True))
    loss = loss - sum((w * c).mean(0).sum() for w, c in zip(weights, predicted, strict=False))
    sampled_x, sampled_h = sampled
    loss = loss - config.sleep * sum(q_terms(at, sampled_x, sampled_h)).sum() * len(x) / len(sampled_x)
    found = dict(zip(at, torch.autograd.grad(loss, list(at.values()), allow_unused=True), strict=True))
    visible = "generative.visible.weight"
    weight = at[visible].detach().requires_grad_()
    products = weight.clamp(min=0)[:, :, None] * weight.clamp(min=0)[:, None, :]  # [V, K, K]
    shared = sum(products[:, j, k] for j in range(products.shape[1]) for k in range(j))
    l1 = config.l1 * N_DOCUMENTS / 1500  # the prior is weaker in a corpus of few documents
    prior = l1 * weight.abs().sum() + config.exclusivity * (frequencies * shared).sum()
    share = len(x) / N_DOCUMENTS  # of the prior on the weights, which is counted once per pass over the corpus
    (of_prior,) = torch.autograd.grad(prior * WARMUP_SCALE * length_scale * share, weight)
    found[visible] = found[visible] + of_prior
    return {name: gradient for name, gradient in found.items() if gradient is not None}


def stepped(at: dict[str, Tensor], gradient: dict[str, Tensor], config: TrainingConfig) -> dict[str, Tensor]:
    """Return the parameters after one step of SGD or Adam."""
    result = dict(at)
    for name, slope in gradient.items():
        rate = RATE if name.startswith("generative.") else RATE * config.recognition_rate
        decay = rate * config.weight_decay * at[name] if at[name].dim() == 2 else 0.0
        step = slope if config.optimizer == "sgd" else slope / (slope.abs() + 1e-8)  # Adam's first step
        result[name] = at[name] - rate * step - decay
    return result


def updated(counts: csr_array, config: TrainingConfig) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the parameters after one update by docnvil and by the reference."""
    training = Training.start(ModelConfig(counts.shape[1], **MODEL), config, counts, CPU)
    torch.manual_seed(1)
    for parameter in (*training.model.parameters(), *training.gradient.parameters()):
        parameter.data.add_(0.2 * torch.randn_like(parameter))  # no parameter stays at zero
    before = {name: value.detach().clone() for name, value in parameters_of(training).items()}
    rows = counts[: config.batch_size]
    batch = Batch(sparse_counts(rows, CPU, torch.float64), torch.arange(config.batch_size))
    samples = training.model.recognition.sample(batch.counts, config.n_samples, KeyedGenerator(3, batch.keys))
    x = torch.from_numpy(rows.toarray()).double()
    sampled = sample_documents(training, x)
    update(training, batch, KeyedGenerator(3, batch.keys), RATE, WARMUP_SCALE)
    frequencies = torch.from_numpy(counts.sum(axis=0)).double()
    h = [layer.detach() for layer in samples]
    expected = stepped(before, gradients(before, x, h, sampled, config, frequencies), config)
    return parameters_of(training), expected


def parameters_of(training: Training) -> dict[str, Tensor]:
    return {**dict(training.model.named_parameters()), **dict(training.gradient.named_parameters())}


CASES = {
    "every setting changed": {},
    "adam": {"optimizer": "adam"},
    "local signals": {"local_signals": True},
    "centered": {"center": True},
    "normalized": {"normalize": True},
    "leave-one-out": {"baseline": "leave-one-out", "normalize": True, "local_signals": True},
    "no baseline": {"baseline": "none", "center": True, "normalize": True, "local_signals": True},
}


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_an_update_gives_the_computed_parameters(counts, changes):
    actual, expected = updated(counts, TrainingConfig(**{**TRAINING, **changes}))
    assert set(actual) == set(expected)
    for name, value in actual.items():
        assert torch.allclose(value.detach(), expected[name], rtol=1e-6, atol=1e-9), name


def test_every_setting_is_away_from_its_default():
    for declaration, values in ((ModelConfig, MODEL), (TrainingConfig, TRAINING)):
        for name, setting in settings_of(declaration).items():
            # Gradient estimators, the mixture prior, codes of similar documents and seed words have tests of their own.
            if name not in ("vocabulary_size", "gradient", "themes", "neighbor_codes", "seed_words"):
                assert values[name] != setting.default, name


@pytest.mark.parametrize(
    "name", ["recognition_rate", "l1", "sparsity", "exclusivity", "sleep", "weight_decay", "n_samples", "batch_size"]
)
def test_each_setting_changes_the_update(counts, name):
    config = TrainingConfig(**TRAINING)
    other = TrainingConfig(**{**TRAINING, name: 2 * TRAINING[name]})
    first, second = updated(counts, config)[0], updated(counts, other)[0]
    assert any(not torch.equal(first[each], second[each]) for each in first)
