"""Settings of a belief network: its shape and its starting point. Importing them does not import torch."""

from dataclasses import MISSING, dataclass
from typing import Literal

from docnvil.errors import ConfigurationError
from docnvil.schema import check_settings, setting

Dependence = Literal["factorial", "autoregressive"]
PriorKind = Literal["factorial", "autoregressive", "mixture", "uniform"]
InputTransform = Literal["counts", "log1p", "centered"]
Observation = Literal["softmax", "dirichlet-multinomial", "bernoulli", "autoregressive-bernoulli"]


@dataclass(frozen=True)
class ModelConfig:
    """Shape and starting point of a belief network; saved as JSON with the model.

    The settings are described where they are declared; V is the vocabulary size.

    Example:
        >>> ModelConfig(2000, units=(200, 50)).units  # 50 units on top of 200
        (200, 50)
    """

    vocabulary_size: int = setting(MISSING, None, "Words in the vocabulary, or bits of a vector", aliases=("n_words",))
    units: tuple[int, ...] = setting(
        (50,),
        "Common",
        "Binary units; 200,50 makes two layers, the first next to the words",
        minimum=1,
        metavar="K|K,K...",
        parameter="n_components",
    )
    prior: PriorKind = setting(
        "factorial", "Model", "Deepest layer: independent, autoregressive (fDARN), mixture, or fixed uniform units"
    )
    posterior: Dependence = setting("factorial", "Model", "Dependence among the units of each recognition layer")
    observation: Observation = setting(
        "softmax", "Model", "Output layer: words (the first two) or bits of binary vectors"
    )
    recognition_input: InputTransform = setting(
        "counts",
        "Model",
        "Input of the recognition network: counts, their logarithms, or centered counts",
        value_aliases={"centred": "centered"},
    )
    recognition_hidden: tuple[int, ...] = setting(
        (), "Model", "Sizes of tanh layers between the words and the first units", minimum=1, metavar="H|H,H..."
    )
    start_logit: float = setting(0.0, None, "Initial bias of the units; below 0, few are active at first")
    weight_scale: float = setting(0.01, None, "Standard deviation of the initial weights", minimum=0)
    themes: int = setting(
        50,
        "Model",
        "Components of a mixture prior; each document gets one as its theme",
        minimum=1,
        only_with={"prior": ("mixture",)},
        parameter="n_themes",
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if not self.units:
            raise ConfigurationError("units is empty. Give the number of units of at least one layer.")
        if self.vocabulary_size < 1:
            raise ConfigurationError("A model needs at least one word. Build the vocabulary from documents with words.")
