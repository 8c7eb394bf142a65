"""Description of a model in one sentence, from its settings: network, output layer and gradient estimator."""

from docnvil.model.settings import ModelConfig
from docnvil.model.visible import VISIBLE_LAYERS
from docnvil.training.gradients import GRADIENTS
from docnvil.training.settings import TrainingConfig

BASELINE_NAMES = {"learned": "learned baselines", "leave-one-out": "leave-one-out baseline", "none": "no baseline"}
OMISSIONS = {"center": "no centering", "normalize": "no variance normalization", "local_signals": "no local signals"}


def describe_model(config: ModelConfig, training: TrainingConfig) -> str:
    """Return a description of a network and of how it was trained, without a full stop.

    Example:
        >>> print(describe_model(ModelConfig(2000, (200, 50)), TrainingConfig(gradient="rws")))
        Sigmoid belief network, 200-50 units, softmax output layer, factorial recognition network, trained with
        reweighted wake-sleep (5 samples)
    """
    return f"{describe_network(config)}, trained with {describe_gradient(training)}"


def describe_network(config: ModelConfig) -> str:
    """Return the kind of network, its units from the document upward, its output layer and its recognition network.

    A deepest layer with autoregressive units makes it an fDARN, and autoregressive bits besides a DARN (Gregor et al.,
    2014, *Deep autoregressive networks*). The themes are the components of a mixture prior.
    """
    kind = "Sigmoid belief network"
    if config.prior == "autoregressive":
        kind = "DARN" if config.observation == "autoregressive-bernoulli" else "fDARN"
    elif config.prior == "mixture":
        kind = f"Sigmoid belief network with {config.themes:,} theme{'' if config.themes == 1 else 's'}"
    elif config.prior == "uniform":
        kind = "Sigmoid belief network with a uniform prior"
    units = "1 unit" if config.units == (1,) else f"{layer_sizes(config.units)} units"
    recognition = f"{config.posterior} recognition network"
    if config.recognition_hidden:
        recognition += f" with {layer_sizes(config.recognition_hidden)} tanh units"
    return f"{kind}, {units}, {VISIBLE_LAYERS[config.observation].name} output layer, {recognition}"


def describe_gradient(training: TrainingConfig) -> str:
    """Return the gradient estimator, its number of samples and, for NVIL, its ways to reduce the variance.

    Example:
        >>> describe_gradient(TrainingConfig(n_samples=1, baseline="learned", center=False))
        'NVIL (1 sample, learned baselines, no centering)'
    """
    details = ["1 sample" if training.n_samples == 1 else f"{training.n_samples:,} samples"]
    if training.gradient == "nvil":
        details.append(BASELINE_NAMES[training.baseline])
        details += [text for name, text in OMISSIONS.items() if not getattr(training, name)]
    return f"{GRADIENTS[training.gradient].title} ({', '.join(details)})"


def layer_sizes(sizes: tuple[int, ...]) -> str:
    """Return the sizes of layers joined by hyphens, the layer next to the document first: "200-50"."""
    return "-".join(map(str, sizes))
