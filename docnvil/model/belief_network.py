"""A belief network: the generative model p and the recognition network q, built from one configuration."""

import torch
from torch import Tensor, nn

from docnvil.model.generative import GenerativeModel
from docnvil.model.layers import BernoulliPrior, SigmoidLayer
from docnvil.model.recognition import RecognitionNetwork
from docnvil.model.settings import ModelConfig

PROFILE_IN_WEIGHTS = 0.5  # half of a profile: units act together, and none explains a document alone
PROFILE_IN_RECOGNITION = 0.05  # a hint only, because it adds up over the words of a document


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
