"""What each gradient estimator needs, by name. Importing this does not import torch."""

from dataclasses import dataclass
from typing import Literal

from docnvil.errors import ConfigurationError

GradientName = Literal["nvil", "rloo", "vimco", "disarm", "arms", "muprop", "st-gumbel", "rws", "wake-sleep"]


@dataclass(frozen=True)
class GradientTraits:
    """What a gradient estimator needs of the other settings.

    Arguments:
        title: its full name.
        min_samples: the smallest number of samples per document.
        sample_multiple: the number of samples must be a multiple of this.
        supports_autoregressive_q: whether the units of a recognition layer may depend on each other.
        uses_learning_signal: whether q is trained by the learning signal, and not by samples from the model.
    """

    title: str
    min_samples: int = 1
    sample_multiple: int = 1
    supports_autoregressive_q: bool = True
    uses_learning_signal: bool = True


GRADIENTS: dict[GradientName, GradientTraits] = {
    "nvil": GradientTraits("NVIL"),
    "rloo": GradientTraits("RLOO", min_samples=2),
    "vimco": GradientTraits("VIMCO", min_samples=2),
    "disarm": GradientTraits("DisARM", min_samples=2, sample_multiple=2, supports_autoregressive_q=False),
    "arms": GradientTraits("ARMS", min_samples=2, supports_autoregressive_q=False),
    "muprop": GradientTraits("MuProp", supports_autoregressive_q=False),
    "st-gumbel": GradientTraits("straight-through Gumbel", supports_autoregressive_q=False),
    "rws": GradientTraits("reweighted wake-sleep", uses_learning_signal=False),
    "wake-sleep": GradientTraits("wake-sleep", uses_learning_signal=False),
}


def check_n_samples(gradient: GradientName, n_samples: int) -> None:
    """Check that a gradient estimator can use this number of samples per document.

    Raises:
        ConfigurationError: too few samples, or a number that its groups do not divide.
    """
    traits = GRADIENTS[gradient]
    if n_samples < traits.min_samples:
        raise ConfigurationError(
            f"The gradient {gradient} compares the samples of a document, so n_samples must be at least"
            f" {traits.min_samples}; it is {n_samples}. Increase it, or choose another gradient."
        )
    if n_samples % traits.sample_multiple:
        raise ConfigurationError(
            f"The gradient {gradient} draws samples in groups of {traits.sample_multiple}, and n_samples is"
            f" {n_samples}. Choose {n_samples + traits.sample_multiple - n_samples % traits.sample_multiple}."
        )


def check_posterior(gradient: GradientName, posterior: str) -> None:
    """Check that a gradient estimator can train a recognition network of this kind.

    Raises:
        ConfigurationError: the estimator needs independent units, and these are autoregressive.
    """
    if posterior == "autoregressive" and not GRADIENTS[gradient].supports_autoregressive_q:
        suitable = ", ".join(name for name, traits in GRADIENTS.items() if traits.supports_autoregressive_q)
        raise ConfigurationError(
            f"The gradient {gradient} needs a factorial posterior, and the posterior is autoregressive."
            f" Choose posterior factorial, or one of the gradients {suitable}."
        )
