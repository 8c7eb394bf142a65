"""Named settings of model and training: what `--recipe` chooses, and what each number is for."""

import math
from dataclasses import dataclass, field
from typing import Any

from docnvil.errors import ConfigurationError

FEWEST_EPOCHS, MOST_EPOCHS = 5, 100


@dataclass(frozen=True)
class Recipe:
    """Settings to start from; whatever the user sets by hand comes on top.

    Arguments:
        summary: one line for the help text.
        model: fields of `ModelConfig`. training: fields of `TrainingConfig`.
        validation: documents held out to choose the best epoch, as a share or a number; less of a small corpus.
        updates: parameter updates after which more bring little, if epochs are to follow from the corpus's size.
    """

    summary: str
    model: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    # A choice between epochs needs no more, and what is held out is not learned from.
    validation: float | int = 500
    updates: int | None = None

    def epochs(self, n_documents: int, batch_size: int) -> int:
        """Return how often to go through a corpus: 100 times a small one, 5 times at least a large one.

        Example:
            >>> [recipe("default").epochs(n_documents, batch_size=100) for n_documents in (500, 10_000, 800_000)]
            [100, 40, 5]
        """
        if self.updates is None:
            return int(self.training["epochs"])
        return min(MOST_EPOCHS, max(FEWEST_EPOCHS, math.ceil(self.updates * batch_size / max(1, n_documents))))


DEFAULT = Recipe(
    "NVIL with several samples, a leave-one-out baseline and Adam: minutes on a laptop, readable units",
    model={
        "prior": "autoregressive",
        "posterior": "autoregressive",
        "observation": "dirichlet-multinomial",
        "recognition_input": "counts",
        "start_logit": -3.0,
        "weight_scale": 0.01,
    },
    training={
        "batch_size": 100,
        "n_samples": 5,
        "optimizer": "adam",
        "learning_rate": 0.01,
        "schedule": "cosine",
        "start": "clusters",
        "l1": 3.0,
        "sparsity": 1.0,  # readable units for a fiftieth of the perplexity, see docs/evaluation.md
        "baseline": "leave-one-out",
    },
    updates=4000,
)

RECIPES: dict[str, Recipe] = {
    "default": DEFAULT,
    "best": Recipe(
        "the default with units that cost nothing: the lowest perplexity, codes that are denser and harder to read",
        model=DEFAULT.model,
        training={**DEFAULT.training, "sparsity": 0.0},
        updates=4000,
    ),
    "binary": Recipe(
        "for binary vectors, images for instance: the default without what only words need",
        model={
            "observation": "bernoulli",
            "recognition_input": "centered",  # essential for images, say Mnih & Gregor (2014), section 4.1
            "start_logit": -4.0,
            "weight_scale": 0.01,
        },
        training={
            "batch_size": 100,
            "n_samples": 5,
            "optimizer": "adam",
            "learning_rate": 0.01,  # 0.02 leads for six epochs and ends behind: an fDARN at 98.5 nats, not 93.6
            "schedule": "cosine",
            "start": "random",
            "l1": 0.0,
            "baseline": "leave-one-out",
        },
        updates=30_000,
    ),
    "paper": Recipe(
        "the protocol of Mnih & Gregor (2014): SGD, minibatches of 20, one sample, learned baseline, early stopping",
        model={"recognition_input": "counts", "start_logit": 0.0, "weight_scale": 0.01},
        training={
            "epochs": 2000,
            "batch_size": 20,
            "n_samples": 1,
            "optimizer": "sgd",
            "learning_rate": 3e-5,  # the paper's rate for 20 Newsgroups; 1e-3 for RCV1
            "recognition_rate": 0.2,
            "schedule": "constant",
            "start": "random",
            "l1": 0.0,
            "baseline": "learned",
            "patience": 100,
            "validation_samples": 10,
        },
        validation=100,
    ),
}


def recipe(name: str) -> Recipe:
    """Return the recipe of this name.

    Raises:
        ConfigurationError: there is none.

    Example:
        >>> recipe("paper").training["batch_size"]
        20
    """
    try:
        return RECIPES[name]
    except KeyError:
        raise ConfigurationError(f"There is no recipe {name!r}. Choose one of {', '.join(RECIPES)}.") from None
