"""A belief network: the generative model p and the recognition network q, built from one configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from docnvil.errors import ConfigurationError
from docnvil.model.generative import GenerativeModel
from docnvil.model.layers import BernoulliPrior, Dependence, InputTransform, SigmoidLayer
from docnvil.model.recognition import RecognitionNetwork
from docnvil.model.visible import VISIBLE_LAYERS, Observation

PROFILE_IN_WEIGHTS = 0.5  # half of a profile: units act together, and none explains a document alone
PROFILE_IN_RECOGNITION = 0.05  # a hint only, because it adds up over the words of a document


@dataclass(frozen=True)
class ModelConfig:
    """What a belief network is made of; the checkpoint's JSON is poured from it.

    Arguments:
        vocabulary_size: V, the size of the vocabulary.
        units: units of each layer, counted from the document upward, so (200, 50) puts 50 units on top of 200.
        prior: how the deepest units hang together, "factorial", or "autoregressive" for an fDARN.
        posterior: how the units within each layer of the recognition network hang together, likewise.
        observation: the visible layer: "softmax" over words, or "dirichlet-multinomial" for bursty ones; "bernoulli"
            for binary vectors of V bits, or "autoregressive-bernoulli", whose bits also see earlier bits (DARN).
        recognition_input: what recognition and baseline networks see of the counts: "counts", "log1p" of them, or
            "centered", the counts less their training mean.
        recognition_hidden: sizes of deterministic tanh layers of q between the document and the first units.
        start_logit: the value at which the biases of p's and q's units start. Below zero, units start rarely on, and
            training finds units that stand for a subject rather than for half of the corpus.
        weight_scale: standard deviation of the normal distribution the weights start from.
    """

    vocabulary_size: int
    units: tuple[int, ...] = (50,)
    prior: Dependence = "factorial"
    posterior: Dependence = "factorial"
    observation: Observation = "softmax"
    recognition_input: InputTransform = "counts"
    recognition_hidden: tuple[int, ...] = ()
    start_logit: float = 0.0
    weight_scale: float = 0.01

    def __post_init__(self) -> None:
        if not self.units or any(units < 1 for units in self.units):
            raise ConfigurationError(
                f"Every layer needs at least one unit, and units are {list(self.units)}. Ask for 1 or more."
            )
        if any(size < 1 for size in self.recognition_hidden):
            raise ConfigurationError(
                f"recognition_hidden is {list(self.recognition_hidden)}, and a layer needs at least one unit."
                " Ask for 1 or more, or for no such layers."
            )
        if self.vocabulary_size < 1:
            raise ConfigurationError("A model needs at least one word. Build the vocabulary from documents with words.")
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise ConfigurationError(f"{name} is {getattr(self, name)!r}. Choose one of {', '.join(known)}.")

    @classmethod
    def from_json(cls, settings: Mapping[str, Any]) -> "ModelConfig":
        """Return the configuration that JSON holds, in which tuples have become lists.

        Example:
            >>> ModelConfig.from_json({"vocabulary_size": 7, "units": [3, 2]}).units
            (3, 2)
        """
        return cls(**{name: tuple(each) if isinstance(each, list) else each for name, each in settings.items()})

    @property
    def is_binary(self) -> bool:
        """Whether the model is of binary vectors; else it is of words."""
        return self.observation in ("bernoulli", "autoregressive-bernoulli")


_CHOICES = {
    "prior": ("factorial", "autoregressive"),
    "posterior": ("factorial", "autoregressive"),
    "observation": tuple(VISIBLE_LAYERS),
    "recognition_input": ("counts", "log1p", "centered"),
}


class BeliefNetwork(nn.Module):
    """p(x, h) and q(h | x) over the same units.

    Example:
        >>> network = build_model(ModelConfig(vocabulary_size=7, units=(3, 2)), torch.Generator().manual_seed(0))
        >>> [tuple(codes.shape) for codes in network.generative.sample(5, torch.Generator().manual_seed(0))]
        [(1, 5, 3), (1, 5, 2)]
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.generative = GenerativeModel(config.vocabulary_size, config.units, config.prior, config.observation)
        self.recognition = RecognitionNetwork(
            config.vocabulary_size, config.units, config.recognition_input, config.posterior, config.recognition_hidden
        )

    @property
    def device(self) -> torch.device:
        """The device of the parameters."""
        return self.generative.prior.bias.device

    @property
    def dtype(self) -> torch.dtype:
        """The floating-point type of the parameters."""
        return self.generative.prior.bias.dtype


@torch.no_grad()
def build_model(
    config: ModelConfig,
    generator: torch.Generator,
    word_frequencies: Tensor | None = None,
    profiles: Tensor | None = None,
    n_documents: int | None = None,
) -> BeliefNetwork:
    """Build a network at its starting point.

    Arguments:
        config: the shape of the network and of its start.
        generator: a CPU generator for the starting weights.
        word_frequencies: `[V]`, the corpus's word counts; the visible bias starts at what predicts them. Without them
            it starts at zero, the uniform distribution.
        profiles: `[K, V]`, log p(w | k) / p(w) of a subject for each unit of the first layer to start at. Its words'
            weights start towards it, and the unit's recognition leans that way.
        n_documents: N, of the documents that `word_frequencies` are of; binary and centered models need it.
    """
    network = BeliefNetwork(config)
    for name, parameter in network.named_parameters():
        if name.endswith("weight"):
            parameter.normal_(0.0, config.weight_scale, generator=generator)
    for module in (*network.recognition.modules(), *network.generative.modules()):
        if isinstance(module, SigmoidLayer | BernoulliPrior):
            module.bias.fill_(config.start_logit)
    first = network.recognition.first
    if config.recognition_hidden:
        for layer in (first.linear, *first.deeper):  # tanh units that start asleep would wake up late
            layer.weight.normal_(0.0, config.vocabulary_size**-0.5, generator=generator)
    (first.deeper[-1] if config.recognition_hidden else first.linear).bias.fill_(config.start_logit)
    if word_frequencies is not None:
        visible = network.generative.visible
        visible.bias.copy_(visible.initial_bias(word_frequencies, n_documents))
        if config.recognition_input == "centered":
            first.linear.mean.copy_(word_frequencies / n_documents)
    if profiles is not None:
        network.generative.visible.weight.add_(profiles.T.clamp(min=0), alpha=PROFILE_IN_WEIGHTS)
        if not config.recognition_hidden:  # behind deterministic layers no weight is between a word and a unit
            first.linear.weight.add_(profiles.T, alpha=PROFILE_IN_RECOGNITION)
    return network
