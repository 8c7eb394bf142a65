"""Settings of training: a recipe, and the values that replace it. Importing them does not import torch."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, ClassVar, Literal

from docnvil.errors import ConfigurationError, counted
from docnvil.model.settings import ModelConfig
from docnvil.runtime.choices import Precision
from docnvil.schema import NamedWords, Setting, check_settings, setting, settings_of
from docnvil.training.gradients import GRADIENTS, GradientName, check_n_samples, check_posterior
from docnvil.training.recipes import MAX_EPOCHS, MIN_EPOCHS, RECIPES, Recipe
from docnvil.training.seed_words import check_seed_words

BaselineKind = Literal["learned", "leave-one-out", "none"]
ESTIMATOR = "Gradient estimator"
NVIL_ONLY = {"gradient": ("nvil",)}
ADAM_ONLY = {"optimizer": ("adam",)}
MAX_RECIPE_HOLDOUT = 0.02  # of the documents, which training needs more: a tenth costs up to 3 % of perplexity


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained; saved as JSON with the model.

    The settings are described where they are declared; losses are sums over the documents of a batch.
    """

    REMOVED: ClassVar[tuple[str, ...]] = ("pooling",)  # settings of earlier versions, which files may contain

    epochs: int = setting(
        40,
        "Common",
        "Passes over the documents, at most",
        minimum=1,
        effective=f"{MIN_EPOCHS} to {MAX_EPOCHS}, by the size of the corpus",
    )
    batch_size: int = setting(100, "Training", "Documents per update", minimum=1)
    n_samples: int = setting(5, "Training", "Samples per document", minimum=1, option="samples")
    optimizer: Literal["adam", "sgd"] = setting("adam", "Training", "Optimizer")
    learning_rate: float = setting(0.01, "Training", "Learning rate of the generative model", above=0)
    recognition_rate: float = setting(
        1.0, "Training", "Recognition learning rate, as a multiple of --learning-rate", above=0
    )
    beta1: float = setting(
        0.9, "Training", "Adam's decay rate of the mean gradient", minimum=0, below=1, only_with=ADAM_ONLY
    )
    beta2: float = setting(
        0.999, "Training", "Adam's decay rate of the mean squared gradient", minimum=0, below=1, only_with=ADAM_ONLY
    )
    schedule: Literal["constant", "cosine"] = setting(
        "cosine", "Training", "Learning rate schedule; cosine decays to zero"
    )
    warmup: float = setting(
        0.0, "Training", "Share of all updates over which the learning rate grows", minimum=0, maximum=1
    )
    start: Literal["random", "clusters"] = setting(
        "clusters", "Training", "Initial weights of the first layer; clusters runs k-means"
    )
    seed_words: NamedWords = setting(
        (),
        "Training",
        "TOML file with names of units and their seed words",
        metavar="FILE",
        only_with={"start": ("clusters",)},
    )
    l1: float = setting(3.0, "Training", "Strength of the Laplace prior on the output weights", minimum=0)
    sparsity: float = setting(
        0.0,
        "Training",
        "Penalty in nats per active unit; larger values give more specific topics",
        minimum=0,
        only_with={"gradient": tuple(name for name, each in GRADIENTS.items() if each.uses_learning_signal)},
    )
    neighbor_codes: float = setting(
        0.0, "Training", "Weight of codes of similar documents in q's gradient; for search", minimum=0
    )
    exclusivity: float = setting(
        0.0,
        "Training",
        "Penalty on words shared by units; larger values give more distinct topics",
        minimum=0,
    )
    sleep: float = setting(0.0, "Training", "Weight of documents sampled from the model in q's gradient", minimum=0)
    weight_decay: float = setting(0.0, "Training", "Weight decay, as a multiple of the learning rate", minimum=0)
    gradient: GradientName = setting("nvil", ESTIMATOR, "Estimator of the recognition gradient; st-gumbel is biased")
    baseline: BaselineKind = setting(
        "leave-one-out", ESTIMATOR, "Baseline of NVIL's learning signal", only_with=NVIL_ONLY
    )
    center: bool = setting(
        True, ESTIMATOR, "Subtract the running mean of the learning signal", only_with=NVIL_ONLY, aliases=("centre",)
    )
    normalize: bool = setting(
        True, ESTIMATOR, "Divide by its standard deviation if above 1", only_with=NVIL_ONLY, aliases=("normalise",)
    )
    local_signals: bool = setting(True, ESTIMATOR, "Give each layer its own learning signal", only_with=NVIL_ONLY)
    patience: int | None = setting(
        None, "Training", "Epochs without a better validation bound before stopping", minimum=1
    )
    validation_samples: int = setting(10, None, "Samples per document for the validation bound", minimum=1)
    precision: Precision = setting(
        "float32", "Machine", "Number type; tf32 (CUDA) and bf16 only for large matrix multiplications"
    )
    seed: int = setting(
        0, "Common", "Random seed; the same seed gives the same model", minimum=0, parameter="random_state"
    )

    def __post_init__(self) -> None:
        check_settings(self)
        check_seed_words(self.seed_words)
        if self.seed_words and self.start != "clusters":
            raise ConfigurationError(
                f"seed_words start units at clusters of documents, and start is {self.start}. Set start to clusters."
            )
        if self.gradient == "nvil" and self.baseline == "leave-one-out" and self.n_samples < 2:
            raise ConfigurationError(
                "The leave-one-out baseline compares the samples of a document, so n_samples must be at least 2."
                " Increase it, or choose the learned baseline."
            )
        check_n_samples(self.gradient, self.n_samples)
        if self.sparsity and not GRADIENTS[self.gradient].uses_learning_signal:
            raise ConfigurationError(
                f"The gradient {self.gradient} trains the recognition network on samples from the model, so sparsity"
                " has no effect. Set sparsity to 0, or choose another gradient."
            )


@dataclass(frozen=True)
class FitConfig:
    """The settings that are neither the network's nor the training's."""

    recipe: str = setting(
        "default", "Common", "Preset values of all other settings", effective="default, or binary for files of bits"
    )
    validation: float | None = setting(
        None,
        "Common",
        "Number or share of documents held out to choose the best epoch",
        is_share=True,
        effective="2 %, but 10 to 500 documents",
    )
    device: str = setting("auto", "Machine", "Device: auto, cpu or cuda", metavar="NAME")


def all_settings() -> dict[str, Setting]:
    """Return every setting of a fit by name, those of the network first."""
    return {**settings_of(ModelConfig), **settings_of(FitConfig), **settings_of(TrainingConfig)}


class Settings:
    """All settings of a fit: a recipe, and the values that replace the recipe's.

    Arguments:
        recipe: the name of a recipe, see `docnvil.training.recipes.RECIPES`.
        values: settings by name, those of `ModelConfig`, `TrainingConfig` and `FitConfig`; None stands for the default.

    Raises:
        ConfigurationError: an unknown name or an impossible value.

    Example:
        >>> settings = Settings("paper", units=(20,), epochs=3)
        >>> settings.training_config(n_documents=1000).batch_size, settings.model_config(500).units
        (20, (20,))
    """

    def __init__(self, recipe: str = "default", **values: Any) -> None:
        if recipe not in RECIPES:
            raise ConfigurationError(f"The recipe {recipe!r} does not exist. Choose one of {', '.join(RECIPES)}.")
        self.recipe_name = recipe
        self.values: Mapping[str, Any] = {name: value for name, value in values.items() if value is not None}
        for name in self.values:
            _require_known(name)
        check_validation(self.validation)
        self._refuse_idle()
        n_units, n_names = self.model_config(1).units[0], len(self.training_config(1).seed_words)
        if n_names > n_units:
            raise ConfigurationError(
                f"There are seed words for {counted(n_names, 'unit')}, and the first layer has {n_units:,}. Increase"
                " units, or give fewer names."
            )

    def __repr__(self) -> str:
        given = "".join(f", {name}={value!r}" for name, value in self.values.items())
        return f"Settings({self.recipe_name!r}{given})"

    @property
    def recipe(self) -> Recipe:
        """The recipe, adapted to the gradient estimator: without what that estimator cannot use."""
        recipe, gradient = RECIPES[self.recipe_name], GRADIENTS.get(self.values.get("gradient", "nvil"))
        if gradient is not None and not gradient.supports_autoregressive_q:
            recipe = replace(recipe, model={**recipe.model, "posterior": "factorial"})
        if gradient is not None and not gradient.uses_learning_signal:
            recipe = replace(recipe, training={**recipe.training, "sparsity": 0.0})
        return recipe

    @property
    def device(self) -> str:
        """The device to train on: "auto", "cpu" or "cuda"."""
        return str(self.values.get("device", "auto"))

    @property
    def seed(self) -> int:
        """The random seed."""
        return int(self.values.get("seed", 0))

    @property
    def validation(self) -> float | int:
        """The documents to hold out: a number (int) or a share (float)."""
        return self.values.get("validation", self.recipe.validation)

    @property
    def max_holdout(self) -> float:
        """The largest share of the documents that may be held out, unless the user chose a number."""
        return 1.0 if "validation" in self.values else MAX_RECIPE_HOLDOUT

    def model_config(self, vocabulary_size: int) -> ModelConfig:
        """Return the network's settings for a vocabulary of this size."""
        config = ModelConfig(vocabulary_size, **{**self.recipe.model, **self._given(ModelConfig)})
        check_posterior(self.values.get("gradient", "nvil"), config.posterior)
        return config

    def training_config(self, n_documents: int) -> TrainingConfig:
        """Return the training's settings for this number of training documents, which determines the epochs."""
        config = TrainingConfig(**{**self.recipe.training, **self._given(TrainingConfig)})
        if "epochs" in self.values:
            return config
        return replace(config, epochs=self.recipe.epochs(n_documents, config.batch_size))

    def source_of(self, name: str) -> str:
        """Return where the value of a setting comes from: "chosen", "recipe" or "default"."""
        if name in self.values:
            return "chosen"
        recipe = self.recipe
        from_recipe = {"recipe", "epochs", "validation", *recipe.model, *recipe.training}
        return "recipe" if name in from_recipe else "default"

    def _given(self, declaration: type) -> dict[str, Any]:
        return {name: value for name, value in self.values.items() if name in settings_of(declaration)}

    def _refuse_idle(self) -> None:
        """Refuse settings that have no effect together with the others that were chosen."""
        declared = all_settings()
        for other in ("gradient", "observation", "prior", "optimizer"):
            in_recipe = {**self.recipe.model, **self.recipe.training}.get(other, declared[other].default)
            actual = self.values.get(other, in_recipe)
            idle = [name for name in self.values if actual not in declared[name].only_with.get(other, (actual,))]
            idle = [name for name in idle if self.values[name] is False or self.values[name] != 0]
            if idle and actual in declared[other].choices:
                allowed = " or ".join(declared[idle[0]].only_with[other])
                raise ConfigurationError(
                    f"{', '.join(idle)} can be chosen only with {other} {allowed}, and {other} is {actual}."
                    f" Leave out {idle[-1]}, or change {other}."
                )


def _require_known(name: str) -> None:
    if name in all_settings() and name not in ("vocabulary_size", "recipe"):
        return
    close = difflib.get_close_matches(name, all_settings(), n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]!r}?" if close else " `docnvil recipes default` lists all settings."
    raise ConfigurationError(f"The setting {name!r} does not exist.{hint}")


def check_validation(validation: float | int) -> None:
    """Check a number of documents to hold out (int), or a share of them (float).

    Raises:
        ConfigurationError: it is negative, or a share of 1 or more.
    """
    whole = isinstance(validation, Integral) and not isinstance(validation, bool)
    if not (validation >= 0 and (whole or validation < 1)):
        raise ConfigurationError(f"validation is {validation}. Give a number of documents, or a share below 1.")
