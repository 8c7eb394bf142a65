"""A belief network: the generative model p and the recognition network q, and their initialization."""

import torch
from torch import Tensor, nn

from docnvil.model.generative import GenerativeModel
from docnvil.model.layers import BernoulliPrior, SigmoidLayer
from docnvil.model.mixture import MixturePrior
from docnvil.model.recognition import RecognitionNetwork
from docnvil.model.settings import ModelConfig

# Several units are on at once, so each starts with a part of its profile; a smaller one in q, which sums over tokens.
GENERATIVE_PROFILE_SCALE = 0.5
RECOGNITION_PROFILE_SCALE = 0.05
OFF_LOGIT = -30.0  # a probability of 1e-13: never sampled, with gradients too small for any optimizer to follow


class BeliefNetwork(nn.Module):
    """A generative model p(x, h) and a recognition network q(h | x) with the same units.

    Example:
        >>> network = build_model(ModelConfig(vocabulary_size=7, units=(3, 2)), torch.Generator().manual_seed(0))
        >>> [tuple(layer.shape) for layer in network.generative.sample(5, torch.Generator().manual_seed(0))]
        [(1, 5, 3), (1, 5, 2)]
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.generative = GenerativeModel(
            config.vocabulary_size, config.units, config.prior, config.observation, config.themes
        )
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
    """Return a network with initial parameters.

    Arguments:
        config: the settings of the network.
        generator: a CPU generator for the initial weights.
        word_frequencies: `[V]`, how often each word occurs in the training documents, from which the visible bias is
            initialized; by default it is zero, the uniform distribution.
        profiles: `[J, V]`, log p(w | k) / p(w) for a cluster of documents per unit of the first layer. They are added,
            scaled, to the unit's weights in p and q. With J < K, the other units are switched off for good.
        n_documents: N of the training documents; needed with `word_frequencies` for bits and centered inputs.
    """
    network = BeliefNetwork(config)
    visible, first = network.generative.visible, network.recognition.first
    for name, parameter in network.named_parameters():
        if name.endswith("weight"):
            parameter.normal_(0.0, config.weight_scale, generator=generator)
    for module in (*network.recognition.modules(), *network.generative.modules()):
        if isinstance(module, SigmoidLayer) or (isinstance(module, BernoulliPrior) and not module.is_fixed):
            module.bias.fill_(config.start_logit)
        if isinstance(module, MixturePrior):
            module.initialize(config.start_logit, generator)
    if config.recognition_hidden:
        for layer in (first.linear, *first.deeper):  # tanh layers with tiny weights learn slowly at first
            layer.weight.normal_(0.0, config.vocabulary_size**-0.5, generator=generator)
            layer.bias.zero_()  # torch draws it from its global generator
    (first.deeper[-1] if config.recognition_hidden else first.linear).bias.fill_(config.start_logit)
    if word_frequencies is not None:
        visible.bias.copy_(visible.initial_bias(word_frequencies, n_documents))
        if config.recognition_input == "centered":
            first.linear.mean.copy_(word_frequencies / n_documents)
    if profiles is not None:
        started = slice(len(profiles))
        visible.weight[:, started].add_(profiles.T.clamp(min=0), alpha=GENERATIVE_PROFILE_SCALE)
        if not config.recognition_hidden:  # with tanh layers, no single weight connects a word to a unit
            first.linear.weight[:, started].add_(profiles.T, alpha=RECOGNITION_PROFILE_SCALE)
        _switch_off(network, slice(len(profiles), config.units[0]))
    return network


def _switch_off(network: BeliefNetwork, units: slice) -> None:
    """Set units of the first layer to be practically never on, in p and q, and to have no effect."""
    first, (*deeper, prior) = network.recognition.first, (*network.generative.layers, network.generative.prior)
    network.generative.visible.weight[:, units] = 0.0
    output = first.deeper[-1] if network.config.recognition_hidden else first.linear
    output.weight[units if network.config.recognition_hidden else (slice(None), units)] = 0.0
    output.bias[units] = OFF_LOGIT
    below = deeper[0] if deeper else prior
    if isinstance(below, SigmoidLayer):
        below.weight[units] = 0.0
    if not isinstance(below, MixturePrior):
        below.bias[units] = OFF_LOGIT
